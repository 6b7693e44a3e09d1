"""Values that live, judged by sums over small steps in floats, by calendars, and by what is sent."""

from __future__ import annotations

import calendar
import hashlib
import math
from collections.abc import Callable
from datetime import datetime, timedelta
from fractions import Fraction
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mbusbench.codec.dib import DataInformationBlock
from mbusbench.codec.vib import ValueInformationBlock
from mbusbench.definition.document import parse_document
from mbusbench.errors import DefinitionError
from mbusbench.meter.definition import Device
from mbusbench.meter.meter import Meter
from mbusbench.protocol.slave.commands import WrittenRecord

HOUR = 3600 * 10**9
DAY = 24 * HOUR
YEAR = 365 * DAY
EPOCH = datetime(2026, 1, 1)
HEAD = "format: 1\ndevice: {manufacturer: ABC, version: 1, medium: heat, id: 12345678}\n"
RECORDS = "telegrams:\n  - records:\n"

HEAT = (
    HEAD
    + """values:
  season: {yearly: {points: {"01-15": 1, "04-15": 0.5, "07-15": 0.1, "10-15": 0.5}}}
  day: {daily: {points: {"05:00": 0.4, "07:00": 1.2, "12:00": 0.8, "19:00": 1.1, "23:00": 0.4}}}
  flow: {unit: m3/h, product: [season, day, {random_walk: {between: [0.9, 1.3], every: 3h}}]}
  supply: {unit: °C, sum: [55, {product: [season, 25]}]}
  return: {unit: °C, random_walk: {between: [35, 42], every: 4h}}
  difference: {unit: K, difference: [supply, return]}
  power: {unit: kW, product: [flow, difference, 1.163]}
"""
    + RECORDS
    + """
      - {vif: energy, unit: kWh, code: int32, value: {counter: {start: 12500, follows: power}}}
      - {vif: volume, unit: m3, scale: -2, code: bcd8, value: {counter: {start: 431.5, follows: flow}}}
      - {vif: power, unit: W, code: int32, value: {of: power}}
      - {vif: volume_flow, unit: l/h, code: int32, value: {of: flow}}
      - {vif: flow_temperature, unit: °C, scale: -2, code: int16, value: {of: supply}}
      - {vif: return_temperature, unit: °C, scale: -2, code: int16, value: {of: return}}
      - {name: e1, vif: energy, unit: kWh, code: int32, storage: 1, value: {stored: {of: energy, monthly: 1}}}
      - {name: v1, vif: volume, unit: m3, scale: -2, code: bcd8, storage: 1, value: {stored: {of: volume, monthly: 1}}}
      - {name: d1, vif: date, code: int16, storage: 1, value: {stored: {monthly: 1}}}
      - {name: e2, vif: energy, unit: kWh, code: int32, storage: 2, value: {stored: {of: energy, monthly: 2}}}
      - name: top
        {vif: power, unit: W, code: int32, function: maximum, value: {maximum: {of: power, at: {hour: 0}, ago: 1}}}
""".replace("name: top\n        {vif", "{name: top, vif").replace("- {name: top", "- {name: top")
)


def device(text: str, directory: Path | None = None) -> Device:
    return Device.from_document(parse_document(text, "d.yaml"), {"directory": directory})


def complaint(text: str, directory: Path | None = None) -> str:
    with pytest.raises(DefinitionError) as caught:
        device(text, directory)
    return str(caught.value)


def trapezoid(value: Callable[[int], float], since: int, until: int, step: int) -> float:
    times = range(since, until, step)
    return sum((value(time) + value(time + step)) / 2 * step for time in times) / HOUR


LIVING = device(HEAT)


def shown(meter: Meter, name: str, now: int) -> float:
    value = meter.reading(name, now).shown
    assert isinstance(value, int | float)
    return value


def boole(value: Callable[[int], Fraction], since: int, until: int, step: int) -> float:
    """Exact, but for the rounding of floats, for what is a polynomial of up to the fifth degree in each step."""
    total = 0.0
    quarter = step // 4
    last = float(value(since))
    for time in range(since, until, step):
        first, *inner = last, *(float(value(time + quarter * part)) for part in (1, 2, 3, 4))
        total += 7 * first + 32 * inner[0] + 12 * inner[1] + 32 * inner[2] + 7 * inner[3]
        last = inner[3]
    return total * step / 90 / HOUR


