"""Time of the line, exact in virtual time: what a scan and a readout take, against what EN 13757-2 asks for.

The demanded sum of an address is, at the rate of the line:

- nobody there: for each attempt the request's characters, and 341 bit times + 50 ms until a first character was due;
- a slave there: link reset, its delay, E5, 33 bit times in which no second E5 comes, request, its delay, the telegram.

A good answer is followed by the next request at once. Delays are the slaves' own, out of the trace.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from benchmarks.measure import Result
from mbusbench import MBusMaster, VirtualBus
from mbusbench.clock import VirtualLoop
from mbusbench.meter import catalogue
from mbusbench.meter.meter import Meter
from mbusbench.timing import character_time, first_character_timeout, idle_time
from mbusbench.trace import Recorder
from mbusbench.trace.event import Kind, TraceEvent

DEVICE = "kamstrup/multical-603"
BAUD = 2400
SCANNED = range(1, 251)
PRESENT = range(25, 251, 25)
SCAN_BOUND = 1.03
READ_BOUND = 1.05
SHORT_FRAME = 5
ACKNOWLEDGE = 1


@dataclass(frozen=True, slots=True)
class Spent:
    """`spent`: ns of virtual time from the call to its result. `demanded`: ns that the standard asks for."""

    spent: int
    demanded: int

    @property
    def ratio(self) -> float:
        return self.spent / self.demanded


def bus_at(addresses: Iterable[int]) -> VirtualBus:
    """A bus at the real speed with a meter at each of the addresses."""
    device = catalogue.load(DEVICE)
    meters = [Meter(device, address=at, identification=f"{at:08d}", seed=f"0/meter/{at}") for at in addresses]
    return VirtualBus(meters, baud=BAUD, speed=1)


def demanded_by_absent(attempts: int) -> int:
    """ns for an address where nobody is."""
    return attempts * (character_time(BAUD, SHORT_FRAME) + first_character_timeout(BAUD))


def demanded_by_present(events: Sequence[TraceEvent]) -> int:
    """ns for one readout of each slave that answered: its delays, its telegrams, the fewest requests.

    What is above that, in the trace or in the time spent, is the master's doing.
    """
    total = 0
    telegrams: Counter[str] = Counter()
    for event in events:
        if event.kind is Kind.SLAVE:
            assert event.delay is not None
            total += event.delay + character_time(BAUD, SHORT_FRAME) + character_time(BAUD, len(event.data))
            telegrams[event.source] += len(event.data) > ACKNOWLEDGE
    assert set(telegrams.values()) <= {1}, "a slave was asked more than once"
    return total


def _timed(bus: VirtualBus, work: Callable[[MBusMaster], Awaitable[int]], retries: int) -> tuple[int, list[TraceEvent]]:
    """ns that `work` took, and what was on the line; `work` returns how many meters it found."""
    recorder = Recorder()
    bus.trace = recorder.record

    async def run() -> int:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        async with MBusMaster(bus, baudrate=BAUD, retries=retries) as master:
            begin = loop.now_ns()
            found = await work(master)
            assert found == len(bus.meters), f"{found} of {len(bus.meters)} meters found"
            return loop.now_ns() - begin

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(run()), recorder.events


def scan_time(scanned: Sequence[int], present: Sequence[int], *, attempts: int = 2) -> Spent:
    """A scan of primary addresses; an address counts as empty after so many attempts (1, or 2 as by default)."""

    async def scan(master: MBusMaster) -> int:
        return sum(found is not None for found in (await master.scan_addresses(scanned)).values())

    spent, events = _timed(bus_at(present), scan, attempts - 1)
    absent = (len(scanned) - len(present)) * demanded_by_absent(attempts)
    return Spent(spent, absent + demanded_by_present(events) + len(present) * idle_time(BAUD))


def read_time(addresses: Sequence[int]) -> Spent:
    """A readout of a meter at each of the addresses: its characters, the delays, nothing else."""

    async def read(master: MBusMaster) -> int:
        return sum(data is not None for data in (await master.query_addresses(addresses)).values())

    spent, events = _timed(bus_at(addresses), read, 2)
    return Spent(spent, demanded_by_present(events))


def _result(name: str, unit: str, found: Spent, bound: float, note: str) -> Result:
    return Result(name, unit, found.spent / 1e9, found.demanded / 1e9, found.ratio, bound, False, note)


def scan() -> list[Result]:
    """1 to 250 with 10 meters: at most 1.03 times the demanded sum, with two attempts (as by default) and with one."""
    results = []
    for attempts in (2, 1):
        found = scan_time(SCANNED, PRESENT, attempts=attempts)
        note = f"time of the line, {len(PRESENT)} meters of {len(SCANNED)}"
        results.append(_result(f"scan, {attempts} attempt{'s' * (attempts > 1)}", "scan", found, SCAN_BOUND, note))
    return results


def read() -> Result:
    """250 meters: at most 1.05 times their characters and delays."""
    return _result("readout of 250 meters", "round", read_time(SCANNED), READ_BOUND, f"time of the line, {DEVICE}")
