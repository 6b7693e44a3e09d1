"""A bus behind a TCP port, as behind a transparent gateway.

Where the line has a time all connections share the gateway's one port of the bus, so that a crowd costs no more than
its own bytes; otherwise, and where the bus file describes the gateway, each connection is a port.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from mbusbench.bus.endpoint import Rfc2217Endpoint, TcpEndpoint, netloc
from mbusbench.bus.endpoints.driver import Driver
from mbusbench.bus.endpoints.served import MAX_CLIENTS, MAX_PORTS, Client, Room, ServedEndpoint
from mbusbench.bus.port import PortOptions, Send

RECEIVE_BUFFER = 2048
# A client that does not read is not listened to beyond the first mark, and cut off at the second.
PAUSE_ABOVE = 64 * 1024
ABORT_ABOVE = 512 * 1024


class Ports(Protocol):
    """Which port a connection is at."""

    def join(self, client: TcpClient) -> int:
        """The port of a new connection."""

    def part(self, client: TcpClient, port: int) -> None:
        """A connection is over."""


class OwnPorts:
    """One for each connection."""

    def __init__(self, driver: Driver, options: PortOptions) -> None:
        self._driver = driver
        self._options = options

    def join(self, client: TcpClient) -> int:
        return self._driver.attach(client, self._options)

    def part(self, client: TcpClient, port: int) -> None:
        self._driver.detach(port)


class SharedPort:
    """One for all connections, open as long as there is any: all hear everything."""

    def __init__(self, driver: Driver, options: PortOptions) -> None:
        self._driver = driver
        self._options = options
        self._port: int | None = None
        self._clients: dict[TcpClient, None] = {}

    def join(self, client: TcpClient) -> int:
        if self._port is None:
            self._port = self._driver.attach(self, self._options)
        self._clients[client] = None
        return self._port

    def part(self, client: TcpClient, port: int) -> None:
        self._clients.pop(client, None)
        if not self._clients and self._port is not None:
            self._driver.detach(self._port)
            self._port = None

    def deliver(self, send: Send) -> None:
        for client in self._clients:
            client.write(send.data)

    def disconnect(self) -> None:
        clients, self._clients = self._clients, {}
        self._port = None
        for client in clients:
            client.disconnect()


class TcpClient(Client, asyncio.BufferedProtocol):
    """One TCP connection."""

    def __init__(self, driver: Driver, room: Room, ports: Ports) -> None:
        self._driver = driver
        self._room = room
        self._ports = ports
        self._port: int | None = None
        self._buffer = bytearray(RECEIVE_BUFFER)
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.last_heard = self._driver.now
        if not self._room.enter(self):
            transport.abort()
            return
        transport.set_write_buffer_limits(high=PAUSE_ABOVE)
        self._port = self._ports.join(self)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._port is not None:
            self.has_spoken = True
            self.received(self._port, bytes(self._buffer[:nbytes]))
            self.last_heard = self._driver.last

    def received(self, port: int, data: bytes) -> None:
        """Pass on what the connection brought."""
        self._driver.feed(port, data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._port is not None:
            self._ports.part(self, self._port)
            self._port = None
        self._room.leave(self)

    def pause_writing(self) -> None:
        self.is_stuck = True
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.is_stuck = False
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def deliver(self, send: Send) -> None:
        self.write(send.data)

    def disconnect(self) -> None:
        self._port = None
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def write(self, data: bytes) -> None:
        transport = self.transport
        assert transport is not None
        if transport.is_closing():
            return
        transport.write(data)
        if self.is_stuck and transport.get_write_buffer_size() > ABORT_ABOVE:
            transport.abort()


class ServedPort(ServedEndpoint):
    """A listening TCP port; `client` makes the protocol of each connection, `room` has those that there are."""

    kind = "tcp"
    scheme = "socket"

    def __init__(self, endpoint: TcpEndpoint | Rfc2217Endpoint, room: Room, client: Callable[[], TcpClient]) -> None:
        self._endpoint = endpoint
        self._room = room
        self._client = client
        self._server: asyncio.Server | None = None
        self._port = endpoint.port

    async def open(self) -> None:
        endpoint = self._endpoint
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._client, endpoint.host, endpoint.port)
        self._port = self._server.sockets[0].getsockname()[1]
        self.url = f"{self.scheme}://{netloc(endpoint.host, self._port)}"

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._room.clear()

    @property
    def client_count(self) -> int:
        """Connections that there are."""
        return len(self._room.clients)

    def description(self) -> dict[str, str | int]:
        return {"kind": self.kind, "url": self.url, "host": self._endpoint.host, "port": self._port}


class ServedTcp(ServedPort):
    """A listening port that carries the bytes of the bus as they are."""

    def __init__(self, endpoint: TcpEndpoint, driver: Driver, options: PortOptions) -> None:
        is_shared = driver.bus.speed is not None and options.gateway is None
        ports = SharedPort(driver, options) if is_shared else OwnPorts(driver, options)
        room = Room(MAX_CLIENTS if options.gateway is None else MAX_PORTS)
        super().__init__(endpoint, room, lambda: TcpClient(driver, room, ports))
