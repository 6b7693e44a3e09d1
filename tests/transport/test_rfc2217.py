"""RFC 2217: our two sides with one another, each byte on the wire, and each against pyserial's other side."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from serial import serial_for_url
from serial.rfc2217 import PortManager

from mbusbench.errors import MBusConnectionError
from mbusbench.transport.opening import open_stream
from mbusbench.transport.rfc2217 import (
    LINE_BREAK,
    LINE_FRAMING_ERROR,
    LINE_PARITY_ERROR,
    BreakChanged,
    Event,
    FlowSuspended,
    LineState,
    ModemState,
    PortSettings,
    Purged,
    Rfc2217Client,
    Rfc2217Server,
    SettingChanged,
    Supported,
)
from mbusbench.transport.rfc2217_stream import Rfc2217Stream

EVERY_BYTE = bytes(range(256))


def com_port(text: str) -> bytes:
    """The subnegotiation of the COM port option with these bytes."""
    return bytes.fromhex(f"FFFA2C {text} FFF0")


def connect(client: Rfc2217Client, server: Rfc2217Server, settings: PortSettings) -> tuple[list[Event], list[Event]]:
    """Let the two talk until both are silent; return what happened at the client and at the server."""
    to_server, to_client = client.open(settings, line_state_mask=0xFF), server.open()
    at_client: list[Event] = []
    at_server: list[Event] = []
    while to_server or to_client:
        payload, reply, events = server.receive(to_server)
        at_server += events
        assert payload == b""
        payload, to_server, events = client.receive(to_client)
        at_client += events
        assert payload == b""
        to_client = reply
    return at_client, at_server


def test_client_and_server_agree_on_the_settings() -> None:
    client, server = Rfc2217Client(), Rfc2217Server(PortSettings(9600, 8, "none", 1))
    at_client, at_server = connect(client, server, PortSettings(300, 7, "odd", 2))
    assert client.is_configured
    assert server.settings == client.settings == client.wanted == PortSettings(300, 7, "odd", 2)
    assert [event.setting for event in at_server if isinstance(event, SettingChanged)] == [
        "baudrate",
        "data_bits",
        "parity",
        "stop_bits",
    ]
    assert any(isinstance(event, Purged) and event.receive and event.transmit for event in at_server)
    assert Supported(0, True) in at_client
    assert ModemState(0, 0xB0) in at_client
    assert Supported(0, True) in at_server


def test_the_client_sends_what_the_rfc_says() -> None:
    client = Rfc2217Client()
    assert client.open(PortSettings()) == bytes.fromhex("FFFB00 FFFB03 FFFB2C FFFD00 FFFD03")
    assert not client.is_configured
    reply = client.receive(bytes.fromhex("FFFD2C")).reply
    assert reply == b"".join(
        map(
            com_port,
            ["01 00000960", "02 08", "03 03", "04 01", "05 01", "05 08", "05 0B", "0B 00", "0A 00", "0C 03"],
        )
    )
    assert client.configure(PortSettings(300)) == com_port("01 0000012C")
    assert client.set_break(True) + client.set_break(False) == com_port("05 05") + com_port("05 06")
    assert client.send(b"\xe5\xff") == b"\xe5\xff\xff"


def test_a_value_that_contains_ff_is_doubled_and_read_back() -> None:
    client, server = Rfc2217Client(), Rfc2217Server()
    connect(client, server, PortSettings(2400))
    command = client.configure(PortSettings(255))
    assert command == bytes.fromhex("FFFA2C 01 000000FFFF FFF0")
    assert client.receive(server.receive(command).reply).payload == b""
    assert server.settings.baudrate == client.settings.baudrate == 255


def test_the_server_answers_each_command() -> None:
    server = Rfc2217Server(PortSettings(2400, 8, "even", 1))

    def answer(text: str) -> bytes:
        return server.receive(com_port(text)).reply

    assert answer("01 00000000") == com_port("65 00000960")
    assert answer("01 00002580") == com_port("65 00002580")
    assert answer("02 07") == com_port("66 07")
    assert answer("03 02") == com_port("67 02")
    assert answer("04 02") == com_port("68 02")
    assert server.settings == PortSettings(9600, 7, "odd", 2)
    assert answer("05 00") == com_port("69 01")
    assert answer("05 03") == com_port("69 01")
    assert answer("05 0D") == com_port("69 0E")
    assert answer("05 07") == com_port("69 09")
    assert answer("05 08") == com_port("69 08")
    assert answer("05 07") == com_port("69 08")
    assert answer("05 05") == com_port("69 05")
    assert answer("05 04") == com_port("69 05")
    assert answer("0A 1C") == com_port("6E 1C")
    assert answer("0B 00") == com_port("6F 00")
    assert answer("07 00") == com_port("6B 00")
    assert answer("0C 01") == com_port("70 01")
    assert answer("00") == com_port("64" + b"mbusbench".hex())


@pytest.mark.parametrize("text", ["01 00000001", "01 0960", "01", "02 09", "02", "03 06", "04 00", "04 04"])
def test_the_server_answers_a_setting_it_cannot_have_with_its_own(text: str) -> None:
    server = Rfc2217Server()
    incoming = server.receive(com_port(text))
    assert incoming.reply
    assert incoming.events == ()
    assert server.settings == PortSettings()


@pytest.mark.parametrize("text", ["", "0D 00", "0C 00", "0C", "05", "63", "FFFF 01", "0A", "0B"])
def test_nonsense_does_no_harm(text: str) -> None:
    assert Rfc2217Server().receive(com_port(text)).events == ()
    assert Rfc2217Client().receive(com_port(text)).events == ()


def test_break_comes_in_order_with_the_payload() -> None:
    client, server = Rfc2217Client(), Rfc2217Server()
    sent = client.send(b"ab") + client.set_break(True) + client.set_break(False) + client.send(b"c")
    incoming = server.receive(sent)
    assert incoming.payload == b"abc"
    assert incoming.events == (BreakChanged(2, True), BreakChanged(2, False))


def test_line_errors_are_reported_to_a_client_that_wants_them() -> None:
    client, server = Rfc2217Client(), Rfc2217Server()
    assert server.report_line_state(LINE_PARITY_ERROR) == b""
    connect(client, server, PortSettings())
    for bits in (LINE_PARITY_ERROR, LINE_FRAMING_ERROR | LINE_BREAK):
        assert client.receive(server.report_line_state(bits)).events == (LineState(0, bits),)


def test_flow_control_is_reported() -> None:
    assert Rfc2217Server().receive(com_port("08") + com_port("09")).events == (
        FlowSuspended(0, True),
        FlowSuspended(0, False),
    )
    assert Rfc2217Client().receive(com_port("6C")).events == (FlowSuspended(0, True),)


def test_the_session_is_the_same_cut_at_every_byte() -> None:
    client, server = Rfc2217Client(), Rfc2217Server()
    to_server, to_client, payload = client.open(PortSettings(300)), server.open(), b""
    while to_server or to_client:
        replies = [server.receive(to_server[i : i + 1]).reply for i in range(len(to_server))]
        answers = [client.receive(to_client[i : i + 1]).reply for i in range(len(to_client))]
        to_client, to_server = b"".join(replies), b"".join(answers)
    for value in client.send(EVERY_BYTE):
        payload += server.receive(bytes([value])).payload
    assert payload == EVERY_BYTE
    assert server.settings.baudrate == 300


def test_a_client_that_is_refused_knows_it() -> None:
    client = Rfc2217Client()
    client.open(PortSettings())
    assert client.receive(bytes.fromhex("FFFE2C")).events == (Supported(0, False),)
    assert client.supported is False
    assert client.configure(PortSettings(300)) == b""


@contextmanager
def tcp_server(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server for one connection in a thread; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def run() -> None:
            # The client may hang up at any time.
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(10)
                    serve(connection)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join(15)
            assert not thread.is_alive()


def serve_pyserial(port: Any) -> Callable[[socket.socket], None]:
    """pyserial's server side on `port`, which loops what is written back to the reader."""

    class Writer:
        def __init__(self, connection: socket.socket) -> None:
            self.write = connection.sendall

    def serve(connection: socket.socket) -> None:
        manager = PortManager(port, Writer(connection))  # type: ignore[arg-type]
        while data := connection.recv(1024):
            port.write(b"".join(manager.filter(data)))
            while port.in_waiting:
                connection.sendall(b"".join(manager.escape(port.read(port.in_waiting))))

    return serve


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_our_client_drives_a_port_of_pyserial() -> None:
    port = serial_for_url("loop://", baudrate=9600, timeout=0)
    with tcp_server(serve_pyserial(port)) as number:
        stream = await open_stream(f"rfc2217://127.0.0.1:{number}", baudrate=2400)
        assert isinstance(stream, Rfc2217Stream)
        received = bytearray()
        stream.on_data = received.extend
        assert (port.baudrate, port.bytesize, port.parity, port.stopbits) == (2400, 8, "E", 1)
        assert port.dtr
        assert port.rts
        stream.write(EVERY_BYTE)
        await until(lambda: len(received) == 256)
        assert received == EVERY_BYTE
        stream.set_baudrate(300)
        await until(lambda: stream.settings.baudrate == 300)
        assert port.baudrate == 300
        stream.set_break(True)
        await until(lambda: port.break_condition)
        stream.set_break(False)
        await until(lambda: not port.break_condition)
        await stream.close()