def test_energy_and_volume_over_a_year_are_the_integrals_of_power_and_flow() -> None:
    meter = Meter(LIVING, seed="7")
    power = boole(partial(meter.value, "power"), 0, YEAR, HOUR)  # all breaks are at full hours
    flow = boole(partial(meter.value, "flow"), 0, YEAR, HOUR)
    assert 0 <= 12500 + power - shown(meter, "energy", YEAR) < 1 + 1e-6
    assert 0 <= 431.5 + flow - shown(meter, "volume", YEAR) < 0.01 + 1e-6


@pytest.mark.parametrize("day", [3, 59, 200, 300])
def test_energy_of_a_day_is_the_fine_sum_of_power_within_the_register(day: int) -> None:
    meter = Meter(LIVING, seed="7")
    for name, source, resolution in (("energy", "power", 1), ("volume", "flow", 0.01)):
        found = shown(meter, name, (day + 1) * DAY) - shown(meter, name, day * DAY)
        value = partial(meter.value, source)
        expected = trapezoid(lambda now: float(value(now)), day * DAY, (day + 1) * DAY, HOUR // 12)  # noqa: B023
        assert abs(found - expected) <= resolution + 1e-6


def test_power_is_flow_times_temperature_difference_at_any_instant() -> None:
    meter = Meter(LIVING)
    for now in range(0, YEAR, 11 * DAY + 7 * HOUR + 123456789):
        flow, supply, back = (
            shown(meter, name, now) for name in ("volume_flow", "flow_temperature", "return_temperature")
        )
        exact = meter.reading("power", now).exact
        assert exact is not None
        assert float(exact) == pytest.approx(flow * (supply - back) * 1163, rel=0.02, abs=25)
        assert shown(meter, "power", now) == math.floor(exact)


def test_stored_values_are_those_of_the_end_of_the_month() -> None:
    meter = Meter(LIVING, seed="3")
    for month in range(2, 13):
        begin = (datetime(2026, month, 1) - EPOCH) // timedelta(microseconds=1) * 1000
        for now in (begin, begin + 5 * DAY, begin + 27 * DAY + 23 * HOUR):
            for counter, kept in (("energy", "e1"), ("volume", "v1")):
                assert shown(meter, kept, now) == shown(meter, counter, begin)
            last = calendar.monthrange(2026, month - 1)[1]
            assert meter.reading("d1", now).shown == datetime(2026, month - 1, last).date()
        assert shown(meter, "e1", begin - 1) == shown(meter, "e2", begin)


def test_a_day_s_maximum_is_the_greatest_of_its_hourly_means() -> None:
    meter = Meter(LIVING, seed="3")
    means = [
        trapezoid(lambda now: float(meter.value("power", now)), at, at + HOUR, HOUR // 60) for at in range(0, DAY, HOUR)
    ]
    assert shown(meter, "top", DAY + 5 * HOUR) == pytest.approx(max(means) * 1000, abs=1.5)


def test_values_are_the_same_in_any_order_and_for_any_meter_of_that_seed() -> None:
    times = [0, 20 * YEAR, 5 * HOUR + 7, YEAR, 40 * DAY, 40 * DAY + 1, 3 * YEAR + 5, 6 * HOUR]
    forward, backward = Meter(LIVING, seed="a"), Meter(LIVING, seed="a")
    one = {now: forward.records(0, now) for now in times}
    assert {now: backward.records(0, now) for now in reversed(times)} == one
    assert {now: Meter(LIVING, seed="a").records(0, now) for now in times[:3]} == {now: one[now] for now in times[:3]}
    assert Meter(LIVING, seed="b").records(0, DAY) != forward.records(0, DAY)


def test_no_version_of_python_makes_other_values() -> None:
    meter = Meter(LIVING, seed="digest")
    sent = b"".join(meter.records(0, now) for now in (0, 1, 90 * DAY + 4711, YEAR, 20 * YEAR))
    assert hashlib.sha256(sent).hexdigest() == "cd743a43f51c976ac9bcc7f513ca57af31405e62d2a41a5ebbfa4d40979c0499"


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 2 * YEAR), min_size=2, max_size=5))
def test_registers_are_the_exact_values_rounded_down(times: list[int]) -> None:
    meter = Meter(LIVING, seed="h")
    for now in times:
        for name, steps in (("energy", 1), ("volume", 100), ("volume_flow", 1000)):
            reading = meter.reading(name, now)
            assert reading.exact is not None
            raw = reading.shown
            assert isinstance(raw, int | float)
            assert round(raw * steps) == math.floor(reading.exact * steps)


