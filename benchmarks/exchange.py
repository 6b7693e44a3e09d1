"""One read over loopback TCP, master and virtual bus without line delay, against the same bytes through bare asyncio.

Both sides of both run in one process and one event loop. The bare client sends the requests that the master sends, the
bare server answers each with what the bus answers: asyncio streams, `readexactly`, nothing else.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

from benchmarks.measure import Result
from mbusbench import MBusMaster, VirtualBus

DEVICE = "kamstrup/multical-603"
BOUND = 2.5
READS = 100
ROUNDS = 21

Exchange = tuple[bytes, bytes]
Read = Callable[[], Awaitable[object]]


class Recorder:
    """A TCP relay that notes what went through it, as pairs of request and answer."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._seen: list[tuple[bool, bytes]] = []

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, requests = await asyncio.open_connection(*self._target)
        try:
            await asyncio.gather(self._copy(reader, requests, True), self._copy(answers, writer, False))
        finally:
            writer.close()

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, request: bool) -> None:
        while data := await source.read(4096):
            self._seen.append((request, data))
            target.write(data)
        target.close()

    def exchanges(self) -> list[Exchange]:
        found: list[Exchange] = []
        for request, data in self._seen:
            if request:
                found.append((data, b""))
            else:
                found[-1] = (found[-1][0], found[-1][1] + data)
        return found


def _host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


async def exchanges_of_one_read(url: str, address: int) -> list[Exchange]:
    """What goes over the wire for the second read of a meter: the first may differ (link reset)."""
    recorder = Recorder(*_host_and_port(url))
    server = await asyncio.start_server(recorder.relay, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with MBusMaster(f"socket://127.0.0.1:{port}") as master:
        await master.query(address)
        before = len(recorder.exchanges())
        await master.query(address)
        found = recorder.exchanges()[before:]
    server.close()
    return found


class BareServer:
    """Answers each request with the next answer of the list, round and round."""

    def __init__(self, exchanges: list[Exchange]) -> None:
        self._exchanges = exchanges

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                for request, answer in self._exchanges:
                    await reader.readexactly(len(request))
                    writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


async def _seconds(read: Read) -> float:
    start = time.perf_counter()
    for _ in range(READS):
        await read()
    return (time.perf_counter() - start) / READS


async def _measure() -> Result:
    async with AsyncExitStack() as stack:
        bus = VirtualBus.from_devices([DEVICE])
        address = bus.meters[0].address
        server = await stack.enter_async_context(bus.serve("tcp://127.0.0.1:0"))
        exchanges = await exchanges_of_one_read(server.url, address)

        bare_server = await asyncio.start_server(BareServer(exchanges).serve, "127.0.0.1", 0)
        stack.callback(bare_server.close)
        reader, writer = await asyncio.open_connection(*bare_server.sockets[0].getsockname()[:2])
        stack.callback(writer.close)
        master = await stack.enter_async_context(MBusMaster(server.url))

        async def ours() -> object:
            return await master.query(address)

        async def bare() -> object:
            for request, answer in exchanges:
                writer.write(request)
                await reader.readexactly(len(answer))
            return None

        pairs = await _interleaved(ours, bare)
    mine = statistics.median(mine for mine, _ in pairs)
    theirs = statistics.median(theirs for _, theirs in pairs)
    ratio = statistics.median(mine / theirs for mine, theirs in pairs)
    size = sum(len(request) + len(answer) for request, answer in exchanges)
    note = f"asyncio streams; {len(exchanges)} exchanges, {size} octets, {DEVICE}"
    return Result("one read over TCP", "read", mine, theirs, ratio, BOUND, False, note)


async def _interleaved(ours: Read, bare: Read) -> list[tuple[float, float]]:
    for _ in range(READS):
        await ours()
        await bare()
    pairs = []
    gc.collect()
    gc.disable()
    try:
        for number in range(ROUNDS):
            if number % 2:
                theirs = await _seconds(bare)
                mine = await _seconds(ours)
            else:
                mine = await _seconds(ours)
                theirs = await _seconds(bare)
            pairs.append((mine, theirs))
    finally:
        gc.enable()
    return pairs


def one_read() -> Result:
    """At most 2.5 times the bare exchange."""
    return asyncio.run(_measure())