def serve_ours(server: Rfc2217Server, events: list[Event]) -> Callable[[socket.socket], None]:
    """Our server side, which sends all payload back."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(server.open())
        while data := connection.recv(1024):
            incoming = server.receive(data)
            events.extend(incoming.events)
            connection.sendall(incoming.reply + server.send(incoming.payload))

    return serve


@pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning", "ignore:setName:DeprecationWarning")
def test_a_client_of_pyserial_drives_our_port() -> None:
    server, events = Rfc2217Server(PortSettings(9600, 8, "none")), list[Event]()

    def wait_for(*wanted: Event) -> None:
        deadline = time.monotonic() + 10
        while not all(event in events for event in wanted):
            assert time.monotonic() < deadline, events
            time.sleep(0.01)

    with tcp_server(serve_ours(server, events)) as number:
        port = serial_for_url(f"rfc2217://127.0.0.1:{number}", baudrate=2400, parity="E", timeout=10)
        try:
            assert server.settings == PortSettings(2400, 8, "even", 1)
            port.write(EVERY_BYTE)
            assert port.read(256) == EVERY_BYTE
            port.baudrate = 300
            assert server.settings.baudrate == 300
            port.parity = "O"
            assert server.settings.parity == "odd"
            port.break_condition = True
            port.break_condition = False
            wait_for(BreakChanged(0, True), BreakChanged(0, False))
            port.reset_input_buffer()
            port.reset_output_buffer()
            wait_for(Purged(0, True, False), Purged(0, False, True))
            assert port.cts
            assert port.cd
            assert not port.ri
        finally:
            port.close()


async def test_a_port_that_keeps_its_rate_is_an_error() -> None:
    class Stubborn(Rfc2217Server):
        def receive(self, data: bytes) -> Any:
            incoming = super().receive(data)
            self.settings = PortSettings(9600)
            return incoming._replace(reply=incoming.reply.replace(bytes.fromhex("00000960"), bytes.fromhex("00002580")))

    with (
        tcp_server(serve_ours(Stubborn(), [])) as number,
        pytest.raises(MBusConnectionError, match="keeps 9600 baud instead of 2400"),
    ):
        await open_stream(f"rfc2217://127.0.0.1:{number}", baudrate=2400)


async def test_a_port_that_keeps_its_parity_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    class PseudoTerminal(Rfc2217Server):
        def receive(self, data: bytes) -> Any:
            incoming = super().receive(data)
            return incoming._replace(reply=incoming.reply.replace(com_port("67 03"), com_port("67 01")))

    with tcp_server(serve_ours(PseudoTerminal(), [])) as number:
        stream = await open_stream(f"rfc2217://127.0.0.1:{number}")
        await stream.close()
    assert "keeps 2400 8N1 instead of 2400 8E1" in caplog.text


async def test_a_server_without_the_option_is_an_error() -> None:
    def refuse(connection: socket.socket) -> None:
        connection.recv(1024)
        connection.sendall(bytes.fromhex("FFFE00 FFFE03 FFFE2C FFFC00 FFFC03"))
        connection.recv(1024)

    with (
        tcp_server(refuse) as number,
        pytest.raises(MBusConnectionError, match="does not support RFC 2217"),
    ):
        await open_stream(f"rfc2217://127.0.0.1:{number}")


async def test_a_server_that_says_nothing_is_an_error_after_the_timeout() -> None:
    def silent(connection: socket.socket) -> None:
        while connection.recv(1024):
            pass

    with tcp_server(silent) as number, pytest.raises(MBusConnectionError, match=r"no settings .* within 0.2 s"):
        await open_stream(f"rfc2217://127.0.0.1:{number}", timeout=0.2)


async def test_a_server_that_hangs_up_is_an_error() -> None:
    with (
        tcp_server(lambda connection: connection.close()) as number,
        pytest.raises(MBusConnectionError, match=r"no connection .* closed it"),
    ):
        await open_stream(f"rfc2217://127.0.0.1:{number}")


async def test_a_closed_port_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.getsockname()[1]
    with pytest.raises(MBusConnectionError, match="no connection"):
        await open_stream(f"rfc2217://127.0.0.1:{number}")


async def test_the_loss_of_the_connection_is_told_once() -> None:
    server = Rfc2217Server()
    hang_up = threading.Event()

    def serve(connection: socket.socket) -> None:
        connection.sendall(server.open())
        while not hang_up.is_set() and (data := connection.recv(1024)):
            connection.sendall(server.receive(data).reply)

    lost: list[MBusConnectionError] = []
    with tcp_server(serve) as number:
        stream = await open_stream(f"rfc2217://127.0.0.1:{number}")
        stream.on_lost = lost.append
        hang_up.set()
        stream.write(b"x")
        await until(lambda: bool(lost))
        assert not stream.is_open
        with pytest.raises(MBusConnectionError):
            stream.write(b"y")
    assert len(lost) == 1
