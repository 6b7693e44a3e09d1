"""Keeps events in memory: all of them, or the last ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from mbusbench.errors import MBusUsageError
from mbusbench.trace.event import TraceEvent
from mbusbench.trace.header import TraceHeader


@dataclass(frozen=True, slots=True)
class Trace:
    """A whole trace. `incomplete` says that its file ends in the middle of an event."""

    header: TraceHeader
    events: tuple[TraceEvent, ...]
    incomplete: bool = False

    def __iter__(self) -> Iterator[TraceEvent]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)


class Recorder:
    """A TraceSink, `bus.trace = recorder.record`, that remembers. With `limit` the oldest events are forgotten."""

    def __init__(self, header: TraceHeader | None = None, *, limit: int | None = None) -> None:
        """MBusUsageError for a limit below 1."""
        if limit is not None and limit < 1:
            raise MBusUsageError(f"a recorder that keeps {limit} events keeps none")
        self.header = header or TraceHeader()
        self._events: deque[TraceEvent] = deque(maxlen=limit)
        self.record = self._events.append

    @property
    def events(self) -> list[TraceEvent]:
        """What is remembered, the oldest first."""
        return list(self._events)

    @property
    def trace(self) -> Trace:
        return Trace(self.header, tuple(self._events))

    def clear(self) -> None:
        """Forget everything up to now."""
        self._events.clear()
