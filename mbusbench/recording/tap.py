"""A stream that tells what passes through it: requests and answers as events, with the times of the line.

Times are those of the event loop, put in order: characters of a rate take their time, also where a gateway or a bus
without time of its own delivers them faster.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mbusbench.clock import ns_of
from mbusbench.errors import MBusConnectionError
from mbusbench.timing import character_time
from mbusbench.trace.event import Kind, TraceEvent, TraceSink
from mbusbench.transport.stream import Stream


class TappedStream(Stream):
    """`stream`, at `baud`, with every run of bytes told to `show`: MASTER what is written, SLAVE what arrives."""

    def __init__(self, stream: Stream, baud: int, show: TraceSink) -> None:
        self._stream = stream
        self._baud = baud
        self._show = show
        self._now: Callable[[], int] = ns_of(asyncio.get_running_loop())
        self._end = 0
        self.latency = stream.latency
        self.sets_baudrate = stream.sets_baudrate
        stream.on_data = self._arrived
        stream.on_lost = self._was_lost

    @property
    def is_open(self) -> bool:
        return self._stream.is_open

    def write(self, data: bytes) -> None:
        self._stream.write(data)
        self._tell(Kind.MASTER, data, max(self._now(), self._end))

    async def close(self) -> None:
        await self._stream.close()

    def take_whole_answers(self) -> None:
        self._stream.take_whole_answers()

    def busy_until(self) -> int:
        return self._stream.busy_until()

    def deliver_pending(self) -> None:
        self._stream.deliver_pending()

    def set_baudrate(self, baudrate: int) -> None:
        self._stream.set_baudrate(baudrate)
        self._baud = baudrate

    def _arrived(self, data: bytes) -> None:
        self._tell(Kind.SLAVE, data, max(self._now() - character_time(self._baud, len(data)), self._end))
        self.on_data(data)

    def _was_lost(self, error: MBusConnectionError) -> None:
        self.on_lost(error)

    def _tell(self, kind: Kind, data: bytes, start: int) -> None:
        duration = character_time(self._baud, len(data))
        self._end = start + duration
        self._show(TraceEvent(start, kind, None, "", bytes(data), duration, self._baud))
