"""A TCP connection to a gateway that passes the bytes of the bus through."""

from __future__ import annotations

import asyncio
import os
import socket

from mbusbench.errors import MBusConnectionError
from mbusbench.transport.stream import Stream
from mbusbench.transport.url import TcpEndpoint

# Gateways collect characters before they send a segment, and networks have queues.
LATENCY = 500_000_000


# A few frames. asyncio's own way allocates a quarter of a megabyte for every segment, which costs more than the read.
RECEIVE_BUFFER = 2048


class TcpStream(Stream, asyncio.BufferedProtocol):
    """One TCP connection. Made by `open_tcp`."""

    latency = LATENCY

    def __init__(self, endpoint: object) -> None:
        self._endpoint = endpoint
        self._transport: asyncio.Transport | None = None
        self._closing = False
        self._closed = asyncio.Event()
        self._buffer = bytearray(RECEIVE_BUFFER)

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._closing

    def write(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or self._closing:
            raise MBusConnectionError(f"{self._endpoint} is not connected")
        transport.write(data)

    async def close(self) -> None:
        self._closing = True
        if self._transport is None:
            return
        # A graceful close would wait for a peer that does not read.
        self._transport.abort()
        await self._closed.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if not self._closing:
            self._received(bytes(self._buffer[:nbytes]))

    def _received(self, data: bytes) -> None:
        """Pass on what the socket brought; never called after `close`."""
        self.on_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set()
        if self._closing:
            return
        self._closing = True
        reason = "the other end closed it" if exc is None else describe(exc)
        self.on_lost(MBusConnectionError(f"the connection to {self._endpoint} was lost: {reason}"))


async def open_tcp(endpoint: TcpEndpoint, timeout: float) -> TcpStream:
    """Connect within `timeout` seconds, or raise MBusConnectionError with the reason."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout):
            _, stream = await loop.create_connection(lambda: TcpStream(endpoint), endpoint.host, endpoint.port)
    except TimeoutError as error:
        reason = describe(error) if error.errno else f"no answer within {timeout:g} s"
        raise MBusConnectionError(f"no connection to {endpoint}: {reason}") from error
    except OSError as error:
        raise MBusConnectionError(f"no connection to {endpoint}: {describe(error)}") from error
    return stream


def describe(error: BaseException) -> str:
    """The reason in an exception of the operating system, in words and without its number."""
    text = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.errno is not None:
        # asyncio puts the peer's address where the reason belongs; resolver errors have numbers of their own, negative.
        text = os.strerror(error.errno) if error.errno > 0 else error.strerror or text
    return text[0].lower() + text[1:] if text[:1].isupper() and text[1:2].islower() else text
