"""MBusMaster over real TCP connections and pseudo terminals, and on the package's own bus, in real and virtual time."""

from __future__ import annotations

import asyncio
import os
import socket
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mbusbench.bus import VirtualBus
from mbusbench.errors import MBusConnectionError, MBusTimeoutError
from mbusbench.master import MBusMaster
from tests.master.scripted_bus import Answers, Meter, bus_of, litres

WATER = """
format: 1
device: {manufacturer: HYD, version: 0x28, medium: water, id: "12345678", address: 5}
telegrams:
  - records:
      - {vif: volume, unit: m3, scale: -3, code: bcd8, value: 12.345}
"""


class Gateway(asyncio.Protocol):
    """A TCP port behind which `handle` answers each request, at once and in one piece."""

    def __init__(self, handle: Callable[[bytes], Answers]) -> None:
        self.handle = handle
        self.connections = 0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.connections += 1

    def data_received(self, data: bytes) -> None:
        answer = self.handle(data)
        if isinstance(answer, bytes) and self.transport is not None:
            self.transport.write(answer)


@asynccontextmanager
async def served(gateway: Gateway) -> AsyncIterator[str]:
    server = await asyncio.get_running_loop().create_server(lambda: gateway, "127.0.0.1", 0)
    try:
        yield f"socket://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        if gateway.transport is not None:
            gateway.transport.abort()
        await asyncio.sleep(0)


@pytest.fixture
def device(tmp_path: Path) -> str:
    path = tmp_path / "water.yaml"
    path.write_text(WATER)
    return str(path)


async def test_slave_behind_a_gateway_is_read() -> None:
    async with served(Gateway(bus_of(Meter(5, telegrams=3)))) as url, MBusMaster(url) as master:
        assert litres(await master.query(5)) == [5002, 5003, 5004]


async def test_gateway_that_drops_idle_connections_is_connected_again() -> None:
    gateway = Gateway(bus_of(Meter(5)))
    async with served(gateway) as url, MBusMaster(url) as master:
        for n in range(3):
            assert litres(await master.query(5)) == [5002 + n]
            assert gateway.transport is not None
            gateway.transport.close()
    assert gateway.connections == 3


async def test_readout_whose_connection_ends_in_mid_frame_begins_again_on_a_new_one() -> None:
    meter = Meter(5)
    gateway = Gateway(lambda request: None)

    def handle(request: bytes) -> Answers:
        answer = meter.answer(request)
        assert gateway.transport is not None
        if request[1] == 0x40 or meter.litres > 5002:
            return answer
        gateway.transport.write(bytes(answer or b"")[:12])
        gateway.transport.close()
        return None

    gateway.handle = handle
    async with served(gateway) as url, MBusMaster(url) as master:
        assert litres(await master.query(5)) == [5003]
    assert gateway.connections == 2


async def test_nobody_listening_is_an_error_with_the_reason() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        master = MBusMaster(f"socket://127.0.0.1:{unused.getsockname()[1]}")
        for call in (master.query(5), master.ping_addresses([5]), master.query_addresses([5]), master.open()):
            with pytest.raises(MBusConnectionError, match="connection refused"):
                await call


async def test_missing_device_is_an_error_with_the_reason() -> None:
    with pytest.raises(MBusConnectionError, match="no such file or directory"):
        await MBusMaster("/dev/nonexistent-tty").query(5)


async def test_own_bus_is_read_over_tcp_by_fifty_callers_at_once(device: str) -> None:
    bus = VirtualBus.from_devices([device] * 5)
    addresses = [meter.address for meter in bus.meters]
    async with bus.serve("tcp://127.0.0.1:0") as server, MBusMaster(server.url) as master:
        found = await asyncio.gather(*(master.query(addresses[n % 5]) for n in range(50)))
    for n, data in enumerate(found):
        assert data.address == addresses[n % 5]
        assert data.serial_number == f"{12345678 + n % 5}"


@pytest.mark.virtual_time
async def test_own_bus_is_read_in_the_time_its_characters_take(device: str) -> None:
    async with MBusMaster(VirtualBus.from_devices([device], speed=1)) as master:
        before = asyncio.get_running_loop().time()
        data = await master.query(5)
        elapsed = asyncio.get_running_loop().time() - before
    assert litres(data) == [12345]
    characters = 5 + 1 + 5 + 27
    shortest = characters * 11 / 2400 + 2 * (11 / 2400 + 0.003)
    assert shortest <= elapsed <= shortest + 2 * 0.002


@pytest.mark.virtual_time
async def test_own_bus_is_pinged_scanned_and_read_by_secondary_address(device: str) -> None:
    bus = VirtualBus.from_devices([device, device])
    addresses = [meter.address for meter in bus.meters]
    async with MBusMaster(bus) as master:
        assert await master.ping_addresses([*addresses, 99]) == {**dict.fromkeys(addresses, True), 99: False}
        found = await master.scan_addresses(range(20))
        assert [address for address, info in found.items() if info] == sorted(addresses)
        data = await master.query("HYD-12345679-28-07")
        assert data.serial_number == "12345679"
        with pytest.raises(MBusTimeoutError):
            await master.query("HYD-12345670-28-07")


class Terminal:
    """The bus's end of a pseudo terminal."""

    def __init__(self, handle: Callable[[bytes], Answers]) -> None:
        self.bus, self.master = os.openpty()
        tty.setraw(self.master)
        self.path = os.ttyname(self.master)
        self.handle = handle
        asyncio.get_running_loop().add_reader(self.bus, self.answer)

    def answer(self) -> None:
        answer = self.handle(os.read(self.bus, 4096))
        if isinstance(answer, bytes):
            os.write(self.bus, answer)

    def unplug(self) -> None:
        if self.bus >= 0:
            asyncio.get_running_loop().remove_reader(self.bus)
            os.close(self.bus)
            self.bus = -1

    def close(self) -> None:
        self.unplug()
        os.close(self.master)


@pytest.fixture
async def terminal() -> AsyncIterator[Terminal]:
    found = Terminal(bus_of(Meter(5, telegrams=2)))
    yield found
    found.close()


async def test_slave_on_a_pseudo_terminal_is_read(terminal: Terminal) -> None:
    async with MBusMaster(terminal.path) as master:
        assert litres(await master.query(5)) == [5002, 5003]
        assert await master.ping_addresses([5]) == {5: True}


async def test_device_unplugged_while_it_is_read_is_an_error(terminal: Terminal) -> None:
    async with MBusMaster(terminal.path) as master:
        await master.query(5)
        terminal.handle = lambda request: terminal.unplug()
        with pytest.raises(MBusConnectionError):
            await master.query(5)
