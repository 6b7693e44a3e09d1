"""What several curves make together, as sums and products, exactly, and what that adds up to over time.

A signal is a sum of terms. Each is a product of curves that repeat soon (a day, a week: merged into one, `fast`) and of
curves that do not (a year's profile, a series: `slow`). The integral of a term over one piece of the slow part is a
closed form in the moments of the fast one, however many of its periods that piece lasts; so twenty years cost some
hundred such pieces, once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from math import comb, lcm

from mbusbench.meter.value import polynomial
from mbusbench.meter.value.curve import Curve, Piece, Register
from mbusbench.meter.value.polynomial import Polynomial

LONGEST_FAST = 64 * 86400 * 10**9
MAX_PIECES = 20_000
MAX_TERMS = 64
MAX_DEGREE = 8
_ZERO = Fraction(0)
_FEW_CELLS = 8


class SignalError(Exception):
    """A product or sum of too many pieces; the text says why."""


@lru_cache(maxsize=64)
def _power_sum(power: int) -> Polynomial:
    """The polynomial in n that is the sum of i^power for i from 0 to n - 1."""
    # n^(p+1) is the sum of C(p+1, k) times the sum of i^k, for k from 0 to p.
    found: Polynomial = (*(_ZERO,) * (power + 1), Fraction(1))
    for lower in range(power):
        found = polynomial.added(found, polynomial.scaled(_power_sum(lower), Fraction(-comb(power + 1, lower))))
    return polynomial.scaled(found, Fraction(1, power + 1))


@dataclass(frozen=True)
class Moments:
    """Integrals of x^m times a periodic curve, x its own time."""

    curve: Curve

    @cached_property
    def _tables(self) -> dict[int, list[Fraction]]:
        return {}

    @cached_property
    def _starts(self) -> list[int]:
        return [piece.start for piece in self.curve.pieces]

    def _pieces(self, power: int, piece: Piece) -> Polynomial:
        weight: Polynomial = (Fraction(1),)
        for _ in range(power):
            weight = polynomial.product(weight, (Fraction(piece.start), Fraction(1)))
        return polynomial.product(polynomial.trimmed(piece.polynomial), weight)

    def _table(self, power: int) -> list[Fraction]:
        table = self._tables.get(power)
        if table is None:
            curve = self.curve
            assert curve.period is not None
            table = [_ZERO]
            ends = [*(piece.start for piece in curve.pieces[1:]), curve.period]
            for piece, end in zip(curve.pieces, ends, strict=True):
                table.append(table[-1] + polynomial.area(self._pieces(power, piece), end - piece.start))
            self._tables[power] = table
        return table

    def whole(self, power: int) -> Fraction:
        return self._table(power)[-1]

    def area(self, slow: Polynomial, since: int, until: int) -> Fraction:
        """Of `slow` (in ns since `since`) times the curve, between two times of the bus."""
        curve = self.curve
        assert curve.period is not None
        first, begin = divmod(since + curve.phase, curve.period)
        last, end = divmod(until + curve.phase, curve.period)
        weights = polynomial.shifted(slow, -begin)
        return self._area(weights, last - first, end) - self._area(weights, 0, begin)

    def _area(self, weights: Polynomial, turns: int, time: int) -> Fraction:
        """From the beginning of a period over so many whole ones and `time` of the next."""
        period = self.curve.period
        assert period is not None
        found = _ZERO
        for high, weight in enumerate(weights):
            for low in range(high + 1):
                if turns and weight:
                    turned = polynomial.at(_power_sum(high - low), turns) * period ** (high - low)
                    found += weight * comb(high, low) * turned * self.whole(low)
        weights = polynomial.shifted(weights, turns * period)
        index = bisect_right(self._starts, time) - 1
        piece = self.curve.pieces[index]
        for power, weight in enumerate(weights):
            found += weight * self._table(power)[index]
        if time > piece.start:
            rest = polynomial.product(polynomial.shifted(weights, piece.start), polynomial.trimmed(piece.polynomial))
            found += polynomial.area(rest, time - piece.start)
        return found


@dataclass(frozen=True)
class Term:
    """`factor` times the curves of `slow` times `fast`."""

    factor: Fraction
    slow: tuple[Curve, ...] = ()
    fast: Curve | None = None

    @property
    def curves(self) -> tuple[Curve, ...]:
        return self.slow if self.fast is None else (*self.slow, self.fast)

    def at(self, now: int) -> Fraction:
        value = self.factor
        for curve in self.curves:
            value *= curve.at(now)
        return value

    @property
    def degree(self) -> int:
        return sum(curve.degree for curve in self.curves)

    @cached_property
    def _moments(self) -> Moments | None:
        return None if self.fast is None else Moments(self.fast)

    @cached_property
    def _knots(self) -> tuple[list[int], list[Fraction]]:
        """Times at which pieces of the slow part end, as far as anybody asked, and the area until then."""
        return [0], [_ZERO]

    def integral(self, now: int) -> Fraction:
        if not self.slow:
            return self.factor * (now if self.fast is None else self.fast.integral(now))
        if now < 0:
            return -self.factor * self._between(now, 0)
        times, areas = self._knots
        while times[-1] < now:
            _, end, slow = cell(self.slow, times[-1])
            if end is None or end > now:
                break
            areas.append(areas[-1] + self._piece(slow, times[-1], end))
            times.append(end)
        index = bisect_right(times, now) - 1
        return self.factor * (areas[index] + self._between(times[index], now))

    def _between(self, since: int, until: int) -> Fraction:
        area = _ZERO
        while since < until:
            _, end, slow = cell(self.slow, since)
            stop = until if end is None else min(end, until)
            area += self._piece(slow, since, stop)
            since = stop
        return area

    def _piece(self, slow: Polynomial, since: int, until: int) -> Fraction:
        return polynomial.area(slow, until - since) if self._moments is None else self._moments.area(slow, since, until)


def cell(curves: Sequence[Curve], now: int) -> tuple[int, int | None, Polynomial]:
    """The time from which and until which all curves keep to one piece, and their product in ns since `now`."""
    found: Polynomial = (Fraction(1),)
    first, last = now, None
    begins = []
    for curve in curves:
        start, end, part = curve.segment(now)
        begins.append(start)
        if end is not None and (last is None or end < last):
            last = end
        found = polynomial.product(found, polynomial.trimmed(polynomial.shifted(part, now - start)))
    return max(begins, default=first), last, found


@dataclass(frozen=True)
class Signal:
    """A sum of terms; with `at` and `integral` at any instant, and registers of both."""

    terms: tuple[Term, ...]

    @property
    def single(self) -> Curve | None:
        """The one curve that it is, if it is one."""
        if len(self.terms) == 1 and len(self.terms[0].curves) == 1 and self.terms[0].factor == 1:
            return self.terms[0].curves[0]
        return None

    @property
    def constant(self) -> Fraction | None:
        if any(term.curves for term in self.terms):
            return None
        return sum((term.factor for term in self.terms), _ZERO)

    def at(self, now: int) -> Fraction:
        return sum((term.at(now) for term in self.terms), _ZERO)

    def integral(self, now: int) -> Fraction:
        """Since the epoch, value times ns."""
        return sum((term.integral(now) for term in self.terms), _ZERO)

    def register(self, factor: Fraction) -> Register:
        """A function of time: the whole number of steps, value times `factor`, rounded down."""
        if self.single is not None:
            return self.single.register(factor)
        return self._in_cells(lambda now, found: polynomial.scaled(found, factor))

    def integral_register(self, start: Fraction, per_area: Fraction) -> Register:
        """A function of time: `start` plus the area since the epoch times `per_area`, rounded down."""
        if self.single is not None:
            return self.single.integral_register(start, per_area)

        area = Area(self)

        def grown(now: int, found: Polynomial) -> Polynomial:
            return polynomial.scaled(polynomial.antiderivative(found, area.at(now) + start / per_area), per_area)

        return self._in_cells(grown) if per_area else lambda now: start.__floor__()

    def _in_cells(self, made: Callable[[int, Polynomial], Polynomial]) -> Register:
        """A register that keeps the polynomial of the last cell it was asked for."""
        since, until, divisor = 0, 0, 1
        whole: tuple[int, ...] = (0,)

        def register(now: int) -> int:
            nonlocal since, until, whole, divisor
            if not since <= now < until:
                since, until, found = self.cell(now)
                row = polynomial.trimmed(made(since, found))
                divisor = lcm(*(part.denominator for part in row))
                whole = tuple(int(part * divisor) for part in reversed(row))
            number, time = 0, now - since
            for part in whole:
                number = number * time + part
            return number // divisor

        return register

    def cell(self, now: int) -> tuple[int, int, Polynomial]:
        """From when and until when it is one polynomial (in ns since then)."""
        since, until = now - LONGEST_FAST, now + LONGEST_FAST
        found: Polynomial = (_ZERO,)
        for term in self.terms:
            begin, end, part = cell(term.curves, now)
            since = max(since, begin) if term.curves else since
            until = until if end is None else min(until, end)
            found = polynomial.added(found, polynomial.scaled(part, term.factor))
        return since, until, polynomial.shifted(found, since - now)


class Area:
    """A signal's integral for one who asks for later and later times: from the last one on it is a few pieces."""

    __slots__ = ("_area", "_signal", "_time")

    def __init__(self, source: Signal) -> None:
        self._signal = source
        self._time = 0
        self._area = _ZERO

    def at(self, now: int) -> Fraction:
        """The same as `Signal.integral`, at any time."""
        time, area = self._time, self._area
        for _ in range(_FEW_CELLS):
            if not 0 <= time <= now or time == now:
                break
            since, until, found = self._signal.cell(time)
            stop = min(until, now)
            area += polynomial.area(polynomial.shifted(found, time - since), stop - time)
            time = stop
        if time != now:
            area = self._signal.integral(now)
        self._time, self._area = now, area
        return area


