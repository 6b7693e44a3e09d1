"""Everything that meters, converters and gateways do to a master, a row a fault, in virtual time.

Each row says what the reads come to: the right value or the right named error. The values of the meters move all the
time, and a value counts as fresh only where its meter held it when it was asked in that very read.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from mbusbench import MBusMaster, VirtualBus
from mbusbench.bus.endpoints.memory import MemoryStream
from mbusbench.bus.fault import Fault
from mbusbench.bus.port import PortOptions
from mbusbench.errors import MBusApplicationError, MBusError
from mbusbench.trace.event import TraceEvent
from mbusbench.transport.tcp import LATENCY as TCP_LATENCY
from tests.master.fault_rows import FRESH, PART, ROWS, SCENES, STALE, Outcome, Row, Scene
from tests.moving_meters import WatchedMeter, judge

pytestmark = pytest.mark.virtual_time

WARM_UP = (5, 6, 5)


def a_bus(scene: Scene | None = None) -> VirtualBus:
    """Meters 5 and 6 with one telegram, 7 with three; a scene may have others instead, or more."""
    options: dict[int, dict[str, Any]] = {5: {}, 6: {}, 7: {}}
    if scene is not None:
        options.update(scene.meters)
    meters = [WatchedMeter(address, 3 if address == 7 else 1, **given) for address, given in options.items()]
    if scene is not None:
        meters += [WatchedMeter(address, 1, identification="99999999") for address in scene.doubles]
    return VirtualBus(meters, speed=1, seed=1, **({} if scene is None else scene.line))


class Reader:
    """Reads, and says of each read what it came to."""

    def __init__(self, bus: VirtualBus, master: MBusMaster) -> None:
        self.bus = bus
        self.master = master
        self.meters = {}
        for meter in bus.meters:
            assert isinstance(meter, WatchedMeter)
            self.meters.setdefault(meter.address, meter)

    async def read(self, address: int) -> Outcome:
        since = self.bus.driver.now  # type: ignore[attr-defined]
        try:
            data = await self.master.query(address)
        except MBusError as error:
            return type(error)
        verdict = judge(data, self.meters[address], since)
        if data.stale:
            assert verdict.is_old, "marked stale, but it is not old"
            return STALE
        assert not verdict.why, verdict.why
        return PART if data.more_records_follow else FRESH


async def outcomes(reader: Reader, addresses: tuple[int, ...], pause: float = 0.0) -> list[Outcome]:
    found = []
    for address in addresses:
        found.append(await reader.read(address))
        await asyncio.sleep(pause)
    return found


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "always"])
async def test_read_under_a_fault_is_right_or_the_named_error(row: Row, lasting: bool) -> None:
    expected = row.always if lasting else row.once
    if expected is None:
        pytest.skip(row.why)
    bus = a_bus()
    keys: dict[str, Any] = {"on": 5, "frame": row.frame, "direction": row.direction, "skip": row.skip}
    if not lasting:
        keys["times"] = 1
    bus.faults.arm(Fault("fault", do=row.do, **keys))
    async with MBusMaster(bus) as master:
        reader = Reader(bus, master)
        assert await outcomes(reader, WARM_UP) == [FRESH] * 3
        assert not bus.faults["fault"].hits
        assert await outcomes(reader, (5,)) == [expected]
        await asyncio.sleep(row.mute)
        assert await outcomes(reader, (5,)) == [expected if lasting else FRESH]
        await asyncio.sleep(row.mute)
        assert await outcomes(reader, (6,)) == [FRESH]
        bus.faults.assert_all_fired()
        assert bus.faults["fault"].hits == 1 or lasting
        bus.faults.clear()
        await asyncio.sleep(row.mute)
        assert await outcomes(reader, (5, 6, 7)) == [FRESH] * 3


class Port:
    """A way to the bus that is not plain. Of a gateway the master knows that it is slow, as of TCP."""

    def __init__(self, bus: VirtualBus, options: PortOptions) -> None:
        self.bus = bus
        self.options = options

    def connect(self) -> MemoryStream:
        stream = MemoryStream(self.bus, self.options)
        if self.options.gateway is not None:
            stream.latency = TCP_LATENCY
        return stream


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
async def test_reads_in_a_scene_are_right_or_the_named_error(scene: Scene) -> None:
    bus = a_bus(scene)
    events: list[TraceEvent] = []
    bus.trace = events.append
    bus.faults.arm_all(Fault(f"fault {number}", **fault) for number, fault in enumerate(scene.faults))
    async with MBusMaster(bus if scene.port is None else Port(bus, scene.port), **scene.master) as master:
        assert await outcomes(Reader(bus, master), scene.reads, scene.pause) == list(scene.outcomes)
    bus.faults.assert_all_fired()
    if scene.shows is not None:
        assert scene.shows(events)


@pytest.mark.parametrize("code", [*range(10), 0x10, 0x2A])
async def test_application_error_is_told_with_its_code(code: int) -> None:
    bus = a_bus()
    body = bytes((0x08, 5, 0x70, code))
    frame = bytes((0x68, 4, 4, 0x68)) + body + bytes((sum(body) & 0xFF, 0x16))
    bus.faults.arm(Fault("error", on=5, frame="RSP_UD", times=1, do={"replace": frame.hex(" ")}))
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusApplicationError) as error:
            await master.query(5)
        assert error.value.code == code
        assert await outcomes(Reader(bus, master), (5,)) == [FRESH]
    bus.faults.assert_all_fired()


def test_table_has_every_kind_of_fault_that_a_bus_file_knows() -> None:
    from mbusbench.bus.fault_kinds import KINDS

    used: Counter[str] = Counter()
    for do in [*(row.do for row in ROWS), *(fault["do"] for scene in SCENES for fault in scene.faults)]:
        for step in do if isinstance(do, list) else [do]:
            used.update([step] if isinstance(step, str) else list(step))
    assert set(KINDS) - set(used) == set()
    assert len(ROWS) + len(SCENES) >= 40
