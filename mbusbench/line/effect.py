"""What a fault is: an effect on the bursts of characters in which one answer is sent. Pure and composable.

Times are offsets in ns from when the answer is due; `Sender.transmissions` puts them on the wire.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import ClassVar, NamedTuple

from mbusbench.line.wire import CHARACTER_BITS, Parity, Transmission
from mbusbench.timing import bit_time


class Burst(NamedTuple):
    """Characters sent back to back, `offset` ns after the time at which the answer is due.

    `flipped` are numbers of inverted bits, as in `Transmission`.
    """

    offset: int
    data: bytes
    flipped: tuple[int, ...] = ()


Bursts = tuple[Burst, ...]


@dataclass(frozen=True, slots=True)
class Sender:
    """How the answer is sent, and what some effects need to know.

    `random` gives the random numbers. `waited` is the time from the end of the request until the answer is due, in ns;
    `earlier` are the telegrams that the same slave sent before this one, the latest last.
    """

    baud: int
    parity: Parity = Parity.EVEN
    random: Random = field(default_factory=lambda: Random(0))
    waited: int = 0
    earlier: Sequence[bytes] = ()

    def duration(self, count: int) -> int:
        """Return how long `count` characters take, in ns."""
        return bit_time(self.baud, CHARACTER_BITS[self.parity] * count)

    def end(self, bursts: Bursts) -> int:
        """Return the offset at which the last burst ends, 0 without any."""
        return max((burst.offset + self.duration(len(burst.data)) for burst in bursts), default=0)

    def transmissions(self, bursts: Bursts, start: int) -> list[Transmission]:
        """Return what goes on the wire when the answer is due at `start` (ns)."""
        return [
            Transmission(start + burst.offset, burst.data, self.baud, self.parity, burst.flipped)
            for burst in bursts
            if burst.data
        ]


class Effect(ABC):
    """One fault. `name` is what a bus file calls it."""

    __slots__ = ()

    name: ClassVar[str]

    def fits(self, data: bytes, earlier: Sequence[bytes]) -> bool:
        """Tell whether the fault can do anything to this answer, behind `earlier` ones; it waits for one that fits."""
        return True

    @abstractmethod
    def apply(self, bursts: Bursts, sender: Sender) -> Bursts:
        """Return the bursts as this fault sends them."""


def apply(effects: Iterable[Effect], data: bytes, sender: Sender) -> Bursts:
    """Return the bursts in which `data` is sent under `effects`."""
    bursts: Bursts = (Burst(0, data),)
    for effect in effects:
        bursts = effect.apply(bursts, sender)
    return bursts


def edited(bursts: Bursts, edit: Callable[[bytearray], None]) -> Bursts:
    """Return the bursts with their data, taken together, changed in place by `edit`."""
    data = bytearray(b"".join(burst.data for burst in bursts))
    edit(data)
    changed: list[Burst] = []
    position = 0
    for burst in bursts:
        changed.append(burst._replace(data=bytes(data[position : position + len(burst.data)])))
        position += len(burst.data)
    return tuple(changed)


def part_of(burst: Burst, first: int, after: int, sender: Sender) -> Burst:
    """Return the characters of `burst` from `first` up to, not including, `after`, at their own time."""
    bits = CHARACTER_BITS[sender.parity]
    return Burst(
        burst.offset + sender.duration(first),
        burst.data[first:after],
        tuple(bit - first * bits for bit in burst.flipped if first * bits <= bit < after * bits),
    )


def with_flipped(bursts: Bursts, sender: Sender, bits: set[int]) -> Bursts:
    """Return the bursts with these bits inverted once more; those that do not exist are ignored."""
    changed: list[Burst] = []
    first = 0
    for burst in bursts:
        after = first + len(burst.data) * CHARACTER_BITS[sender.parity]
        own = {bit - first for bit in bits if first <= bit < after}
        changed.append(burst._replace(flipped=tuple(sorted(own ^ set(burst.flipped)))))
        first = after
    return tuple(changed)
