"""What a master does when its connection is lost: reads begin again on a new one, commands do not. In virtual time."""

from __future__ import annotations

import asyncio

import pytest

from mbusbench.errors import MBusConnectionError
from mbusbench.master import MBusMaster
from mbusbench.transport import Stream
from tests.master.scripted_bus import E5, Handler, Meter, ScriptedBus, bus_of, litres

pytestmark = pytest.mark.virtual_time


async def test_readout_cut_off_by_a_lost_connection_begins_again_on_a_new_one() -> None:
    bus = ScriptedBus(bus_of(Meter(5)))
    async with MBusMaster(bus) as master:
        asyncio.get_running_loop().call_later(0.06, bus.lose)
        assert litres(await master.query(5)) == [5003]
    assert [len(stream.sent) for stream in bus.streams] == [2, 2]


async def test_new_connection_is_quiet_until_the_answer_on_the_lost_one_must_be_over() -> None:
    bus = ScriptedBus(bus_of(Meter(5)))
    async with MBusMaster(bus) as master:
        loop = asyncio.get_running_loop()
        await master.ping(5)
        lost = loop.time() + 0.03
        loop.call_at(lost, bus.lose)
        await master.ping(5)
        # 341 bit times + 50 ms after the end of the request that was cut off, and the exchange on the new connection.
        assert loop.time() - lost > 0.19
        idle = loop.time() + 1
        await asyncio.sleep(1)
        bus.lose()
        await master.ping(5)
        assert loop.time() - idle < 0.06


class Unreachable(ScriptedBus):
    """Refuses connections from one time to another."""

    down = 0.0, 0.0

    def __init__(self, handler: Handler) -> None:
        super().__init__(handler)
        self.tried: list[float] = []

    def connect(self) -> Stream:
        now = asyncio.get_running_loop().time()
        self.tried.append(now)
        if self.down[0] <= now < self.down[1]:
            raise MBusConnectionError("connection refused")
        return super().connect()


async def test_lost_connection_is_tried_again_after_waits_that_double() -> None:
    bus = Unreachable(bus_of(Meter(5)))
    async with MBusMaster(bus, reconnect=60) as master:
        await master.query(5)
        await asyncio.sleep(10 - asyncio.get_running_loop().time())
        bus.down = 10, 24
        bus.stream.lose()
        assert litres(await master.query(5)) == [5003]
    assert bus.tried[1:] == pytest.approx([10, 10.5, 11.5, 13.5, 17.5, 25.5])


async def test_waits_begin_anew_where_there_was_a_connection_in_between() -> None:
    meter = Meter(5)
    bus = Unreachable(meter.answer)
    async with MBusMaster(bus, reconnect=60) as master:
        bus.down = 0, 7
        bus.stream.lose()
        asyncio.get_running_loop().call_later(7.55, bus.lose)
        assert litres(await master.query(5))
    assert bus.tried == pytest.approx([0, 0, 0.5, 1.5, 3.5, 7.5, 8.05], abs=0.01)


async def test_connection_that_stays_lost_is_an_error_in_the_end_and_then_again() -> None:
    bus = Unreachable(bus_of(Meter(5)))
    async with MBusMaster(bus, reconnect=5) as master:
        await master.query(5)
        bus.stream.lose()
        bus.down = 0, 60
        for _ in range(2):
            begin = asyncio.get_running_loop().time()
            with pytest.raises(MBusConnectionError, match="refused"):
                await master.query(5)
            assert asyncio.get_running_loop().time() - begin == pytest.approx(5)
        await asyncio.sleep(60)
        assert litres(await master.query(5)) == [5003]


async def test_master_that_never_was_connected_says_so_at_once() -> None:
    bus = Unreachable(bus_of(Meter(5)))
    bus.down = 0, 60
    with pytest.raises(MBusConnectionError, match="refused"):
        await MBusMaster(bus, reconnect=60).query(5)
    assert bus.tried == [0]


async def test_command_that_may_have_arrived_is_not_sent_on_a_new_connection() -> None:
    bus = ScriptedBus(lambda request: E5 if request[0] == 0x10 else None)
    async with MBusMaster(bus) as master:
        asyncio.get_running_loop().call_later(0.07, bus.lose)
        with pytest.raises(MBusConnectionError, match="unplugged"):
            await master.application_reset(5)
    assert [len(stream.sent) for stream in bus.streams] == [2]


async def test_closing_ends_a_call_that_waits_for_the_connection() -> None:
    bus = Unreachable(bus_of(Meter(5)))
    master = MBusMaster(bus, reconnect=60)
    await master.open()
    bus.stream.lose()
    bus.down = 0, 60
    call = asyncio.create_task(master.query(5))
    await asyncio.sleep(2)
    await master.close()
    with pytest.raises(MBusConnectionError, match="closed"):
        await call
    assert asyncio.get_running_loop().time() == 2


async def test_call_that_waits_for_the_connection_can_be_cancelled() -> None:
    bus = Unreachable(bus_of(Meter(5)))
    async with MBusMaster(bus, reconnect=60) as master:
        bus.stream.lose()
        bus.down = 0, 4
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await master.query(5)
        assert litres(await master.query(5)) == [5002]
