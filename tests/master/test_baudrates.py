"""Baud rates of single slaves: set, confirmed, rolled back, searched; and who is asked at which. Virtual time."""

from __future__ import annotations

import asyncio

import pytest

from mbusbench.errors import MBusConnectionError, MBusRefusedError, MBusTimeoutError, MBusUsageError
from mbusbench.master import MBusMaster
from tests.master.scripted_bus import Answers, Meter, ScriptedBus, ScriptedStream, bus_of, litres, short
from tests.master.test_commands import NKE_5, REQ_5, SECONDARY, WritableMeter

pytestmark = pytest.mark.virtual_time

SET_9600 = "68 03 03 68 73 05 BD 35 16"
SET_2400 = "68 03 03 68 73 05 BB 33 16"
RATES = dict(zip(range(0xB8, 0xC0), (300, 600, 1200, 2400, 4800, 9600, 19200, 38400), strict=True))


class RateStream(ScriptedStream):
    """A line whose rate can be set. Who speaks at another rate is not heard; `rated` has each request with its rate."""

    sets_baudrate = True

    def __init__(self, bus: RateBus) -> None:
        super().__init__(self.at_rate)
        self.bus = bus
        self.rate = 2400

    @property
    def rated(self) -> list[tuple[int, str]]:
        return self.bus.rated

    def set_baudrate(self, baudrate: int) -> None:
        self.rate = baudrate

    def at_rate(self, request: bytes) -> Answers:
        self.bus.rated.append((self.rate, request.hex(" ").upper()))
        answers = [answer for meter in self.bus.meters if (answer := meter.at_rate(request, self.rate)) is not None]
        return answers[0] if answers else None


class RateBus(ScriptedBus):
    def __init__(self, *meters: RateMeter) -> None:
        super().__init__(bus_of())
        self.meters = meters
        self.rated: list[tuple[int, str]] = []

    def connect(self) -> RateStream:
        stream = RateStream(self)
        self.streams.append(stream)
        return stream


class RateMeter(WritableMeter):
    """A meter at a baud rate. `mute_at` is a rate at which its answers get lost on the line."""

    def __init__(self, *, rate: int = 2400, mute_at: int = 0, deaf: bool = False, lost: int = 0) -> None:
        super().__init__(5, deaf=deaf, lost=lost)
        self.rate = rate
        self.mute_at = mute_at

    def at_rate(self, request: bytes, rate: int) -> bytes | None:
        if rate != self.rate:
            return None
        answer = self.answer(request)
        return None if rate == self.mute_at else answer

    def execute(self, command: bytes) -> None:
        super().execute(command)
        self.rate = RATES.get(command[0], self.rate)


async def test_baud_rate_is_set_at_the_old_rate_and_confirmed_at_the_new_one() -> None:
    meter = RateMeter()
    bus = RateBus(meter)
    async with MBusMaster(bus) as master:
        await master.set_baud_rate(5, 9600)
        assert asyncio.get_running_loop().time() < 2
        assert bus.rated == [(2400, NKE_5), (2400, SET_9600), (9600, NKE_5)]
        assert litres(await master.query(5)) == [5002]
        await master.ping_addresses([6])
    assert bus.rated[3:5] == [(9600, NKE_5), (9600, REQ_5)]
    assert {rate for rate, _ in bus.rated[5:]} == {2400}


async def test_baud_rate_is_set_although_the_acknowledge_is_lost() -> None:
    meter = RateMeter(lost=1)
    bus = RateBus(meter)
    async with MBusMaster(bus) as master:
        await master.set_baud_rate(5, 9600)
    assert meter.rate == 9600
    assert meter.executed == ["BD"]


async def test_baud_rate_that_is_acknowledged_and_ignored_is_refused() -> None:
    bus = RateBus(RateMeter(deaf=True))
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusRefusedError, match="stays at 2400 baud"):
            await master.set_baud_rate(5, 9600)
        assert litres(await master.query(5)) == [5002]
    commands = [request for _, request in bus.rated if request.startswith("68")]
    assert commands == [SET_9600]
    assert bus.rated[-1] == (2400, REQ_5)


async def test_meter_that_is_not_understood_at_the_new_rate_is_brought_back() -> None:
    meter = RateMeter(mute_at=9600)
    bus = RateBus(meter)
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusRefusedError, match="back at 2400"):
            await master.set_baud_rate(5, 9600)
        assert meter.rate == 2400
        assert litres(await master.query(5)) == [5002]
    assert (9600, SET_2400) in bus.rated


