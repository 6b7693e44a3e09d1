"""A capture without directions, as a sniffer on the wire makes it, becomes events: who sent what is told by the frames.

A master's frames have the PRM bit, a slave's do not, single characters are a slave's. What is no frame is the answer
that is due, unless it looks like a master's.
"""

from __future__ import annotations

from collections.abc import Iterable

from mbusbench.codec.control_field import PRM
from mbusbench.codec.frame import START_LONG, START_SHORT, Frame, SingleCharacter
from mbusbench.codec.frame_reader import Reject
from mbusbench.timing import character_time
from mbusbench.trace.assembly import Assembler, TimedFrame
from mbusbench.trace.event import Kind, TraceEvent


def events_of_capture(
    pieces: Iterable[tuple[int, bytes]], *, baud: int = 0, stamped_at_end: bool = False
) -> list[TraceEvent]:
    """The events of one mixed stream: a MASTER, SLAVE or NOISE for each frame and each run of bytes that is none.

    `pieces` are (ns, bytes) in the order of time, stamped when the first character began, or with `stamped_at_end` when
    the last one was over. `baud` 0: unknown, characters take no time.
    """
    assembler = Assembler()
    found: list[TimedFrame] = []
    for time, data in pieces:
        duration = character_time(baud, len(data)) if baud else 0
        start = time - duration if stamped_at_end else time
        found += assembler.receive(TraceEvent(start, Kind.NOISE, data=bytes(data), duration=duration, baud=baud))
    found += assembler.finish()
    events: list[TraceEvent] = []
    answer_due = False
    for frame in found:
        kind = _kind(frame.item, answer_due)
        answer_due = kind is Kind.MASTER or (answer_due and kind is Kind.NOISE)
        events.append(TraceEvent(frame.start, kind, None, "", frame.raw, frame.end - frame.start, frame.baud))
    return events


def _kind(item: Frame | Reject, answer_due: bool) -> Kind:
    if isinstance(item, SingleCharacter):
        return Kind.SLAVE
    if not isinstance(item, Reject):
        return Kind.MASTER if item.control & PRM else Kind.SLAVE
    raw = item.raw
    control = raw[1:2] if raw[0] == START_SHORT else raw[4:5] if raw[0] == START_LONG else b""
    if control and control[0] & PRM:
        return Kind.MASTER
    return Kind.SLAVE if answer_due else Kind.NOISE
