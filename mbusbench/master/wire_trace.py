"""What passes between a master and its bus, as a trace: a stream around the stream, which changes nothing.

Characters become events when they are a frame, or when a pause says that they will not be one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from mbusbench.clock import ns_of
from mbusbench.codec.frame_reader import FrameReader
from mbusbench.errors import MBusConnectionError
from mbusbench.timing import character_time
from mbusbench.trace.event import CLOSED, FORMAT, OPENED, Kind, TraceEvent, TraceSink
from mbusbench.transport.stream import Stream

PAUSE = 300_000_000
"""ns after which bytes belong to something else: gateways make holes in a frame."""


class Gathering:
    """What one side says, put together to frames, or to what a pause ends."""

    def __init__(self, kind: Kind, show: TraceSink, now: Callable[[], int]) -> None:
        self._kind = kind
        self._show = show
        self._now = now
        self._reader = FrameReader()
        self._data = b""
        self._port: int | None = None
        self._began = self._last = 0
        self._timer: asyncio.TimerHandle | None = None

    def receive(self, data: bytes, port: int | None, now: int) -> None:
        if port != self._port:
            self.flush()
        if not self._data:
            self._began, self._port = now, port
        self._data += data
        self._last = now
        self._reader.receive(data)
        if not self._reader.pending:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PAUSE / 1e9, self._paused)

    def flush(self) -> None:
        """Show what there is, whole or not."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._data:
            data, self._data = self._data, b""
            self._reader.clear()
            self._show(TraceEvent(self._began, self._kind, self._port, "", data, self._last - self._began))

    def _paused(self) -> None:
        self._timer = None
        rest = self._last + PAUSE - self._now()
        if rest > 0:
            self._timer = asyncio.get_running_loop().call_later(rest / 1e9, self._paused)
        else:
            self.flush()


class WireTrace:
    """The trace of one master, over all its connections, each a port of its own. Time 0 is the first of them."""

    def __init__(self, sink: TraceSink) -> None:
        self.sink = sink
        self._loop: asyncio.AbstractEventLoop | None = None
        self._clock: Callable[[], int] = int
        self._offset = 0
        self._last = 0
        self._ports = 0

    def now(self) -> int:
        """ns since the first connection; goes on where another event loop left it."""
        self._last = self._clock() - self._offset
        return self._last

    def around(self, stream: Stream, baudrate: int) -> TracedStream:
        """A new connection, traced."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._clock = loop, ns_of(loop)
            self._offset = self._clock() - self._last
        self._ports += 1
        return TracedStream(stream, self, self._ports, baudrate)


class TracedStream(Stream):
    """One connection. What arrives is told to be a slave's, as it is to the master."""

    def __init__(self, stream: Stream, trace: WireTrace, port: int, baudrate: int) -> None:
        self.latency = stream.latency
        self.sets_baudrate = stream.sets_baudrate
        self._stream = stream
        self._trace = trace
        self._port = port
        self._baudrate = baudrate
        self._answers = Gathering(Kind.SLAVE, trace.sink, trace.now)
        self._closed = False
        stream.on_data = self._on_data
        stream.on_damaged = self._on_damaged  # type: ignore[method-assign]
        stream.on_lost = self._on_lost
        trace.sink(TraceEvent(trace.now(), Kind.NOTE, port, baud=baudrate, cause=(OPENED,)))

    @property
    def is_open(self) -> bool:
        return self._stream.is_open

    def write(self, data: bytes) -> None:
        self._answers.flush()
        duration = character_time(self._baudrate, len(data))
        self._trace.sink(
            TraceEvent(self._trace.now(), Kind.MASTER, self._port, "", data, duration, baud=self._baudrate)
        )
        self._stream.write(data)

    async def close(self) -> None:
        self._end()
        await self._stream.close()

    def take_whole_answers(self) -> None:
        """Not allowed: a trace has the times at which characters came."""

    def set_baudrate(self, baudrate: int) -> None:
        self._stream.set_baudrate(baudrate)
        self._baudrate = baudrate
        self._answers.flush()
        self._trace.sink(TraceEvent(self._trace.now(), Kind.NOTE, self._port, baud=baudrate, cause=(FORMAT,)))

    def _on_data(self, data: bytes) -> None:
        self._answers.receive(data, None, self._trace.now())
        self.on_data(data)

    def _on_damaged(self, data: bytes, wrong: Sequence[int]) -> None:
        self._answers.flush()
        now = self._trace.now()
        self._trace.sink(TraceEvent(now, Kind.SLAVE, self._port, "", data, parity_errors=tuple(wrong)))
        self.on_damaged(data, wrong)

    def _on_lost(self, error: MBusConnectionError) -> None:
        self._end()
        self.on_lost(error)

    def _end(self) -> None:
        self._answers.flush()
        if not self._closed:
            self._closed = True
            self._trace.sink(TraceEvent(self._trace.now(), Kind.NOTE, self._port, cause=(CLOSED,)))
