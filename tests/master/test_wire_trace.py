"""`MBusMaster(trace=...)`: everything that passes is told, nothing changes by it. In virtual time."""

from __future__ import annotations

import asyncio

import pytest

from mbusbench.clock import VirtualLoop
from mbusbench.master import MBusMaster
from mbusbench.timing import character_time
from mbusbench.trace import Kind, Recorder
from mbusbench.trace.analyzer import analyze
from mbusbench.trace.event import CLOSED, OPENED
from mbusbench.trace.exchange import Result
from tests.master.scripted_bus import E5, Meter, ScriptedBus, bus_of, litres

pytestmark = pytest.mark.virtual_time


def frames(recorder: Recorder) -> list[tuple[str, str]]:
    return [(event.kind.value, event.data.hex(" ").upper()) for event in recorder.events if event.data]


async def test_requests_and_answers_are_told_with_their_times() -> None:
    recorder = Recorder()
    meter = Meter(5)
    async with MBusMaster(ScriptedBus(bus_of(meter)), trace=recorder.record) as master:
        await asyncio.sleep(1)
        await master.query(5)
    sent = [event for event in recorder.events if event.kind is Kind.MASTER]
    assert frames(recorder) == [
        ("master", "10 40 05 45 16"),
        ("slave", "E5"),
        ("master", "10 7B 05 80 16"),
        ("slave", meter.sent.hex(" ").upper()),
    ]
    assert [event.time for event in sent] == [1_000_000_000, 1_000_000_000 + character_time(2400, 5) + 20_000_000]
    assert [event.duration for event in sent] == [character_time(2400, 5)] * 2
    notes = [event.cause[0] for event in recorder.events if event.kind is Kind.NOTE]
    assert notes == [OPENED, CLOSED]


async def test_analyzer_understands_what_a_master_tells() -> None:
    recorder = Recorder()
    async with MBusMaster(ScriptedBus(bus_of(Meter(5, telegrams=2))), trace=recorder.record) as master:
        await master.query(5)
        await master.ping_addresses([6])
    exchanges = analyze(recorder.events)
    assert [exchange.result for exchange in exchanges] == [Result.ANSWERED] * 3 + [Result.SILENCE]
    assert len(exchanges[-1].attempts) == 3


async def test_answer_in_pieces_is_one_event_and_half_an_answer_ends_with_the_next_request() -> None:
    pieces = [(0.02, bytes.fromhex("68 04 04")), (0.1, bytes.fromhex("68 08 05 71 04 82 16"))]
    recorder = Recorder()
    bus = ScriptedBus(lambda request: E5 if request[1] == 0x40 else pieces)
    async with MBusMaster(bus, trace=recorder.record) as master:
        assert await master.alarm(5) == 4
        del pieces[1]
        await master.query_addresses([5])
    told = [data for kind, data in frames(recorder) if kind == "slave" and data != "E5"]
    assert told[0] == "68 04 04 68 08 05 71 04 82 16"
    assert set(told[1:]) == {"68 04 04"}


async def test_connections_are_ports_and_a_lost_one_is_told_once() -> None:
    recorder = Recorder()
    bus = ScriptedBus(bus_of(Meter(5)))
    async with MBusMaster(bus, trace=recorder.record) as master:
        await master.query(5)
        bus.lose()
        assert litres(await master.query(5)) == [5003]
    notes = [(event.port, event.cause[0]) for event in recorder.events if event.kind is Kind.NOTE]
    assert notes == [(1, OPENED), (1, CLOSED), (2, OPENED), (2, CLOSED)]


async def test_trace_leaves_nothing_in_the_event_loop() -> None:
    recorder = Recorder()
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    async with MBusMaster(ScriptedBus(lambda request: b"\x68\x04"), trace=recorder.record, retries=0) as master:
        assert await master.ping_addresses([5]) == {5: False}
    assert [timer for timer in loop._scheduled if not timer._cancelled] == []


@pytest.mark.parametrize(("latency", "waited"), [(None, 0.5), (0, 0), (2, 2)])
async def test_latency_is_the_transports_unless_it_is_given(latency: float | None, waited: float) -> None:
    bus = ScriptedBus(lambda request: None, latency=500_000_000)
    async with MBusMaster(bus, latency=latency, retries=1) as master:
        assert await master.ping_addresses([5]) == {5: False}
    (first, _), (second, _) = bus.stream.sent
    assert second - first == pytest.approx((55 + 341) / 2400 + 0.05 + waited, abs=1e-6)
