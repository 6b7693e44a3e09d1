"""The bus in an event loop: served on TCP, or a stream inside the process. The only part of it that knows asyncio.

All ports of one bus share one driver, and with it one time: `loop.time()`, so that virtual time works too. Nothing here
knows frames.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from types import TracebackType
from typing import Self

from mbusbench.bus.endpoint import parse_endpoint
from mbusbench.bus.engine import VirtualBus
from mbusbench.errors import MBusConnectionError
from mbusbench.transport.stream import Stream

MAX_CLIENTS = 256
RECEIVE_BUFFER = 2048
# A client that does not read is not listened to beyond the first mark, and cut off at the second.
PAUSE_ABOVE = 64 * 1024
ABORT_ABOVE = 1024 * 1024

Writer = Callable[[bytes], None]


class _Driver:
    """Moves bytes between one bus and its ports, and wakes the bus when it is time."""

    def __init__(self, bus: VirtualBus, loop: asyncio.AbstractEventLoop, start: int) -> None:
        self._bus = bus
        self.loop = loop
        self._offset = start - round(loop.time() * 1e9)
        self.last = start
        self._writers: dict[int, Writer] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due: int | None = None

    @property
    def now(self) -> int:
        """ns since the bus's epoch; never goes back."""
        self.last = max(self.last, round(self.loop.time() * 1e9) + self._offset)
        return self.last

    def attach(self, writer: Writer) -> int:
        port = self._bus.open_port(self.now)
        self._writers[port] = writer
        return port

    def detach(self, port: int) -> None:
        if self._writers.pop(port, None) is not None:
            self._bus.close_port(port, self.now)
            self._wake(self._bus.next_wakeup())

    def feed(self, port: int, data: bytes) -> None:
        if port in self._writers:
            now = self.now
            self._bus.receive(port, data, now)
            self._step(now)

    def _step(self, now: int) -> None:
        for port, data in self._bus.poll(now):
            writer = self._writers.get(port)
            if writer is not None:
                writer(data)
        self._wake(self._bus.next_wakeup())

    def _wake(self, due: int | None) -> None:
        if due == self._timer_due:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_due = due
        if due is not None:
            self._timer = self.loop.call_at((due - self._offset) / 1e9, self._on_timer, due)

    def _on_timer(self, due: int) -> None:
        self._timer = self._timer_due = None
        # A loop may call a little early, by its clock's resolution: to the bus it is on time.
        self.last = max(self.last, due)
        self._step(self.now)


def _driver(bus: VirtualBus) -> _Driver:
    """The bus's driver in the running loop; time goes on where an earlier loop left it."""
    loop = asyncio.get_running_loop()
    driver = bus.driver
    if isinstance(driver, _Driver) and driver.loop is loop:
        return driver
    bus.driver = _Driver(bus, loop, driver.last if isinstance(driver, _Driver) else 0)
    return bus.driver


class _Client(asyncio.BufferedProtocol):
    """One TCP connection."""

    def __init__(self, server: BusServer) -> None:
        self._server = server
        self._driver = server.driver
        self._port: int | None = None
        self._buffer = bytearray(RECEIVE_BUFFER)
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if not self._server.admit(self):
            transport.abort()
            return
        transport.set_write_buffer_limits(high=PAUSE_ABOVE)
        self._port = self._driver.attach(self._write)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._port is not None:
            self._driver.feed(self._port, bytes(self._buffer[:nbytes]))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._port is not None:
            self._driver.detach(self._port)
            self._port = None
        self._server.dismiss(self)

    def pause_writing(self) -> None:
        assert self.transport is not None
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        assert self.transport is not None
        self.transport.resume_reading()

    def _write(self, data: bytes) -> None:
        transport = self.transport
        assert transport is not None
        if transport.is_closing():
            return
        transport.write(data)
        if transport.get_write_buffer_size() > ABORT_ABOVE:
            transport.abort()


class BusServer:
    """A bus served on endpoints, as an async context manager: it serves from entry to exit, and leaves nothing behind.

    `urls` has for each endpoint what a master opens, with the real port; `url` is the first of them.
    """

    def __init__(self, bus: VirtualBus, endpoints: Sequence[str]) -> None:
        """MBusUsageError where an endpoint is none."""
        self._bus = bus
        self._addresses = [parse_endpoint(endpoint) for endpoint in endpoints]
        self._servers: list[asyncio.Server] = []
        self._clients: set[_Client] = set()
        self._all_gone = asyncio.Event()
        self.urls: list[str] = []

    @property
    def url(self) -> str:
        return self.urls[0]

    @property
    def client_count(self) -> int:
        return len(self._clients)

    async def __aenter__(self) -> Self:
        """Raises MBusConnectionError where an endpoint cannot be opened."""
        loop = asyncio.get_running_loop()
        self.driver = _driver(self._bus)
        for host, port in self._addresses:
            try:
                server = await loop.create_server(lambda: _Client(self), host, port)
            except OSError as error:
                await self._close()
                reason = (error.strerror or str(error)).lower()
                raise MBusConnectionError(f"cannot serve on tcp://{_shown(host)}:{port}: {reason}") from error
            self._servers.append(server)
            self.urls.append(f"socket://{_shown(host)}:{server.sockets[0].getsockname()[1]}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()
        for client in self._clients:
            if client.transport is not None:
                client.transport.abort()
        while self._clients:
            self._all_gone.clear()
            await self._all_gone.wait()

    def admit(self, client: _Client) -> bool:
        """Whether there is room for one more."""
        if not self._servers or len(self._clients) >= MAX_CLIENTS:
            return False
        self._clients.add(client)
        return True

    def dismiss(self, client: _Client) -> None:
        self._clients.discard(client)
        if not self._clients:
            self._all_gone.set()


def _shown(host: str) -> str:
    try:
        return f"[{host}]" if ip_address(host).version == 6 else host
    except ValueError:
        return host


class MemoryStream(Stream):
    """A stream to a bus in the same process; what is written arrives in the next round of the event loop."""

    def __init__(self, bus: VirtualBus) -> None:
        self._driver = _driver(bus)
        self._port: int | None = self._driver.attach(self._deliver)

    @property
    def is_open(self) -> bool:
        return self._port is not None

    def write(self, data: bytes) -> None:
        if self._port is None:
            raise MBusConnectionError("the stream to the bus is closed")
        self._driver.loop.call_soon(self._driver.feed, self._port, bytes(data))

    async def close(self) -> None:
        if self._port is not None:
            self._driver.detach(self._port)
            self._port = None

    def _deliver(self, data: bytes) -> None:
        self.on_data(data)
