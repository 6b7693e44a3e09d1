"""The line of one case, made of its trace: what the master sent, and what reached it, frame by frame with its place.

All ports of a case are one: a master that connects again is still the master.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter

from mbusbench.codec.frame import Frame, LongFrame, ShortFrame
from mbusbench.codec.frame_reader import Reject
from mbusbench.trace.analyzer import analyze
from mbusbench.trace.assembly import Assembler, TimedFrame
from mbusbench.trace.event import ECHO, Kind, TraceEvent
from mbusbench.trace.exchange import Exchange

_LINE = frozenset({Kind.MASTER, Kind.SLAVE, Kind.NOISE, Kind.BREAK})


@dataclass(frozen=True, slots=True)
class MasterFrame:
    """What the master sent in one go; `position` is the index of its first event."""

    frame: TimedFrame
    position: int | None

    @property
    def start(self) -> int:
        return self.frame.start

    @property
    def end(self) -> int:
        return self.frame.end

    @property
    def raw(self) -> bytes:
        return self.frame.raw

    @property
    def item(self) -> Frame | Reject:
        return self.frame.item

    @property
    def sent(self) -> tuple[bytes, Frame | Reject, int]:
        """What patterns look at: bytes, frame, baud rate."""
        return self.frame.raw, self.frame.item, self.frame.baud

    @property
    def address(self) -> int | None:
        item = self.frame.item
        return item.address if isinstance(item, ShortFrame | LongFrame) else None


def in_order(events: Iterable[TraceEvent]) -> tuple[TraceEvent, ...]:
    """By time; what happened at the same time stays in the order in which the bus told it."""
    return tuple(sorted(events, key=attrgetter("time")))


class Traffic:
    """`events` in the order of time. `reaction` (ns) is what a master takes to notice a character."""

    def __init__(self, events: Sequence[TraceEvent], reaction: int = 0) -> None:
        self.events = events
        self._reaction = reaction

    @cached_property
    def sent(self) -> list[MasterFrame]:
        """The master's frames, and what it sent that is none."""
        return [MasterFrame(frame, self.position(frame.start, Kind.MASTER)) for frame in self._frames(Kind.MASTER)]

    @cached_property
    def heard(self) -> list[TimedFrame]:
        """What reached the master's port, its own echo aside."""
        return [frame for frame in self._frames(Kind.RECEIVED) if ECHO not in frame.cause]

    def heard_between(self, start: int, end: int) -> list[TimedFrame]:
        """What began to arrive in this time, its end not included."""
        starts = self._heard_starts
        return self.heard[bisect_left(starts, start) : bisect_left(starts, end)]

    @cached_property
    def _heard_starts(self) -> list[int]:
        return [each.start for each in self.heard]

    @cached_property
    def answered(self) -> list[TimedFrame]:
        """What slaves sent, each as it left it."""
        return self._frames(Kind.SLAVE)

    @cached_property
    def exchanges(self) -> list[Exchange]:
        """Requests with their answers, as the master's port saw them."""
        return self.analyzed(0)

    def analyzed(self, tolerance: int) -> list[Exchange]:
        """The same, with every limit wider by so many ns."""
        events = [
            event._replace(port=1) if event.kind in (Kind.MASTER, Kind.RECEIVED) else event for event in self.events
        ]
        return analyze(events, port=1, tolerance=tolerance, reaction=self._reaction)

    def _frames(self, kind: Kind) -> list[TimedFrame]:
        assembler = Assembler()
        frames = []
        for event in self.events:
            if event.kind is kind:
                frames += assembler.receive(event._replace(port=1) if event.port is not None else event)
        frames += assembler.finish()
        return sorted(frames, key=attrgetter("start"))

    @cached_property
    def _times(self) -> list[int]:
        return [event.time for event in self.events]

    def position(self, time: int, kind: Kind | None = None) -> int | None:
        """The index of the event of that kind that begins at `time`, or of the first one from then on."""
        index = bisect_left(self._times, time)
        for at in range(index, len(self.events)):
            if kind is None or self.events[at].kind is kind:
                return at
        return None

    def silence_before(self, time: int) -> int | None:
        """ns for which nobody sent anything before `time`; None where nothing was sent before at all."""
        index = bisect_left(self._times, time)
        return None if not index or self._ends[index - 1] is None else time - (self._ends[index - 1] or 0)

    @cached_property
    def _ends(self) -> list[int | None]:
        """For each event, until when the line was in use by then."""
        ends: list[int | None] = []
        latest: int | None = None
        for event in self.events:
            if event.kind in _LINE:
                latest = event.end if latest is None else max(latest, event.end)
            ends.append(latest)
        return ends

    def events_between(self, start: int, end: int) -> Sequence[TraceEvent]:
        """What happened in this time, its end not included."""
        return self.events[bisect_left(self._times, start) : bisect_left(self._times, end)]

    def frames_between(self, start: int, end: int) -> list[MasterFrame]:
        """The master's frames that began in this time, its end not included."""
        starts = self._starts
        return self.sent[bisect_left(starts, start) : bisect_left(starts, end)]

    @cached_property
    def _starts(self) -> list[int]:
        return [each.start for each in self.sent]
