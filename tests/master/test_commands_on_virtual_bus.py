"""Commands of MBusMaster against the package's own slaves, whatever they make of the frame count bit. Virtual time."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mbusbench.bus import VirtualBus
from mbusbench.errors import MBusApplicationError, MBusRefusedError
from mbusbench.master import MBusMaster
from mbusbench.master.results import MBusSlaveInfo

pytestmark = pytest.mark.virtual_time

DEVICE = """
format: 1
device: {manufacturer: HYD, version: 0x28, medium: water, id: "12345678", address: 5, baud: [300, 2400, 9600]}
alarms:
  - {state: 0x04, from: 0s}
telegrams:
  - records:
      - {name: litres, vif: volume, unit: m3, scale: -3, code: int32, value: {counter: {start: 1, rate: 0}},
         writable: true}
      - {vif: datetime, code: int32, value: {clock: now}}
"""
BEHAVIOURS = [
    "{}",
    "{fcb_services: single}",
    "{fcb_services: requests}",
    "{fcb_services: single, fcb_paths: shared, repeat: refreshed}",
    "{acknowledgement: short_frame}",
    "{selected_reset: silence, reply_address: 0}",
    "{selected_reply_address: 253}",
]
SECONDARY = "1234567824232807"


@pytest.fixture(params=BEHAVIOURS)
def behaviour(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def bus(behaviour: str, tmp_path: Path) -> VirtualBus:
    (tmp_path / "device.yaml").write_text(f"{DEVICE}behaviour: {behaviour}\n", encoding="utf-8")
    path = tmp_path / "bus.yaml"
    path.write_text(
        "format: 1\nspeed: real\nmeters:\n"
        "  - {device: device.yaml, address: 5}\n"
        "  - {device: device.yaml, address: 6, id: 22345678}\n",
        encoding="utf-8",
    )
    return VirtualBus.from_yaml(path)


def targets(behaviour: str) -> list[int | str]:
    return [SECONDARY] if "reply_address: 0" in behaviour else [5, SECONDARY]


async def litres(master: MBusMaster, target: int | str) -> int:
    record = (await master.query(target)).get_record("volume")
    assert record is not None
    assert isinstance(record.value, int | float)
    return round(record.value * 1000)


async def test_writes_are_executed_exactly_once(bus: VirtualBus, behaviour: str) -> None:
    async with MBusMaster(bus) as master:
        for target in targets(behaviour):
            before = await litres(master, target)
            await master.send(target, "51 04 93 01 0A 00 00 00", "51 04 93 01 0A 00 00 00")
            await master.send(target, "51 04 93 01 0A 00 00 00")
            assert await litres(master, target) == before + 30
        assert await litres(master, "2234567824232807") == 1000


async def test_address_moves_there_and_back(bus: VirtualBus, behaviour: str) -> None:
    if "reply_address: 0" in behaviour:
        pytest.skip("a meter that answers from another address cannot be verified at its own")
    async with MBusMaster(bus) as master:
        info = await master.set_primary_address(5, 9)
        assert (info.address, info.serial_number) == (9, "12345678")
        assert (await master.set_primary_address(SECONDARY, 5)).serial_number == "12345678"
        with pytest.raises(MBusRefusedError):
            await master.set_primary_address(5, 6)
    assert [meter.address for meter in bus.meters] == [5, 6]


async def test_baud_rate_goes_up_and_down(bus: VirtualBus, behaviour: str) -> None:
    async with MBusMaster(bus) as master:
        for target in targets(behaviour):
            await master.set_baud_rate(target, 9600)
            assert await litres(master, target) == 1000
            assert isinstance((await master.query(6 if target == 5 else "2234567824232807")).serial_number, str)
            await master.set_baud_rate(target, 2400)
            assert await litres(master, target) == 1000


async def test_baud_rate_is_found(bus: VirtualBus, behaviour: str) -> None:
    target = targets(behaviour)[0]
    async with MBusMaster(bus) as master:
        await master.set_baud_rate(target, 300)
    async with MBusMaster(bus) as master:
        assert await master.find_baudrate(target) == 300
        assert await litres(master, target) == 1000


async def test_baud_rate_that_the_meter_does_not_have_is_refused(bus: VirtualBus, behaviour: str) -> None:
    target = targets(behaviour)[0]
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusRefusedError, match="stays at 2400"):
            await master.set_baud_rate(target, 38400)
        assert await litres(master, target) == 1000


async def test_clock_is_set(bus: VirtualBus, behaviour: str) -> None:
    moment = datetime(2031, 2, 3, 4, 5)
    async with MBusMaster(bus) as master:
        for target in targets(behaviour):
            await master.set_clock(target, moment)
            shown = await master.read_clock(target)
            assert shown is not None
            assert moment <= shown < moment + timedelta(minutes=1)
        await master.broadcast_clock(moment + timedelta(days=1))
        shown = await master.read_clock("2234567824232807")
        assert shown is not None
        assert shown >= moment + timedelta(days=1)


async def test_alarm_is_polled(bus: VirtualBus, behaviour: str) -> None:
    async with MBusMaster(bus) as master:
        assert await master.alarm(targets(behaviour)[0]) == 4


async def test_command_that_the_meter_does_not_know_is_reported_at_the_next_request(bus: VirtualBus) -> None:
    async with MBusMaster(bus) as master:
        await master.send(SECONDARY, "51 04 06 00 00 00 00")
        with pytest.raises(MBusApplicationError):
            await master.query(SECONDARY)
        assert await litres(master, SECONDARY) == 1000


async def test_readings_of_a_healthy_bus_are_never_stale(bus: VirtualBus, behaviour: str) -> None:
    async with MBusMaster(bus) as master:
        for _ in range(5):
            assert not (await master.query(targets(behaviour)[0])).stale


async def test_scan_tells_every_meter(bus: VirtualBus, behaviour: str) -> None:
    if "reply_address: 0" in behaviour:
        pytest.skip("a meter that answers from another address is found at none")
    async with MBusMaster(bus) as master:
        found = [address async for address, result in master.scan(range(4, 8)) if isinstance(result, MBusSlaveInfo)]
    assert found == [5, 6]
