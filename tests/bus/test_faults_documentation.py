"""docs/faults.md against the code: every kind with every parameter, every key, and a bus file that is one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mbusbench.bus import VirtualBus
from mbusbench.bus.fault import FaultDefinition, FrameName
from mbusbench.bus.fault_kinds import KINDS, Place

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "faults.md").read_text(encoding="utf-8")
WHEN, WHAT = (TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0] for title in ("When", "What"))
ROWS = {row.split("`")[1]: row for row in re.findall(r"^\| `.*$", WHAT, re.MULTILINE)}


def test_every_kind_is_documented_and_no_other() -> None:
    assert list(ROWS) == list(dict.fromkeys(ROWS))
    assert set(ROWS) == set(KINDS)
    assert len(re.findall(r"^\| `", WHAT, re.MULTILINE)) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_of_a_kind_is_documented(kind: str) -> None:
    assert set(KINDS[kind].parameters.model_fields) <= set(re.findall(r"`(\w+)[`:]", ROWS[kind]))


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_kind_does_its_rule_and_who_does_it_are_documented(kind: str) -> None:
    cells = [cell.strip() for cell in ROWS[kind].strip("|").split("|")]
    assert len(cells) == 4
    assert all(len(cell) > 6 for cell in cells[1:])


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_that_are_not_for_every_frame_say_so(kind: str) -> None:
    assert ("nswers only" in ROWS[kind]) == (KINDS[kind].places == {Place.ANSWER})
    assert ("at a time" in ROWS[kind]) == (Place.TIME in KINDS[kind].places)


def test_every_key_is_documented_and_no_other() -> None:
    keys = {key for row in re.findall(r"^\| (`.*?`) \|", WHEN, re.MULTILINE) for key in re.findall(r"`(\w+)`", row)}
    assert keys == {field.alias or key for key, field in FaultDefinition.model_fields.items()} - {"do"}
    assert "`do`" in WHAT


def test_every_name_of_a_frame_is_documented() -> None:
    (row,) = re.findall(r"^\| `frame` .*$", WHEN, re.MULTILINE)
    assert {name.value for name in FrameName} <= set(re.findall(r"`(\w+)`", row))


def test_bus_file_of_the_documentation_is_a_bus(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    path = tmp_path / "bus.yaml"
    path.write_text(block, encoding="utf-8")
    assert [armed.name for armed in VirtualBus.from_yaml(path).faults] == [
        "first-two-lost",
        "late",
        "noisy",
        "spike",
        "then-worse",
    ]