def of_number(value: Fraction) -> Signal:
    return Signal((Term(value),))


def of_curve(curve: Curve) -> Signal:
    if curve.is_constant:
        return of_number(curve.pieces[0].value)
    if curve.period is not None and curve.period <= LONGEST_FAST:
        return Signal((Term(Fraction(1), (), curve),))
    return Signal((Term(Fraction(1), (curve,)),))


def total(parts: Sequence[Signal], factors: Sequence[int]) -> Signal:
    """Their sum, each times its factor."""
    terms: list[Term] = []
    for part, factor in zip(parts, factors, strict=True):
        terms += [Term(term.factor * factor, term.slow, term.fast) for term in part.terms]
    level = sum((term.factor for term in terms if not term.curves), _ZERO)
    merged: list[Term] = [Term(level)] if level else []
    for term in terms:
        if not term.curves:
            continue
        near = next((index for index, each in enumerate(merged) if _is_alike(each, term)), None)
        if near is None:
            merged.append(term)
        else:
            merged[near] = _added(merged[near], term)
    return _checked(Signal(tuple(merged) or (Term(_ZERO),)))


def product(parts: Sequence[Signal]) -> Signal:
    found = parts[0]
    for part in parts[1:]:
        if len(found.terms) * len(part.terms) > MAX_TERMS:
            raise SignalError(f"a product of more than {MAX_TERMS} terms")
        terms = []
        for left in found.terms:
            for right in part.terms:
                fast = _product_of_fast(left.fast, right.fast)
                terms.append(Term(left.factor * right.factor, (*left.slow, *right.slow), fast))
        found = total([Signal((term,)) for term in terms], [1] * len(terms))
    return found


