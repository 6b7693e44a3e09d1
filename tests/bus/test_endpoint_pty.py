"""A bus on a pseudo terminal, with pyserial's blocking port and with socat as masters that nobody here wrote."""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import subprocess
import termios
from pathlib import Path

import pytest
import serial

from mbusbench.bus import Fault, VirtualBus
from mbusbench.bus.endpoints.pty import ServedPty
from mbusbench.errors import MBusConnectionError
from mbusbench.master import MBusMaster
from tests.bus.endpoint_clients import (
    ANSWER_SIZE,
    REQUEST,
    RESET,
    ask,
    in_thread,
    open_descriptors,
    water_bus,
)

TIOCGEXCL = 0x80045440


async def test_pyserial_reads_a_meter_on_a_pseudo_terminal(tmp_path: Path) -> None:
    async with water_bus(tmp_path).serve("pty://") as server:

        def work() -> tuple[bytes, bytes]:
            with serial.Serial(server.url, 2400, timeout=5) as port:
                return ask(port, RESET, 1), ask(port, REQUEST, ANSWER_SIZE)

        ack, answer = await in_thread(work)
    assert ack == b"\xe5"
    assert answer[:4] + answer[7:11] == bytes.fromhex("68 15 15 68 78 56 34 12")


async def test_own_master_reads_a_meter_on_a_pseudo_terminal(tmp_path: Path) -> None:
    link = tmp_path / "mbus0"
    async with water_bus(tmp_path).serve(f"pty://{link}") as server, MBusMaster(server.url) as master:
        assert server.url == str(link)
        data = await master.query(5)
    assert data.serial_number == "12345678"


async def test_masters_come_and_go(tmp_path: Path) -> None:
    async with water_bus(tmp_path).serve("pty://") as server:

        def work() -> list[bytes]:
            found = []
            for _ in range(5):
                with serial.Serial(server.url, 2400, timeout=5) as port:
                    found.append(ask(port, RESET, 1))
            return found

        assert await in_thread(work) == [b"\xe5"] * 5


async def test_bus_answers_only_at_the_rate_of_the_meter(tmp_path: Path) -> None:
    async with water_bus(tmp_path).serve("pty://") as server:

        def work() -> list[bytes]:
            found = []
            with serial.Serial(server.url, 2400, timeout=0.3) as port:
                for baud in (2400, 300, 57600, 12345, 2400):
                    port.baudrate = baud
                    found.append(ask(port, RESET, 1))
            return found

        assert await in_thread(work) == [b"\xe5", b"", b"", b"", b"\xe5"]


async def test_terminal_has_the_rate_of_the_bus_until_a_master_sets_one(tmp_path: Path) -> None:
    async with VirtualBus([], baud=9600).serve("pty://") as server:
        descriptor = os.open(server.url, os.O_RDWR | os.O_NOCTTY)
        attributes = termios.tcgetattr(descriptor)
        os.close(descriptor)
    assert attributes[4:6] == [termios.B9600, termios.B9600]
    assert not attributes[3] & (termios.ECHO | termios.ICANON | termios.ISIG)
    assert not attributes[1] & termios.OPOST


@pytest.mark.parametrize(("parity", "answer"), [("N", b"\xe5"), ("E", b"\xe5"), ("O", b"")])
async def test_even_parity_and_none_are_the_bus_s_and_odd_is_not(tmp_path: Path, parity: str, answer: bytes) -> None:
    async with water_bus(tmp_path).serve("pty://") as server:

        def work() -> bytes:
            with serial.Serial(server.url, 2400, parity=parity, timeout=5 if answer else 0.3) as port:
                return ask(port, RESET, 1)

        assert await in_thread(work) == answer


