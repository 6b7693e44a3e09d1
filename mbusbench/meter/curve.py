"""Values over time, exactly: piecewise linear functions of integer nanoseconds, their integrals, and registers of both.

All arithmetic is on integers and fractions, so that a counter which follows a power for a year holds what the closed
form says, to the last digit. Compiled registers cost a few integer operations at each call.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import lcm
from typing import NamedTuple

Register = Callable[[int], int]


class Piece(NamedTuple):
    """From `start` (ns, in the curve's own time) on: `value` there, changing by `slope` per ns."""

    start: int
    value: Fraction
    slope: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class Curve:
    """Pieces in the order of time, the first one at 0; the last one goes on for ever, or all repeat after `period` ns.

    The curve's own time is the bus's time plus `phase`.
    """

    pieces: tuple[Piece, ...]
    period: int | None = None
    phase: int = 0

    def __post_init__(self) -> None:
        starts = [piece.start for piece in self.pieces]
        assert starts[0] == 0
        assert starts == sorted(set(starts))
        assert self.period is None or self.period > starts[-1]

    @property
    def is_constant(self) -> bool:
        return all(piece.slope == 0 and piece.value == self.pieces[0].value for piece in self.pieces)

    def at(self, now: int) -> Fraction:
        """The value at `now`, ns since the epoch."""
        time = now + self.phase
        if self.period is not None:
            time %= self.period
        piece = self.pieces[bisect_right(self.pieces, time, key=lambda each: each.start) - 1]
        return piece.value + piece.slope * (time - piece.start)

    def integral(self, now: int) -> Fraction:
        """The area under the curve from the epoch to `now`, value times ns."""
        return _area(self, now + self.phase) - _area(self, self.phase)

    def bounds(self) -> tuple[Fraction, Fraction] | None:
        """The least and the greatest value there ever is, or None where it grows without end."""
        if self.period is None and self.pieces[-1].slope:
            return None
        ends = [*(piece.start for piece in self.pieces[1:]), self.period or self.pieces[-1].start]
        values = [piece.value for piece in self.pieces]
        values += [
            piece.value + piece.slope * (end - piece.start) for piece, end in zip(self.pieces, ends, strict=True)
        ]
        return min(values), max(values)

    def register(self, factor: Fraction) -> Register:
        """A function of time: the whole number of steps, value times `factor`, rounded down."""
        rows = [_Quadratic.line(piece, factor) for piece in self.pieces]
        return _compiled(rows, [piece.start for piece in self.pieces], self.period, self.phase, 0)

    def integral_register(self, start: Fraction, per_area: Fraction) -> Register:
        """A function of time: `start` plus the area since the epoch times `per_area`, rounded down."""
        rows, area = [], Fraction(0)
        ends: list[int | None] = [*(piece.start for piece in self.pieces[1:]), self.period]
        offset = start - _area(self, self.phase) * per_area
        for piece, end in zip(self.pieces, ends, strict=True):
            rows.append(_Quadratic.area(piece, area * per_area + offset, per_area))
            if end is not None:
                area += _piece_area(piece, end - piece.start)
        gain = area * per_area if self.period is not None else Fraction(0)
        return _compiled(rows, [piece.start for piece in self.pieces], self.period, self.phase, gain)


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


def _piece_area(piece: Piece, duration: int) -> Fraction:
    return piece.value * duration + piece.slope * duration * duration / 2


def _area(curve: Curve, time: int) -> Fraction:
    """From 0 to `time` in the curve's own time."""
    turns, rest = divmod(time, curve.period) if curve.period is not None else (0, time)
    whole, part = Fraction(0), Fraction(0)
    ends: list[int | None] = [*(piece.start for piece in curve.pieces[1:]), curve.period]
    for piece, end in zip(curve.pieces, ends, strict=True):
        if rest > piece.start:
            part += _piece_area(piece, (rest if end is None else min(rest, end)) - piece.start)
        if end is not None and turns:
            whole += _piece_area(piece, end - piece.start)
    return whole * turns + part


class _Quadratic(NamedTuple):
    """a + b*x + c*x*x, x in the curve's own time."""

    a: Fraction
    b: Fraction
    c: Fraction

    @staticmethod
    def line(piece: Piece, factor: Fraction) -> _Quadratic:
        return _Quadratic((piece.value - piece.slope * piece.start) * factor, piece.slope * factor, Fraction(0))

    @staticmethod
    def area(piece: Piece, before: Fraction, factor: Fraction) -> _Quadratic:
        value, slope, start = piece.value * factor, piece.slope * factor, piece.start
        return _Quadratic(before - value * start + slope * start * start / 2, value - slope * start, slope / 2)


def _compiled(
    rows: Sequence[_Quadratic], starts: Sequence[int], period: int | None, phase: int, gain: Fraction | int
) -> Register:
    gain = Fraction(gain)
    divisor = lcm(gain.denominator, *(part.denominator for row in rows for part in row))
    whole = [tuple(int(part * divisor) for part in row) for row in rows]
    turn = int(gain * divisor)
    if len(rows) == 1 and period is None:
        a, b, c = whole[0]
        a, b = a + b * phase + c * phase * phase, b + 2 * c * phase
        if c:
            return lambda now: (a + (b + c * now) * now) // divisor
        if b:
            return lambda now: (a + b * now) // divisor
        level = a // divisor
        return lambda now: level
    inner = list(starts)

    def open_ended(now: int) -> int:
        time = now + phase
        a, b, c = whole[bisect_right(inner, time) - 1]
        return (a + (b + c * time) * time) // divisor

    def periodic(now: int) -> int:
        assert period is not None
        turns, time = divmod(now + phase, period)
        a, b, c = whole[bisect_right(inner, time) - 1]
        return (turns * turn + a + (b + c * time) * time) // divisor

    return open_ended if period is None else periodic
