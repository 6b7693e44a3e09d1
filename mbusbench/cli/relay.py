"""A real bus in the place of a virtual one, so that the endpoints of `serve` lead to it; what passes becomes a trace.

Bytes go on at once, both ways and whatever they are. Only the trace waits until they are a frame, or a pause says that
they will not be one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mbusbench.bus.endpoints.driver import Driver
from mbusbench.bus.port import PortOptions, Send
from mbusbench.errors import MBusConnectionError
from mbusbench.line.wire import Parity
from mbusbench.master.wire_trace import Gathering
from mbusbench.trace.event import CLOSED, FORMAT, OPENED, Kind, TraceEvent, TraceSink
from mbusbench.transport.stream import Stream


class Relay:
    """What `BusServer` asks of a bus, done by the bus at the other end of `stream`.

    `lost` is set to the error that ended the connection to it. A rate that a master sets is set there too, where the
    stream can.
    """

    speed: float | None = None
    parity = Parity.EVEN
    trace: TraceSink | None = None
    lag_of: Callable[[int, int], int] | None = None
    driver: object = None

    def __init__(self, stream: Stream, baud: int, show: TraceSink) -> None:
        self.baud = baud
        self.lost: asyncio.Future[MBusConnectionError] = asyncio.get_running_loop().create_future()
        self._stream = stream
        self._show = show
        self._ports: set[int] = set()
        self._next_port = 0
        self._arrived = b""
        self._requests = Gathering(Kind.MASTER, show, self._now)
        self._answers = Gathering(Kind.SLAVE, show, self._now)
        stream.on_data = self._on_data
        stream.on_lost = self._on_lost

    def open_port(self, options: PortOptions | None = None, now: int = 0) -> int:
        self._next_port += 1
        self._ports.add(self._next_port)
        self._show(TraceEvent(now, Kind.NOTE, self._next_port, cause=(OPENED,)))
        return self._next_port

    def close_port(self, port: int, now: int = 0) -> None:
        self._ports.discard(port)
        self._show(TraceEvent(now, Kind.NOTE, port, cause=(CLOSED,)))

    def set_port_format(self, port: int, baud: int, parity: Parity, now: int = 0) -> None:
        if baud == self.baud:
            return
        self.baud = baud
        self._attempt(lambda: self._stream.set_baudrate(baud))
        self._show(TraceEvent(now, Kind.NOTE, port, baud=baud, parity=parity, cause=(FORMAT,)))

    def set_break(self, port: int, on: bool, now: int) -> None:
        """Not passed on."""

    def receive(self, port: int, data: bytes, now: int) -> None:
        if data:
            self._answers.flush()
            self._requests.receive(data, port, now)
            self._attempt(lambda: self._stream.write(data))

    def poll(self, now: int) -> list[Send]:
        data, self._arrived = self._arrived, b""
        return [Send(port, data, now) for port in self._ports] if data else []

    def next_wakeup(self) -> int | None:
        return 0 if self._arrived else None

    def finish(self) -> None:
        """Show what is left."""
        self._requests.flush()
        self._answers.flush()

    def _now(self) -> int:
        assert isinstance(self.driver, Driver)
        return self.driver.now

    def _on_data(self, data: bytes) -> None:
        self._requests.flush()
        self._answers.receive(data, None, self._now())
        self._arrived += data
        if not self._ports:
            self._arrived = b""
        for port in list(self._ports)[:1]:
            assert isinstance(self.driver, Driver)
            self.driver.feed(port, b"")  # it polls

    def _on_lost(self, error: MBusConnectionError) -> None:
        if not self.lost.done():
            self.lost.set_result(error)

    def _attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
        except MBusConnectionError as error:
            self._on_lost(error)
