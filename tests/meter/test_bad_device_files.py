"""Device files with mistakes: each kind is one line with its place, which says what to do; the command ends with 2.

`bad_device_files.jsonl` has the mistakes: the form into which the text goes, and the line that is said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.invoking import invoke

DEVICE = """format: 1
device: {manufacturer: ABC, version: 1, medium: water, id: 12345678, address: 5}
telegrams:
  - records:
      - {vif: volume, unit: m3, code: int32, value: 1}
"""
HEADER = "{manufacturer: ABC, version: 1, medium: water, id: 12345678, address: 5}"
RECORD = "{vif: volume, unit: m3, code: int32, value: 1}"
FORMS: dict[str, Callable[[str], str]] = {
    "whole": lambda text: text,
    "top": lambda text: f"{DEVICE}{text}\n",
    "header": lambda text: DEVICE.replace(HEADER, text),
    "id": lambda text: DEVICE.replace("id: 12345678", text),
    "device": lambda text: DEVICE.replace("address: 5", text),
    "telegram": lambda text: f"{DEVICE.partition('  - records')[0]}  - {text}\n",
    "record": lambda text: DEVICE.replace(RECORD, f"{{{text}}}"),
    "value": lambda text: DEVICE.replace("value: 1}", f"value: {text}}}"),
    "power": lambda text: DEVICE.replace(RECORD, f"{{vif: power, unit: W, code: int32, value: 5}}\n      - {{{text}}}"),
}
CASES: list[dict[str, Any]] = [
    json.loads(line) for line in Path(__file__).with_name("bad_device_files.jsonl").read_text("utf-8").splitlines()
]
PLACE = re.compile(r"d\.yaml:(\d+):(\d+)( [^ :]\S*)?: ")


def kind_of(line: str) -> str:
    """The message without what is the case's own: place, values in quotes, numbers."""
    text = PLACE.sub("", line)
    return re.sub(r"'[^']*'|\"[^\"]*\"|[-+]?\d[\w.+]*", "#", text)


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("case", CASES, ids=[f"{case['form']}-{case['text'][:60]}" for case in CASES])
def test_each_mistake_is_one_line_with_its_place(case: dict[str, Any]) -> None:
    Path("d.yaml").write_text(FORMS[case["form"]](case["text"]), encoding="utf-8")
    result = invoke("devices", "show", "d.yaml")
    assert (result.code, result.stdout) == (2, "")
    assert result.stderr == f"{case['says']}\n"


@pytest.mark.parametrize("case", CASES, ids=[f"{case['form']}-{case['text'][:60]}" for case in CASES])
def test_place_is_in_the_file(case: dict[str, Any]) -> None:
    lines = [*FORMS[case["form"]](case["text"]).split("\n"), ""]
    place = PLACE.match(case["says"])
    assert place is not None
    line, column = int(place[1]), int(place[2])
    assert 1 <= line <= len(lines)
    assert 1 <= column <= len(lines[line - 1]) + 1


def test_there_are_more_than_sixty_kinds_of_mistake() -> None:
    kinds = {kind_of(case["says"]) for case in CASES}
    assert len(kinds) >= 60


@pytest.mark.parametrize("command", [("serve", "d.yaml"), ("devices", "show", "d.yaml"), ("serve", "bus.yaml")])
def test_every_command_that_reads_a_device_says_the_same(command: tuple[str, ...]) -> None:
    Path("d.yaml").write_text(FORMS["device"]("adress: 5"), encoding="utf-8")
    Path("bus.yaml").write_text("format: 1\nmeters: [{device: d.yaml}]\n", encoding="utf-8")
    result = invoke(*command)
    assert result.code == 2
    assert result.stderr == "d.yaml:2:70 device: unknown key 'adress', did you mean 'address'?\n"


def test_good_file_is_shown() -> None:
    Path("d.yaml").write_text(DEVICE, encoding="utf-8")
    assert invoke("devices", "show", "d.yaml").code == 0
