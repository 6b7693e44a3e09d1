from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from mbusbench.meter.value.curve import Curve, Piece, constant, line, steps, through

HOUR = 3600 * 10**9
DAY = 24 * HOUR
YEAR = 365 * DAY


def test_counter_over_a_year_equals_the_closed_form() -> None:
    # 1/3 kWh each hour: no binary or decimal fraction holds it, 8760 hours make 2920 kWh exactly.
    register = line(Fraction(0), Fraction(1, 3 * HOUR)).register(Fraction(1))
    assert register(YEAR) == 2920
    assert register(YEAR - 1) == 2919


def test_integral_of_a_daily_profile_over_a_year_equals_the_closed_form() -> None:
    # 0 kW at midnight up to 10 kW at noon and down again: 120 kWh a day.
    curve = through([(0, Fraction(0)), (12 * HOUR, Fraction(10))], period=DAY)
    register = curve.integral_register(Fraction(0), Fraction(1, HOUR))
    assert register(YEAR) == 365 * 120
    assert register(YEAR + 12 * HOUR) == 365 * 120 + 60
    assert register(YEAR - 1) == 365 * 120 - 1
    # quadratic between: t hours after midnight it is 5/12 t^2 kWh
    assert register(3 * HOUR) == int(Fraction(5, 12) * 9)


def test_integral_of_a_ramp_is_quadratic_and_then_linear() -> None:
    curve = through([(0, Fraction(0)), (2 * HOUR, Fraction(4))])
    register = curve.integral_register(Fraction(100), Fraction(1000, HOUR))
    assert register(HOUR) == 100 + 1000
    assert register(2 * HOUR) == 100 + 4000
    assert register(3 * HOUR) == 100 + 8000


def test_phase_shifts_a_profile_and_the_integral_still_starts_at_the_epoch() -> None:
    curve = steps([(0, Fraction(1)), (12 * HOUR, Fraction(3))], period=DAY, phase=18 * HOUR)
    assert curve.at(0) == 3
    assert curve.at(6 * HOUR) == 1
    register = curve.integral_register(Fraction(0), Fraction(1, HOUR))
    assert register(0) == 0
    assert register(6 * HOUR) == 18
    assert register(DAY) == 48


def test_a_profile_between_points_goes_round_midnight() -> None:
    curve = through([(6 * HOUR, Fraction(0)), (18 * HOUR, Fraction(12))], period=DAY)
    assert curve.at(0) == 6
    assert curve.at(12 * HOUR) == 6
    assert curve.at(23 * HOUR) == 7


def test_steps_before_the_first_point() -> None:
    points = [(HOUR, Fraction(1)), (2 * HOUR, Fraction(2))]
    assert steps(points).at(0) == 1
    assert steps(points, period=DAY).at(0) == 2


def test_bounds_hold_the_least_and_the_greatest_value() -> None:
    assert constant(Fraction(3)).bounds() == (Fraction(3), Fraction(3))
    assert line(Fraction(0), Fraction(1)).bounds() is None
    assert through([(0, Fraction(5)), (HOUR, Fraction(-2))], period=DAY).bounds() == (Fraction(-2), Fraction(5))


fractions = st.fractions(min_value=-1000, max_value=1000, max_denominator=97)


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    starts = [0, *sorted(draw(st.sets(st.integers(1, 10**6), max_size=5)))]
    pieces = tuple(Piece(start, draw(fractions), draw(fractions) / 10**6) for start in starts)
    period = draw(st.one_of(st.none(), st.integers(starts[-1] + 1, 2 * 10**6)))
    return Curve(pieces, period, draw(st.integers(0, 3 * 10**6)))


@given(curves(), st.integers(0, 10**8), st.fractions(min_value=Fraction(1, 1000), max_value=1000, max_denominator=1000))
def test_registers_are_the_exact_value_rounded_down(curve: Curve, now: int, factor: Fraction) -> None:
    assert curve.register(factor)(now) == curve.at(now) * factor // 1
    assert curve.integral_register(Fraction(7), factor)(now) == (7 + curve.integral(now) * factor) // 1


@given(curves(), st.integers(0, 10**7), st.integers(0, 10**7))
def test_integrals_add_up(curve: Curve, first: int, second: int) -> None:
    later = Curve(curve.pieces, curve.period, curve.phase + first)
    assert curve.integral(first) + later.integral(second) == curve.integral(first + second)
