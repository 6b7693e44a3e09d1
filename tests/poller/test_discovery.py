"""A configuration is proposed for what is found on a bus, and it reads what is there."""

from __future__ import annotations

from mbusbench import MBusMaster, VirtualBus
from mbusbench.clock import run
from mbusbench.definition.document import parse_document
from mbusbench.meter.meter import Meter
from mbusbench.poller.definition import PollerFile
from mbusbench.poller.discovery import Discovered, discover, name_from, proposal
from mbusbench.poller.poller import Poller
from mbusbench.poller.redundancy import Channel
from mbusbench.sinks.reading import Quality
from tests.poller.bench import Kept, source_of
from tests.poller.meters import TWO_TELEGRAMS, device, meter

URL = "socket://10.0.0.5:10001"


def found_on(bus: VirtualBus, told: list[str] | None = None) -> list[Discovered]:
    async def look() -> list[Discovered]:
        async with MBusMaster(bus) as master:
            return await discover(master, progress=(told if told is not None else []).append)

    return run(look())


def proposed(bus: VirtualBus) -> PollerFile:
    return PollerFile.from_document(parse_document(proposal(URL, found_on(bus)), "proposed.yaml"))


def test_meters_are_found_by_primary_address_and_those_without_one_by_their_secondary() -> None:
    unconfigured = [Meter(device(), address=0, identification=f"9000000{number}") for number in (1, 2)]
    file = proposed(VirtualBus([meter(5), meter(250, TWO_TELEGRAMS), *unconfigured]))
    (connection,) = file.connections
    assert (connection.name, connection.type, connection.host, connection.port) == (
        "10-0-0-5",
        "tcp",
        "10.0.0.5",
        10001,
    )
    assert [each.address for each in connection.meters] == [5, 250, "9000000143041004", "9000000243041004"]
    assert connection.meters[0].name == "ABC-12345605-10-04"


def test_two_meters_with_one_primary_address_are_found_by_their_secondary_ones() -> None:
    told: list[str] = []
    twins = [Meter(device(), address=7, identification=f"9000000{number}") for number in (1, 2)]
    found = found_on(VirtualBus(twins), told)
    assert [each.address for each in found] == ["9000000143041004", "9000000243041004"]
    assert any("more than one slave" in line for line in told)


def test_proposed_bindings_read_every_value_that_the_meter_has() -> None:
    bus = VirtualBus([meter(5), meter(6, TWO_TELEGRAMS)])
    file = proposed(bus)
    assert [binding.name for binding in file.connections[0].meters[1].bindings] == [
        "energy",
        "energy_storage1",
        "volume",
        "power_maximum",
        "power",
    ]
    kept = Kept()
    poller = Poller(file, kept.keep, source_of=source_of({("10-0-0-5", Channel.MAIN): bus}))
    run(poller.once())
    values = [value for reading in kept.readings for value in reading.values]
    assert len(values) == 9
    assert all(value.quality is Quality.GOOD for value in values)
    assert {value.tag: value.value for value in kept.readings[1].values}["power_maximum"] == 4200


def test_every_shipped_meter_is_proposed_with_bindings_that_read_it() -> None:
    from mbusbench.meter import catalogue

    names = [name for name in catalogue.names() if name.startswith(("generic/", "kamstrup/", "itron/"))]
    bus = VirtualBus.from_devices(names)
    file = proposed(bus)
    kept = Kept()
    poller = Poller(file, kept.keep, source_of=source_of({("10-0-0-5", Channel.MAIN): bus}))
    run(poller.once())
    bad = [
        (reading.meter, value.tag, value.reason)
        for reading in kept.readings
        for value in reading.values
        if value.quality is not Quality.GOOD
    ]
    assert not bad
    assert sum(len(reading.values) for reading in kept.readings) > 5 * len(kept.readings)


def test_connection_is_named_by_its_host_or_device() -> None:
    assert name_from("/dev/ttyUSB0") == "ttyUSB0"
    assert name_from("rfc2217://gateway.example:7") == "gateway-example"
    assert name_from("socket://[fe80::1]:7") == "fe80-1"
