"""What is on the line: transmissions, breaks and noise pulses, each as the times at which it holds the line in space.

Everything that is sent at once superposes as a wired AND: one sender in space puts the line into space (EN 13757-2).
Times are integer ns; bit n of a transmission begins at its start plus n bit times, rounded once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from mbusbench.timing import bit_time

Interval = tuple[int, int]
"""From (inclusive) and to (exclusive), in ns or in bits."""


class Parity(Enum):
    """The parity bit of a character; M-Bus is even."""

    # The name's hash, which Enum takes, costs more than the table that it opens.
    __hash__ = object.__hash__

    EVEN = "even"
    ODD = "odd"
    NONE = "none"


CHARACTER_BITS = {Parity.NONE: 10, Parity.ODD: 11, Parity.EVEN: 11}
"""Bits of a character from the start bit to the stop bit."""


@dataclass(frozen=True, slots=True)
class Transmission:
    """Characters sent back to back by one sender, the first start bit at `start` (ns).

    `flipped` are the numbers of the bits that are sent inverted, counted from the first start bit, start, parity and
    stop bits included: bit 9 is the parity bit of the first character.
    """

    start: int
    data: bytes
    baud: int
    parity: Parity = Parity.EVEN
    flipped: tuple[int, ...] = ()

    @property
    def end(self) -> int:
        """The end of the last stop bit."""
        return self.start + bit_time(self.baud, CHARACTER_BITS[self.parity] * len(self.data))

    def spaces(self) -> list[Interval]:
        """Return the times in space, ascending."""
        if self.flipped:
            edges = _flipped_runs(self)
        else:
            runs = _space_runs(self.parity)
            bits = CHARACTER_BITS[self.parity]
            edges = [
                (number * bits + first, number * bits + after)
                for number, value in enumerate(self.data)
                for first, after in runs[value]
            ]
        start, baud = self.start, self.baud
        return [(start + bit_time(baud, first), start + bit_time(baud, after)) for first, after in edges]


@dataclass(frozen=True, slots=True)
class Space:
    """The line held in space from `start` for `duration` ns: a break, or a noise pulse where it is short."""

    start: int
    duration: int

    @property
    def end(self) -> int:
        """When the line is released."""
        return self.start + self.duration

    def spaces(self) -> list[Interval]:
        """Return the one time in space."""
        return [(self.start, self.start + self.duration)]


WireSignal = Transmission | Space


def superpose(signals: Iterable[WireSignal], shortest_mark: int = 1) -> list[Interval]:
    """Return the times at which the line is in space, ascending and disjoint.

    A mark between two spaces that is shorter than `shortest_mark` (ns) counts as space.
    """
    merged: list[Interval] = []
    for begin, end in sorted(interval for signal in signals for interval in signal.spaces()):
        if merged and begin - merged[-1][1] < shortest_mark:
            if end > merged[-1][1]:
                merged[-1] = (merged[-1][0], end)
        elif end > begin:
            merged.append((begin, end))
    return merged


def simultaneous_spaces(signals: Iterable[WireSignal], count: int, shortest: int = 1) -> list[Interval]:
    """Return the times at which at least `count` of the signals are in space at once, ascending and disjoint.

    Those below `shortest` ns are left out: neighbouring bits of two senders may overlap by the rounding of their times.
    """
    steps = sorted(step for signal in signals for begin, end in signal.spaces() for step in ((begin, 1), (end, -1)))
    found: list[Interval] = []
    active, since = 0, 0
    for time, step in steps:
        if step > 0 and active == count - 1:
            since = time
        if step < 0 and active == count and time - since >= shortest:
            found.append((since, time))
        active += step
    return found


def character_levels(value: int, parity: Parity) -> tuple[int, ...]:
    """Return the levels of one character, start bit first, then data from the least significant bit; 1 is mark."""
    data = tuple(value >> position & 1 for position in range(8))
    check = () if parity is Parity.NONE else ((value.bit_count() + (parity is Parity.ODD)) & 1,)
    return (0, *data, *check, 1)


@lru_cache(maxsize=3)
def _space_runs(parity: Parity) -> tuple[tuple[Interval, ...], ...]:
    """Return per byte value the runs of space bits (first, after the last) in its character."""
    return tuple(tuple(_runs(character_levels(value, parity))) for value in range(256))


def _runs(levels: Iterable[int]) -> list[Interval]:
    runs: list[Interval] = []
    for number, level in enumerate(levels):
        if level:
            continue
        if runs and runs[-1][1] == number:
            runs[-1] = (runs[-1][0], number + 1)
        else:
            runs.append((number, number + 1))
    return runs


def _flipped_runs(transmission: Transmission) -> list[Interval]:
    levels = [level for value in transmission.data for level in character_levels(value, transmission.parity)]
    for number in transmission.flipped:
        levels[number] ^= 1
    return _runs(levels)
