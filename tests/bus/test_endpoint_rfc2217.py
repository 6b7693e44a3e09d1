"""A bus behind an RFC 2217 port, with pyserial's blocking client, whose codec nobody here wrote."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import serial

from mbusbench.bus import VirtualBus
from mbusbench.bus.endpoints.rfc2217 import Rfc2217Connection, ServedRfc2217
from mbusbench.bus.port import Send
from mbusbench.line.wire import Parity
from mbusbench.master import MBusMaster
from mbusbench.transport.rfc2217 import SERVER, LineState, PortSettings, Rfc2217Client
from mbusbench.transport.telnet import escape
from tests.bus.endpoint_clients import ANSWER_SIZE, REQUEST, RESET, ask, in_thread, open_descriptors, water_bus

# pyserial's client on a Python that deprecates what it calls
pytestmark = pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning", "ignore:setName:DeprecationWarning")


async def test_pyserial_reads_a_meter(tmp_path: Path) -> None:
    async with water_bus(tmp_path).serve("rfc2217://127.0.0.1:0") as server:

        def work() -> tuple[bytes, bytes]:
            with serial.serial_for_url(server.url, 2400, parity="E", timeout=5) as port:
                return ask(port, RESET, 1), ask(port, REQUEST, ANSWER_SIZE)

        ack, answer = await in_thread(work)
    assert ack == b"\xe5"
    assert answer[:4] + answer[7:11] == bytes.fromhex("68 15 15 68 78 56 34 12")


async def test_own_master_reads_a_meter(tmp_path: Path) -> None:
    async with water_bus(tmp_path).serve("rfc2217://127.0.0.1:0") as server, MBusMaster(server.url) as master:
        assert server.url.startswith("rfc2217://127.0.0.1:")
        assert (await master.query(5)).serial_number == "12345678"


async def test_bus_answers_only_at_the_rate_of_the_meter(tmp_path: Path) -> None:
    async with water_bus(tmp_path).serve("rfc2217://127.0.0.1:0") as server:

        def work() -> list[bytes]:
            found = []
            with serial.serial_for_url(server.url, 2400, parity="E", timeout=0.3) as port:
                for baud in (2400, 300, 57600, 2400):
                    port.baudrate = baud
                    found.append(ask(port, RESET, 1))
            return found

        assert await in_thread(work) == [b"\xe5", b"", b"", b"\xe5"]


async def test_bus_answers_only_at_the_parity_of_the_meter(tmp_path: Path) -> None:
    async with water_bus(tmp_path).serve("rfc2217://127.0.0.1:0") as server:

        def work() -> list[bytes]:
            found = []
            with serial.serial_for_url(server.url, 2400, parity="O", timeout=0.3) as port:
                for parity in ("O", "N", "E"):
                    port.parity = parity
                    found.append(ask(port, RESET, 1))
            return found

        assert await in_thread(work) == [b"", b"", b"\xe5"]


async def test_format_that_no_meter_has_is_refused(tmp_path: Path) -> None:
    async with water_bus(tmp_path).serve("rfc2217://127.0.0.1:0") as server:

        def work() -> None:
            with serial.serial_for_url(server.url, 2400, bytesize=7, timeout=1):
                pass

        with pytest.raises(ValueError, match="datasize"):
            await in_thread(work)


class Recorded(VirtualBus):
    """Notes what its ports are told."""

    def __init__(self) -> None:
        super().__init__([])
        self.told: list[tuple[object, ...]] = []
        self.changed = asyncio.Event()

    def note(self, *what: object) -> None:
        self.told.append(what)
        self.changed.set()

    def set_port_format(self, port: int, baud: int, parity: Parity, now: int = 0) -> None:
        self.note("format", baud, parity)

    def set_break(self, port: int, on: bool, now: int) -> None:
        self.note("break", on, now)

    def receive(self, port: int, data: bytes, now: int) -> None:
        self.note("data", data)

    async def until(self, count: int) -> list[tuple[object, ...]]:
        async with asyncio.timeout(5):
            while len(self.told) < count:
                self.changed.clear()
                await self.changed.wait()
        return self.told


async def test_what_a_client_sets_and_sends_takes_effect_in_its_order() -> None:
    bus = Recorded()
    client = Rfc2217Client()
    async with bus.serve("rfc2217://127.0.0.1:0") as server:
        host, _, port = server.url.removeprefix("rfc2217://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(client.open(PortSettings(300, parity="odd")))
        async with asyncio.timeout(5):
            while not client.is_configured:
                writer.write(client.receive(await reader.read(1000)).reply)
        assert client.settings == PortSettings(300, parity="odd")
        writer.write(client.send(b"\x01\xff") + client.configure(PortSettings(9600)) + client.send(b"\x02"))
        told = await bus.until(7)
        writer.close()
    assert told == [
        ("format", 2400, Parity.EVEN),
        ("format", 300, Parity.EVEN),
        ("format", 300, Parity.ODD),
        ("data", b"\x01\xff"),
        ("format", 9600, Parity.ODD),
        ("format", 9600, Parity.EVEN),
        ("data", b"\x02"),
    ]


async def test_break_reaches_the_line_with_its_duration() -> None:
    bus = Recorded()
    async with bus.serve("rfc2217://127.0.0.1:0") as server:

        def work() -> None:
            with serial.serial_for_url(server.url, 2400, parity="E", timeout=1) as port:
                port.send_break(0.05)

        await in_thread(work)
        told = await bus.until(3)
    assert told[0] == ("format", 2400, Parity.EVEN)
    (_, on, began), (_, off, ended) = [what for what in told if what[0] == "break"][-2:]
    assert (on, off) == (True, False)
    assert isinstance(began, int)
    assert isinstance(ended, int)
    assert ended - began >= 50_000_000


async def test_break_ends_a_half_frame(tmp_path: Path) -> None:
    async with water_bus(tmp_path, speed=1).serve("rfc2217://127.0.0.1:0") as server:

        def work() -> tuple[bytes, bytes]:
            with serial.serial_for_url(server.url, 2400, parity="E", timeout=0.5) as port:
                port.write(RESET[:3])
                port.send_break(0.01)
                rest = ask(port, RESET[3:], 1)
                port.timeout = 5
                return rest, ask(port, RESET, 1)

        assert await in_thread(work) == (b"", b"\xe5")


async def test_line_errors_are_reported_to_a_client_that_asked_for_them() -> None:
    client = Rfc2217Client()
    async with VirtualBus([]).serve("rfc2217://127.0.0.1:0") as server:
        host, _, port = server.url.removeprefix("rfc2217://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(client.open(PortSettings(), line_state_mask=0x1C))
        async with asyncio.timeout(5):
            while not client.is_configured:
                writer.write(client.receive(await reader.read(1000)).reply)
        (served,) = server._served
        assert isinstance(served, ServedRfc2217)
        (connection,) = served._room.clients
        assert isinstance(connection, Rfc2217Connection)
        connection.deliver(Send(1, b"\xff\x12\x00\x34", parity_errors=(1,), framing_errors=(2,)))
        payload, events = b"", []
        async with asyncio.timeout(5):
            while len(payload) < 4:
                incoming = client.receive(await reader.read(1000))
                payload += incoming.payload
                events += [event for event in incoming.events if isinstance(event, LineState)]
        writer.close()
    assert payload == b"\xff\x12\x00\x34"
    assert events == [LineState(1, 0x04), LineState(2, 0x18)]


async def test_nothing_is_left_behind(tmp_path: Path) -> None:
    before = open_descriptors()
    async with water_bus(tmp_path).serve("rfc2217://127.0.0.1:0") as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
        assert await reader.read(1)
    assert server.client_count == 0
    writer.close()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert open_descriptors() == before
    assert len(asyncio.all_tasks()) == 1


def test_names_of_the_codec() -> None:
    assert SERVER == 100
    assert escape(b"\xff") == b"\xff\xff"
