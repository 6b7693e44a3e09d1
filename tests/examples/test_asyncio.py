"""examples/asyncio reads several buses at once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

from tests.cli.running import environment, served

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = ROOT / "examples" / "asyncio" / "read_buses.py"


def _start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, PROGRAM, *arguments],
        env=environment(PYTHONPATH=str(ROOT)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_buses_are_read_in_each_cycle_and_a_missing_meter_is_told() -> None:
    quick = ("--tcp", "127.0.0.1:0", "--speed", "max")
    with served("kamstrup/multical-603", *quick) as one, served("generic/water", *quick) as two:
        heat, water = one.ready["meters"][0]["address"], two.ready["meters"][0]["address"]
        missing = water + 1
        buses = (f"{one.url}={heat}", f"{two.url}={water}-{missing}")
        with _start("--every", "0.01", "--times", "2", *buses) as process:
            shown, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    lines = [json.loads(line) for line in shown.splitlines()]
    assert [line for line in lines if "error" in line] == [
        {"bus": two.url, "address": missing, "error": "no-answer"}
    ] * 2
    energies = [
        (value["value"], value["unit"])
        for line in lines
        if line["bus"] == one.url
        for value in line["values"]
        if value["quantity"] == "energy"
    ]
    assert len({line["time"] for line in lines if line["bus"] == one.url}) == 2
    assert energies
    assert {unit for _, unit in energies} <= {"kWh", "MJ"}


def test_sigterm_ends_it() -> None:
    with served("generic/water", "--tcp", "127.0.0.1:0", "--speed", "max") as bus:
        address = bus.ready["meters"][0]["address"]
        with _start("--every", "3600", f"{bus.url}={address}") as process:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["address"] == address
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")


def test_bus_that_is_not_there_is_told_in_one_line() -> None:
    with _start("socket://127.0.0.1:1=1") as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 3
    assert len(errors.splitlines()) == 1
    assert "127.0.0.1:1" in errors
