"""Slots and offsets: intervals, cron with time zones, and the least time between two reads of a meter."""

from __future__ import annotations

import builtins
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mbusbench.errors import MBusUsageError
from mbusbench.poller.schedule import Cron, Interval, Schedule, is_due, offset_of, to_datetime, to_ns

MINUTE = 60 * 10**9
QUARTER = 15 * MINUTE


def at(hour: int, minute: int = 0, second: int = 0, day: int = 1) -> int:
    return to_ns(datetime(2026, 1, day, hour, minute, second, tzinfo=UTC))


def test_slots_of_an_interval_are_its_multiples_whenever_the_poller_starts() -> None:
    rhythm = Interval(QUARTER)
    assert rhythm.at_or_before(at(10, 14, 59)) == at(10)
    assert rhythm.at_or_before(at(10, 15)) == at(10, 15)
    assert rhythm.following(at(10, 15)) == at(10, 30)


def test_slots_of_cron_are_those_of_its_expression() -> None:
    rhythm = Cron("5,35 * * * *")
    assert rhythm.at_or_before(at(10, 34, 59)) == at(10, 5)
    assert rhythm.at_or_before(at(10, 35)) == at(10, 35)
    assert rhythm.following(at(10, 35)) == at(11, 5)


def test_slots_of_cron_with_seconds_are_found_to_the_second() -> None:
    rhythm = Cron("*/20 * * * * *")
    assert rhythm.at_or_before(at(10, 0, 20) + 1) == at(10, 0, 20)
    assert rhythm.following(at(10, 0, 20)) == at(10, 0, 40)
    assert rhythm.least_gap(at(10)) == 20 * 10**9


def test_slots_of_cron_are_those_of_its_time_zone_over_a_change_of_the_clocks() -> None:
    rhythm = Cron("0 6 * * *", "Europe/Berlin")
    before = to_ns(datetime(2026, 3, 28, 5, tzinfo=UTC))
    assert rhythm.at_or_before(before) == before
    assert to_datetime(rhythm.following(before)) == datetime(2026, 3, 29, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "zone", "told"),
    [
        ("* * *", "UTC", "is no cron expression"),
        ("61 * * * *", "UTC", "Bad minute"),
        ("* * * * *", "Europe/Berlim", "no time zone 'Europe/Berlim'"),
        ("* * * * *", "../etc/passwd", "no time zone"),
    ],
)
def test_expression_or_zone_that_is_none_is_told(expression: str, zone: str, told: str) -> None:
    with pytest.raises(MBusUsageError, match=told):
        Cron(expression, zone)


def test_cron_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *arguments: Any, **more: Any) -> Any:
        if name == "cronsim":
            raise ImportError(name)
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MBusUsageError, match=r"pip install 'mbusbench\[poller\]'"):
        Cron("* * * * *")


def test_cycle_begins_at_the_slot_plus_the_offset() -> None:
    schedule = Schedule(Interval(QUARTER), 30 * 10**9)
    assert schedule.begin(at(10)) == at(10, 0, 30)
    assert schedule.current(at(10, 15, 29)) == at(10)
    assert schedule.current(at(10, 15, 30)) == at(10, 15)


def test_slots_that_a_long_cycle_has_missed_are_passed_over_and_counted() -> None:
    schedule = Schedule(Interval(QUARTER))
    assert schedule.next(at(10), at(10, 14)) == at(10, 15)
    late = schedule.next(at(10), at(10, 50))
    assert late == at(10, 45)
    assert schedule.between(at(10, 15), late) == 2
    assert schedule.between(at(10, 15), at(10, 15)) == 0


def test_offsets_are_the_same_for_the_same_seed_and_spread_over_the_jitter() -> None:
    offsets = [offset_of(f"bus {number}", 7, MINUTE) for number in range(200)]
    assert offsets == [offset_of(f"bus {number}", 7, MINUTE) for number in range(200)]
    assert offsets != [offset_of(f"bus {number}", 8, MINUTE) for number in range(200)]
    assert min(offsets) < MINUTE // 10
    assert MINUTE * 9 // 10 < max(offsets) <= MINUTE
    assert offset_of("bus", 7, 0) == 0


def test_meter_is_due_when_its_least_time_is_over_counted_from_slot_to_slot() -> None:
    assert is_due(at(10), None, QUARTER)
    assert is_due(at(10, 15), at(10), QUARTER)
    assert not is_due(at(10, 14), at(10), QUARTER)


def test_meter_is_not_due_twice_in_one_slot() -> None:
    assert not is_due(at(10), at(10), 0)


def test_meter_is_due_where_the_clock_was_set_back() -> None:
    assert is_due(at(9), at(10), QUARTER)


def test_instants_go_there_and_back() -> None:
    instant = datetime(2026, 5, 4, 3, 2, 1, 250_000, tzinfo=UTC)
    assert to_datetime(to_ns(instant)) == instant
    assert to_ns(instant + timedelta(hours=1)) - to_ns(instant) == 3600 * 10**9