def _checked(signal: Signal) -> Signal:
    if any(term.degree > MAX_DEGREE for term in signal.terms):
        raise SignalError(f"a product of more than {MAX_DEGREE} values that move in straight lines")
    return signal


def _is_alike(first: Term, second: Term) -> bool:
    if first.fast is None or second.fast is None or first.slow or second.slow:
        return False
    return first.fast.period == second.fast.period


def _added(first: Term, second: Term) -> Term:
    def combine(left: Polynomial, right: Polynomial) -> Polynomial:
        return polynomial.added(polynomial.scaled(left, first.factor), polynomial.scaled(right, second.factor))

    assert first.fast is not None
    assert second.fast is not None
    return Term(Fraction(1), (), _merged(first.fast, second.fast, combine))


def _product_of_fast(first: Curve | None, second: Curve | None) -> Curve | None:
    if first is None or second is None:
        return first or second
    return _merged(first, second, polynomial.product)


def _merged(first: Curve, second: Curve, combine: Callable[[Polynomial, Polynomial], Polynomial]) -> Curve:
    """Two periodic curves as one, over the shortest time after which both repeat."""
    assert first.period is not None
    assert second.period is not None
    period = lcm(first.period, second.period)
    size = len(first.pieces) * (period // first.period) + len(second.pieces) * (period // second.period)
    if size > MAX_PIECES or period > LONGEST_FAST:
        raise SignalError("values that repeat have to repeat together within 64d")
    base = -first.phase
    pieces = []
    time = 0
    while time < period:
        now = base + time
        ends, parts = [], []
        for curve in (first, second):
            start, end, part = curve.segment(now)
            assert end is not None
            ends.append(end - base)
            parts.append(polynomial.trimmed(polynomial.shifted(part, now - start)))
        value, *rest = combine(parts[0], parts[1])
        pieces.append(Piece(time, value, rest[0] if rest else _ZERO, polynomial.trimmed(rest[1:]) if rest[1:] else ()))
        time = min(ends)
    return Curve(tuple(pieces), period, first.phase)
