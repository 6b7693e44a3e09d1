"""Faults that are armed while the bus runs: counters, waiting, what never fired; and masters that live with them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mbusbench import MBusMaster
from mbusbench.bus import Fault, VirtualBus
from mbusbench.errors import MBusConnectionError, MBusTimeoutError, MBusUsageError
from mbusbench.timing import SECOND
from tests.bus.wire import RESET, Wire, meter

virtual_time = pytest.mark.virtual_time


def test_fault_is_found_by_its_name_and_counts(tmp_path: Path) -> None:
    line = Wire(VirtualBus([meter(tmp_path)], speed=1))
    armed = line.bus.faults.arm(Fault("lost", do="drop", every=2))
    for _ in range(5):
        line.ask(RESET)
    assert line.bus.faults["lost"] is armed
    assert (armed.seen, armed.met, armed.hits) == (5, 5, 2)
    assert armed.last_hit is not None
    assert 6 * SECOND < armed.last_hit < 7 * SECOND
    assert [each.name for each in line.bus.faults] == ["lost"]
    assert "lost" in line.bus.faults
    line.bus.faults.disarm("lost")
    assert len(line.bus.faults) == 0
    assert len(line.ask(RESET)) == 1
    assert armed.seen == 5


def test_names_that_are_not_armed_are_errors(tmp_path: Path) -> None:
    faults = VirtualBus([meter(tmp_path)]).faults
    faults.arm(Fault("late", do="drop"))
    with pytest.raises(MBusUsageError, match="a fault named 'late' is armed already"):
        faults.arm(Fault("late", do="drop"))
    with pytest.raises(MBusUsageError, match="no fault named 'lat' is armed, did you mean 'late'"):
        faults.disarm("lat")
    with pytest.raises(MBusUsageError, match="no fault named 'lat' is armed, did you mean 'late'"):
        faults.arm(Fault("x", do="drop", after="lat"))
    with pytest.raises(KeyError, match="no fault named 'lat' is armed"):
        faults["lat"]


def test_faults_that_never_fired_are_named(tmp_path: Path) -> None:
    line = Wire(VirtualBus([meter(tmp_path)], speed=1))
    line.bus.faults.arm_all(
        [
            Fault("lost", do="drop", exactly=1),
            Fault("late", do=["checksum", {"delay": "1ms"}], on=[5, 6], frame="SND_NKE", every=5, from_="1s"),
            Fault("request", do="drop", direction="request", bytes="68 *"),
            Fault("noise", do="noise", at="1h"),
            Fault("then", do="drop", after={"fault": "late", "hits": 2}, probability=0.5),
        ]
    )
    for _ in range(3):
        line.ask(RESET)
    with pytest.raises(AssertionError) as caught:
        line.bus.faults.assert_all_fired()
    assert str(caught.value).splitlines() == [
        "4 of 5 faults never fired:",
        "  late (on [5, 6], frame SND_NKE, every 5, from 1s; checksum, delay): 3 answers passed, 2 met its condition",
        "  request (direction request, bytes 68 *; drop): 3 requests passed, 0 met its condition",
        "  noise (at 1h; noise): its time came 0 times",
        "  then (probability 0.5, after late (2); drop): 3 answers passed, 0 met its condition",
    ]
    for name in ("late", "request", "noise", "then"):
        line.bus.faults.disarm(name)
    line.bus.faults.assert_all_fired()
    line.bus.faults.clear()
    assert len(line.bus.faults) == 0


@virtual_time
async def test_waiting_for_a_fault(tmp_path: Path) -> None:
    bus = VirtualBus([meter(tmp_path)], speed=1)
    bus.faults.arm(Fault("lost", do="drop", exactly=[1, 3]))
    waiting = asyncio.create_task(bus.faults.wait_for("lost", hits=2))
    async with MBusMaster(bus) as master:
        assert await master.ping_addresses([5]) == {5: True}
        assert not waiting.done()
        assert await master.ping_addresses([5]) == {5: True}
    await waiting
    await bus.faults.wait_for("lost")
    assert bus.faults.observers == []


@virtual_time
async def test_waiting_ends_when_the_fault_is_disarmed(tmp_path: Path) -> None:
    bus = VirtualBus([meter(tmp_path)], speed=1)
    bus.faults.arm(Fault("lost", do="drop"))
    waiting = asyncio.create_task(bus.faults.wait_for("lost", hits=2))
    await asyncio.sleep(1)
    bus.faults.clear()
    with pytest.raises(MBusUsageError, match="fault 'lost' was disarmed after 0 of 2 hits"):
        await waiting
    with pytest.raises(MBusUsageError, match="no fault named 'lost' is armed"):
        await bus.faults.wait_for("lost")


@virtual_time
async def test_master_reads_through_lost_and_broken_answers(tmp_path: Path) -> None:
    bus = VirtualBus([meter(tmp_path)], speed=1)
    bus.faults.arm(Fault("lost", do="drop", frame="REQ_UD2", exactly=1))
    bus.faults.arm(Fault("broken", do="checksum", frame="REQ_UD2", exactly=2))
    async with MBusMaster(bus) as master:
        data = await master.query(5)
    assert data.serial_number == "12345678"
    bus.faults.assert_all_fired()


@virtual_time
async def test_fault_that_is_armed_while_a_master_is_connected_acts_at_once(tmp_path: Path) -> None:
    bus = VirtualBus([meter(tmp_path)], speed=1)
    async with MBusMaster(bus) as master:
        assert (await master.ping_addresses([5]))[5]
        bus.faults.arm(Fault("gone", do="drop"))
        assert not (await master.ping_addresses([5]))[5]
        with pytest.raises(MBusTimeoutError):
            await master.query(5)
        bus.faults.clear()
        assert (await master.ping_addresses([5]))[5]


@virtual_time
async def test_master_is_disconnected_in_mid_telegram(tmp_path: Path) -> None:
    bus = VirtualBus([meter(tmp_path)], speed=1)
    bus.faults.arm(Fault("closed", do={"disconnect": 12}, frame="RSP_UD"))
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusConnectionError):
            await master.query(5)


async def test_disconnect_closes_a_tcp_connection_behind_the_bytes(tmp_path: Path) -> None:
    bus = VirtualBus([meter(tmp_path)])
    bus.faults.arm(Fault("closed", do={"disconnect": 12}, frame="RSP_UD"))
    async with bus.serve("tcp://127.0.0.1:0") as server:
        host, port = server.url.removeprefix("socket://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(bytes.fromhex("10 7B 05 80 16"))
        assert (await asyncio.wait_for(reader.read(), 10)).hex(" ").upper() == "68 15 15 68 08 05 72 78 56 34 12 43"
        writer.close()
        await asyncio.wait_for(bus.faults.wait_for("closed"), 10)
