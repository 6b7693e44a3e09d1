"""Discovery messages of the MQTT sink, judged by the schemas of Home Assistant itself."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mbusbench.master.record_type import MBusRecordType
from mbusbench.sinks.home_assistant import Announcement, Topics, bridge_identifier, bridge_payload, identifier
from mbusbench.sinks.reading import Reading, Value
from tests.cli.running import environment
from tests.interop.parts import HOME_ASSISTANT, HOME_ASSISTANT_UNITS, need
from tests.sinks.samples import reading

pytestmark = pytest.mark.interop

UNITS = {
    "energy": ("kWh", "MJ", "GJ", "MWh", "Gcal", "furlong", None),
    "power": ("W", "kW", "MJ/h", "kJ/h", "J/h", "GJ/h"),
    "volume": ("m³", "l", "L", "m3", "ml", "US gal"),
    "volume_flow": ("m³/h", "l/h", "l/min", "m3/s", "ml/h", "US gal/min"),
    "mass": ("kg", "t"),
    "mass_flow": ("kg/h",),
    "pressure": ("bar", "mbar"),
    "temperature_difference": ("K",),
    "voltage": ("V",),
    "current": ("A", "mA"),
    "frequency": ("Hz",),
    "relative_humidity": ("%",),
    "hca_units": ("HCA units", None),
    "on_time": ("s", "h", "d"),
    "operating_time": ("s", "min", "year"),
    "rf_level": ("dBm",),
}
MEDIA = ("heat", "water", "warm_water", "gas", "electricity", "other", None)
TEXTS = {"date": "2026-11-21", "datetime": "2026-11-21T10:00:00", "plain_text": "hello", "fabrication_number": "123"}


def values() -> Iterator[Value]:
    number = 0
    for quantity in (*MBusRecordType, None):
        name = None if quantity is None else quantity.value
        units = ("°C",) if name is not None and name.endswith("_temperature") else UNITS.get(name or "", (None, "s"))
        for unit in units:
            for storage, function in ((0, "instantaneous"), (1, "instantaneous"), (0, "maximum"), (2, "minimum")):
                number += 1
                value = TEXTS.get(name or "", 12.5)
                yield Value(
                    f"tag {number}", f"Name {number}", value, unit, None, None, name, storage, function=function
                )


def messages() -> dict[str, str]:
    topics = Topics()
    found = {topics.configuration(bridge_identifier(topics)): bridge_payload(topics, {"cellar": None, "attic 2": None})}
    for number, medium in enumerate(MEDIA):
        one: Reading = replace(reading(0), meter=f"KAM-{number:08}-1b-04", medium=medium, values=tuple(values()))
        announcement = Announcement(topics, expire_after=None if number else 2700)
        assert announcement.learn(one)
        found[topics.configuration(identifier(one.meter))] = announcement.payload()
    return found


def test_home_assistant_accepts_every_message(tmp_path: Path) -> None:
    need("home-assistant")
    good = messages()
    broken = json.loads(good[next(reversed(good))])
    next(iter(broken["cmps"].values())).update(device_class="energy", unit_of_measurement="furlong")
    done = subprocess.run(
        [HOME_ASSISTANT / "bin" / "python", Path(__file__).parent / "clients" / "discovery.py"],
        input=json.dumps({**good, "homeassistant/device/broken/config": json.dumps(broken)}),
        cwd=tmp_path,
        env=environment(PYTHONWARNINGS="ignore"),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    wrong = done.stdout.splitlines()
    assert [line for line in wrong if "device/broken/" not in line and not line.startswith("log: ")] == []
    assert any("furlong" in line for line in wrong)
    assert not any(line.startswith("log: ") and "furlong" not in line for line in wrong)


def test_units_and_state_classes_are_those_that_home_assistant_publishes() -> None:
    need("home-assistant-units")
    published = json.loads(HOME_ASSISTANT_UNITS.read_text(encoding="utf-8"))
    judged = 0
    for text in messages().values():
        for name, component in json.loads(text)["cmps"].items():
            device_class = component.get("device_class")
            if device_class is None or component["p"] != "sensor":
                continue
            judged += 1
            units = published["units"].get(device_class)
            unit = component.get("unit_of_measurement")
            assert (unit is None) if units is None else (unit in units), (name, component)
            state_class = component.get("state_class")
            assert state_class is None or state_class in published["state_classes"][device_class], (name, component)
    assert judged > 500
