from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from mbusbench.sinks.reading import Quality, Reading, Value

READING = Reading(
    key="cellar/KAM-12345678-1b-04/2026-11-21T10:00:00Z",
    connection="cellar",
    meter="KAM-12345678-1b-04",
    address="5",
    time=datetime(2026, 11, 21, 10, 0, 1, 250000, tzinfo=UTC),
    medium="heat",
    manufacturer="KAM",
    version=0x1B,
    access_number=7,
    status=0,
    values=(
        Value("energy", "Energy", 12.345, "kWh", quantity="energy"),
        Value("energy_month", "Energy, last month", 12, "kWh", quantity="energy", storage=1, tariff=2, subunit=3),
        Value("on", "Valve", False),
        Value("date", "Date", "2026-11-21", quantity="date"),
        Value("flow", "Flow", None, "m³/h", Quality.BAD, "the meter has no value", "volume_flow", function="maximum"),
    ),
)


def test_a_reading_comes_back_from_json_as_it_was() -> None:
    assert Reading.from_json(READING.to_json()) == READING


def test_json_is_one_line_with_rfc_3339_time_and_without_what_says_nothing() -> None:
    text = READING.to_json()
    assert "\n" not in text
    data = json.loads(text)
    assert data["time"] == "2026-11-21T10:00:01.250000Z"
    assert "reason" not in data
    assert data["values"][2] == {"tag": "on", "name": "Valve", "value": False}
    assert data["values"][4]["value"] is None


def test_time_of_another_zone_is_written_in_utc() -> None:
    time = datetime(2026, 11, 21, 12, 0, tzinfo=timezone(timedelta(hours=2)))
    reading = Reading("a/b/1", "a", "b", "1", time)
    assert reading.as_dict()["time"] == "2026-11-21T10:00:00Z"
    assert Reading.from_json(reading.to_json()) == reading


def test_fields_of_a_later_version_are_ignored() -> None:
    data = READING.as_dict() | {"colour": "red"}
    assert Reading.from_json(json.dumps(data)) == READING


def test_what_is_no_number_is_no_value() -> None:
    with pytest.raises(AssertionError):
        Value("x", "x", float("nan"))
