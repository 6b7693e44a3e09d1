"""docs/recording.md: the class that it shows works, and the lines that it says are read are read."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from mbusbench.codec.frame import ShortFrame
from mbusbench.meter import extension
from mbusbench.meter.definition import Device
from mbusbench.meter.meter import Meter
from mbusbench.recording.text import read_text

TEXT = (Path(__file__).parents[2] / "docs" / "recording.md").read_text("utf-8")


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    return found[1]


def test_class_of_the_documentation_extends_a_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("mymeters")
    exec(block("python"), module.__dict__)
    monkeypatch.setitem(sys.modules, "mymeters", module)
    monkeypatch.setattr(extension, "_allowed", {"mymeters"})
    path = tmp_path / "device.yaml"
    path.write_text(
        "format: 1\npython: mymeters:Moody\ndevice: {manufacturer: ABC, version: 1, medium: water, address: 5}\n"
        "telegrams: [{records: [{vif: volume, unit: l, code: int8, value: 9}]}]\n",
        encoding="utf-8",
    )
    link = Meter(Device.from_file(path)).link
    answers = [link.receive(ShortFrame(control, 5), 0) for control in (0x7B, 0x5B, 0x7B, 0x7B)]
    assert [answer is None for answer in answers] == [False, False, True, False]
    assert answers[3] is not None
    assert answers[3].encode()[-3] == 1


def test_lines_of_the_documentation_are_read() -> None:
    found = read_text(block("text"))
    assert found.unread == []
    assert found.rejects == 0
    assert len(found.events) == 6
