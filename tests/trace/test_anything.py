"""Whatever is on a line, or in a trace, can be shown, judged and compared: seeded garbage and mutated frames."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from mbusbench.codec.frame import LongFrame, ShortFrame, checksum
from mbusbench.line.wire import Parity
from mbusbench.trace import Kind, Trace, TraceEvent, TraceHeader
from mbusbench.trace.analyzer import analyze
from mbusbench.trace.assembly import Assembler
from mbusbench.trace.capture import events_of_capture
from mbusbench.trace.comparison import compare
from mbusbench.trace.files import FORMATS, encode
from mbusbench.trace.jsonl import encode_trace, read_trace
from mbusbench.trace.report import exchange_fields, exchange_lines
from mbusbench.trace.text import annotated
from tests.trace.sample import TELEGRAM

CASES = 150
EVENTS = 25


def _data(random: Random) -> bytes:
    choice = random.randrange(7)
    if choice == 0:
        return random.randbytes(random.randrange(1, 40))
    if choice == 1:
        return ShortFrame(
            random.choice((0x40, 0x5B, 0x7B, 0x5A, random.randrange(256))), random.choice((5, 253))
        ).encode()
    if choice == 2:
        return random.choice((b"\xe5", b"\xa2", b"\xe5\xe5"))
    if choice == 3:
        ci = random.choice(
            (0x50, 0x51, 0x52, 0x53, 0x5A, 0x5B, 0x70, 0x72, 0x73, 0x76, 0x78, 0x7A, random.randrange(256))
        )
        return LongFrame(random.choice((0x08, 0x53, 0x73)), 5, ci, random.randbytes(random.randrange(60))).encode()
    damaged = bytearray(TELEGRAM)
    damaged[random.randrange(len(damaged))] ^= 1 << random.randrange(8)
    if choice == 4:
        damaged[-2] = checksum(damaged[4:-2])
    return bytes(damaged[: random.randrange(1, 40)])


def _event(random: Random, time: int) -> TraceEvent:
    kind = random.choice((Kind.MASTER, Kind.MASTER, Kind.SLAVE, Kind.SLAVE, *Kind))
    data = b"" if kind in (Kind.NOTE, Kind.BREAK) or random.random() < 0.02 else _data(random)
    baud = random.choice((0, 300, 2400))
    return TraceEvent(
        time,
        kind,
        random.choice((None, 1, 2)),
        random.choice(("", "slave 5", "\x1b")),
        data,
        len(data) * 11 * 10**9 // baud if baud else 0,
        baud,
        random.choice(list(Parity)),
        (random.randrange(len(data)),) if data and random.random() < 0.1 else (),
        cause=random.choice(((), ("echo",), ("collision",), ("repeat", "x"))),
        delay=random.choice((None, -5, 10**7)),
        lag=random.choice((None, 0, 10**8)),
    )


def _trace(seed: int) -> Trace:
    random = Random(seed)
    time, events = 0, []
    for _ in range(EVENTS):
        time += random.choice((0, 0, 10**6, 2 * 10**7, 3 * 10**8))
        events.append(_event(random, time - random.choice((0, 10**6))))
    return Trace(TraceHeader(seed=seed), tuple(events))


@pytest.mark.parametrize("first", range(0, CASES, 25))
def test_anything_can_be_shown_judged_and_compared(first: int) -> None:
    for seed in range(first, first + 25):
        trace = _trace(seed)
        assert all(line.isprintable() for line in annotated(trace, records=True, data=True))
        for form in FORMATS:
            assert encode(trace, FORMATS[form]()) == encode(trace, FORMATS[form]())
        assert read_trace(encode_trace(trace.header, trace.events).splitlines(keepends=True)) == trace
        for port in (None, 1):
            for exchange in analyze(trace.events, port=port):
                assert all(line.isprintable() for line in exchange_lines(exchange))
                assert exchange_fields(exchange)["result"]
        for ignored in ({}, {"ignore_times": True}, {"ignore_values": True}):
            assert compare(trace, trace, **ignored).same
        other = _trace(seed + 1000)
        assert not compare(trace, other, ignore_times=True, ignore_values=True).same


@pytest.mark.parametrize("seed", range(20))
def test_no_character_is_lost_or_made_up(seed: int) -> None:
    trace = _trace(seed)
    assembler = Assembler()
    frames = [frame for event in trace for frame in assembler.receive(event)] + assembler.finish()
    of_events, of_frames = Counter[object](), Counter[object]()
    for event in trace:
        of_events[event.kind, event.port, event.source] += len(event.data)
    for frame in frames:
        of_frames[frame.kind, frame.port, frame.source] += len(frame.raw)
        assert all(0 <= index < len(frame.raw) for index in frame.parity_errors)
    assert +of_events == +of_frames
    assert sum(len(event.parity_errors) for event in trace) == sum(len(frame.parity_errors) for frame in frames)


@pytest.mark.parametrize("seed", range(20))
def test_capture_keeps_every_character_in_its_order(seed: int) -> None:
    pieces = [(event.time, event.data) for event in _trace(seed)]
    events = events_of_capture(pieces, baud=2400)
    assert b"".join(event.data for event in events) == b"".join(data for _, data in pieces)
    assert isinstance(analyze(events), list)
