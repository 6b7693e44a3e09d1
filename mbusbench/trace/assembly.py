"""Frames out of events: each sender's characters are put together, with their times, whatever pieces they came in.

What is no frame comes out too, as a Reject. Nothing here judges.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from mbusbench.codec.frame import Frame
from mbusbench.codec.frame_reader import FrameReader, Reject
from mbusbench.timing import idle_time
from mbusbench.trace.event import Kind, TraceEvent

IDLE_WITHOUT_SPEED = 50_000_000
"""ns of silence that end a frame where characters take no time."""


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """A frame, or bytes that are none, with the time (ns) from its first start bit to its last stop bit.

    `pause` is the longest silence between two of its characters; the rest is what its events said.
    """

    start: int
    end: int
    item: Frame | Reject
    raw: bytes
    kind: Kind
    port: int | None
    source: str
    baud: int
    parity_errors: tuple[int, ...] = ()
    framing_errors: tuple[int, ...] = ()
    cause: tuple[str, ...] = ()
    delay: int | None = None
    lag: int | None = None
    pause: int = 0

    @property
    def ok(self) -> bool:
        """A valid frame of characters without errors."""
        return not (self.parity_errors or self.framing_errors or isinstance(self.item, Reject))


class _Stream:
    """The characters of one sender."""

    __slots__ = ("events", "reader")

    def __init__(self) -> None:
        self.reader = FrameReader()
        self.events: list[TraceEvent] = []

    def receive(self, event: TraceEvent) -> list[TimedFrame]:
        self.events.append(event)
        return self._placed(self.reader.receive(event.data))

    def idle(self) -> list[TimedFrame]:
        return self._placed(self.reader.idle())

    def _placed(self, items: list[Frame | Reject]) -> list[TimedFrame]:
        if len(items) == 1 and len(self.events) == 1 and not self.reader.pending:
            event = self.events.pop()
            return [_whole(event, items[0])]
        return [self._taken(item) for item in items]

    def _taken(self, item: Frame | Reject) -> TimedFrame:
        """The item, made of the first characters that are still here."""
        raw = item.raw if isinstance(item, Reject) else item.encode()
        parts: list[TraceEvent] = []
        missing = len(raw)
        while missing:
            event = self.events.pop(0)
            if len(event.data) > missing:
                event, rest = _cut(event, missing)
                self.events.insert(0, rest)
            parts.append(event)
            missing -= len(event.data)
        return _joined(parts, item, raw)


def _whole(event: TraceEvent, item: Frame | Reject) -> TimedFrame:
    return TimedFrame(
        event.time,
        event.time + event.duration,
        item,
        event.data,
        event.kind,
        event.port,
        event.source,
        event.baud,
        event.parity_errors,
        event.framing_errors,
        event.cause,
        event.delay,
        event.lag,
    )


def _cut(event: TraceEvent, count: int) -> tuple[TraceEvent, TraceEvent]:
    """The first `count` characters of an event, and the others."""
    duration = event.duration * count // len(event.data)
    first = event._replace(
        data=event.data[:count],
        duration=duration,
        parity_errors=tuple(index for index in event.parity_errors if index < count),
        framing_errors=tuple(index for index in event.framing_errors if index < count),
    )
    rest = event._replace(
        time=event.time + duration,
        data=event.data[count:],
        duration=event.duration - duration,
        parity_errors=tuple(index - count for index in event.parity_errors if index >= count),
        framing_errors=tuple(index - count for index in event.framing_errors if index >= count),
        delay=None,
    )
    return first, rest


def _joined(parts: list[TraceEvent], item: Frame | Reject, raw: bytes) -> TimedFrame:
    parity_errors: list[int] = []
    framing_errors: list[int] = []
    position = 0
    for part in parts:
        parity_errors += (position + index for index in part.parity_errors)
        framing_errors += (position + index for index in part.framing_errors)
        position += len(part.data)
    first = parts[0]
    lags = [part.lag for part in parts if part.lag is not None]
    pauses = [after.time - before.end for before, after in pairwise(parts)]
    return TimedFrame(
        first.time,
        parts[-1].end,
        item,
        raw,
        first.kind,
        first.port,
        first.source,
        first.baud,
        tuple(parity_errors),
        tuple(framing_errors),
        tuple(dict.fromkeys(reason for part in parts for reason in part.cause)),
        first.delay,
        max(lags, default=None),
        max(0, *pauses) if pauses else 0,
    )


class Assembler:
    """Takes events in the order of time; gives the frames that they complete.

    Characters of one kind, port and source make one stream. A silence of 33 bit times ends what is pending in it.
    """

    def __init__(self) -> None:
        self._pending: dict[tuple[Kind, int | None, str], tuple[int, _Stream]] = {}

    def receive(self, event: TraceEvent) -> list[TimedFrame]:
        """The frames that ended with this event, or before it; [] for an event without characters."""
        found = self._ended(event.time) if self._pending else []
        if not event.data:
            return found
        key = (event.kind, event.port, event.source)
        _, stream = self._pending.pop(key, (0, None))
        if stream is None:
            stream = _Stream()
        found += stream.receive(event)
        if stream.reader.pending:
            idle = idle_time(event.baud) if event.baud else IDLE_WITHOUT_SPEED
            self._pending[key] = (event.end + idle, stream)
        return found

    def finish(self) -> list[TimedFrame]:
        """Nothing more will come: what is pending, as it is."""
        found = [frame for _, stream in self._pending.values() for frame in stream.idle()]
        self._pending.clear()
        return found

    def _ended(self, now: int) -> list[TimedFrame]:
        due = [key for key, (until, _) in self._pending.items() if until <= now]
        return [frame for key in due for frame in self._pending.pop(key)[1].idle()]
