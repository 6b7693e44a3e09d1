"""Searches for secondary addresses, MBusMaster's and the plain one digit by digit, on one bus in virtual time: exact.

An exchange is one request on the line, answered or not, repeats and SND_NKE included; it counts the same on both sides.
Both keep the same promises: hex digits are found, a lost acknowledge loses no meter (silence is asked twice), and no
meter is invented (telegrams of two may look like that of a third). Both wait alike. `ours` and `peer` are the time of
the bus at 2400 baud; `ratio` is of exchanges, each case the worst of its seeds.

The bound of information: an acknowledge names nobody, so each meter costs a selection that it answers alone and the
reading of its telegram, 2 N, whatever the addresses are. Where they are random, there are also selections that nobody
or several answer: with these three outcomes, at most 0.568 meters are singled out by a selection in the long run, even
if any set of addresses could be selected (Tsybakov and Likhanov, 1987). N / 0.568 selections and N readings are 2.76 N.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from random import Random

from benchmarks.measure import Result
from mbusbench import MBusMaster, SecondaryAddress, VirtualBus
from mbusbench.clock import VirtualLoop
from mbusbench.codec.frame import LongFrame
from mbusbench.codec.tables.manufacturers import MANUFACTURERS
from mbusbench.master.search import MBusUnresolved
from mbusbench.meter import catalogue
from mbusbench.meter.meter import Meter
from mbusbench.protocol.exchange import Exchange
from mbusbench.protocol.outcome import Outcome, Reply, Silence
from mbusbench.protocol.procedures.search.ask import DESELECT, REQUEST, RESET_ALL, address_of, selection
from mbusbench.transport.stream import Stream

DEVICE = "kamstrup/flowiq-2101"
BAUD = 2400
BOUND = 0.6
SEEDS = 3
SELECTIONS_FOR_A_RANDOM_METER = 1 / 0.568
HEX_DIGITS = "0123456789ABCDE"
DECIMAL_DIGITS = "0123456789"
_BEHIND = "F" * 8
_VERSION, _DEVICE_TYPE = slice(12, 14), slice(14, 16)

Walk = Generator[Exchange, Outcome, None]


@dataclass(frozen=True, slots=True)
class Search:
    """What one search took. `seconds` of the bus; `found` with each meter as often as it was found."""

    found: tuple[str, ...]
    exchanges: int
    seconds: float


class PlainSearch:
    """Digit by digit from the first one on; a mask that more than one answers is split by its next digit.

    `silences`: how often nobody has to answer a mask. `confirms`: each address found is selected, without wildcards,
    and read once more. Meters with equal digits are split by manufacturer, version and device type.
    """

    def __init__(self, digits: str = HEX_DIGITS, silences: int = 2, *, confirms: bool = True) -> None:
        self._digits = digits
        self._silences = silences
        self._confirms = confirms
        self.found: list[str] = []

    def walk(self) -> Walk:
        yield RESET_ALL
        yield DESELECT
        yield from self._split("")

    def _split(self, prefix: str) -> Walk:
        for mask, next_prefix in self._parts(prefix):
            if (yield from self._is_several(mask)):
                yield from self._split(next_prefix)

    def _parts(self, prefix: str) -> list[tuple[str, str]]:
        """Each part's mask, and the prefix to split it by."""
        if len(prefix) < 8:
            texts = [prefix + digit for digit in self._digits]
        elif len(prefix) == 8:
            codes = (SecondaryAddress.parse(f"{letters}-{prefix}-*-*") for letters in MANUFACTURERS)
            texts = [str(code)[:12] for code in codes]
        elif len(prefix) < 16:
            texts = [f"{prefix}{byte:02X}" for byte in range(0xFF)]
        else:
            return []
        return [(text.ljust(16, "F"), text) for text in texts]

    def _is_several(self, mask: str) -> Generator[Exchange, Outcome, bool]:
        for _ in range(self._silences):
            outcome = yield selection(SecondaryAddress.parse(mask), 1)
            if type(outcome) is not Silence:
                break
        else:
            return False
        if type(outcome) is not Reply:
            return True
        address = _sender((yield REQUEST))
        if address is None:
            return True
        if self._confirms:
            outcome = yield selection(address, 1)
            if type(outcome) is not Reply or _sender((yield REQUEST)) != address:
                return True
        self.found.append(str(address))
        return False


def _sender(outcome: Outcome) -> SecondaryAddress | None:
    return address_of(outcome.frame) if type(outcome) is Reply and isinstance(outcome.frame, LongFrame) else None


