"""What discovery says of a value. tests/interop judges whole messages by Home Assistant's own schemas."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jinja2
import pytest

from mbusbench.sinks.home_assistant import Announcement, Topics, sensor_fields, topic_part
from mbusbench.sinks.mqtt import state_payload
from mbusbench.sinks.reading import Quality, Reading, Value
from tests.sinks.samples import START, reading


@pytest.mark.parametrize(
    ("value", "medium", "expected"),
    [
        (Value("a", "A", 1, "kWh", quantity="energy"), "heat", ("energy", "kWh", "total_increasing")),
        (Value("a", "A", 1, "m³", quantity="volume"), "heat", ("volume", "m³", "total_increasing")),
        (Value("a", "A", 1, "l", quantity="volume"), "cold_water", ("water", "L", "total_increasing")),
        (Value("a", "A", 1, "m³", quantity="volume"), "gas", ("gas", "m³", "total_increasing")),
        (Value("a", "A", 1, "MJ/h", quantity="power"), "heat", ("power", "W", "measurement")),
        (Value("a", "A", 1, "l/h", quantity="volume_flow"), "heat", ("volume_flow_rate", "m³/h", "measurement")),
        (Value("a", "A", 1, "°C", quantity="flow_temperature"), "heat", ("temperature", "°C", "measurement")),
        (Value("a", "A", 1, "K", quantity="temperature_difference"), "heat", (None, "K", "measurement")),
        (Value("a", "A", 1, "kWh", quantity="energy", storage=1), "heat", ("energy", "kWh", None)),
        (Value("a", "A", 1, "kW", quantity="power", function="maximum"), "heat", ("power", "kW", "measurement")),
        (Value("a", "A", 1, "furlong", quantity="energy"), "heat", (None, "furlong", "total_increasing")),
        (Value("a", "A", "2026-11-21", quantity="date"), "heat", ("date", None, None)),
        (Value("a", "A", "hello", "kWh"), "heat", (None, None, None)),
    ],
)
def test_class_unit_and_state_class_go_together(
    value: Value, medium: str, expected: tuple[str | None, str | None, str | None]
) -> None:
    fields = sensor_fields(value, medium)
    found = (fields.get("device_class"), fields.get("unit_of_measurement"), fields.get("state_class"))
    assert found == expected


def test_stored_values_are_off_at_first_and_hours_of_operation_are_diagnostic() -> None:
    assert sensor_fields(Value("a", "A", 1, "kWh", quantity="energy", storage=1), None)["enabled_by_default"] is False
    assert sensor_fields(Value("a", "A", 1, "s", quantity="on_time"), None)["entity_category"] == "diagnostic"


def announced(of: Reading) -> dict[str, Any]:
    announcement = Announcement(Topics(), expire_after=2700)
    assert announcement.learn(of)
    found: dict[str, Any] = json.loads(announcement.payload())
    return found


def test_a_meter_is_a_device_behind_the_poller_with_a_sensor_for_each_value() -> None:
    message = announced(reading(0))
    assert message["dev"] == {
        "ids": ["mbusbench_KAM-12345678-1b-04"],
        "name": "KAM-12345678-1b-04",
        "via_device": "mbusbench_bridge_mbusbench",
        "mf": "KAM",
        "mdl": "heat meter",
        "hw": "1B",
        "sn": "12345678",
    }
    assert len(message["cmps"]) == len(reading(0).values)
    assert len({component["unique_id"] for component in message["cmps"].values()}) == len(reading(0).values)
    assert message["o"]["name"] == "mbusbench"


def test_the_template_finds_each_value_in_the_state_and_converts_it() -> None:
    odd = replace(
        reading(0),
        values=(
            Value('od"d', "Odd", 5, "kWh", quantity="energy"),
            Value("power", "Power", 36, "MJ/h", quantity="power"),
            Value("flow", "Flow", None, "l/h", Quality.BAD, "none", "volume_flow"),
            Value("zero", "Zero", 0, "l/h", quantity="volume_flow"),
        ),
    )
    state = json.loads(state_payload(odd))
    shown = [
        jinja2.Environment().from_string(component["value_template"]).render(value_json=state)
        for component in announced(odd)["cmps"].values()
    ]
    assert shown == ["5", "10000.0", "None", "0.0"]
    first = next(iter(announced(odd)["cmps"].values()))
    assert jinja2.Environment().from_string(first["value_template"]).render(value_json={"values": {}}) == "None"


def test_only_what_is_new_is_told_again_and_a_bad_value_takes_nothing_back() -> None:
    announcement = Announcement(Topics())
    good = replace(reading(0), values=(Value("a", "A", 5, "kWh", quantity="energy"),))
    assert announcement.learn(good)
    assert not announcement.learn(replace(good, values=(Value("a", "A", 6, "kWh", quantity="energy"),)))
    assert not announcement.learn(replace(good, values=(Value("a", "A", None, None, Quality.BAD, "gone"),)))
    assert not announcement.learn(Reading("k", "c", "m", "5", START, quality=Quality.BAD))
    assert announcement.learn(replace(good, values=(Value("b", "B", 6, "kW", quantity="power"),)))
    assert len(json.loads(announcement.payload())["cmps"]) == 2


@pytest.mark.parametrize(("name", "part"), [("a/b+c#d", "a_b_c_d"), ("$SYS", "SYS"), ("", "_"), ("Wärme 1", "Wärme 1")])
def test_a_name_is_one_level_of_a_topic(name: str, part: str) -> None:
    assert topic_part(name) == part
