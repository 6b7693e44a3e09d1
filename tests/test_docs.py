"""The documentation against the code: its YAML loads, its JSON keys are the real ones, every command is in it."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from mbusbench import MBusMaster
from mbusbench.bus import VirtualBus
from mbusbench.bus.definition import (
    BitErrorDefinition,
    BusDefinition,
    GatewayDefinition,
    Line,
    ListenEntry,
    NoiseDefinition,
)
from mbusbench.bus.meter_entry import MeterEntry
from mbusbench.cli.main import COMMANDS
from mbusbench.master.results import MBusSlaveData, MBusSlaveInfo, MBusSlaveRecord
from mbusbench.meter import catalogue
from mbusbench.meter.behaviour import Behaviour
from tests.cli.frames import FIXED_DATA, REQUEST, SELECTION
from tests.cli.invoking import invoke

DOCS = Path(__file__).resolve().parent.parent / "docs"


def _text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def _blocks(name: str, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", _text(name), re.MULTILINE | re.DOTALL)


def _documented(section: str) -> set[str]:
    """The keys in the first column of a section's table in json.md."""
    part = _text("json.md").split(f"\n## {section}\n")[1].split("\n## ")[0]
    return {key for row in re.findall(r"^\| (`.*?`) \|", part, re.MULTILINE) for key in re.findall(r"`(\w+)`", row)}


def test_device_file_of_the_documentation_is_a_device(tmp_path: Path) -> None:
    block, *additions = _blocks("device-file.md", "yaml")
    living = next(each for each in additions if each.startswith("format: 1"))
    additions.remove(living)
    path = tmp_path / "device.yaml"
    path.write_text(block, encoding="utf-8")
    assert len(catalogue.load(str(path)).telegrams[0].records) == 5
    assert len(block.splitlines()) < 20
    path.write_text("".join([living, *additions]), encoding="utf-8")
    found = catalogue.load(str(path))
    assert len(found.values) == 7
    assert (len(found.conditions), found.clock.offset) == (2, -90 * 10**9)
    assert (len(found.alarms), len(found.busy)) == (2, 1)
    assert found.settings.start_up == 2 * 10**9


async def test_file_written_from_a_manual_is_short_and_the_meter_sends_what_the_manual_says(tmp_path: Path) -> None:
    text = _text("device-file.md")
    (block,) = re.findall(
        r"^```\{code-block\} yaml\n:caption: at-20\.yaml\n\n(.*?)^```$", text, re.MULTILINE | re.DOTALL
    )
    assert len(block.splitlines()) < 20
    path = tmp_path / "at-20.yaml"
    path.write_text(block, encoding="utf-8")
    rows = re.findall(r"^> \| [a-z ]+ \| ([0-9A-F]{2}) \| ([0-9A-F]{2}) \|", text, re.MULTILINE)
    async with VirtualBus.from_devices([str(path)]).serve() as server, MBusMaster(server.url) as master:
        reading = await master.query(1)
    assert [(record.dib.upper(), record.vib.upper()) for record in reading.records] == rows
    assert [record.value for record in reading.records] == [18250, 1203.55, 4200, 62.5, 38.1]
    assert (reading.serial_number, reading.manufacturer, reading.version) == ("20481234", "AQT", 2)


def test_every_key_of_a_bus_file_and_of_its_meters_is_documented() -> None:
    text = _text("bus-file.md")
    for definition in (BusDefinition, MeterEntry):
        assert [name for name in definition.model_fields if f"`{name}`" not in text] == []


def test_every_setting_of_a_slave_is_documented() -> None:
    first_cells = [row.split(" | ")[0] for row in _text("device-file.md").splitlines() if row.startswith("| `")]
    documented = {key for cell in first_cells for key in re.findall(r"`(\w+)`", cell)}
    assert set(Behaviour.model_fields) <= documented


def test_mistake_in_the_documentation_is_shown_as_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block = _blocks("device-file.md", "yaml")[0]
    (line,) = _blocks("device-file.md", "text")
    monkeypatch.chdir(tmp_path)
    Path("device.yaml").write_text(block.replace(" address:", " adress:"), encoding="utf-8")
    assert line in invoke("devices", "show", "device.yaml").stderr


def test_bus_file_of_the_documentation_is_a_bus(tmp_path: Path) -> None:
    whole, many, _, line, ports = _blocks("bus-file.md", "yaml")
    path = tmp_path / "bus.yaml"
    path.write_text(whole, encoding="utf-8")
    bus = VirtualBus.from_yaml(path)
    assert [meter.address for meter in bus.meters] == [5, *range(10, 50)]
    path.write_text(many, encoding="utf-8")
    meters = VirtualBus.from_yaml(path).meters
    assert [meter.address for meter in meters[:55]] == [12, *(a for a in range(10, 40) if a != 12), *range(50, 100, 2)]
    assert (meters[1].name, meters[1].identification) == ("flat 0", "10000000")
    path.write_text(f"format: 1\nspeed: real\nmeters: []\n{line}{ports}", encoding="utf-8")
    assert VirtualBus.from_yaml(path).options_of("tcp://127.0.0.1:10001").gateway is not None


def test_every_key_of_line_and_ports_is_documented() -> None:
    text = _text("bus-file.md")
    for definition in (Line, NoiseDefinition, BitErrorDefinition, ListenEntry, GatewayDefinition):
        assert [name for name in definition.model_fields if f"`{name}`" not in text and f"{name}:" not in text] == []


def test_every_command_has_a_section() -> None:
    headings = [heading.split()[0] for heading in re.findall(r"^## (.+)$", _text("cli.md"), re.MULTILINE)]
    assert set(COMMANDS) <= set(headings)


def test_keys_of_a_reading_are_documented() -> None:
    assert _documented("A reading") == set(MBusSlaveData.model_fields)
    assert set(MBusSlaveInfo.model_fields) < _documented("A reading")


def test_keys_of_a_record_are_documented() -> None:
    assert _documented("A record") == {*MBusSlaveRecord.model_fields, *MBusSlaveRecord.model_computed_fields}


def test_keys_of_decode_are_documented() -> None:
    shown = [
        json.loads(line)
        for line in invoke("decode", "--json", FIXED_DATA + SELECTION + REQUEST + "E5 00").stdout.splitlines()
    ]
    assert {key for item in shown for key in item} == _documented("decode")


def test_keys_of_the_catalogue_are_documented() -> None:
    shown: dict[str, Any] = json.loads(invoke("devices", "show", "--json", "kamstrup/multical-603").stdout)
    assert set(shown) == _documented("devices")


def test_page_of_the_devices_has_a_row_for_each() -> None:
    source = [_text("devices.md")]
    runpy.run_path(str(DOCS / "conf.py"))["fill_in"](None, "devices", source)
    rows = re.findall(r"^\| `([a-z0-9/-]+)` \|", source[0], re.MULTILINE)
    assert rows == catalogue.names()


def test_keys_of_quirks_are_documented() -> None:
    shown: dict[str, Any] = json.loads(invoke("quirks", "--json", "slow").stdout)
    assert set(shown) == _documented("quirks")


def test_telegram_written_by_hand_in_the_documentation_can_be_built() -> None:
    (block,) = _blocks("json.md", "json")
    frame = invoke("encode", "-", stdin=block.encode()).stdout
    reading = json.loads(invoke("decode", "--json", frame).stdout)["reading"]
    assert (reading["manufacturer"], reading["records"][0]["value"]) == ("ABC", 12.565)
