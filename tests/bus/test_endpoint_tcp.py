"""Several connections, several endpoints, gateways: who gets what, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mbusbench.bus import VirtualBus
from mbusbench.bus.endpoints.driver import together
from mbusbench.bus.port import GatewayOptions, PortOptions, Send
from mbusbench.bus.server import BusServer
from mbusbench.master import MBusMaster
from mbusbench.trace.event import CLOSED, OPENED, Kind, TraceEvent
from tests.bus.endpoint_clients import RESET, in_thread, water_bus, water_meter

ANY_TCP = "tcp://127.0.0.1:0"


@asynccontextmanager
async def connected(
    server: BusServer, number: int = 0
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.urls[number].rpartition(":")[2]))
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)


async def received(reader: asyncio.StreamReader, count: int) -> bytes:
    async with asyncio.timeout(5):
        return await reader.readexactly(count)


async def test_connections_share_the_port_of_their_endpoint_where_the_line_has_a_time(tmp_path: Path) -> None:
    events: list[TraceEvent] = []
    bus = water_bus(tmp_path, speed=1)
    bus.trace = events.append
    async with bus.serve(ANY_TCP) as server:
        async with connected(server) as (asking, writer), connected(server) as (listening, _):
            while server.client_count < 2:
                await asyncio.sleep(0)
            writer.write(RESET)
            assert await received(asking, 1) == b"\xe5"
            assert await received(listening, 1) == b"\xe5"
            assert bus.port_count == 1
        async with asyncio.timeout(5):
            while server.client_count:
                await asyncio.sleep(0)
        assert bus.port_count == 0
        async with connected(server) as (asking, writer):
            writer.write(RESET)
            assert await received(asking, 1) == b"\xe5"
    notes = [(event.port, event.cause[0]) for event in events if event.kind is Kind.NOTE]
    assert notes == [(1, OPENED), (1, CLOSED), (2, OPENED), (2, CLOSED)]


async def test_connections_are_answered_apart_where_the_line_has_no_time(tmp_path: Path) -> None:
    bus = water_bus(tmp_path)
    async with (
        bus.serve(ANY_TCP) as server,
        connected(server) as (asking, writer),
        connected(server) as (listening, other),
    ):
        writer.write(RESET)
        assert await received(asking, 1) == b"\xe5"
        other.write(b"\xff" + RESET)
        assert await received(listening, 1) == b"\xe5"
        assert bus.port_count == 2


async def test_endpoints_hear_each_other_s_answers_and_each_has_its_port(tmp_path: Path) -> None:
    bus = water_bus(tmp_path, speed=1)
    async with (
        bus.serve(ANY_TCP, "pty://", ANY_TCP) as server,
        connected(server) as (first, writer),
        connected(server, 2) as (second, _),
    ):
        while server.client_count < 2:
            await asyncio.sleep(0)
        assert bus.port_count == 3
        writer.write(RESET)
        assert await received(first, 1) == b"\xe5"
        assert await received(second, 1) == b"\xe5"
        with await in_thread(lambda: open(server.urls[1], "rb", buffering=0)) as terminal:
            assert await in_thread(lambda: terminal.read(1)) == b"\xe5"


async def test_crowd_that_only_listens_does_not_keep_a_master_from_reading(tmp_path: Path) -> None:
    async with water_bus(tmp_path, speed=1).serve(ANY_TCP) as server:
        host, port = "127.0.0.1", int(server.url.rpartition(":")[2])
        crowd = [await asyncio.open_connection(host, port) for _ in range(250)]
        for _, writer in crowd:
            writer.transport.pause_reading()  # type: ignore[attr-defined]
        async with MBusMaster(server.url) as master:
            assert (await master.query(5)).serial_number == "12345678"
        for _, writer in crowd:
            writer.transport.abort()


async def test_gateway_of_the_bus_file_closes_an_idle_connection(tmp_path: Path) -> None:
    options = PortOptions(gateway=GatewayOptions(idle_close=50_000_000))
    bus = VirtualBus([water_meter(tmp_path)], listen=[(ANY_TCP, options)])
    async with bus.serve() as server, connected(server) as (reader, writer):
        writer.write(RESET)
        assert await received(reader, 1) == b"\xe5"
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        assert bus.port_count == 0


async def test_gateway_of_the_bus_file_lets_one_request_through_at_a_time(tmp_path: Path) -> None:
    options = PortOptions(gateway=GatewayOptions(one_in_flight=True, drop=True))
    bus = VirtualBus([water_meter(tmp_path, delay=100_000_000)], speed=1, listen=[(ANY_TCP, options)])
    async with bus.serve() as server, connected(server) as (reader, writer):
        writer.write(RESET)
        await asyncio.sleep(0.05)
        writer.write(RESET)
        assert await received(reader, 1) == b"\xe5"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await reader.readexactly(1)


async def test_lag_of_the_host_is_in_the_trace(tmp_path: Path) -> None:
    events: list[TraceEvent] = []
    bus = water_bus(tmp_path, speed=1)
    bus.trace = events.append
    async with bus.serve("pty://") as server, MBusMaster(server.url) as master:
        assert await master.ping_addresses([5]) == {5: True}
        lag = server.lag
    (arrived,) = [event for event in events if event.kind is Kind.RECEIVED]
    assert arrived.lag is not None
    assert arrived.lag >= 0
    assert lag.count == 1
    assert lag.worst <= arrived.lag < lag.worst + 1_000_000_000
    assert all(event.lag is None for event in events if event.kind is not Kind.RECEIVED)


@pytest.mark.virtual_time
async def test_no_lag_is_in_the_trace_of_virtual_time(tmp_path: Path) -> None:
    events: list[TraceEvent] = []
    bus = water_bus(tmp_path, speed=1)
    bus.trace = events.append
    async with MBusMaster(bus) as master:
        assert await master.ping_addresses([5]) == {5: True}
    assert {event.lag for event in events} == {None}


def test_what_is_due_together_is_one_write_for_each_port() -> None:
    sends = [
        Send(1, b"ab", 10, (1,)),
        Send(2, b"ab", 10, (1,), (0,)),
        Send(1, b"cd", 20, (0,), (1,)),
        Send(1, b"", 30, closes=True),
    ]
    assert together(sends) == [Send(1, b"abcd", 30, (1, 2), (3,), closes=True), Send(2, b"ab", 10, (1,), (0,))]
