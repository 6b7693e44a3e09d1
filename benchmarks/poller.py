"""The poller with 1,000 connections of 10 meters, each read every minute: its share of one core, and its memory.

The buses are in another process, at full speed, each on a TCP port of its own. The run is scaled: so many connections
for so many seconds, each read as often as in the full load, and the share of a core is that of the full load.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Result
from mbusbench import VirtualBus
from mbusbench.meter import catalogue
from mbusbench.meter.meter import Meter
from mbusbench.poller.definition import PollerFile
from mbusbench.poller.poller import Poller
from mbusbench.sinks.reading import Reading
from mbusbench.sinks.store import Store

DEVICE = "kamstrup/multical-603"
CONNECTIONS = 1000
METERS = 10
READOUTS_A_MINUTE = CONNECTIONS * METERS
CORE_LIMIT = 0.60
MEMORY_LIMIT = 150_000
SECONDS = 20
WARM_UP = 3


@dataclass(frozen=True, slots=True)
class Load:
    """`core`: seconds of the processor in each second, at the full load. `connection`: octets for each connection."""

    readouts: int
    bad: int
    core: float
    connection: float


async def _serve(connections: int) -> None:
    """Be the other process: print the ports, then answer until stdin ends."""
    device = catalogue.load(DEVICE)
    async with asyncio.timeout(600):
        servers = []
        urls = []
        for number in range(connections):
            meters = [
                Meter(device, address=address, identification=f"{number:04d}{address:04d}")
                for address in range(1, METERS + 1)
            ]
            server = VirtualBus(meters).serve("tcp://127.0.0.1:0")
            await server.__aenter__()
            servers.append(server)
            urls.append(server.url)
        print(json.dumps(urls), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def _definition(urls: Sequence[str], period: int) -> PollerFile:
    connections = [
        {
            "name": f"bus{number:04d}",
            "url": url,
            "period": f"{period}s",
            "jitter": f"{period}s",
            "meters": [{"address": address} for address in range(1, METERS + 1)],
        }
        for number, url in enumerate(urls)
    ]
    return PollerFile.model_validate({"format": 1, "connections": connections})


def _resident() -> int:
    """Octets of memory that this process has now."""
    fields = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


async def _poll(urls: Sequence[str], seconds: float, period: int, warm_up: float) -> Load:
    bad = 0
    with tempfile.TemporaryDirectory() as directory:
        async with Store(Path(directory) / "store.db") as store:

            async def keep(readings: Sequence[Reading]) -> None:
                nonlocal bad
                bad += sum(reading.quality != "good" for reading in readings)
                await store.append(readings)

            gc.collect()
            before = _resident()
            poller = Poller(_definition(urls, period), keep)
            polling = asyncio.create_task(poller.run())
            await asyncio.sleep(warm_up + period)
            kept, used = poller.collector.kept, time.process_time()
            await asyncio.sleep(seconds)
            used = time.process_time() - used
            readouts = poller.collector.kept - kept
            gc.collect()
            memory = _resident() - before
            poller.stop()
            await polling
    return Load(readouts, bad, used / readouts * READOUTS_A_MINUTE / 60, memory / len(urls))


def measure(
    connections: int = CONNECTIONS, seconds: float = SECONDS, period: int = SECONDS, warm_up: float = WARM_UP
) -> Load:
    """Poll so many buses of another process for so many seconds, each as often as `period` says."""
    serving = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.poller", "--serve", str(connections)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert serving.stdout is not None
        return asyncio.run(_poll(json.loads(serving.stdout.readline()), seconds, period, warm_up))
    finally:
        serving.communicate()


def core() -> list[Result]:
    """The full load under 60 % of one core, and under 150 kB for each connection."""
    found = measure()
    note = f"{found.readouts} readouts, {found.bad} bad, {DEVICE}"
    return [
        Result("poller, 1000 x 10 a minute", "s", found.core, CORE_LIMIT, found.core / CORE_LIMIT, 1.0, False, note),
        Result(
            "poller, kB a connection",
            "kB",
            found.connection / 1e6,
            MEMORY_LIMIT / 1e6,
            found.connection / MEMORY_LIMIT,
            1.0,
            False,
            f"{found.connection / 1000:.0f} kB of {MEMORY_LIMIT // 1000}",
        ),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--serve", type=int)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    parser.add_argument("--period", type=int, default=SECONDS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(_serve(options.serve))
    else:
        print(measure(options.connections, options.seconds, options.period))