TARIFFS = (
    HEAD
    + """values:
  u: {unit: V, random_walk: {between: [226, 236]}}
  i: {unit: A, daily: {points: {"03:00": 1, "12:00": 7, "19:00": 12}}}
  p: {unit: W, product: [u, i, 0.95]}
  s: {unit: W, product: [u, i]}
"""
    + RECORDS
    + """
      - {vif: energy, unit: kWh, code: int32, value: {total: [t1, t2]}}
      - {name: all, vif: energy, unit: kWh, code: int32, subunit: 1, value: {counter: {follows: p}}}
      - {name: t1, dib: "84 10", vib: "06", value: {counter: {follows: p, between: ["06:00", "22:00"]}}}
      - {name: t2, dib: "84 20", vib: "06", value: {counter: {follows: p, between: ["22:00", "06:00"]}}}
      - {name: factor, dib: "05", vib: "FF 0A", value: {quotient: [p, s]}}
"""
)


def test_tariffs_add_up_to_the_total() -> None:
    meter = Meter(device(TARIFFS))
    for now in (HOUR, 7 * HOUR, 23 * HOUR, 77 * DAY + 5 * HOUR, 20 * YEAR):
        total, one, two = (meter.reading(name, now).exact for name in ("all", "t1", "t2"))
        assert total == (one or 0) + (two or 0)
        assert shown(meter, "energy", now) == shown(meter, "t1", now) + shown(meter, "t2", now)
        assert shown(meter, "factor", now) == pytest.approx(0.95)
    assert shown(meter, "t1", 6 * HOUR) == 0
    assert meter.reading("t2", 7 * HOUR).exact == meter.reading("t2", 21 * HOUR).exact


def test_a_year_s_profile_knows_leap_years() -> None:
    text = HEAD + 'values:\n  a: {yearly: {points: {"01-01": 0, "03-01": 59}, shape: step}}\n'
    meter = Meter(device(f"{text}{RECORDS}      - {{vif: power, unit: W, code: int32, value: {{of: a}}}}\n"))
    assert meter.value("a", 59 * DAY - 1) == 0
    assert meter.value("a", 59 * DAY) == 59
    leap = (datetime(2028, 3, 1) - EPOCH).days * DAY
    assert (meter.value("a", leap - 1), meter.value("a", leap)) == (0, 59)


def test_a_counter_that_a_master_wrote_leaves_what_was_stored_before() -> None:
    text = (
        HEAD
        + RECORDS
        + (
            "      - {vif: energy, unit: kWh, code: int32, writable: true, value: {counter: {rate: 1}}}\n"
            "      - {name: kept, dib: '44', vib: '06', value: {stored: {of: energy, at: {hour: 0}}}}\n"
        )
    )
    meter = Meter(device(text))
    dib, vib = DataInformationBlock.decode(b"\x04"), ValueInformationBlock.decode(b"\x06")
    meter.write(WrittenRecord(dib, vib, "write", (1000).to_bytes(4, "little")), 30 * HOUR)
    assert shown(meter, "kept", 47 * HOUR) == 24
    assert shown(meter, "kept", 49 * HOUR) == 1018
    assert meter.reading("energy", 31 * HOUR).exact is None


CLOCK = HEAD + RECORDS + "      - {vif: datetime, code: int32, value: {clock: now}}\n"


