"""Characters on the wall clock: a bus on a pseudo terminal, a foreign process at the other end that notes the times.

The mean spacing is the slope of the arrivals over the characters. The delay of an answer is counted from the end of the
request's last bit, five characters after it was written, to the answer's first start bit, a character before it came.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from benchmarks.measure import Result
from mbusbench import VirtualBus
from mbusbench.meter import catalogue
from mbusbench.meter.meter import Meter
from mbusbench.timing import RESPONSE_MINIMUM_BITS, bit_time, character_time

DEVICE = "schneider/iem3135"
REQUEST = bytes.fromhex("10 7B 01 7C 16")
FOREIGN_MASTER = Path(__file__).with_name("foreign_master.py")
ANSWERS = {300: 1, 2400: 4, 9600: 12}
PERCENT = 1.0

Pieces = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Pacing:
    """Times in ns: `spacings` and `delays` of each answer; lag is how late the bus itself says its writes were."""

    baud: int
    spacings: tuple[float, ...]
    delays: tuple[int, ...]
    pieces: int
    characters: int
    worst_lag: int
    mean_lag: float
    processor: float
    """Seconds of processor time of the bus's process for each second of the line."""
    asked: tuple[int, ...]
    """When each request was written, on the foreign clock."""
    arrivals: tuple[Pieces, ...]
    """When how many characters of each answer came."""


def slope(points: list[tuple[int, int]]) -> float:
    """Of the straight line through (x, y) with the least squares."""
    return statistics.linear_regression(*zip(*points, strict=True)).slope


async def pacing(baud: int, answers: int) -> Pacing:
    """Ask a meter that answers as early as it may, `answers` times."""
    delay = bit_time(baud, RESPONSE_MINIMUM_BITS)
    bus = VirtualBus([Meter(catalogue.load(DEVICE), address=1, response_delay=(delay, delay))], baud=baud, speed=1)
    size = await _answer_size()
    async with bus.serve("pty://") as server:
        processor, start = time.process_time(), time.perf_counter()
        exchanges = await _foreign(server.url, str(baud), REQUEST.hex(), str(size), str(answers))
        processor = (time.process_time() - processor) / (time.perf_counter() - start)
        lag = server.lag
    character = character_time(baud)
    spacings, delays = [], []
    for asked, pieces in exchanges:
        # Of what came together the last character is the one that was due.
        arrivals = list(zip(accumulate(count for _, count in pieces), (when for when, _ in pieces), strict=True))
        spacings.append(slope(arrivals))
        delays.append(pieces[0][0] - pieces[0][1] * character - asked - len(REQUEST) * character)
    return Pacing(
        baud,
        tuple(spacings),
        tuple(delays),
        sum(len(pieces) for _, pieces in exchanges),
        size * answers,
        lag.worst,
        lag.mean,
        processor,
        tuple(asked for asked, _ in exchanges),
        tuple(pieces for _, pieces in exchanges),
    )


async def _answer_size() -> int:
    bus = VirtualBus([Meter(catalogue.load(DEVICE), address=1)])
    port = bus.open_port()
    bus.receive(port, REQUEST, 0)
    return sum(len(send.data) for send in bus.poll(1_000_000_000))


async def _foreign(*arguments: str) -> list[tuple[int, Pieces]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", str(FOREIGN_MASTER), *arguments, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError("the foreign master failed")
    return [(asked, tuple((when, count) for when, count in pieces)) for asked, pieces in json.loads(output)]


def _spacing(measured: Pacing) -> Result:
    nominal = character_time(measured.baud)
    mean = statistics.fmean(measured.spacings)
    note = (
        f"percent off; {measured.characters} characters in {measured.pieces} pieces, host late by "
        f"{measured.mean_lag / 1e6:.2f} ms, at worst {measured.worst_lag / 1e6:.2f} ms, "
        f"{measured.processor:.1%} of a processor"
    )
    off = abs(mean / nominal - 1) * 100
    return Result(f"spacing at {measured.baud} Bd", "character", mean / 1e9, nominal / 1e9, off, PERCENT, False, note)


def _delay(measured: Pacing) -> Result:
    earliest = min(measured.delays)
    bits = earliest * measured.baud / 1e9
    limit = bit_time(measured.baud, RESPONSE_MINIMUM_BITS)
    return Result(
        f"answer at {measured.baud} Bd",
        "request",
        earliest / 1e9,
        limit / 1e9,
        bits,
        RESPONSE_MINIMUM_BITS,
        True,
        f"bit times, the earliest of {len(measured.delays)}",
    )


def on_a_terminal() -> list[Result]:
    """At 300, 2400 and 9600 baud: spacing right to 1 %, no answer earlier than 11 bit times."""
    measured = [asyncio.run(pacing(baud, answers)) for baud, answers in ANSWERS.items()]
    return [result for each in measured for result in (_spacing(each), _delay(each))]
