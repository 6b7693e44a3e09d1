"""Values over time, exactly: piecewise polynomials of integer nanoseconds, their integrals, and registers of both.

All arithmetic is on integers and fractions, so that a counter which follows a power for a year holds what the closed
form says, to the last digit. Compiled registers cost a few integer operations at each call. What several curves make
together is in signal.py.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from math import lcm
from typing import NamedTuple

from mbusbench.meter.value import polynomial
from mbusbench.meter.value.polynomial import Polynomial

Register = Callable[[int], int]


class Piece(NamedTuple):
    """From `start` (ns, in the curve's own time) on: `value` there, changing by `slope` per ns, and so on."""

    start: int
    value: Fraction
    slope: Fraction = Fraction(0)
    higher: Polynomial = ()

    @property
    def polynomial(self) -> Polynomial:
        """In ns since `start`."""
        return (self.value, self.slope, *self.higher)


@dataclass(frozen=True)
class Curve:
    """Pieces in the order of time, the first one at 0; the last one goes on for ever, or all repeat after `period` ns.

    The curve's own time is the bus's time plus `phase`. Before its time 0 a curve that does not repeat is level, unless
    it is a single straight line.
    """

    pieces: tuple[Piece, ...]
    period: int | None = None
    phase: int = 0

    def __post_init__(self) -> None:
        starts = [piece.start for piece in self.pieces]
        assert starts[0] == 0
        assert starts == sorted(set(starts))
        assert self.period is None or self.period > starts[-1]

    @cached_property
    def _starts(self) -> list[int]:
        return [piece.start for piece in self.pieces]

    @cached_property
    def _areas(self) -> list[Fraction]:
        """The area before each piece; with a period, at last that of a whole one."""
        areas = [Fraction(0)]
        ends = self._starts[1:] if self.period is None else [*self._starts[1:], self.period]
        for piece, end in zip(self.pieces, ends, strict=False):
            areas.append(areas[-1] + polynomial.area(piece.polynomial, end - piece.start))
        return areas

    @property
    def is_constant(self) -> bool:
        return all(not any(piece[2:]) and piece.value == self.pieces[0].value for piece in self.pieces)

    @property
    def degree(self) -> int:
        return max(len(piece.higher) + 1 if piece.higher else int(piece.slope != 0) for piece in self.pieces)

    def _is_before(self, time: int) -> bool:
        return time < 0 and self.period is None and len(self.pieces) > 1

    def at(self, now: int) -> Fraction:
        """The value at `now`, ns since the epoch."""
        time = now + self.phase
        if self.period is not None:
            time %= self.period
        elif self._is_before(time):
            return self.pieces[0].value
        piece = self.pieces[max(bisect_right(self._starts, time) - 1, 0)]
        return polynomial.at(piece.polynomial, time - piece.start)

    def segment(self, now: int) -> tuple[int, int | None, Polynomial]:
        """The piece that holds at `now`: from when to when, by the bus's time, and the polynomial in ns since then."""
        time = now + self.phase
        base = -self.phase
        if self.period is not None:
            turns, time = divmod(time, self.period)
            base += turns * self.period
        elif self._is_before(time):
            return now, base, (self.pieces[0].value,)
        index = max(bisect_right(self._starts, time) - 1, 0)
        piece = self.pieces[index]
        end = self._starts[index + 1] if index + 1 < len(self.pieces) else self.period
        return base + piece.start, None if end is None else base + end, piece.polynomial

    def integral(self, now: int) -> Fraction:
        """The area under the curve from the epoch to `now`, value times ns."""
        return self._area(now + self.phase) - self._area(self.phase)

    def _area(self, time: int) -> Fraction:
        """From 0 to `time` in the curve's own time."""
        if self._is_before(time):
            return self.pieces[0].value * time
        turns, rest = divmod(time, self.period) if self.period is not None else (0, time)
        index = max(bisect_right(self._starts, rest) - 1, 0)
        piece = self.pieces[index]
        part = self._areas[index] + polynomial.area(piece.polynomial, rest - piece.start)
        return part + self._areas[-1] * turns if turns else part

    def bounds(self) -> tuple[Fraction, Fraction] | None:
        """The least and the greatest value there ever is, or None where that is not known or without end."""
        if self.degree > 1 or (self.period is None and self.pieces[-1].slope):
            return None
        ends = [*self._starts[1:], self.period or self.pieces[-1].start]
        values = [piece.value for piece in self.pieces]
        values += [
            piece.value + piece.slope * (end - piece.start) for piece, end in zip(self.pieces, ends, strict=True)
        ]
        return min(values), max(values)

    def register(self, factor: Fraction) -> Register:
        """A function of time from the epoch on: the whole number of steps, value times `factor`, rounded down."""
        rows = [polynomial.scaled(piece.polynomial, factor) for piece in self.pieces]
        return _compiled(rows, self._starts, self.period, self.phase, Fraction(0))

    def integral_register(self, start: Fraction, per_area: Fraction) -> Register:
        """A function of time from the epoch on: `start` plus the area since then times `per_area`, rounded down."""
        offset = start - self._area(self.phase) * per_area
        rows = [
            polynomial.scaled(polynomial.antiderivative(piece.polynomial, area), per_area)
            for piece, area in zip(self.pieces, self._areas, strict=False)
        ]
        rows = [(row[0] + offset, *row[1:]) for row in rows]
        gain = self._areas[-1] * per_area if self.period is not None else Fraction(0)
        return _compiled(rows, self._starts, self.period, self.phase, gain)


def constant(value: Fraction) -> Curve:
    return Curve((Piece(0, value),))


def line(start: Fraction, slope: Fraction) -> Curve:
    return Curve((Piece(0, start, slope),))


def through(points: Sequence[tuple[int, Fraction]], *, period: int | None = None, phase: int = 0) -> Curve:
    """Straight lines from point to point; before the first and after the last one level, or round the period."""
    if period is not None:
        first, last = points[0], points[-1]
        gap = first[0] + period - last[0]
        joint = last[1] + (first[1] - last[1]) * Fraction(period - last[0], gap) if gap else first[1]
        points = (
            [(0, joint), *(p for p in points if p[0] > 0), (period, joint)]
            if first[0]
            else [*points, (period, first[1])]
        )
    elif points[0][0]:
        points = [(0, points[0][1]), *points]
    pieces = []
    for (start, value), (end, target) in pairwise(points):
        if end > start:
            pieces.append(Piece(start, value, (target - value) / (end - start)))
    if period is None:
        pieces.append(Piece(*points[-1]))
    return Curve(tuple(pieces), period, phase)


def steps(points: Sequence[tuple[int, Fraction]], *, period: int | None = None, phase: int = 0) -> Curve:
    """Level from point to point; before the first one its value, or with a period the last one's."""
    if points[0][0]:
        points = [(0, points[-1 if period is not None else 0][1]), *points]
    return Curve(tuple(Piece(start, value) for start, value in points), period, phase)


def _compiled(
    rows: Sequence[Polynomial], starts: Sequence[int], period: int | None, phase: int, gain: Fraction
) -> Register:
    """The polynomials (in ns since their starts) as integers, `gain` more after each period."""
    divisor = lcm(gain.denominator, *(part.denominator for row in rows for part in row))
    # Highest power first, for Horner's rule.
    whole = [tuple(int(part * divisor) for part in reversed(polynomial.trimmed(row))) for row in rows]
    turn = int(gain * divisor)
    if len(rows) == 1 and period is None:
        return _single(whole[0], phase, divisor)
    inner = list(starts)

    def open_ended(now: int) -> int:
        time = now + phase
        index = bisect_right(inner, time) - 1
        time -= inner[index]
        number = 0
        for part in whole[index]:
            number = number * time + part
        return number // divisor

    def periodic(now: int) -> int:
        assert period is not None
        turns, time = divmod(now + phase, period)
        index = bisect_right(inner, time) - 1
        time -= inner[index]
        number = 0
        for part in whole[index]:
            number = number * time + part
        return (turns * turn + number) // divisor

    return open_ended if period is None else periodic


def _single(parts: tuple[int, ...], phase: int, divisor: int) -> Register:
    if len(parts) == 1:
        level = parts[0] // divisor
        return lambda now: level
    if len(parts) == 2:
        slope, value = parts
        value += slope * phase
        return lambda now: (value + slope * now) // divisor

    def polynomial_of_time(now: int) -> int:
        number = 0
        for part in parts:
            number = number * (now + phase) + part
        return number // divisor

    return polynomial_of_time