def test_a_clock_drifts_has_an_offset_and_summer_time() -> None:
    meter = Meter(device(CLOCK + "clock: {drift: 100, offset: -1min}\n"))
    assert meter.clock(0) == EPOCH - timedelta(minutes=1)
    assert meter.clock(100 * DAY) == EPOCH + timedelta(days=100, seconds=864 - 60)
    meter = Meter(device(CLOCK + "clock: {summer_time: true}\n"))
    june = (datetime(2026, 6, 1) - EPOCH).days * DAY
    assert meter.clock(june) == datetime(2026, 6, 1, 1)
    assert meter.records(0, june)[3] & 0x80
    assert not meter.records(0, 0)[3] & 0x80


def test_a_clock_that_is_not_set_shows_no_date_until_it_is() -> None:
    meter = Meter(device(CLOCK + "clock: {set: false}\n"))
    record = meter.device.telegrams[0].records[0]
    assert meter.reading(record, 0).shown is None
    meter.set_clock(datetime(2026, 5, 5, 12), HOUR)
    assert meter.reading(record, 2 * HOUR).shown == datetime(2026, 5, 5, 13)


def test_conditions_set_status_alarm_flags_and_the_function_error() -> None:
    text = (
        HEAD
        + "values:\n  f: {step: {points: {0s: 1, 1h: 5}}}\n"
        + RECORDS
        + (
            "      - {vif: error_flags, code: int8, value: {flags: {0: {value: f, above: 2}, 3: {value: f, "
            "below: 2}}}}\n"
            "      - {vif: volume_flow, unit: l/h, code: int8, value: {of: f}, error: {value: f, above: 4}}\n"
            "conditions:\n  - {when: {value: f, above: 4.5}, status: 0x10, alarm: 0x02}\n"
        )
    )
    meter = Meter(device(text), status=0x04)
    application = meter.link.application
    assert application.alarms is not None
    seen = [application.next_datagram(now) for now in (0, HOUR, 0)]
    assert [data[1][9] for data in seen if isinstance(data, tuple)] == [0x04, 0x14, 0x04]
    assert (application.alarms.state(0), application.alarms.state(HOUR)) == (0, 2)
    assert [meter.records(0, now)[3] for now in (0, HOUR)] == [8, 1]
    assert [meter.records(0, now)[4] for now in (0, HOUR)] == [0x01, 0x31]


@pytest.mark.parametrize(("overflow", "expected"), [("roll", 0), ("hold", 99), ("invalid", None)])
def test_a_full_register_does_what_the_device_says(overflow: str, expected: int | None) -> None:
    value = f"{{counter: {{start: 98, rate: 1, overflow: {overflow}}}}}"
    meter = Meter(device(f"{HEAD}{RECORDS}      - {{vif: volume, unit: m3, code: bcd2, value: {value}}}\n"))
    assert shown(meter, "volume", HOUR) == 99
    assert meter.reading("volume", 2 * HOUR).shown == expected


def test_draws_are_of_the_seed_and_make_the_volume_that_they_last() -> None:
    text = (
        HEAD
        + "values:\n  f: {unit: m3/h, sum: [{draws: {flow: [0.1, 0.9]}}, {step: {points: {0s: 0, 7d: 0.01}}}]}\n"
        + (f"{RECORDS}      - {{vif: volume, unit: m3, scale: -3, code: int32, value: {{counter: {{follows: f}}}}}}\n")
    )
    meter = Meter(device(text), seed="1")
    expected = trapezoid(lambda now: float(meter.value("f", now + 1)), 0, 7 * DAY, 10**10)
    assert shown(meter, "volume", 7 * DAY) == pytest.approx(expected, rel=0.01)
    week = meter.reading("volume", 7 * DAY).exact
    assert week is not None
    assert meter.reading("volume", 14 * DAY).exact == 2 * week + Fraction(7 * 24, 100)


