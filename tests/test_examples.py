"""The programs and files in examples/ do what they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.cli.running import environment, served

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def _run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, EXAMPLES / name, *arguments]
    path = {"PYTHONPATH": str(EXAMPLES.parent)}
    return subprocess.run(command, env=environment(**path), capture_output=True, text=True, timeout=60, check=False)


def test_meters_of_the_example_bus_are_read_and_a_missing_one_is_named() -> None:
    with served(str(EXAMPLES / "bus.yaml"), "--tcp", "127.0.0.1:0") as bus:
        assert len(bus.ready["meters"]) == 41
        done = _run("read_meters.py", bus.url, "1", "49", "50")
    assert (done.returncode, done.stderr) == (1, "50: no-answer\n")
    assert "KAM 00012345 energy 168040 kWh" in done.stdout
    assert "KAM 65123517 volume 8.063 m³" in done.stdout


def test_bus_and_master_share_a_process() -> None:
    done = _run("virtual_bus.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        ["99", "80450799"],
        ["100", "80450800"],
        ["101", "80450801"],
    ]
