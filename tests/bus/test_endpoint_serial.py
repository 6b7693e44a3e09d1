"""A bus on a serial device: one of socat's pair of terminals, the master on the other."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import serial

from mbusbench.bus import VirtualBus
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
    water_meter,
)


class NullModem:
    """Two terminals, what goes into one comes out of the other."""

    def __init__(self, socat: str, directory: Path) -> None:
        self.bus, self.master = directory / "bus", directory / "master"
        self.process = subprocess.Popen([socat, *(f"pty,raw,echo=0,link={path}" for path in (self.bus, self.master))])

    async def ready(self) -> None:
        async with asyncio.timeout(5):
            while not (self.bus.exists() and self.master.exists()):
                await asyncio.sleep(0.01)

    def unplug(self) -> None:
        self.process.terminate()
        self.process.wait()


@pytest.fixture
async def null_modem(socat: str, tmp_path: Path) -> AsyncIterator[NullModem]:
    modem = NullModem(socat, tmp_path)
    await modem.ready()
    yield modem
    modem.unplug()


async def test_pyserial_reads_a_meter_through_a_null_modem(null_modem: NullModem, tmp_path: Path) -> None:
    async with water_bus(tmp_path).serve(f"serial://{null_modem.bus}") as server:
        assert server.descriptions == [
            {"kind": "serial", "url": f"serial://{null_modem.bus}", "device": str(null_modem.bus)}
        ]

        def work() -> tuple[bytes, bytes]:
            with serial.Serial(str(null_modem.master), 2400, timeout=5) as port:
                return ask(port, RESET, 1), ask(port, REQUEST, ANSWER_SIZE)

        ack, answer = await in_thread(work)
    assert ack == b"\xe5"
    assert answer[:4] + answer[7:11] == bytes.fromhex("68 15 15 68 78 56 34 12")


async def test_own_master_reads_a_meter_through_a_null_modem(null_modem: NullModem, tmp_path: Path) -> None:
    async with (
        water_bus(tmp_path).serve(f"serial://{null_modem.bus}"),
        MBusMaster(str(null_modem.master)) as master,
    ):
        assert (await master.query(5)).serial_number == "12345678"


async def test_device_is_free_again_afterwards(null_modem: NullModem, tmp_path: Path) -> None:
    before = open_descriptors()
    for _ in range(3):
        async with water_bus(tmp_path).serve(f"serial://{null_modem.bus}"):
            pass
    assert open_descriptors() == before
    assert len(asyncio.all_tasks()) == 1


async def test_device_that_is_unplugged_is_logged_and_the_others_are_served(
    null_modem: NullModem, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bus = water_bus(tmp_path)
    async with bus.serve(f"serial://{null_modem.bus}", "tcp://127.0.0.1:0") as server:
        null_modem.unplug()
        async with asyncio.timeout(5):
            while "was lost" not in caplog.text:
                await asyncio.sleep(0.01)
        async with MBusMaster(server.urls[1]) as master:
            assert await master.ping_addresses([5]) == {5: True}


async def test_master_that_never_reads_stops_nobody(null_modem: NullModem, tmp_path: Path) -> None:
    bus = VirtualBus([water_meter(tmp_path)])
    async with bus.serve(f"serial://{null_modem.bus}", "tcp://127.0.0.1:0") as server:

        def flood() -> None:
            # Until socat has nowhere to put the answers, and takes no more requests.
            with (
                serial.Serial(str(null_modem.master), 2400, write_timeout=0.3) as port,
                contextlib.suppress(serial.SerialTimeoutException),
            ):
                for _ in range(2000):
                    port.write(REQUEST * 100)

        flooding = asyncio.create_task(in_thread(flood))
        async with MBusMaster(server.urls[1]) as master:
            for _ in range(5):
                assert await master.ping_addresses([5]) == {5: True}
        await flooding


async def test_device_that_is_not_there_is_said() -> None:
    with pytest.raises(MBusConnectionError, match="/dev/nonexistent cannot be opened: no such file or directory"):
        async with VirtualBus([]).serve("serial:///dev/nonexistent"):
            pass
