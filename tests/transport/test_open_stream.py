"""Streams to real endpoints: TCP on loopback, pseudo terminals; and what is said where there is none."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import socket
import tty
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from mbusbench.errors import MBusConnectionError, MBusUsageError
from mbusbench.transport import Stream, open_stream
from mbusbench.transport.stream import ignore_data
from mbusbench.transport.url import Rfc2217Endpoint, SerialEndpoint, TcpEndpoint, parse_url


class Peer(asyncio.Protocol):
    """The other end of a TCP connection."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.received = b""
        self.changed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.changed.set()

    def data_received(self, data: bytes) -> None:
        self.received += data
        self.changed.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


class Listener:
    """What a stream told whoever listens to it."""

    def __init__(self, stream: Stream) -> None:
        self.received = b""
        self.errors: list[MBusConnectionError] = []
        self.changed = asyncio.Event()
        stream.on_data = self.data
        stream.on_lost = self.lost

    def data(self, data: bytes) -> None:
        self.received += data
        self.changed.set()

    def lost(self, error: MBusConnectionError) -> None:
        self.errors.append(error)
        self.changed.set()

    async def until_received(self, count: int) -> bytes:
        async with asyncio.timeout(5):
            while len(self.received) < count:
                self.changed.clear()
                await self.changed.wait()
        return self.received

    async def until_lost(self) -> MBusConnectionError:
        async with asyncio.timeout(5):
            while not self.errors:
                self.changed.clear()
                await self.changed.wait()
        return self.errors[0]