def test_a_series_of_a_csv_file(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("at;kw\n0s;1\n1h;3\n2h;0\n", encoding="utf-8")
    text = f"{HEAD}values:\n  p: {{unit: kW, csv: {{file: x.csv, time: at, value: kw}}}}\n{RECORDS}"
    text += "      - {vif: energy, unit: Wh, code: int32, value: {counter: {follows: p}}}\n"
    meter = Meter(device(text, tmp_path))
    assert meter.value("p", HOUR // 2) == 2
    assert [shown(meter, "energy", now) for now in (HOUR, 9 * HOUR)] == [2, 3.5]
    for rows, line in (
        ("at;kw\n0s;1\n0s;2\n", "x.csv:3: '0s' is not later than the row before"),
        ("at;kw\n0s;a\n", "x.csv:2: 'a' is not a number"),
        ("at;kW\n0s;1\n", "x.csv:1 has no column 'kw', did you mean 'kW'?"),
        ("at;kw\n0;1\n", "x.csv:2: '0' is no duration (15min) and no date and time"),
        ("at;kw\n0s\n", "x.csv:2: 1 columns, 2 needed"),
        ("at;kw\n", "x.csv has no rows"),
    ):
        (tmp_path / "x.csv").write_text(rows, encoding="utf-8")
        assert complaint(text, tmp_path).endswith(line)
    (tmp_path / "x.csv").unlink()
    assert "x.csv: no such file or directory" in complaint(text, tmp_path)


MISTAKES = [
    ("{of: pwer}", "no value is called 'pwer', did you mean 'power'?"),
    ("{product: [q, 2]}", "no value is called 'q'"),
    ("{sum: [a, {of: b}]}", "values.a: the value depends on itself: b -> a"),
    ("{counter: {follows: ratio}}", "a counter cannot follow a quotient"),
    ("{counter: {follows: warm}}", "W is not what °C add up to over time"),
    ("{of: power}", "the value depends on itself: power"),
    ("{of: warm}", "it is in °C, which power cannot be"),
    ("{stored: {of: warm, monthly: 1}}", "it is in °C, which power cannot be"),
    ("{stored: {of: power2}}", "needs either at (a day) or monthly"),
    ("{maximum: {of: ratio}}", "a quotient or counter has no mean over time"),
    ("{maximum: {of: warm2, mean: 1s}}", "a month has more than 10000 such intervals"),
    ("{yearly: {points: {02-29: 1}}}", "'02-29' is not a day of every year"),
    ("{random_walk: {between: [1, 2], every: 5h}}", "'repeat' must be a multiple of it"),
    ("{total: [warm]}", "total adds up what records show"),
    ("{flags: {64: {value: warm, above: 1}}}", "'64' is not a bit: 0..62"),
    ("{sum: [{counter: {rate: 1}}]}", "sum[0]: counter is for records: name the record, and refer to it"),
    ("{flags: {1: {value: {clock: now}, above: 1}}}", "clock is for records"),
    ("5, error: {value: date, above: 1}", "it depends on the meter's clock or registers"),
    ("{flags: {1: {value: warm}}}", "needs above or below"),
    ("{counter: {rate: 1, between: ['06:00', '6:0']}}", "'6:0' is not a time of day"),
]


@pytest.mark.parametrize(("value", "text"), MISTAKES)
def test_a_mistake_in_a_living_value_is_one_line_with_its_place(value: str, text: str) -> None:
    file = (
        f"{HEAD}values:\n  a: {{sum: [b, 1]}}\n  b: {{of: {'a' if 'of: b' in value else 'ratio'}}}\n"
        "  ratio: {quotient: [1, 3]}\n  warm: {unit: °C, sum: [3]}\n  warm2: 5\n  power2: 5\n"
        f"{RECORDS}      - {{vif: power, unit: W, code: int32, value: {value}}}\n"
        "      - {name: date, vif: datetime, code: int32, value: {clock: now}}\n"
    )
    lines = complaint(file).splitlines()
    assert any(text in line for line in lines), lines
    assert all(line.startswith("d.yaml:") for line in lines)
    assert len(lines) == 1


def test_signed_counter_is_below_zero_as_long_as_it_counts_there() -> None:
    text = HEAD + RECORDS + "      - {vif: energy, unit: kWh, code: int32, value: {counter: {start: -5, rate: 2}}}\n"
    meter = Meter(device(text))
    assert [shown(meter, "energy", hours * HOUR) for hours in range(5)] == [-5, -3, -1, 1, 3]
