"""Small suites of scenarios, one for each verdict, and masters that are wrong as a whole."""

from __future__ import annotations

import json
from pathlib import Path

from tests.scenario.cases import CATALOGUE

CASES = {
    "TST-01": "title: passes\nsteps: {read: 5}\nexpect: {report: value}\n",
    "TST-02": "title: fails\nsteps: {read: 5}\nexpect: {wire: [SND_NKE 5, REQ_UD2 5 fcb=0], report: value}\n",
    "TST-03": "title: could be better\nlevel: SHOULD\nsteps: {read: 5}\nexpect: {report: no-answer}\n",
    "TST-04": "title: has two variants\nsteps: {read: 5}\n"
    "variants:\n  a: {expect: {report: value}}\n  b: {expect: {report: no-answer}}\n",
    "TST-05": "title: cannot be judged\nsteps: {read: 5}\nexpect: {report: value}\n"
    "faults: [{name: never, on: 6, frame: RSP_UD, do: drop}]\n",
}


def scenario(name: str, text: str) -> str:
    """A scenario on bus ONE."""
    return f"scenario: 1\nid: {name}\ninclude: {CATALOGUE / 'common.yaml'}\nbus: ONE\n{text}"


def suite(directory: Path, *names: str) -> Path:
    """A directory with these cases, all of them if none is named."""
    place = directory / "suite"
    place.mkdir(exist_ok=True)
    for name in names or CASES:
        (place / f"{name}.yaml").write_text(scenario(name, CASES[name]), encoding="utf-8")
    return place


def driver(directory: Path, script: str, name: str = "stranger", **keys: object) -> Path:
    """A driver file for a Python script."""
    (directory / f"{name}.py").write_text(script, encoding="utf-8")
    path = directory / f"{name}.yaml"
    command = ["{python}", "-S", f"{name}.py"]
    path.write_text(json.dumps({"driver": 1, "name": name, "command": command, **keys}), encoding="utf-8")
    return path