@pytest.fixture
async def gateway() -> AsyncIterator[tuple[str, Peer]]:
    peer = Peer()
    server = await asyncio.get_running_loop().create_server(lambda: peer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield f"socket://127.0.0.1:{port}", peer
    server.close()
    if peer.transport is not None:
        peer.transport.abort()
        await peer.until(lambda: peer.transport is None)
    await server.wait_closed()


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """A pseudo terminal: the descriptor of the bus's end, and the path of the master's."""
    bus, master = os.openpty()
    tty.setraw(master)
    os.set_blocking(bus, False)
    yield bus, os.ttyname(master)
    os.close(master)
    with contextlib.suppress(OSError):  # the test may have closed it
        os.close(bus)


async def test_tcp_carries_bytes_both_ways(gateway: tuple[str, Peer]) -> None:
    url, peer = gateway
    stream = await open_stream(url)
    listener = Listener(stream)
    assert stream.is_open
    stream.write(b"\x10\x40\x05\x45\x16")
    await peer.until(lambda: len(peer.received) == 5)
    assert peer.transport is not None
    peer.transport.write(b"\xe5")
    assert await listener.until_received(1) == b"\xe5"
    await stream.close()
    await peer.until(lambda: peer.transport is None)
    assert not listener.errors


async def test_end_of_a_tcp_connection_is_told_once(gateway: tuple[str, Peer]) -> None:
    url, peer = gateway
    stream = await open_stream(url)
    listener = Listener(stream)
    await peer.until(lambda: peer.transport is not None)
    assert peer.transport is not None
    peer.transport.close()
    error = await listener.until_lost()
    assert str(error) == f"the connection to {url} was lost: the other end closed it"
    assert not stream.is_open
    with pytest.raises(MBusConnectionError):
        stream.write(b"\xe5")
    await stream.close()
    await stream.close()
    assert len(listener.errors) == 1


async def test_reset_of_a_tcp_connection_has_its_reason(gateway: tuple[str, Peer]) -> None:
    url, peer = gateway
    stream = await open_stream(url)
    listener = Listener(stream)
    await peer.until(lambda: peer.transport is not None)
    assert peer.transport is not None
    connection = peer.transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    peer.transport.abort()
    assert "connection reset by peer" in str(await listener.until_lost())
    await stream.close()


async def test_closing_does_not_wait_for_a_peer_that_does_not_read(gateway: tuple[str, Peer]) -> None:
    url, peer = gateway
    stream = await open_stream(url)
    await peer.until(lambda: peer.transport is not None)
    assert peer.transport is not None
    peer.transport.pause_reading()
    stream.write(bytes(20_000_000))
    async with asyncio.timeout(5):
        await stream.close()
    peer.transport.abort()


async def test_cancelled_close_can_be_repeated(gateway: tuple[str, Peer]) -> None:
    stream = await open_stream(gateway[0])
    closing = asyncio.ensure_future(stream.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    async with asyncio.timeout(5):
        await stream.close()


async def test_tcp_connection_is_kept_alive(gateway: tuple[str, Peer]) -> None:
    stream = await open_stream(gateway[0])
    connection = stream._transport.get_extra_info("socket")  # type: ignore[attr-defined]
    assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    await stream.close()


async def test_stream_nobody_listens_to_drops_what_comes(gateway: tuple[str, Peer]) -> None:
    url, peer = gateway
    stream = await open_stream(url)
    assert stream.on_data is ignore_data
    await peer.until(lambda: peer.transport is not None)
    assert peer.transport is not None
    peer.transport.write(b"\x00")
    peer.transport.close()
    async with asyncio.timeout(5):
        while stream.is_open:
            await asyncio.sleep(0)
    await stream.close()


async def test_closed_port_is_a_connection_error_with_the_reason() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(
            MBusConnectionError, match=rf"no connection to socket://127.0.0.1:{port}: connection refused"
        ):
            await open_stream(f"socket://127.0.0.1:{port}")


async def test_gateway_that_never_answers_ends_with_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*arguments: object, **options: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", hang)
    with pytest.raises(MBusConnectionError, match=r"no answer within 0.01 s"):
        await open_stream("socket://192.0.2.1:10001", timeout=0.01)


async def test_pseudo_terminal_falls_back_to_no_parity_and_says_so(
    terminal: tuple[int, str], caplog: pytest.LogCaptureFixture
) -> None:
    bus, path = terminal
    with caplog.at_level(logging.WARNING, "mbusbench"):
        stream = await open_stream(path)
    listener = Listener(stream)
    assert [record.message for record in caplog.records] == [
        f"{path} is a pseudo terminal, which keeps no even parity: using 8N1 instead of 8E1"
    ]
    os.write(bus, b"\xe5\x00\x10")
    assert await listener.until_received(3) == b"\xe5\x00\x10"
    stream.write(b"\x10\x40\x05\x45\x16")
    assert os.read(bus, 100) == b"\x10\x40\x05\x45\x16"
    await stream.close()


async def test_pseudo_terminal_asked_for_without_parity_needs_no_warning(
    terminal: tuple[int, str], caplog: pytest.LogCaptureFixture
) -> None:
    stream = await open_stream(terminal[1], parity="none")
    assert not caplog.records
    await stream.close()


async def test_baud_rate_of_a_device_changes_while_it_is_open(terminal: tuple[int, str]) -> None:
    import termios

    bus, path = terminal
    stream = await open_stream(path, baudrate=300, parity="none")
    assert termios.tcgetattr(bus)[4] == termios.B300
    stream.set_baudrate(9600)
    assert termios.tcgetattr(bus)[4] == termios.B9600
    await stream.close()
    with pytest.raises(MBusConnectionError):
        stream.set_baudrate(300)


async def test_device_is_opened_for_one_program_alone(terminal: tuple[int, str]) -> None:
    stream = await open_stream(terminal[1], parity="none")
    with pytest.raises(MBusConnectionError, match="another program uses it"):
        await open_stream(terminal[1])
    await stream.close()
    again = await open_stream(terminal[1])
    await again.close()


async def test_device_that_disappears_is_told(terminal: tuple[int, str]) -> None:
    bus, path = terminal
    stream = await open_stream(path, parity="none")
    listener = Listener(stream)
    os.close(bus)
    error = await listener.until_lost()
    assert str(error) == f"{path} was lost: the device is gone"
    with pytest.raises(MBusConnectionError):
        stream.write(b"\xe5")
    await stream.close()


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/dev/nonexistent-tty", "no such file or directory"), ("/dev/null", "inappropriate ioctl for device")],
)
async def test_device_that_cannot_be_opened_has_its_reason(path: str, reason: str) -> None:
    with pytest.raises(MBusConnectionError, match=f"{path} cannot be opened: {reason}"):
        await open_stream(path)


async def test_cancelled_open_leaves_the_device_free(terminal: tuple[int, str]) -> None:
    opening = asyncio.ensure_future(open_stream(terminal[1], parity="none"))
    await asyncio.sleep(0)
    opening.cancel()
    await asyncio.wait([opening])
    assert opening.cancelled()
    async with asyncio.timeout(5):
        while True:
            try:
                stream = await open_stream(terminal[1], parity="none")
                break
            except MBusConnectionError:
                gc.collect()
                await asyncio.sleep(0)
    await stream.close()


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("socket://127.0.0.1:10001", TcpEndpoint("127.0.0.1", 10001)),
        ("tcp://gateway:10001", TcpEndpoint("gateway", 10001)),
        ("SOCKET://gateway:10001/", TcpEndpoint("gateway", 10001)),
        ("socket://[::1]:10001", TcpEndpoint("::1", 10001)),
        ("rfc2217://gateway:2217", Rfc2217Endpoint("gateway", 2217)),
        ("/dev/ttyUSB0", SerialEndpoint("/dev/ttyUSB0")),
        ("pty:///tmp/mbus0", SerialEndpoint("/tmp/mbus0")),
        ("serial:///dev/ttyS0", SerialEndpoint("/dev/ttyS0")),
        ("serial:COM3", SerialEndpoint("COM3")),
        ("COM3", SerialEndpoint("COM3")),
        (r"C:\port", SerialEndpoint(r"C:\port")),
    ],
)
def test_url_names_an_endpoint(url: str, endpoint: object) -> None:
    assert parse_url(url) == endpoint
    assert parse_url(str(endpoint)) == endpoint


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("", "the bus has to be named"),
        ("  ", "the bus has to be named"),
        ("socket://gateway", "the port is missing; write socket://gateway:PORT"),
        ("socket://::1", "no HOST:PORT"),
        ("socket://:10001", "the host is missing"),
        ("socket://gateway:0", "port 0 is not in 1..65535"),
        ("socket://gateway:99999", "no HOST:PORT"),
        ("socket://gateway:x", "no HOST:PORT"),
        ("socket://gateway:1?logging=debug", "nothing may follow the port"),
        ("socket://me@gateway:1", "nothing may follow the port"),
        ("socket://gateway:1/bus", "nothing may follow the port"),
        ("sockt://gateway:1", "unknown scheme 'sockt'; supported are socket://HOST:PORT, rfc2217://HOST:PORT"),
        ("loop://", "unknown scheme"),
        ("pty://", "names no serial device"),
        ("/dev/tty\0", "names no serial device"),
    ],
)
async def test_url_that_names_none_is_a_usage_error(url: str, complaint: str) -> None:
    with pytest.raises(MBusUsageError, match=complaint.replace("?", r"\?")):
        await open_stream(url)


@pytest.mark.parametrize("arguments", [{"baudrate": 0}, {"baudrate": True}, {"parity": "E"}, {"timeout": -1}])
async def test_impossible_setting_is_a_usage_error(arguments: dict[str, object]) -> None:
    with pytest.raises(MBusUsageError):
        await open_stream("socket://127.0.0.1:1", **arguments)  # type: ignore[arg-type]


async def test_characters_with_parity_errors_are_dropped_by_the_driver(terminal: tuple[int, str]) -> None:
    import termios

    bus, path = terminal
    checks = termios.INPCK | termios.IGNPAR
    stream = await open_stream(path, parity="none")
    assert not termios.tcgetattr(bus)[0] & checks
    # A pseudo terminal keeps no parity bit, and yet the flags that a device would go by.
    stream._transport.serial._parity = "E"  # type: ignore[attr-defined]
    stream.set_baudrate(9600)
    assert termios.tcgetattr(bus)[0] & checks == checks
    stream.set_baudrate(300)
    assert termios.tcgetattr(bus)[0] & checks == checks
    await stream.close()