async def test_bytes_pass_unchanged_both_ways(tmp_path: Path) -> None:
    everything = bytes(range(256))
    heard: list[bytes] = []
    bus = VirtualBus([], echo=True)
    receive = bus.receive
    bus.receive = lambda port, data, now: (heard.append(data), receive(port, data, now))[1]  # type: ignore[method-assign]
    async with bus.serve("pty://") as server:

        def work() -> bytes:
            with serial.Serial(server.url, 2400, timeout=5) as port:
                return ask(port, everything, 256)

        assert await in_thread(work) == everything
    assert b"".join(heard) == everything


async def test_link_leads_to_the_terminal_and_is_gone_afterwards(tmp_path: Path) -> None:
    link = tmp_path / "mbus0"
    before = open_descriptors()
    async with VirtualBus([]).serve(f"pty://{link}", "pty://") as server:
        first, second = server.descriptions
        assert first == {"kind": "pty", "url": str(link), "device": os.readlink(link), "link": str(link)}
        assert second == {"kind": "pty", "url": second["device"], "device": second["device"]}
        assert first["device"] != second["device"]
        assert server.urls == [str(link), second["device"]]
    assert not os.path.lexists(link)
    assert open_descriptors() == before
    assert len(asyncio.all_tasks()) == 1


async def test_link_of_a_bus_that_was_killed_is_replaced(tmp_path: Path) -> None:
    link = tmp_path / "mbus0"
    link.symlink_to("/dev/pts/99999")
    async with VirtualBus([]).serve(f"pty://{link}"):
        assert os.path.exists(link)
    assert not os.path.lexists(link)


async def test_link_to_the_terminal_that_was_just_made_is_replaced(tmp_path: Path) -> None:
    # The number of a terminal whose bus was killed is the first that the next one gets.
    link = tmp_path / "mbus0"
    async with VirtualBus([]).serve("pty://") as server:
        link.symlink_to(server.url)
    async with VirtualBus([]).serve(f"pty://{link}") as server:
        assert os.readlink(link) == server.descriptions[0]["device"]


@pytest.mark.parametrize("kind", ["file", "directory", "link to a file", "broken link"])
async def test_what_is_not_ours_is_not_replaced(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "mbus0"
    other = tmp_path / "other"
    match kind:
        case "file":
            path.write_text("mine")
        case "directory":
            path.mkdir()
        case "link to a file":
            other.write_text("mine")
            path.symlink_to(other)
        case _:
            path.symlink_to(other)
    before = open_descriptors()
    with pytest.raises(MBusConnectionError, match=f"cannot serve on pty://{path}: there is "):
        async with VirtualBus([]).serve("tcp://127.0.0.1:0", f"pty://{path}"):
            pass
    assert os.path.lexists(path)
    assert open_descriptors() == before


async def test_link_of_a_bus_that_runs_is_not_replaced(tmp_path: Path) -> None:
    link = tmp_path / "mbus0"
    async with water_bus(tmp_path).serve(f"pty://{link}") as server:
        with pytest.raises(MBusConnectionError, match="which is in use"):
            async with VirtualBus([]).serve(f"pty://{link}"):
                pass
        async with MBusMaster(server.url) as master:
            assert await master.ping_addresses([5]) == {5: True}


async def test_link_that_became_somebody_else_s_is_left_alone(tmp_path: Path) -> None:
    link = tmp_path / "mbus0"
    async with VirtualBus([]).serve(f"pty://{link}"):
        link.unlink()
        link.symlink_to(tmp_path)
    assert os.readlink(link) == str(tmp_path)


async def test_link_in_a_directory_that_is_not_there_is_said(tmp_path: Path) -> None:
    before = open_descriptors()
    with pytest.raises(MBusConnectionError, match=r"cannot serve on pty:///.*: no such file or directory"):
        async with VirtualBus([]).serve(f"pty://{tmp_path}/nowhere/mbus0"):
            pass
    assert open_descriptors() == before


async def test_master_that_wanted_to_be_alone_does_not_lock_out_the_next(tmp_path: Path) -> None:
    async with water_bus(tmp_path).serve("pty://") as server:

        def work() -> int:
            with serial.Serial(server.url, 2400, timeout=5) as port:
                fcntl.ioctl(port.fileno(), termios.TIOCEXCL)
                assert ask(port, RESET, 1) == b"\xe5"
                exclusive = fcntl.ioctl(port.fileno(), TIOCGEXCL, struct.pack("i", 0))
                return int(struct.unpack("i", exclusive)[0])

        assert await in_thread(work) == 0


async def test_master_that_never_reads_loses_answers_and_stops_nobody(tmp_path: Path) -> None:
    async with water_bus(tmp_path).serve("pty://", "pty://") as server:
        deaf = os.open(server.urls[0], os.O_RDWR | os.O_NOCTTY)

        def flood() -> None:
            for _ in range(400):
                os.write(deaf, REQUEST * 100)

        await in_thread(flood)
        async with MBusMaster(server.urls[1]) as master:
            assert await master.ping_addresses([5]) == {5: True}
        os.close(deaf)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [(0, b"\x12\xe5\x34"), (termios.INPCK, b"\x12\x00\x34"), (termios.INPCK | termios.IGNPAR, b"\x12\x34")],
)
async def test_characters_with_errors_arrive_as_a_terminal_hands_them_over(
    tmp_path: Path, flags: int, expected: bytes
) -> None:
    from mbusbench.bus.port import Send

    async with VirtualBus([]).serve("pty://") as server:
        served = server._served[0]
        assert isinstance(served, ServedPty)
        descriptor = os.open(server.url, os.O_RDWR | os.O_NOCTTY)
        attributes = termios.tcgetattr(descriptor)
        attributes[0] |= flags
        termios.tcsetattr(descriptor, termios.TCSANOW, attributes)
        served.deliver(Send(1, b"\x12\xe5\x34", parity_errors=(1,)))
        assert os.read(descriptor, 10) == expected
        os.close(descriptor)


