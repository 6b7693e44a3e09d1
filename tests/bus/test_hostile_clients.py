"""Clients that do harm, against `mbusbench serve` in a process of its own.

Another client is answered all the time, and the memory of the process stays bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import resource
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mbusbench import MBusConnectionError, MBusError, MBusMaster
from tests.cli.running import Served, served

REQUEST = bytes.fromhex("10 7B 01 7C 16")
LONGEST = 24 * 1024 * 1024
"""Bytes by which the process may grow: a hundred times what a client may leave unread."""

Client = Callable[[tuple[str, int]], None]


def connected(address: tuple[str, int]) -> socket.socket:
    client = socket.create_connection(address, timeout=10)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def push(client: socket.socket, data: bytes, seconds: float = 2) -> None:
    """Send as much of it as is taken in that time; being cut off is what such a client may expect."""
    client.settimeout(0.2)
    end = time.monotonic() + seconds
    view = memoryview(data)
    with contextlib.suppress(ConnectionError):
        while view and time.monotonic() < end:
            with contextlib.suppress(TimeoutError):
                view = view[client.send(view[:65536]) :]


def garbage(address: tuple[str, int]) -> None:
    with connected(address) as client:
        push(client, random.Random(1).randbytes(300_000))


def million_bytes(address: tuple[str, int]) -> None:
    for value in (b"\x68", b"\x00", b"\xe5", b"\x10"):
        with connected(address) as client:
            push(client, value * 1_000_000)


def half_frames(address: tuple[str, int]) -> None:
    clients = [connected(address) for _ in range(50)]
    for client in clients:
        push(client, b"\x68\xff\xff\x68\x53\x01\x51" + b"\x68\xff\xff\x68" * 20)
        push(client, b"\x10\x7b")
    for client in clients:
        client.close()


def flood_without_reading(address: tuple[str, int]) -> None:
    with connected(address) as client:
        push(client, REQUEST * 3_000_000)


def requests_without_waiting(address: tuple[str, int]) -> None:
    """Reads what comes, as fast as it comes."""
    with connected(address) as client:
        push(client, REQUEST * 500)
        received = 0
        with contextlib.suppress(TimeoutError):
            while received < 100_000:
                received += len(client.recv(65536))
    assert received


def thousand_connections(address: tuple[str, int]) -> list[socket.socket]:
    """Each has asked, and none will read."""
    clients = []
    for _ in range(1000):
        with contextlib.suppress(OSError):
            client = connected(address)
            clients.append(client)
            client.setblocking(False)
            client.send(REQUEST * 200)
    return clients


def thousand_connections_that_never_read(address: tuple[str, int]) -> None:
    for client in thousand_connections(address):
        client.close()


def reset_at_once(address: tuple[str, int]) -> None:
    for number in range(1000):
        client = connected(address)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if number % 2:
            with contextlib.suppress(ConnectionError):
                client.send(REQUEST)
        client.close()


def slow_drip(address: tuple[str, int]) -> None:
    with connected(address) as client, contextlib.suppress(ConnectionError):
        for byte in bytes.fromhex("68 30 30 68 53 01 51") + bytes(20):
            client.send(bytes([byte]))
            time.sleep(0.05)  # this is the drip


def gone_before_the_answer(address: tuple[str, int]) -> None:
    for _ in range(500):
        with connected(address) as client:
            client.send(REQUEST)


def half_closed(address: tuple[str, int]) -> None:
    for _ in range(100):
        with connected(address) as client, contextlib.suppress(ConnectionError):
            client.send(REQUEST)
            client.shutdown(socket.SHUT_WR)
            while client.recv(4096):
                pass


CLIENTS: tuple[Client, ...] = (
    garbage,
    million_bytes,
    half_frames,
    flood_without_reading,
    requests_without_waiting,
    thousand_connections_that_never_read,
    reset_at_once,
    slow_drip,
    gone_before_the_answer,
    half_closed,
)


@pytest.fixture(scope="module", autouse=True)
def many_files() -> Iterator[None]:
    """As many open files as a thousand connections take."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Served]:
    path = tmp_path / "bus.yaml"
    meters = "".join(f"  - {{device: kamstrup/multical-603, address: {address}}}\n" for address in (1, 2))
    path.write_text(f"format: 1\nmeters:\n{meters}", encoding="utf-8")
    with served(str(path)) as bus:
        yield bus


def address_of(bus: Served) -> tuple[str, int]:
    where = urlsplit(bus.url)
    assert where.hostname is not None
    assert where.port is not None
    return where.hostname, where.port


def memory(bus: Served, name: str = "VmRSS") -> int:
    """Bytes of the process: VmRSS now, VmHWM at most so far."""
    status = Path(f"/proc/{bus.process.pid}/status")
    if not status.exists():
        pytest.skip("/proc tells the memory of a process on Linux only")
    (line,) = [line for line in status.read_text().splitlines() if line.startswith(f"{name}:")]
    return int(line.split()[1]) * 1024


async def read_until(url: str, stop: threading.Event) -> int:
    """Reads meter 2 until told to stop, and once more, on old connections and new ones; the number of readouts.

    Every readout must succeed. Where clients are many one may have to give way to others: then it connects again.
    """
    count = 0
    while True:
        is_last = stop.is_set()
        try:
            async with MBusMaster(url, timeout=10) as master:
                for _ in range(3):
                    await master.query(2)
                    count += 1
                    await asyncio.sleep(0.01)
        except MBusConnectionError:
            continue
        if is_last:
            return count


@pytest.mark.parametrize("client", CLIENTS, ids=[client.__name__ for client in CLIENTS])
def test_another_client_is_answered_and_memory_is_bounded(client: Client, bus: Served) -> None:
    asyncio.run(read_until(bus.url, stopped()))
    before = memory(bus)
    stop = threading.Event()

    def attack() -> None:
        try:
            client(address_of(bus))
        finally:
            stop.set()

    attacker = threading.Thread(target=attack)
    attacker.start()
    try:
        assert asyncio.run(read_until(bus.url, stop)) >= 3
    finally:
        attacker.join()
    assert memory(bus, "VmHWM") - before < LONGEST
    assert bus.stop() == 0
    assert bus.process.stderr is not None
    assert bus.process.stderr.read() == b""


def stopped() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


def test_newcomer_is_answered_while_a_thousand_connections_stay_open(bus: Served) -> None:
    clients = thousand_connections(address_of(bus))
    assert len(clients) == 1000
    assert asyncio.run(read_until(bus.url, stopped())) >= 3
    for client in clients:
        client.close()


@pytest.mark.parametrize("client", [garbage, flood_without_reading], ids=["garbage", "flood"])
def test_line_with_a_speed_is_free_again_soon_after_a_flood(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "bus.yaml"
    device = "{device: schneider/iem3135, address: 2, response_delay: 1ms}"
    path.write_text(f"format: 1\nspeed: real\nline: {{baud: 38400}}\nmeters: [{device}]\n", encoding="utf-8")

    async def read_again(url: str) -> None:
        while True:
            with contextlib.suppress(MBusError):
                async with MBusMaster(url, baudrate=38400, timeout=0.5) as master:
                    await master.query(2)
                    return

    with served(str(path)) as bus:
        before = memory(bus)
        client(address_of(bus))
        asyncio.run(asyncio.wait_for(read_again(bus.url), 20))
        assert memory(bus, "VmHWM") - before < LONGEST
