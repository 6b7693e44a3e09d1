"""A long run of reads on buses with random faults: `python -m tests.campaign.reads --reads 1000000 --seed 7`.

All in virtual time. Every value that a read returns is compared with the one that the meter held when it was asked in
this very read. What may be wrong is only what a checksum of 8 bits cannot see (tests.campaign.expectation), and a read
that is old has to be marked `stale`. Ends with a summary; exit code 1 where a value was wrong beyond the expectation.

A run consists of blocks of reads, each with a bus of its own, of one of these kinds:

- faults: a quarter of the reads meets a fault of a random kind (tests.campaign.palette). None of them can make a wrong
  frame that is valid but by chance.
- line: noise, and bit errors anywhere, in start and stop bits too, on the way to the master and to the slaves.
- parity: each data and parity bit of half of the telegrams is inverted with probability RATE, and the master is told of
  characters with wrong parity.
- no parity: the same, but the master is not told, as behind a gateway.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from mbusbench import MBusMaster, VirtualBus
from mbusbench.bus.endpoints.memory import MemoryStream
from mbusbench.bus.fault import Fault
from mbusbench.bus.noise import Noise
from mbusbench.bus.port import Send
from mbusbench.clock import VirtualLoop
from mbusbench.errors import MBusError
from mbusbench.master.freshness import REMEMBERED
from mbusbench.transport import Stream
from tests.campaign.expectation import tail, unseen
from tests.campaign.palette import InvertedBits, random_fault
from tests.moving_meters import FIRST_ADDRESS, WatchedMeter, judge, meters

BLOCK = 500
RATE = 0.004
LINE_RATE = 2e-4
SPOILT = 0.5
FAULTY = 0.25
LIKELY = 1e-4
"""The tails of the expectation: what is less likely than this is no accident."""
UNADDRESSED = 2e-5
"""The part of reads that may be old and not marked. An acknowledge says not whose it is: one of another slave, seconds
late or sent because a request reached it under a wrong address, and an E5 within a slow telegram, are taken for the one
to a link reset that the slave itself did not hear. What it then repeats the master may never have seen."""
_SHOWN = 20
_UNREADABLE = ("MBusDecodeError", "MBusApplicationError", "MBusEncryptedError", "MBusTooManyTelegramsError")
_LIES = ("stale", "stuck_fcb")
_SHARES = {"faults": 7, "line": 1, "parity": 1, "no parity": 1}
KINDS = [kind for kind, share in _SHARES.items() for _ in range(share)]


class Blind(MemoryStream):
    """A connection that does not tell which characters had wrong parity."""

    def deliver(self, send: Send) -> None:
        self.on_data(send.data)


@dataclass
class Tally:
    """What came of the reads of one kind of block. `expected` is how many damaged telegrams may be accepted."""

    reads: int = 0
    right: int = 0
    wrong: int = 0
    old: int = 0
    marked: int = 0
    doubted: int = 0
    unrecognisable: int = 0
    hits: int = 0
    expected: float = 0.0
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def accepted(self) -> int:
        """Damaged telegrams that the link took for good ones: wrong values, and what could not be decoded."""
        return self.wrong + sum(self.errors[name] for name in _UNREADABLE) * bool(self.expected)

    @property
    def likelihood(self) -> float:
        """Of as many accepted as there were, or of still fewer or more."""
        return tail(self.accepted, self.expected)


@dataclass
class Summary:
    """What a run found."""

    seed: int
    seconds: float = 0.0
    virtual: float = 0.0
    tallies: dict[str, Tally] = field(default_factory=lambda: {kind: Tally() for kind in _SHARES})
    faults: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def reads(self) -> int:
        return sum(tally.reads for tally in self.tallies.values())

    @property
    def is_good(self) -> bool:
        """No more old values unmarked than UNADDRESSED, and as many wrong ones as can be expected."""
        tallies = self.tallies.values()
        return all(tally.likelihood > LIKELY and tally.old <= UNADDRESSED * tally.reads for tally in tallies)

    def text(self) -> str:
        """The closing summary, in lines."""
        hours = self.virtual / 3600
        lines = [f"{self.reads} reads, {hours:.0f} h of the bus in {self.seconds:.0f} s, seed {self.seed}"]
        for kind, tally in self.tallies.items():
            lines += [
                f"  {kind}: {tally.reads} reads, {tally.hits} frames hit, {tally.right} right",
                f"    old: {tally.marked} marked stale, {tally.unrecognisable} never seen before, {tally.old} neither; "
                f"{tally.doubted} marked stale though they were right",
                f"    wrong: {tally.wrong}; damaged telegrams accepted: {tally.accepted}, "
                f"expected {tally.expected:.2f}, p = {tally.likelihood:.3f}",
            ]
            lines += [f"    {name}: {count}" for name, count in tally.errors.most_common()]
        lines.append(
            "  faults that fired: " + ", ".join(f"{name} {count}" for name, count in sorted(self.faults.items()))
        )
        lines += [f"  FAILED {failure}" for failure in self.failures[:_SHOWN]]
        return "\n".join(lines)


def a_bus(kind: str, seed: str, source: Random) -> VirtualBus:
    """The bus of one block."""
    number = source.getrandbits(32)
    if kind == "line":
        noise = Noise(interval=3_000_000_000, longest=3, to_slaves=True)
        rates = {"errors_to_masters": LINE_RATE, "errors_to_slaves": LINE_RATE}
        return VirtualBus(meters(seed), speed=1, seed=number, noise=noise, **rates)  # type: ignore[arg-type]
    bus = VirtualBus(meters(seed), speed=1, seed=number)
    if kind == "faults":
        # So that the bus always knows what its meters sent, and a stale telegram is one of the last.
        bus.faults.arm(Fault("memory", exactly=10**9, do="stale"))
    else:
        bus.faults.arm(Fault("bits", frame="RSP_UD", probability=SPOILT, do=InvertedBits(RATE)))
    return bus


class Block:
    """Some hundred reads on one bus."""

    def __init__(self, kind: str, seed: str, summary: Summary) -> None:
        self.kind = kind
        self.seed = seed
        self.random = Random(seed)
        self.bus = a_bus(kind, seed, self.random)
        self.meters = [meter for meter in self.bus.meters if isinstance(meter, WatchedMeter)]
        self.addresses = range(FIRST_ADDRESS, FIRST_ADDRESS + len(self.meters))
        self.summary = summary
        self.tally = summary.tallies[kind]
        self.known: dict[int, dict[tuple[int, int], None]] = {meter.address: {} for meter in self.meters}
        """Telegrams that came with the last reads of each meter, by their number and time."""

    async def run(self, reads: int) -> None:
        loop = asyncio.get_running_loop()
        stream: Stream | VirtualBus = Blind(self.bus) if self.kind == "no parity" else self.bus
        async with MBusMaster(stream) as master:
            for number in range(reads):
                self._schedule(number)
                await self._read(master, self.random.choice(self.meters), number)
                if self.random.random() < 0.3:
                    await asyncio.sleep(self.random.choice((0.02, 0.3, 2.0)) * self.random.random())
        if self.kind.endswith("parity"):
            self._expect()
        self.summary.virtual += loop.time()

    def _schedule(self, number: int) -> None:
        if self.kind != "faults":
            return
        faults = self.bus.faults
        for armed in faults:
            if armed.name == "memory":
                continue
            if armed.worn_off or number - int(armed.name.split()[1]) > 4:
                self.summary.faults[armed.does] += armed.hits
                self.tally.hits += armed.hits
                faults.disarm(armed.name)
        if self.random.random() < FAULTY:
            faults.arm(random_fault(f"fault {number}", self.addresses, self.random))

    async def _read(self, master: MBusMaster, meter: WatchedMeter, number: int) -> None:
        tally = self.tally
        tally.reads += 1
        since = self.bus.driver.now  # type: ignore[attr-defined]
        lies = self._lies()
        try:
            data = await master.query(meter.address)
        except MBusError as error:
            tally.errors[type(error).__name__] += 1
            return
        verdict = judge(data, meter, since)
        known = self.known[meter.address]
        recognisable = len(known) > 1 and not known.keys().isdisjoint(verdict.held)
        self._remember(meter.address, verdict.held)
        if not verdict.why:
            tally.right += 1
            tally.doubted += data.stale
        elif data.stale:
            tally.marked += 1
        elif verdict.is_old and self._lies() > lies and not recognisable:
            tally.unrecognisable += 1
        elif verdict.is_old and self.kind == "faults":
            tally.old += 1
            self._failed(number, meter, verdict.why)
        else:
            tally.wrong += 1
            if self.kind == "faults":
                self._failed(number, meter, verdict.why)

    def _lies(self) -> int:
        """How often a slave has sent an old telegram instead of the new one: a master can only know it again."""
        return sum(armed.hits for armed in self.bus.faults if armed.does in _LIES)

    def _remember(self, address: int, held: Sequence[tuple[int, int]]) -> None:
        known = self.known[address]
        for telegram in held:
            known.pop(telegram, None)
            known[telegram] = None
        while len(known) > REMEMBERED:
            del known[next(iter(known))]

    def _failed(self, number: int, meter: WatchedMeter, why: str) -> None:
        armed = "; ".join(f"{fault.name}: {fault.does} ({fault.definition.condition()})" for fault in self.bus.faults)
        self.summary.failures.append(f"block {self.seed!r}, read {number}, slave {meter.address}: {why}; {armed}")

    def _expect(self) -> None:
        """Add what this block may have accepted: its telegrams, and how many of them were exposed."""
        armed = self.bus.faults["bits"]
        exposed = armed.met * SPOILT
        self.tally.hits += armed.hits
        self.summary.faults["inverted_bits"] += armed.hits
        each = [unseen(frame, RATE, parity=self.kind == "parity") for frame in sample_frames(self.meters, self.random)]
        self.tally.expected += exposed * sum(each) / len(each)


def sample_frames(some: Sequence[WatchedMeter], source: Random) -> list[bytes]:
    """A telegram of each of them, as it is sent at some time."""
    frames = []
    for meter in some:
        now = source.randrange(10**12)
        number = source.randrange(len(meter.device.telegrams))
        header = meter.wire_address + bytes((source.randrange(256), 0, 0, 0))
        body = bytes((0x08, meter.address, 0x72)) + header + meter.records(number, now)
        frames.append(bytes((0x68, len(body), len(body), 0x68)) + body + bytes((sum(body) & 0xFF, 0x16)))
    return frames


def run(reads: int, seed: int, kinds: Sequence[str] = KINDS) -> Summary:
    """So many reads, in blocks of the given kinds in turn."""
    summary = Summary(seed)
    started = time.perf_counter()
    for number, first in enumerate(range(0, reads, BLOCK)):
        block = Block(kinds[number % len(kinds)], f"{seed}/{number}", summary)
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(block.run(min(BLOCK, reads - first)))
    summary.seconds = time.perf_counter() - started
    return summary


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign.reads", description=__doc__)
    parser.add_argument("--reads", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--kind", choices=list(_SHARES), action="append", help="only blocks of this kind")
    options = parser.parse_args(arguments)
    summary = run(options.reads, options.seed, options.kind or KINDS)
    print(summary.text())
    return 0 if summary.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
