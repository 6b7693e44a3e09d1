"""Sums and products of curves: the closed form against the exact sum over every piece."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mbusbench.meter.value import polynomial, signal
from mbusbench.meter.value.curve import Curve, Piece, steps, through
from mbusbench.meter.value.signal import Area, Signal, SignalError

DAY = 24 * 3600 * 10**9
numbers = st.fractions(min_value=-20, max_value=20, max_denominator=7)


@st.composite
def curves(draw: st.DrawFn, *, repeats: bool) -> Curve:
    starts = [0, *sorted(draw(st.sets(st.integers(1, 11), max_size=4)))]
    pieces = tuple(Piece(start, draw(numbers), draw(numbers)) for start in starts)
    period = draw(st.sampled_from([12, 18, 24])) if repeats else None
    return Curve(pieces, period, draw(st.integers(0, 30)))


@st.composite
def signals(draw: st.DrawFn) -> Signal:
    def one() -> Signal:
        parts = [signal.of_curve(draw(curves(repeats=draw(st.booleans())))) for _ in range(draw(st.integers(1, 3)))]
        return signal.product(parts)

    return signal.total([one(), one()], [1, draw(st.sampled_from([1, -1]))])


def by_pieces(found: Signal, until: int) -> Fraction:
    area, time = Fraction(0), 0
    while time < until:
        since, end, part = found.cell(time)
        stop = min(end, until)
        area += polynomial.area(polynomial.shifted(part, time - since), stop - time)
        time = stop
    return area


@settings(deadline=None, max_examples=40)
@given(signals(), st.integers(0, 400), st.integers(0, 400))
def test_the_integral_is_the_sum_over_all_pieces(found: Signal, now: int, then: int) -> None:
    assert found.integral(now) == by_pieces(found, now)
    area = Area(found)
    assert [area.at(now), area.at(then), area.at(now)] == [by_pieces(found, time) for time in (now, then, now)]


@settings(deadline=None, max_examples=40)
@given(signals(), st.integers(0, 400), st.integers(0, 400), st.fractions(min_value=1, max_value=9, max_denominator=9))
def test_registers_are_the_exact_values_rounded_down(found: Signal, now: int, then: int, factor: Fraction) -> None:
    register, counter = found.register(factor), found.integral_register(Fraction(5, 3), factor)
    for time in (now, then, now, now + 1):
        assert register(time) == found.at(time) * factor // 1
        assert counter(time) == (found.integral(time) * factor + Fraction(5, 3)) // 1


@settings(deadline=None, max_examples=40)
@given(signals(), st.integers(1, 60))
def test_the_integral_before_the_epoch_goes_on_backwards(found: Signal, before: int) -> None:
    since, area = -before, Fraction(0)
    while since < 0:
        start, end, part = found.cell(since)
        stop = min(end, 0)
        area += polynomial.area(polynomial.shifted(part, since - start), stop - since)
        since = stop
    assert found.integral(-before) == -area


def test_what_does_not_repeat_together_soon_is_refused() -> None:
    first = steps([(0, Fraction(1)), (5, Fraction(2))], period=7 * DAY)
    second = through([(0, Fraction(1)), (5, Fraction(2))], period=64 * DAY)
    with pytest.raises(SignalError, match="repeat together within 64d"):
        signal.product([signal.of_curve(first), signal.of_curve(second)])
