"""A bus that is disturbed all the time loses no reading that a retry can save, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from mbusbench import MBusMaster
from mbusbench.bus import Fault, VirtualBus
from mbusbench.meter import catalogue
from mbusbench.meter.meter import Meter
from tests.master.living_bus import KINDS
from tests.master.long_run import PERIOD, Summary, run

OBJECTS = 200
"""Objects by which the samples may differ: what is under way in that moment."""
MEGABYTES = 0.1
A_MINUTE = 250e-6
"""Megabytes that a clock's reading, another one each minute, may stay in a cache that holds 4096 of them."""


def check(found: Summary, hours: float) -> None:
    assert found.lost == []
    assert found.readings >= hours * 3600 / PERIOD * len(KINDS) * 0.9
    assert found.disturbances > hours * 30
    assert found.connections > hours * 10
    assert found.refused > 0
    assert found.tasks == 0
    assert max(found.timers) <= 10
    assert found.objects[-1] - found.objects[1] <= OBJECTS
    assert found.megabytes[-1] - found.megabytes[1] <= MEGABYTES + A_MINUTE * min(60 * hours, 4096)


def test_an_hour_of_disturbances_loses_no_reading_and_leaves_nothing_behind(tmp_path: Path) -> None:
    check(run(tmp_path, 1), 1)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", [1, 2])
def test_a_day_of_disturbances_loses_no_reading_and_leaves_nothing_behind(tmp_path: Path, seed: int) -> None:
    check(run(tmp_path, 24, seed=seed, samples=24), 24)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="open files are counted in /proc")
@pytest.mark.parametrize("scheme", ["tcp", "rfc2217"])
async def test_connections_of_a_network_that_break_lose_no_reading_and_leave_nothing_behind(scheme: str) -> None:
    bus = VirtualBus([Meter(catalogue.load("kamstrup/multical-603"), address=5)])
    tasks = asyncio.all_tasks()
    async with bus.serve(f"{scheme}://127.0.0.1:0") as server:
        async with MBusMaster(server.url) as master:
            await master.query(5)
            bus.faults.arm(Fault("broken", do={"disconnect": 12}, frame="RSP_UD", every=3))
            files = len(os.listdir("/proc/self/fd"))
            for _ in range(20):
                assert (await master.query(5)).address == 5
            assert bus.faults["broken"].hits >= 9
            await asyncio.sleep(0)
            assert len(os.listdir("/proc/self/fd")) <= files + 2
        assert asyncio.all_tasks() == tasks
    assert bus.port_count == 0
