"""Frames out of events, however the characters were cut."""

from __future__ import annotations

import pytest

from mbusbench.codec.frame import ACK
from mbusbench.codec.frame_reader import Reject
from mbusbench.timing import character_time, idle_time
from mbusbench.trace import Kind, TraceEvent
from mbusbench.trace.assembly import IDLE_WITHOUT_SPEED, Assembler, TimedFrame
from tests.trace.sample import BAUD, REQUEST, TELEGRAM, answered, received, sent

CHARACTER = character_time(BAUD)


def _assembled(*events: TraceEvent) -> list[TimedFrame]:
    assembler = Assembler()
    return [frame for event in events for frame in assembler.receive(event)] + assembler.finish()


@pytest.mark.parametrize("count", range(1, len(TELEGRAM)))
def test_frame_in_two_pieces_is_the_frame_in_one(count: int) -> None:
    whole = answered(1000, TELEGRAM, parity_errors=(3, 20), delay=7)
    first, second = TELEGRAM[:count], TELEGRAM[count:]
    split = character_time(BAUD, count)
    pieces = (
        answered(1000, first, parity_errors=tuple(i for i in (3, 20) if i < count), duration=split, delay=7),
        answered(
            1000 + split,
            second,
            parity_errors=tuple(i - count for i in (3, 20) if i >= count),
            duration=whole.duration - split,
        ),
    )
    assert _assembled(*pieces) == _assembled(whole)


def test_two_frames_in_one_piece_have_their_own_times() -> None:
    acknowledged, telegram = _assembled(answered(0, b"\xe5" + TELEGRAM, framing_errors=(0, 5), delay=7))
    assert (acknowledged.item, acknowledged.framing_errors, acknowledged.delay) == (ACK, (0,), 7)
    assert (telegram.start, telegram.framing_errors, telegram.delay) == (acknowledged.end, (4,), None)
    assert telegram.end == character_time(BAUD, 1 + len(TELEGRAM))


def test_silence_ends_a_frame() -> None:
    pause = idle_time(BAUD)
    half, rest = answered(0, TELEGRAM[:9]), TELEGRAM[9:]
    (whole,) = _assembled(half, answered(half.end + pause - 1, rest))
    assert (whole.ok, whole.pause) == (True, pause - 1)
    assert all(isinstance(part.item, Reject) for part in _assembled(half, answered(half.end + pause, rest)))


def test_silence_of_a_line_without_speed_is_longer() -> None:
    half = TraceEvent(0, Kind.SLAVE, data=TELEGRAM[:9])
    rest = half._replace(data=TELEGRAM[9:])
    assert len(_assembled(half, rest._replace(time=IDLE_WITHOUT_SPEED - 1))) == 1
    assert len(_assembled(half, rest._replace(time=IDLE_WITHOUT_SPEED))) > 1


def test_senders_do_not_mix() -> None:
    mixed = (
        sent(0, REQUEST[:2]),
        answered(1, TELEGRAM[:4]),
        answered(2, TELEGRAM[:4], source="slave 6"),
        received(3, TELEGRAM[:4]),
        received(3, TELEGRAM[:4], port=2),
        sent(10, REQUEST[2:]),
        answered(11, TELEGRAM[4:]),
        answered(12, TELEGRAM[4:], source="slave 6"),
        received(13, TELEGRAM[4:], port=2),
        received(14, TELEGRAM[4:]),
    )
    frames = _assembled(*mixed)
    assert [(frame.kind, frame.port, frame.source) for frame in frames] == [
        (Kind.MASTER, 1, ""),
        (Kind.SLAVE, None, "slave 5"),
        (Kind.SLAVE, None, "slave 6"),
        (Kind.RECEIVED, 2, ""),
        (Kind.RECEIVED, 1, ""),
    ]
    assert all(frame.ok for frame in frames)


def test_reasons_and_lags_of_all_pieces_are_the_frame_s() -> None:
    first = received(0, TELEGRAM[:9], cause=("late", "echo"), lag=5)
    (frame,) = _assembled(first, received(first.end, TELEGRAM[9:], cause=("echo", "chunk"), lag=9))
    assert (frame.cause, frame.lag) == (("late", "echo", "chunk"), 9)


def test_memory_does_not_grow_with_what_never_ends() -> None:
    assembler = Assembler()
    found = sum(len(frame.raw) for port in range(2000) for frame in assembler.receive(received(0, b"\x68", port=port)))
    found += sum(len(frame.raw) for frame in assembler.receive(sent(10**12, b"")))
    assert (found, assembler.finish()) == (2000, [])
