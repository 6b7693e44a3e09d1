"""What the bus tells a trace: the same every time, and enough to see what happened."""

from __future__ import annotations

import pytest

from mbusbench.bus import VirtualBus
from mbusbench.codec.frame import LongFrame, ShortFrame
from mbusbench.timing import character_time
from mbusbench.trace import Kind, Recorder, TraceHeader
from mbusbench.trace.analyzer import analyze
from mbusbench.trace.event import CLOSED, COLLISION, OPENED, POWER_CYCLE, REPEAT
from mbusbench.trace.exchange import Result
from mbusbench.trace.files import FORMATS, encode

DEVICE = "kamstrup/multical-603"
RESET, FIRST, SECOND = (ShortFrame(control, 99).encode() for control in (0x40, 0x7B, 0x5B))
TO_ALL = ShortFrame(0x40, 254).encode()
SELECT = LongFrame(0x73, 253, 0x52, b"\xff" * 8).encode()


def _recorded(*requests: bytes, seed: int = 7, speed: float | None = 1, meters: int = 1) -> Recorder:
    """A master at one port sends the requests, 300 ms after the line became silent."""
    bus = VirtualBus.from_devices([DEVICE] * meters, seed=seed)
    bus.set_speed(speed)
    recorder = Recorder(TraceHeader("bus", bus.seed))
    bus.trace = recorder.record
    port = bus.open_port(now=0)
    now = 0
    for request in requests:
        bus.receive(port, request, now)
        while (due := bus.next_wakeup()) is not None:
            now = due
            bus.poll(now)
        now += 300_000_000
    bus.close_port(port, now=now)
    return recorder


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("speed", [None, 1])
def test_same_seed_is_the_same_trace_byte_for_byte(form: str, speed: float | None) -> None:
    first, second = (_recorded(TO_ALL, RESET, FIRST, SECOND, SELECT, meters=3, speed=speed) for _ in range(2))
    assert encode(first.trace, FORMATS[form]()) == encode(second.trace, FORMATS[form]())


def test_other_seed_is_another_trace() -> None:
    first, second = (_recorded(RESET, FIRST, seed=seed) for seed in (7, 8))
    assert first.events != second.events


@pytest.mark.parametrize("speed", [None, 1])
def test_telegram_that_comes_again_is_marked_as_a_repeat(speed: float | None) -> None:
    events = _recorded(RESET, FIRST, FIRST, SECOND, speed=speed).events
    causes = [event.cause for event in events if event.kind is Kind.SLAVE]
    assert causes == [(), (), (REPEAT,), ()]


@pytest.mark.parametrize("speed", [None, 1])
def test_readout_is_seen_whole_by_the_analyzer(speed: float | None) -> None:
    events = _recorded(RESET, FIRST, FIRST, speed=speed).events
    for exchanges in (analyze(events), analyze(events, port=1)):
        assert [exchange.result for exchange in exchanges] == [Result.ANSWERED] * 3
        assert [exchange.sequence for exchange in exchanges] == [None, "first", "repeat"]
        assert [finding.rule for exchange in exchanges for finding in exchange.findings] == ["fcb-not-toggled"]
        assert exchanges[1].answer is not None
        assert exchanges[1].answer.raw[4:7] == b"\x08\x63\x72"


def test_times_are_those_of_the_line() -> None:
    events = _recorded(RESET, FIRST).events
    requests = [event for event in events if event.kind is Kind.MASTER]
    answers = [event for event in events if event.kind is Kind.SLAVE]
    for request, answer in zip(requests, answers, strict=True):
        assert request.duration == character_time(2400, 5)
        assert answer.delay == answer.time - request.end
        assert answer.delay >= character_time(2400)
        assert abs(answer.duration - character_time(2400, len(answer.data))) <= 1
        assert (answer.baud, answer.source) == (2400, "slave 99")


def test_what_arrives_is_what_was_sent() -> None:
    events = _recorded(RESET, FIRST).events
    arrived = b"".join(event.data for event in events if event.kind is Kind.RECEIVED)
    assert arrived == b"".join(event.data for event in events if event.kind is Kind.SLAVE)


@pytest.mark.parametrize("speed", [None, 1])
def test_every_sender_of_a_collision_is_in_the_trace(speed: float | None) -> None:
    events = _recorded(TO_ALL, meters=3, speed=speed).events
    assert {event.source for event in events if COLLISION in event.cause} == {"slave 99", "slave 100", "slave 101"}
    assert analyze(events)[0].result is Result.COLLISION


def test_ports_and_power_are_notes() -> None:
    bus = VirtualBus.from_devices([DEVICE])
    recorder = Recorder()
    bus.trace = recorder.record
    port = bus.open_port(now=5)
    bus.power_cycle(6)
    bus.close_port(port, now=7)
    noted = [(event.time, event.cause[0], event.port) for event in recorder.events]
    assert noted == [(5, OPENED, port), (6, POWER_CYCLE, None), (7, CLOSED, port)]


def test_bus_without_a_trace_makes_no_events(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    monkeypatch.setattr("mbusbench.trace.event.TraceEvent.__new__", lambda *fields, **named: made.append(fields))
    bus = VirtualBus.from_devices([DEVICE])
    port = bus.open_port()
    bus.receive(port, RESET, 0)
    assert [send.data for send in bus.poll(0)] == [b"\xe5"]
    bus.close_port(port)
    assert made == []