async def test_meter_that_is_lost_between_the_rates_is_named_so() -> None:
    meter = RateMeter()
    bus = RateBus(meter)
    async with MBusMaster(bus) as master:
        await master.ping_addresses([5])
        meter.execute = lambda command: setattr(meter, "rate", 300)  # type: ignore[method-assign]
        with pytest.raises(MBusRefusedError, match="no answer at 9600 baud, and none at 2400 any more"):
            await master.set_baud_rate(5, 9600)


async def test_write_of_a_baud_rate_that_nobody_acknowledges_is_no_answer() -> None:
    bus = RateBus(RateMeter(deaf=True, lost=99))
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusTimeoutError):
            await master.set_baud_rate(5, 9600)


async def test_baud_rate_is_set_by_secondary_address() -> None:
    bus = RateBus(RateMeter())
    async with MBusMaster(bus) as master:
        await master.set_baud_rate(SECONDARY, 9600)
        assert litres(await master.query(SECONDARY)) == [5002]
    assert (2400, "68 03 03 68 73 FD BD 2D 16") in bus.rated
    assert bus.rated[-1] == (9600, "10 7B FD 78 16")


@pytest.mark.parametrize("rate", [0, 2401, 115200])
async def test_rate_that_the_standard_does_not_have_is_a_usage_error(rate: int) -> None:
    bus = RateBus(RateMeter())
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusUsageError):
            await master.set_baud_rate(5, rate)
        with pytest.raises(MBusUsageError):
            await master.find_baudrate(5, [2400, rate])
    assert bus.rated == []


async def test_connection_whose_rate_is_fixed_refuses_before_anything_is_sent() -> None:
    bus = ScriptedBus(bus_of(Meter(5)))
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusUsageError, match="cannot be changed"):
            await master.set_baud_rate(5, 9600)
        with pytest.raises(MBusUsageError, match="cannot be changed"):
            await master.find_baudrate(5)
    assert bus.stream.requests == []


@pytest.mark.parametrize("address", [5, SECONDARY])
async def test_search_finds_the_rate_of_a_meter_and_keeps_it(address: int | str) -> None:
    bus = RateBus(RateMeter(rate=300))
    async with MBusMaster(bus) as master:
        assert await master.find_baudrate(address) == 300
        assert litres(await master.query(address))
        assert list(dict.fromkeys(rate for rate, _ in bus.rated)) == [2400, 9600, 300]


async def test_search_of_a_rate_that_no_meter_has_finds_none() -> None:
    bus = RateBus(RateMeter(rate=300))
    async with MBusMaster(bus) as master:
        assert await master.find_baudrate(5, [9600, 2400]) is None
        await master.ping_addresses([5])
    assert bus.rated[-1][0] == 2400


async def test_rates_of_single_meters_can_be_given() -> None:
    bus = RateBus(RateMeter(rate=300))
    async with MBusMaster(bus, baudrates={"5": 300}) as master:
        found = await master.scan_addresses(range(4, 7))
        assert [address for address, info in found.items() if info] == [5]
        assert litres(await master.query(5))
    assert {(rate, request[6:8]) for rate, request in bus.rated} == {(2400, "04"), (300, "05"), (2400, "06")}
    with pytest.raises(MBusUsageError):
        MBusMaster(bus, baudrates={5: 0})


async def test_address_is_free_only_if_it_is_at_every_rate_in_use() -> None:
    bus = RateBus(RateMeter(rate=300))
    async with MBusMaster(bus, baudrates={5: 300}) as master:
        await master.set_primary_address(5, 9)
        assert litres(await master.query(9))
    asked = {rate for rate, request in bus.rated if request == short(0x40, 9).hex(" ").upper()}
    assert asked == {300, 2400}


async def test_rate_that_the_port_does_not_take_is_a_lost_connection() -> None:
    bus = RateBus(RateMeter())
    async with MBusMaster(bus) as master:
        await master.ping_addresses([5])

        def refuse(baudrate: int) -> None:
            raise MBusConnectionError(f"the port cannot be set to {baudrate} baud")

        bus.streams[-1].set_baudrate = refuse  # type: ignore[method-assign]
        with pytest.raises(MBusConnectionError, match="9600"):
            await master.set_baud_rate(5, 9600)
