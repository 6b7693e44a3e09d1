from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from mbusbench.bus import VirtualBus
from mbusbench.bus.endpoints.served import MAX_CLIENTS
from mbusbench.bus.endpoints.tcp import ServedPort, TcpClient
from mbusbench.bus.server import BusServer
from mbusbench.errors import MBusConnectionError
from mbusbench.meter import catalogue
from mbusbench.meter.meter import Meter
from mbusbench.timing import character_time

DEVICES = ["kamstrup/multical-603", "kamstrup/flowiq-2101", "schneider/iem3135"]
RESET, REQUEST = bytes.fromhex("10 40 02 42 16"), bytes.fromhex("10 7B 02 7D 16")
ASKED = 100_000
TOGGLED = bytes.fromhex("10 5B 02 5D 16")


class Client:
    """A plain TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, request: bytes, size: int) -> bytes:
        self.writer.write(request)
        async with asyncio.timeout(5):
            return await self.reader.readexactly(size)

    async def frame(self, request: bytes) -> bytes:
        head = await self.ask(request, 4)
        async with asyncio.timeout(5):
            return head + await self.reader.readexactly(head[1] + 2)

    async def close(self) -> None:
        self.writer.transport.abort()
        await asyncio.sleep(0)


def clients_of(server: BusServer) -> list[TcpClient]:
    (served,) = server._served
    assert isinstance(served, ServedPort)
    return [client for client in served._room.clients if isinstance(client, TcpClient)]


async def connected(server: BusServer) -> Client:
    host, _, port = server.url.removeprefix("socket://").rpartition(":")
    return Client(*await asyncio.open_connection(host, int(port)))


@asynccontextmanager
async def client_of(server: BusServer) -> AsyncIterator[Client]:
    client = await connected(server)
    try:
        yield client
    finally:
        await client.close()


async def test_readout_of_three_telegrams_over_tcp() -> None:
    async with VirtualBus.from_devices(DEVICES).serve("tcp://127.0.0.1:0") as server, client_of(server) as client:
        assert server.url.startswith("socket://127.0.0.1:")
        assert not server.url.endswith(":0")
        assert await client.ask(RESET, 1) == b"\xe5"
        first, second, third = [await client.frame(request) for request in (REQUEST, TOGGLED, REQUEST)]
        assert len({first, second, third}) == 3
        assert [frame[-3] for frame in (first, second, third)] == [0x1F, 0x1F, 0x0F]
        assert await client.frame(REQUEST) == third


async def test_several_clients_each_get_their_own_answers() -> None:
    async with VirtualBus.from_devices(DEVICES).serve() as server:
        clients = [await connected(server) for _ in range(20)]
        addresses = [99, 78] * 10
        replies = await asyncio.gather(
            *(
                client.frame(bytes([0x10, 0x4B, address, (0x4B + address) & 0xFF, 0x16]))
                for client, address in zip(clients, addresses, strict=True)
            )
        )
        assert [reply[5] for reply in replies] == addresses
        assert server.client_count == 20
        for client in clients:
            await client.close()


async def test_garbage_and_half_frames_of_one_client_do_not_stop_another() -> None:
    async with VirtualBus.from_devices(DEVICES).serve() as server, client_of(server) as bad, client_of(server) as good:
        for junk in (bytes(range(256)) * 40, bytes.fromhex("68 FF FF 68") + b"\x00" * 100, b"\x10\x40"):
            bad.writer.write(junk)
            await bad.writer.drain()
            assert await good.ask(RESET, 1) == b"\xe5"
        # and the bad one is heard again once its line was at rest
        assert await good.ask(RESET, 1) == b"\xe5"
        await asyncio.wait_for(_heard(bad), 5)


async def _heard(client: Client) -> None:
    while True:
        client.writer.write(RESET)
        try:
            async with asyncio.timeout(0.2):
                assert await client.reader.readexactly(1) == b"\xe5"
                return
        except TimeoutError:
            continue


async def test_a_million_bytes_of_garbage_leave_the_bus_small_and_alive() -> None:
    bus = VirtualBus.from_devices(DEVICES)
    async with bus.serve() as server, client_of(server) as client:
        for _ in range(100):
            client.writer.write(b"\x68" * 5000 + b"\x10" * 5000)
            await client.writer.drain()
        async with client_of(server) as other:
            assert await other.ask(RESET, 1) == b"\xe5"
        assert all(len(port.reader.pending) <= 261 for port in bus._line._ports.values())  # type: ignore[union-attr]


async def test_client_that_never_reads_is_held_back_and_others_are_served() -> None:
    async with VirtualBus.from_devices(DEVICES).serve() as server, client_of(server) as deaf, client_of(server) as good:
        deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(ASKED // 1000):
            deaf.writer.write(bytes.fromhex("10 4B 4E 99 16") * 1000)
            await asyncio.sleep(0)
        for _ in range(50):
            await asyncio.sleep(0)
        assert await good.ask(RESET, 1) == b"\xe5"
        for served in clients_of(server):
            assert served.transport is not None
            assert served.transport.get_write_buffer_size() <= 256 * 1024
        assert server.client_count == 2
        # once it reads, everything that it asked for comes
        deaf.writer.transport.resume_reading()  # type: ignore[attr-defined]
        async with asyncio.timeout(60):
            await deaf.reader.readexactly(ASKED * (0x68 + 6))


async def test_client_that_never_spoke_makes_room_for_another() -> None:
    async with VirtualBus.from_devices(DEVICES).serve() as server:
        good = await connected(server)
        assert await good.ask(RESET, 1) == b"\xe5"
        silent = [await connected(server) for _ in range(MAX_CLIENTS + 20)]
        async with asyncio.timeout(5):
            assert await silent[0].reader.read() == b""
        assert server.client_count <= MAX_CLIENTS
        late = await connected(server)
        assert await late.ask(RESET, 1) == b"\xe5"
        assert await good.ask(RESET, 1) == b"\xe5"
        assert server.client_count == MAX_CLIENTS
        for client in [good, late, *silent]:
            await client.close()


async def test_client_that_was_silent_longest_makes_room_where_all_have_spoken() -> None:
    async with VirtualBus.from_devices(DEVICES).serve() as server:
        clients = [await connected(server) for _ in range(MAX_CLIENTS)]
        for client in clients:
            assert await client.ask(RESET, 1) == b"\xe5"
        assert await clients[0].ask(RESET, 1) == b"\xe5"
        late = await connected(server)
        assert await late.ask(RESET, 1) == b"\xe5"
        async with asyncio.timeout(5):
            assert await clients[1].reader.read() == b""
        assert await clients[0].ask(RESET, 1) == b"\xe5"
        for client in [late, *clients]:
            await client.close()


async def test_server_leaves_nothing_behind() -> None:
    bus = VirtualBus.from_devices(DEVICES)
    async with bus.serve() as server:
        client = await connected(server)
        assert await client.ask(RESET, 1) == b"\xe5"
    assert server.client_count == 0
    assert bus.port_count == 0
    assert await client.reader.read() == b""
    await client.close()
    with pytest.raises(ConnectionError):
        await connected(server)
    assert len(asyncio.all_tasks()) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gc.collect()


async def test_bus_keeps_its_state_from_one_server_to_the_next() -> None:
    bus = VirtualBus.from_devices(DEVICES)
    async with bus.serve() as server, client_of(server) as client:
        await client.frame(REQUEST)
    async with bus.serve() as server, client_of(server) as client:
        second = await client.frame(TOGGLED)
        assert second[-3] == 0x1F
        assert second[19:21] != b"\x0d\xfd"


async def test_endpoints_come_from_the_file_and_several_may_be_given() -> None:
    bus = VirtualBus([], listen=["tcp://127.0.0.1:0", "tcp://localhost:0"])
    async with bus.serve() as server:
        assert len(server.urls) == 2
        assert server.urls[1].startswith("socket://localhost:")
    async with bus.serve("tcp://127.0.0.1:0") as server:
        assert len(server.urls) == 1


async def test_port_in_use_is_said_and_nothing_stays_open() -> None:
    bus = VirtualBus([])
    async with bus.serve() as server:
        taken = server.url.replace("socket", "tcp")
        with pytest.raises(MBusConnectionError, match=f"cannot serve on {taken}: .*address already in use"):
            async with bus.serve("tcp://127.0.0.1:0", taken):
                pass


async def test_memory_stream_speaks_to_the_bus_in_process() -> None:
    bus = VirtualBus.from_devices(DEVICES)
    stream = bus.connect()
    received: asyncio.Queue[bytes] = asyncio.Queue()
    stream.on_data = received.put_nowait
    stream.write(RESET)
    assert received.empty()
    assert await received.get() == b"\xe5"
    await stream.close()
    await stream.close()
    assert not stream.is_open
    assert bus.port_count == 0
    with pytest.raises(MBusConnectionError):
        stream.write(RESET)


@pytest.mark.virtual_time
async def test_characters_are_exact_in_virtual_time() -> None:
    device = catalogue.load("kamstrup/flowiq-2101")
    bus = VirtualBus([Meter(device, address=1, response_delay=(20_000_000, 20_000_000))], baud=300, speed=1)
    stream = bus.connect()
    loop = asyncio.get_running_loop()
    times: list[int] = []
    done = asyncio.Event()

    def on_data(data: bytes) -> None:
        times.extend([round(loop.time() * 1e9)] * len(data))
        if len(times) == 0x68 + 6:
            done.set()

    stream.on_data = on_data
    start = round(loop.time() * 1e9)
    stream.write(bytes.fromhex("10 7B 01 7C 16"))
    await done.wait()
    first = start + character_time(300, 5) + 20_000_000
    assert times == [first + character_time(300, count) for count in range(1, 0x68 + 7)]
    await stream.close()
