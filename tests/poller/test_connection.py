"""Connections in virtual time, over buses that fail: what is read, what is changed over, and what is given on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mbusbench import MBusMaster, VirtualBus
from mbusbench.clock import run
from mbusbench.definition.document import parse_document
from mbusbench.errors import MBusApplicationError, MBusConnectionError, MBusError, MBusRefusedError, MBusUsageError
from mbusbench.master.results import MBusSlaveData
from mbusbench.meter.definition import Device
from mbusbench.meter.meter import Meter
from mbusbench.poller.poller import Poller
from mbusbench.poller.redundancy import Channel
from mbusbench.sinks.reading import Quality, Reading
from mbusbench.trace.event import CLOSED, OPENED, Kind, TraceEvent
from tests.poller.bench import Gate, Kept, configuration, connection, source_of, with_backup
from tests.poller.meters import HEAD, HEAT, TWO_TELEGRAMS, WRITABLE, bus, device, identity

MINUTE = 60.0


class Scene:
    """A poller over one bus with two gates to it, and what it kept."""

    def __init__(self, meters: list[Any], *, on_bus: list[int] | None = None, telegrams: str = "", **more: Any) -> None:
        addresses = [each["address"] if isinstance(each, dict) else each for each in meters]
        self.bus = bus(on_bus if on_bus is not None else addresses, **({"telegrams": telegrams} if telegrams else {}))
        self.main, self.backup = Gate(self.bus), Gate(self.bus)
        self.kept = Kept()
        more.setdefault("period", "1min")
        more.setdefault("jitter", "0s")
        self.poller = Poller(
            configuration(connection("a", meters, **more)),
            self.kept.keep,
            source_of=source_of({("a", Channel.MAIN): self.main, ("a", Channel.BACKUP): self.backup}),
        )

    def play(self, script: Callable[[], Awaitable[None]]) -> None:
        """Poll while the script runs."""

        async def main() -> None:
            polling = asyncio.create_task(self.poller.run())
            await asyncio.sleep(0)
            try:
                await script()
            finally:
                self.poller.stop()
                await polling

        run(main())

    def wait(self, seconds: float) -> None:
        self.play(lambda: asyncio.sleep(seconds))

    @property
    def connection(self) -> Any:
        return self.poller.connection("a")

    @property
    def channel(self) -> Channel:
        return self.poller._memories["a"].redundancy.channel


def minute(reading: Reading) -> int:
    """That of the slot that it is for."""
    return int(reading.key[-6:-4])


def redundant(**more: Any) -> dict[str, Any]:
    return with_backup("a", **more)


def test_each_meter_is_read_once_in_each_slot_and_its_readings_are_in_order() -> None:
    scene = Scene([1, 2, 3])
    scene.wait(9.5 * MINUTE)
    for address in (1, 2, 3):
        keys = [reading.key for reading in scene.kept.of(identity(address))]
        assert keys == [f"a/{identity(address)}/2024-01-01T00:{minute:02}:00Z" for minute in range(10)]


def test_one_readout_serves_all_bindings_of_a_meter() -> None:
    bindings = [{"name": "Energy", "quantity": "energy"}, {"name": "Volume", "telegram": 1, "index": 0}]
    scene = Scene([{"address": 1, "bindings": bindings}], telegrams=TWO_TELEGRAMS)
    requests: list[TraceEvent] = []
    scene.bus.trace = lambda event: requests.append(event) if event.kind is Kind.MASTER else None
    scene.wait(30)
    (reading,) = scene.kept.readings
    assert [(value.tag, value.value) for value in reading.values] == [("Energy", 125), ("Volume", 17.25)]
    assert len(requests) == 3


def test_meter_that_does_not_answer_has_a_bad_reading_that_says_why() -> None:
    scene = Scene([1, {"address": 7, "name": "attic", "bindings": [{"name": "Energy", "index": 1}]}], on_bus=[1])
    scene.wait(30)
    (reading,) = scene.kept.of("attic")
    assert reading.quality is Quality.BAD
    assert reading.reason is not None
    assert "did not answer" in reading.reason
    (value,) = reading.values
    assert (value.tag, value.quality, value.value) == ("Energy", Quality.BAD, None)


def test_meter_keeps_the_name_that_it_told_when_it_does_not_answer_any_more() -> None:
    scene = Scene([1, 2])

    async def script() -> None:
        await asyncio.sleep(30)
        scene.bus.remove_meter(2)
        await asyncio.sleep(60)

    scene.play(script)
    assert [reading.quality for reading in scene.kept.of(identity(2))] == [Quality.GOOD, Quality.BAD]


def test_minimum_period_of_a_meter_is_kept() -> None:
    scene = Scene([1, {"address": 2, "minimum_period": "5min"}])
    scene.wait(10.5 * MINUTE)
    assert len(scene.kept.of(identity(1))) == 11
    assert [minute(reading) for reading in scene.kept.of(identity(2))] == [0, 5, 10]


def test_connection_or_meter_that_is_not_enabled_is_left_alone() -> None:
    assert Scene([1, {"address": 2, "enabled": False}]).poller.definition.complete[0].enabled
    scene = Scene([1], enabled=False)
    scene.wait(5 * MINUTE)
    assert (scene.kept.readings, scene.main.attempts) == ([], 0)
    scene = Scene([1, {"address": 2, "enabled": False}])
    scene.wait(30)
    assert [reading.meter for reading in scene.kept.readings] == [identity(1)]


def test_stopped_connection_closes_the_bus_and_goes_on_when_it_runs_again() -> None:
    scene = Scene([1])

    async def script() -> None:
        await asyncio.sleep(90)
        await scene.connection.set_running(False)
        assert scene.bus.port_count == 0
        await asyncio.sleep(120)
        await scene.connection.set_running(True)
        await asyncio.sleep(60)

    scene.play(script)
    assert [minute(reading) for reading in scene.kept.readings] == [0, 1, 3, 4]


@pytest.mark.parametrize("errors", [1, 2, 3, 5])
@pytest.mark.parametrize("failure", ["refused", "muted"])
def test_backup_is_taken_after_so_many_errors_and_no_reading_is_lost(errors: int, failure: str) -> None:
    scene = Scene([1, 2, 3, 4], redundancy=redundant(errors=errors))

    async def script() -> None:
        await asyncio.sleep(90)
        setattr(scene.main, failure, True)
        scene.main.cut()
        await asyncio.sleep(120)

    scene.play(script)
    (change,) = scene.poller._memories["a"].redundancy.log
    assert change[1:] == ("backup", errors)
    for address in (1, 2, 3, 4):
        readings = scene.kept.of(identity(address))
        assert [reading.quality for reading in readings] == [Quality.GOOD] * 4
        assert len({reading.key for reading in readings}) == 4


def test_connection_lost_in_the_middle_of_a_readout_costs_no_reading() -> None:
    scene = Scene([1, 2, 3], redundancy=redundant(errors=2))
    scene.bus.set_speed(1)

    async def script() -> None:
        await asyncio.sleep(60.2)
        scene.main.refused = True
        scene.main.cut()
        await asyncio.sleep(50)

    scene.play(script)
    assert scene.channel is Channel.BACKUP
    assert [len(scene.kept.of(identity(address))) for address in (1, 2, 3)] == [2, 2, 2]
    assert all(reading.quality is Quality.GOOD for reading in scene.kept.readings)


def test_meters_that_are_gone_do_not_change_the_channel() -> None:
    scene = Scene([1, 2, 3, 4, 5, 6], on_bus=[1, 6], redundancy=redundant(errors=2))
    scene.wait(5.5 * MINUTE)
    assert scene.backup.attempts == 0
    assert scene.channel is Channel.MAIN
    assert len(scene.kept.of(identity(1))) == len(scene.kept.of(identity(6))) == 6
    assert [len(scene.kept.of(str(address))) for address in (2, 3, 4, 5)] == [6] * 4


@pytest.mark.parametrize("errors", [1, 2, 3])
@pytest.mark.parametrize("gone", [[1], [1, 2, 3], [1, 2, 3, 4, 5, 7]])
def test_meters_that_were_never_there_keep_no_other_from_being_read(errors: int, gone: list[int]) -> None:
    meters = list(range(1, 9))
    there = [address for address in meters if address not in gone]
    scene = Scene(meters, on_bus=there, redundancy=redundant(errors=errors))
    scene.wait(3.5 * MINUTE)
    assert [len(scene.kept.of(identity(address))) for address in there] == [4] * len(there)
    assert [len(scene.kept.of(str(address))) for address in gone] == [4] * len(gone)
    assert len(scene.kept.readings) == 4 * len(meters)


def test_witness_that_is_gone_itself_keeps_no_other_from_being_read() -> None:
    scene = Scene([1, 2, 3, 4, 5], redundancy=redundant(errors=2))

    async def script() -> None:
        await asyncio.sleep(30)
        for address in (5, 4, 3):
            scene.bus.remove_meter(address)
        await asyncio.sleep(180)

    scene.play(script)
    for address in (1, 2):
        assert [reading.quality for reading in scene.kept.of(identity(address))] == [Quality.GOOD] * 4
    for address in (3, 4, 5):
        assert [reading.quality for reading in scene.kept.of(identity(address))] == [Quality.GOOD] + [Quality.BAD] * 3


def test_single_meter_proves_the_channel_by_itself() -> None:
    scene = Scene([1], redundancy=redundant(errors=3))

    async def script() -> None:
        await asyncio.sleep(90)
        scene.main.muted = True
        await asyncio.sleep(60)

    scene.play(script)
    assert scene.channel is Channel.BACKUP
    assert [reading.quality for reading in scene.kept.readings] == [Quality.GOOD] * 3


def test_main_channel_is_taken_again_when_it_is_well_and_not_before() -> None:
    scene = Scene([1, 2], period="10min", redundancy=redundant(errors=1, probe="2min"))

    async def script() -> None:
        await asyncio.sleep(60)
        scene.main.refused = True
        scene.main.cut()
        await asyncio.sleep(10 * MINUTE)
        assert scene.channel is Channel.BACKUP
        await asyncio.sleep(5 * MINUTE)
        assert scene.channel is Channel.BACKUP
        scene.main.refused = False
        await asyncio.sleep(2.1 * MINUTE)
        assert scene.channel is Channel.MAIN

    scene.play(script)
    assert all(reading.quality is Quality.GOOD for reading in scene.kept.readings)


def test_main_channel_that_opens_and_brings_no_answer_is_not_well() -> None:
    scene = Scene([1, 2], redundancy=redundant(errors=1, probe="1min"))

    async def script() -> None:
        await asyncio.sleep(30)
        scene.main.muted = True
        await asyncio.sleep(5 * MINUTE)

    scene.play(script)
    assert scene.channel is Channel.BACKUP
    assert scene.main.attempts > 4
    assert all(reading.quality is Quality.GOOD for reading in scene.kept.readings)


def test_where_both_channels_fail_each_meter_has_one_bad_reading_and_is_read_when_one_is_back() -> None:
    scene = Scene([1, 2, 3], redundancy=redundant(errors=2))

    async def script() -> None:
        await asyncio.sleep(90)
        for gate in (scene.main, scene.backup):
            gate.refused = True
            gate.cut()
        await asyncio.sleep(60)
        scene.backup.refused = False
        await asyncio.sleep(60)

    scene.play(script)
    for address in (1, 2, 3):
        found = [reading.quality for reading in scene.kept.of(identity(address))]
        assert found == [Quality.GOOD, Quality.GOOD, Quality.BAD, Quality.GOOD]


def test_never_are_two_channels_open_and_no_request_follows_the_other_channels_within_its_answer() -> None:
    scene = Scene([1, 2, 3], redundancy=redundant(errors=2, probe="30s"))
    scene.bus.set_speed(1)
    events: list[TraceEvent] = []
    scene.bus.trace = events.append

    async def script() -> None:
        for gate, failure in [(scene.main, "refused"), (scene.backup, "muted"), (scene.main, "muted")] * 3:
            await asyncio.sleep(77.7)
            setattr(gate, failure, True)
            gate.cut()
            await asyncio.sleep(77.7)
            setattr(gate, failure, False)

    scene.play(script)
    open_ports: set[int | None] = set()
    last: dict[int | None, int] = {}
    changes = 0
    for event in events:
        if event.kind is Kind.NOTE and event.cause[0] == OPENED:
            open_ports.add(event.port)
            assert len(open_ports) == 1
        elif event.kind is Kind.NOTE and event.cause[0] == CLOSED:
            open_ports.discard(event.port)
        elif event.kind is Kind.MASTER:
            others = [end for port, end in last.items() if port != event.port]
            changes += bool(others) and event.port not in last
            assert all(event.time - end > 1_000_000_000 for end in others)
            last[event.port] = event.end
    assert changes >= 6


def test_without_a_backup_the_rest_is_not_asked_for_once_the_bus_is_down() -> None:
    scene = Scene(list(range(1, 11)))

    async def script() -> None:
        scene.main.refused = True
        await asyncio.sleep(30)
        assert scene.main.attempts == 3
        scene.main.refused = False
        await asyncio.sleep(60)

    scene.play(script)
    assert [reading.quality for reading in scene.kept.readings] == [Quality.BAD] * 10 + [Quality.GOOD] * 10


def test_slow_bus_delays_no_other() -> None:
    slow, fast = bus(range(1, 101), speed=1), bus([1])
    kept = Kept()
    poller = Poller(
        configuration(
            connection("slow", range(1, 101), period="10s", jitter="0s"),
            connection("fast", [1], period="10s", jitter="0s"),
        ),
        kept.keep,
        source_of=source_of({("slow", Channel.MAIN): slow, ("fast", Channel.MAIN): fast}),
    )

    async def main() -> None:
        polling = asyncio.create_task(poller.run())
        await asyncio.sleep(95)
        poller.stop()
        await polling

    run(main())
    assert sum(reading.connection == "fast" for reading in kept.readings) == 10
    assert poller._memories["slow"].counters["missed"] > 3
    assert len({reading.key for reading in kept.readings}) == len(kept.readings)


WRITTEN = [
    {"name": "E", "tag": "E", "access": "RW", "quantity": "energy", "unit": "MWh"},
    {"name": "T", "tag": "T", "access": "RW", "index": 1},
    {"name": "V", "tag": "V", "access": "RW", "quantity": "volume"},
    {"name": "R", "tag": "R", "index": 2},
]


def test_value_that_is_set_is_sent_and_read_back() -> None:
    scene = Scene([{"address": 1, "bindings": WRITTEN}], telegrams=WRITABLE)

    async def script() -> None:
        await asyncio.sleep(30)
        reading = await scene.poller.write("E", 0.25)
        assert {value.tag: value.value for value in reading.values} == {"E": 0.25, "T": 71.5, "V": 17.25, "R": 17.25}
        await scene.poller.write("T", 65.04)
        await asyncio.sleep(60)

    scene.play(script)
    assert scene.kept.values("E") == [0.125, 0.25, 0.25, 0.25]
    assert scene.kept.values("T") == [71.5, 71.5, 65, 65]
    assert len({reading.key for reading in scene.kept.readings}) == 4


@pytest.mark.parametrize(
    ("tag", "error", "told"),
    [
        ("V", MBusApplicationError, "access violation"),
        ("W", MBusRefusedError, "W: the meter acknowledged 20, and has 17.25"),
    ],
)
def test_value_that_the_meter_does_not_take_is_told(tag: str, error: type[MBusError], told: str) -> None:
    elsewhere = {"name": "W", "tag": "W", "access": "RW", "index": 2, "write": {"dib": "04", "vib": "06"}}
    scene = Scene([{"address": 1, "bindings": [*WRITTEN, elsewhere]}], telegrams=WRITABLE)

    async def script() -> None:
        await asyncio.sleep(30)
        with pytest.raises(error, match=told):
            await scene.poller.write(tag, 20)

    scene.play(script)


@pytest.mark.parametrize(
    ("tag", "value", "told"),
    [
        ("R", 1, "R is only read"),
        ("X", 1, "there is no tag 'X'"),
        ("E", "many", "a binary field takes a whole number"),
        ("E", 10**12, "does not fit"),
    ],
)
def test_value_that_cannot_be_written_is_told_before_it_is_sent(tag: str, value: Any, told: str) -> None:
    scene = Scene([{"address": 1, "bindings": WRITTEN}], telegrams=WRITABLE)

    async def script() -> None:
        await asyncio.sleep(30)
        with pytest.raises(MBusUsageError, match=told):
            await scene.poller.write(tag, value)

    scene.play(script)
    assert len(scene.kept.readings) == 1


def test_readings_within_the_deadband_are_not_given_on() -> None:
    bindings = [{"name": "E", "tag": "E", "quantity": "energy", "deadband": 5}]
    scene = Scene([{"address": 1, "bindings": bindings}], telegrams=WRITABLE)
    scene.wait(5.5 * MINUTE)
    assert scene.kept.values("E") == [125]


KEY = "000102030405060708090A0B0C0D0E0F"


def encrypted_bus() -> VirtualBus:
    text = (HEAD + HEAT).replace("medium: heat,", f'medium: heat, security: 5, key: "{KEY}",')
    return VirtualBus([Meter(Device.from_document(parse_document(text, "meter.yaml")), address=1)])


@pytest.mark.parametrize("key", [{"key": KEY}, {"key": {"env": "METER_KEY"}}, {"key_env": "METER_KEY"}])
def test_key_of_a_meter_opens_its_telegrams(key: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METER_KEY", KEY)
    scene = Scene([{"address": 1, "bindings": [{"name": "E", "index": 1}], **key}])
    scene.main.bus = encrypted_bus()
    scene.wait(30)
    assert scene.kept.values("E") == [125]
    assert KEY not in repr(scene.poller.definition)


def test_meter_without_its_key_is_bad_and_says_why() -> None:
    scene = Scene([{"address": 1, "bindings": [{"name": "E", "index": 1}]}])
    scene.main.bus = encrypted_bus()
    scene.wait(30)
    (reading,) = scene.kept.readings
    assert reading.quality is Quality.BAD
    assert "encrypted" in str(reading.reason)


def test_meter_that_was_exchanged_is_read_under_its_own_name_and_that_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene([{"address": 1, "bindings": [{"name": "E", "quantity": "energy"}]}])

    async def script() -> None:
        await asyncio.sleep(30)
        scene.bus.replace_meter(1, Meter(device(WRITABLE), address=1, identification="99999999"))
        await asyncio.sleep(60)

    scene.play(script)
    assert [reading.meter for reading in scene.kept.readings] == [identity(1), "ABC-99999999-10-04"]
    assert scene.kept.values("E") == [125, 125]
    assert f"1 is now ABC-99999999-10-04, and was {identity(1)}" in caplog.text


@pytest.mark.parametrize(
    ("change", "quality", "reason"),
    [
        ({"stale": True}, Quality.STALE, "the meter sent an old telegram again"),
        ({"partial": True}, Quality.GOOD, "the telegram could be read only in part"),
        ({"encrypted": True}, Quality.BAD, "the telegram is encrypted, and there is no key for it"),
    ],
)
@pytest.mark.parametrize("bound", [True, False])
def test_readout_that_is_not_what_it_should_be_says_so(
    change: dict[str, bool], quality: Quality, reason: str, bound: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = MBusMaster.query

    async def changed(self: MBusMaster, address: Any) -> MBusSlaveData:
        return (await query(self, address)).model_copy(update=change)

    monkeypatch.setattr(MBusMaster, "query", changed)
    scene = Scene([{"address": 1, "bindings": [{"name": "E", "quantity": "energy"}] if bound else []}])
    scene.wait(30)
    (reading,) = scene.kept.readings
    assert (reading.quality, reading.reason) == (quality, reason)
    assert all(value.quality is (Quality.STALE if "stale" in change else Quality.GOOD) for value in reading.values)


def test_tag_that_several_meters_have_is_written_with_the_names_before_it() -> None:
    meters = [{"address": address, "name": f"flat {address}", "bindings": WRITTEN[:1]} for address in (1, 2)]
    scene = Scene(meters, telegrams=WRITABLE)

    async def script() -> None:
        await asyncio.sleep(30)
        with pytest.raises(MBusUsageError, match="2 meters have a tag 'E': write a/flat 1/E"):
            await scene.poller.write("E", 1)
        await scene.poller.write("a/flat 2/E", 1)

    scene.play(script)
    assert [reading.name for reading in scene.kept.readings] == ["flat 1", "flat 2", "flat 2"]


def test_write_over_a_bus_that_is_lost_says_so_and_the_next_reading_goes_on() -> None:
    scene = Scene([{"address": 1, "bindings": WRITTEN}], telegrams=WRITABLE)

    async def script() -> None:
        await asyncio.sleep(30)
        scene.main.refused = True
        scene.main.cut()
        with pytest.raises(MBusConnectionError):
            await scene.poller.write("E", 1)
        scene.main.refused = False
        await asyncio.sleep(60)

    scene.play(script)
    assert scene.kept.values("E") == [0.125, 0.125]
