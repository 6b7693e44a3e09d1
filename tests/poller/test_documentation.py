"""docs/poller.md: its files are configurations, its tables have every key, the example of Faceplate reads a meter."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mbusbench.clock import run
from mbusbench.definition.document import parse_document
from mbusbench.poller.connection_definition import ConnectionDefinition, RedundancyDefinition
from mbusbench.poller.definition import PollerFile
from mbusbench.poller.meter_definition import AddressedBinding, MeterDefinition
from mbusbench.poller.poller import Poller
from mbusbench.poller.redundancy import Channel
from mbusbench.sinks.reading import Quality
from tests.poller.bench import Kept, source_of
from tests.poller.meters import bus, identity

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "poller.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
FACEPLATE = BLOCKS[-1]


def section(heading: str) -> str:
    return re.split(r"^#{2,3} ", TEXT.split(f" {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def keys(heading: str) -> set[str]:
    """The keys in the first column of a section's table."""
    cells = re.findall(r"^\| (`.*?`) \|", section(heading), re.MULTILINE)
    return {key for cell in cells for key in re.findall(r"`(\w+)`", cell)}


@pytest.mark.parametrize("block", BLOCKS)
def test_file_in_the_documentation_is_a_configuration(block: str) -> None:
    assert PollerFile.from_document(parse_document(block, "poller.md")).connections


def test_tables_have_every_key() -> None:
    assert keys("The file") == set(PollerFile.model_fields)
    assert keys("A connection") == set(ConnectionDefinition.model_fields)
    assert keys("A meter") == set(MeterDefinition.model_fields)
    assert keys("A binding") == set(AddressedBinding.model_fields)
    assert all(f"{key}:" in section("Two ways to one bus") for key in RedundancyDefinition.model_fields)


def test_every_field_of_faceplate_has_a_place() -> None:
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", section("Coming from Faceplate"), re.MULTILINE)
    named = {
        "name", "type: serial, tcp", "serial: port", "baud rate, parity", "data bits, stop bits", "tcp: host, port",
        "timeout", "period", "enabled", "redundancy: main, backup", "state RUN, STOP", "last error",
        "actual connection", "tag", "access R/W", "address", "telegram number", "index",
    }  # fmt: skip
    assert named <= {row[0].removeprefix("Connection: ").removeprefix("Binding: ") for row in rows}


def test_example_of_faceplate_reads_time_energy_flow_and_temperature() -> None:
    definition = PollerFile.from_document(parse_document(FACEPLATE, "poller.md"))
    meter = bus([1])
    kept = Kept()
    sources = source_of({("MBus", Channel.MAIN): meter, ("MBus", Channel.BACKUP): meter})
    run(Poller(definition, kept.keep, source_of=sources).once())
    (reading,) = kept.readings
    assert (reading.connection, reading.meter, reading.quality) == ("MBus", identity(1), Quality.GOOD)
    assert [(value.name, value.tag, value.value, value.unit) for value in reading.values] == [
        ("Time", "heat/time", "2026-01-01T12:30:00", None),
        ("Energy", "heat/energy", 125, "kWh"),
        ("Flow", "heat/flow", 1.234, "m³/h"),
        ("Temperature", "heat/temperature", 71.5, "°C"),
    ]
    assert all(value.quality is Quality.GOOD for value in reading.values)


def test_energy_of_the_example_is_the_record_at_its_index_and_no_other() -> None:
    shifted = FACEPLATE.replace("index: 1}", "index: 2}").replace("name: Flow, tag: heat/flow", "name: F, tag: f")
    definition = PollerFile.from_document(parse_document(shifted, "poller.md"))
    kept = Kept()
    run(Poller(definition, kept.keep, source_of=lambda *_: bus([1])).once())
    assert kept.values("heat/energy") == [1.234]