async def test_idle_terminal_costs_no_time(tmp_path: Path) -> None:
    async with water_bus(tmp_path).serve("pty://") as server:
        with await in_thread(lambda: serial.Serial(server.url, 2400, timeout=5)) as port:
            assert await in_thread(lambda: ask(port, RESET, 1)) == b"\xe5"
        # Closed again: an end without a holder would report an error in every round of the loop.
        selector = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]
        rounds = 0
        select = selector.select

        def counted(timeout: float | None = None) -> object:
            nonlocal rounds
            rounds += 1
            return select(timeout)

        selector.select = counted
        await asyncio.sleep(0.1)
        selector.select = select
    assert rounds <= 3


async def test_socat_passes_a_pseudo_terminal_on(tmp_path: Path, socat: str) -> None:
    far = tmp_path / "far"
    async with water_bus(tmp_path).serve("pty://") as server:
        relay = subprocess.Popen([socat, f"pty,raw,echo=0,link={far}", f"{server.url},raw,echo=0,b2400"])
        try:
            async with asyncio.timeout(5):
                while not far.exists():
                    await asyncio.sleep(0.01)
            async with MBusMaster(str(far)) as master:
                assert (await master.query(5)).serial_number == "12345678"
        finally:
            relay.terminate()
            relay.wait()


async def test_bus_that_ends_the_connection_hangs_the_terminal_up(tmp_path: Path) -> None:
    bus = water_bus(tmp_path)
    bus.faults.arm(Fault("cut", frame="RSP_UD", do={"disconnect": {"after": 12}}))
    async with bus.serve("pty://") as server, MBusMaster(server.url, reconnect=0) as master:
        with pytest.raises(MBusConnectionError):
            await master.query(5)
        assert not os.path.exists(server.url)
        # Who opens it again must not find another bus.
        later = [os.openpty() for _ in range(3)]
        try:
            assert server.url not in [os.ttyname(master_end) for _, master_end in later]
        finally:
            for ends in later:
                os.close(ends[0])
                os.close(ends[1])
