"""Reading and scanning as async iterators, wake-up characters, and reading without an event loop."""

from __future__ import annotations

import asyncio

import pytest

import mbusbench
from mbusbench.bus import VirtualBus
from mbusbench.errors import (
    MBusCollisionError,
    MBusConnectionError,
    MBusError,
    MBusTimeoutError,
    MBusUsageError,
)
from mbusbench.master import MBusMaster
from mbusbench.master.results import MBusSlaveData, MBusSlaveInfo
from tests.master.scripted_bus import E5, Answers, Meter, ScriptedBus, bus_of, litres, short


def kind(result: MBusSlaveInfo | MBusError) -> str:
    return result.kind if isinstance(result, MBusError) else "ok"


@pytest.mark.virtual_time
async def test_every_address_says_why_it_was_not_read() -> None:
    meter = Meter(5)

    def handle(request: bytes) -> Answers:
        if request[2] == 7:
            return E5
        if request[2] == 8:
            return [E5, b"\xe5\x00"] if request[1] == 0x40 else b"\x00" * 20
        return meter.answer(request)

    async with MBusMaster(ScriptedBus(handle)) as master:
        found = [(address, kind(result)) async for address, result in master.query_each(["5", 6, 7, 8])]
    assert found == [("5", "ok"), (6, "no-answer"), (7, "no-data"), (8, "garbled")]


@pytest.mark.virtual_time
async def test_reading_can_be_stopped_between_two_addresses() -> None:
    bus = ScriptedBus(bus_of(Meter(5), Meter(6)))
    async with MBusMaster(bus) as master:
        async for address, result in master.query_each([5, 6]):
            assert isinstance(result, MBusSlaveData)
            assert litres(await master.query(6))  # also from inside
            if address == 5:
                break
        asked = len(bus.stream.requests)
        assert litres(await master.query(5))
    assert asked == 4


@pytest.mark.virtual_time
async def test_addresses_are_checked_before_the_first_is_asked() -> None:
    bus = ScriptedBus(bus_of(Meter(5)))
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusUsageError):
            master.query_each([5, 300])
        with pytest.raises(MBusUsageError):
            master.scan([5, 254])
    assert bus.stream.requests == []


@pytest.mark.virtual_time
async def test_iteration_ends_with_the_connection() -> None:
    meter = Meter(5)

    def handle(request: bytes) -> Answers:
        if request[2] == 6:
            bus.stream.lose()
        return meter.answer(request)

    bus = ScriptedBus(handle)
    async with MBusMaster(bus) as master:
        results = master.query_each([5, 6, 7])
        assert isinstance((await anext(results))[1], MBusSlaveData)
        with pytest.raises(MBusConnectionError):
            await anext(results)


@pytest.mark.virtual_time
async def test_scan_says_of_every_address_what_is_there() -> None:
    meter = Meter(5)
    bus = ScriptedBus(lambda request: b"\xe5\xe5" if request[2] == 6 else meter.answer(request))
    async with MBusMaster(bus) as master:
        found = dict([item async for item in master.scan([4, 5, 6])])
        assert isinstance(found[4], MBusTimeoutError)
        assert isinstance(found[5], MBusSlaveInfo)
        assert isinstance(found[6], MBusCollisionError)
        reports: dict[int, object] = {}
        await master.scan_addresses([4, 6], reports.__setitem__)
    assert reports[4] is None
    assert isinstance(reports[6], MBusCollisionError)


WAKE_UP = b"\x55" * 24


class Sleeper(Meter):
    """Hears a request only if it was woken less than a second ago, and 33 bits before the request."""

    woken = 1e9
    awake_until = 0.0

    def heard(self, request: bytes) -> Answers:
        now = asyncio.get_running_loop().time()
        if request == WAKE_UP:
            self.woken = now + 11 * len(WAKE_UP) / 2400
            self.awake_until = self.woken + 1
            return None
        if not self.woken + 33 / 2400 <= now + 1e-6 <= self.awake_until:
            return None
        self.awake_until = now + 1
        return self.answer(request)


@pytest.mark.virtual_time
async def test_wake_up_precedes_the_first_request_of_a_call_only() -> None:
    meter = Sleeper(5, telegrams=2)
    bus = ScriptedBus(meter.heard)
    async with MBusMaster(bus, wake_up=WAKE_UP) as master:
        assert len(litres(await master.query(5))) == 2
        await asyncio.sleep(10)
        assert len(litres(await master.query(5))) == 2
    wake = WAKE_UP.hex(" ").upper()
    once = [wake, "10 40 05 45 16", "10 7B 05 80 16", "10 5B 05 60 16"]
    assert bus.stream.requests == once * 2


@pytest.mark.virtual_time
async def test_wake_up_comes_again_before_a_repeat() -> None:
    meter = Sleeper(5)
    lost = 2

    def handle(request: bytes) -> Answers:
        nonlocal lost
        if request == WAKE_UP and lost:
            lost -= 1
            return None
        return meter.heard(request)

    bus = ScriptedBus(handle)
    async with MBusMaster(bus, wake_up=WAKE_UP) as master:
        assert litres(await master.query(5)) == [5002]
    assert bus.stream.requests.count(WAKE_UP.hex(" ").upper()) == 3


@pytest.mark.virtual_time
async def test_bus_without_sleepers_is_not_woken() -> None:
    bus = ScriptedBus(bus_of(Meter(5)))
    async with MBusMaster(bus) as master:
        await master.query(5)
    assert bus.stream.sent[0] == (0.0, short(0x40, 5))


def test_wake_up_has_to_be_a_few_bytes() -> None:
    for wrong in ("55", b"\x55" * 5000):
        with pytest.raises(MBusUsageError):
            MBusMaster("/dev/null", wake_up=wrong)  # type: ignore[arg-type]


def test_script_without_a_loop_reads_in_one_line() -> None:
    bus = VirtualBus.from_devices(["kamstrup/flowiq-2101"])
    address = bus.meters[0].address
    data = mbusbench.read(bus, address)
    assert data.medium == "cold_water"
    with pytest.raises(MBusTimeoutError):
        mbusbench.read(bus, address + 1, timeout=0.01, retries=0)
    with pytest.raises(MBusUsageError):
        mbusbench.read(bus, 255)


async def test_reading_in_one_line_refuses_to_block_a_loop() -> None:
    with pytest.raises(MBusUsageError, match="use MBusMaster"):
        mbusbench.read("socket://127.0.0.1:9", 5)
