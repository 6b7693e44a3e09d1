"""A day of a bus in virtual time: 250 meters at 2400 baud, each read every 15 minutes by MBusMaster, on one core.

Each readout is a link reset and a request, one telegram of 195 octets: 0.96 s of the bus, so that the 24,000 readouts
of the day keep it busy for 6 h 24 min. Speed is counted against that, not against the 24 h, most of which it is idle.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import lru_cache

from benchmarks.measure import Result
from mbusbench import MBusMaster, VirtualBus
from mbusbench.clock import VirtualLoop
from mbusbench.meter import catalogue
from mbusbench.meter.meter import Meter

DEVICE = "kamstrup/multical-603"
BAUD = 2400
METERS = 250
PERIOD = 15 * 60
ROUNDS_A_DAY = 24 * 3600 // PERIOD
DAY_LIMIT = 20.0
FASTER_THAN_THE_BUS = 4000.0
BUSES = 40
MEMORY_LIMIT = 400.0
RATIO_BOUND = 1.3
RATIO_ROUNDS = 15


@dataclass(frozen=True, slots=True)
class Run:
    """`host`: seconds that it took. `bus`: seconds of virtual time in which the line was in use."""

    readouts: int
    host: float
    bus: float


def a_bus(meters: int, seed: int = 0) -> VirtualBus:
    """A bus at real speed with so many meters, at addresses from 1 on."""
    device = catalogue.load(DEVICE)
    own = [
        Meter(device, address=address, identification=f"{address:08d}", seed=f"{seed}/meter/{address}")
        for address in range(1, meters + 1)
    ]
    return VirtualBus(own, baud=BAUD, speed=1, seed=seed)


async def _read(bus: VirtualBus, meters: int, rounds: int) -> float:
    """Seconds of virtual time in which the bus was in use. Every meter is read in every round, or it is an error."""
    loop = asyncio.get_running_loop()
    in_use = 0.0
    async with MBusMaster(bus, baudrate=BAUD) as master:
        for number in range(rounds):
            begin = loop.time()
            for address in range(1, meters + 1):
                await master.query(address)
            in_use += loop.time() - begin
            await asyncio.sleep((number + 1) * PERIOD - loop.time())
    return in_use


def run(meters: int, rounds: int) -> Run:
    """Read each of so many meters so many times, every 15 minutes of virtual time."""
    bus = a_bus(meters)
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        begin = time.perf_counter()
        in_use = runner.run(_read(bus, meters, rounds))
        return Run(meters * rounds, time.perf_counter() - begin, in_use)


@lru_cache(maxsize=1)
def _day() -> Run:
    run(METERS, 1)
    return run(METERS, ROUNDS_A_DAY)


def day() -> Result:
    """The whole day under 20 s."""
    found = _day()
    note = f"{found.readouts} readouts, {found.bus:.0f} s of the bus, {DEVICE}"
    return Result("a day of 250 meters", "day", found.host, DAY_LIMIT, found.host / DAY_LIMIT, 1.0, False, note)


def against_the_bus() -> Result:
    """At least 4,000 times faster than the bus itself."""
    found = _day()
    ours, bus = found.host / found.readouts, found.bus / found.readouts
    return Result("readout against the bus", "readout", ours, bus, bus / ours, FASTER_THAN_THE_BUS, True, DEVICE)


def many_meters() -> Result:
    """A readout on a bus of 250 meters costs at most 1.3 times that on one of 5."""
    pairs: list[tuple[float, float]] = []
    gc.collect()
    for number in range(RATIO_ROUNDS):
        sides = [(METERS, 1), (5, METERS // 5)]
        if number % 2:
            sides.reverse()
        found = {meters: run(meters, rounds) for meters, rounds in sides}
        pairs.append((found[METERS].host / found[METERS].readouts, found[5].host / found[5].readouts))
    many = statistics.median(many for many, _ in pairs)
    few = statistics.median(few for _, few in pairs)
    ratio = statistics.median(many / few for many, few in pairs)
    return Result("readout, 250 : 5 meters", "readout", many, few, ratio, RATIO_BOUND, False, DEVICE)


async def _read_all(buses: list[VirtualBus]) -> None:
    async def one(bus: VirtualBus) -> None:
        async with MBusMaster(bus, baudrate=BAUD) as master:
            for meter in bus.meters:
                await master.query(meter.address)

    await asyncio.gather(*map(one, buses))


def _resident_megabytes() -> float:
    """Highest of this process, after 40 buses of 250 meters were read once, all at the same time."""
    import resource

    buses = [a_bus(METERS, seed) for seed in range(BUSES)]
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(_read_all(buses))
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def memory() -> Result:
    """40 buses of 250 meters in one process under 400 MB."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.bus_day"], capture_output=True, text=True, check=True, timeout=600
    )
    note = f"MB for {BUSES} buses of {METERS} meters, each read once"
    return Result("memory of 40 buses", "process", None, None, float(done.stdout), MEMORY_LIMIT, False, note)


if __name__ == "__main__":
    print(f"{_resident_megabytes():.1f}")