class _Counted:
    """A bus on which requests are counted."""

    def __init__(self, bus: VirtualBus) -> None:
        self._bus = bus
        self.exchanges = 0

    def connect(self) -> Stream:
        stream = self._bus.connect()
        write = stream.write

        def counted(data: bytes) -> None:
            self.exchanges += 1
            write(data)

        stream.write = counted  # type: ignore[method-assign]
        return stream


def _bus(addresses: list[str], seed: int) -> VirtualBus:
    device = catalogue.load(DEVICE)
    meters = []
    for number, text in enumerate(addresses):
        address = SecondaryAddress.parse(text)
        meters.append(
            Meter(
                device,
                address=number % 250 + 1,
                identification=address.identification,
                manufacturer=address.manufacturer,
                version=address.version,
                medium=address.device_type,
                seed=f"{seed}/{number}",
            )
        )
    return VirtualBus(meters, baud=BAUD, speed=1, seed=seed)


def _run(addresses: list[str], seed: int, work: Callable[[MBusMaster], Awaitable[list[str]]]) -> Search:
    bus = _Counted(_bus(addresses, seed))

    async def measured() -> Search:
        loop = asyncio.get_running_loop()
        async with MBusMaster(bus, baudrate=BAUD) as master:
            begin = loop.time()
            found = await work(master)
            return Search(tuple(found), bus.exchanges, loop.time() - begin)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(measured())


def ours(addresses: list[str], seed: int) -> Search:
    """The search of MBusMaster."""

    async def work(master: MBusMaster) -> list[str]:
        return [
            entry.mask if isinstance(entry, MBusUnresolved) else entry.secondary_address or ""
            async for entry in master.search()
        ]

    return _run(addresses, seed, work)


def plain(addresses: list[str], seed: int, search: PlainSearch) -> Search:
    """The plain search, on the line of MBusMaster."""

    async def work(master: MBusMaster) -> list[str]:
        await master._run(search.walk)
        return search.found

    return _run(addresses, seed, work)


def random_addresses(count: int, seed: int) -> list[str]:
    random = Random(f"random/{count}/{seed}")
    return [f"{number:08d}2D2C1B04" for number in sorted(random.sample(range(10**8), count))]


def sequence(count: int, seed: int) -> list[str]:
    first = Random(f"sequence/{count}/{seed}").randrange(10**8 - count)
    return [f"{first + number:08d}2D2C1B04" for number in range(count)]


def equal_identifications(count: int, seed: int) -> list[str]:
    """One identification number; manufacturers, versions and device types that are met together on real buses."""
    random = Random(f"equal/{count}/{seed}")
    rest = [
        f"{code}{version}{kind}"
        for code in ("2D2C", "A732", "2423", "2440")
        for version in ("1B", "28", "35")
        for kind in ("04", "06", "07", "0D")
    ]
    return [f"12345678{each}" for each in random.sample(rest, count)]


def _compare(name: str, count: int, make: Callable[[int, int], list[str]], bound: int) -> Result:
    worst: tuple[float, Search, Search] | None = None
    lone: list[int] = []
    missed = 0
    for seed in range(SEEDS):
        addresses = make(count, seed)
        mine = ours(addresses, seed)
        theirs = plain(addresses, seed, PlainSearch())
        missed += sorted(mine.found) != sorted(addresses)
        lone.append(plain(addresses, seed, PlainSearch(DECIMAL_DIGITS, 1, confirms=False)).exchanges)
        ratio = mine.exchanges / theirs.exchanges
        if worst is None or ratio > worst[0]:
            worst = ratio, mine, theirs
    assert worst is not None
    ratio, mine, theirs = worst
    note = (
        f"exchanges {mine.exchanges} : {theirs.exchanges}, no promises {min(lone)}..{max(lone)}, at least {bound}; "
        f"all found in {SEEDS - missed} of {SEEDS}, bus {mine.seconds:.0f} s : {theirs.seconds:.0f} s"
    )
    return Result(name, "search", mine.seconds, theirs.seconds, math.inf if missed else ratio, BOUND, False, note)


def _at_least(count: int, selections: float = 1.0) -> int:
    return math.ceil(count * (selections + 1))


def random_100() -> Result:
    return _compare("100 random addresses", 100, random_addresses, _at_least(100, SELECTIONS_FOR_A_RANDOM_METER))


def random_250() -> Result:
    return _compare("250 random addresses", 250, random_addresses, _at_least(250, SELECTIONS_FOR_A_RANDOM_METER))


def sequence_100() -> Result:
    return _compare("100 in sequence", 100, sequence, _at_least(100))


def sequence_250() -> Result:
    return _compare("250 in sequence", 250, sequence, _at_least(250))


def equal_20() -> Result:
    return _compare("20 equal identifications", 20, equal_identifications, _at_least(20))
