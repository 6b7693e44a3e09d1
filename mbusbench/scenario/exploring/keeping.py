"""A schedule that fails, as a scenario file of its own: all that the variant consists of, and these faults."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mbusbench.definition.yaml_text import reads_back, yaml_text
from mbusbench.scenario.exploring.schedule import Entry
from mbusbench.scenario.file.matrix import Variant

_FIRST = ("scenario", "id", "title", "intent", "rule", "source", "level")
_LATER = ("faults", "setup", "steps", "teardown")
_OF_EXPECTATIONS = ("expect", "tolerate", "never", "mutant", "passive", "include", "assert_all_fired")
_OF_BUSES = ("format", "speed", "faults")
_LONGEST_PART = 8


def kept(
    variant: Variant,
    schedule: Sequence[Entry],
    directory: Path,
    *,
    title: str,
    intent: str = "",
    letter: str = "",
    expects: bool = False,
    comments: Sequence[str] = (),
) -> str:
    """The text of a file in `directory`. Without `expects` what holds whatever happens is all that is expected.

    Faults that do not act are no error: when the master is mended, some may not come to it any more.
    """
    whole = variant.whole
    data: dict[str, Any] = {
        **{key: whole[key] for key in _FIRST if key in whole},
        "scenario": 1,
        "id": kept_id(variant, letter),
        "title": title,
        **({"intent": intent} if intent else {}),
    }
    bus = {key: value for key, value in whole["bus"].items() if key not in _OF_BUSES}
    used = {entry["device"] for entry in bus.get("meters", ()) if isinstance(entry, Mapping) and "device" in entry}
    devices = {name: value for name, value in whole.get("devices", {}).items() if name in used}
    if devices:
        data["devices"] = devices
    data["bus"] = _with_paths(bus, variant.path.parent, directory, devices)
    left_out = {*data, *_LATER, *(() if expects else _OF_EXPECTATIONS), "include", "devices"}
    data |= {key: value for key, value in whole.items() if key not in left_out}
    data["faults"] = [dict(entry) for entry in schedule]
    data |= {key: whole[key] for key in ("setup", "steps", "teardown") if key in whole}
    if expects:
        data |= {key: whole[key] for key in ("expect", "tolerate", "never") if key in whole}
    data["assert_all_fired"] = False
    text = yaml_text(data, comments)
    assert reads_back(text, data)
    return text


def kept_id(variant: Variant, letter: str = "") -> str:
    """The id of the scenario with the variant's letter and `letter` behind it."""
    behind = re.sub(r"[^A-Z0-9]", "", f"{variant.letter}{letter}".upper())
    return f"{variant.id}-X{behind[: _LONGEST_PART - 1]:0>1}"


def _with_paths(bus: Mapping[str, Any], from_: Path, to: Path, devices: Mapping[str, Any]) -> dict[str, Any]:
    """Files that the bus names, as they are found from the new place."""

    def moved(name: str) -> str:
        is_file = name.endswith((".yaml", ".yml")) and not Path(name).expanduser().is_absolute()
        return os.path.relpath(from_ / name, to) if is_file and name not in devices else name

    found = dict(bus)
    if "meters" in found:
        found["meters"] = [
            {**entry, "device": moved(str(entry["device"]))} if "device" in entry else dict(entry)
            for entry in found["meters"]
        ]
    if "include" in found:
        found["include"] = [moved(str(each)) for each in found["include"]]
    return found
