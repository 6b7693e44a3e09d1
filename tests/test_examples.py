"""The programs and files in examples/ do what they say."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.cli.running import COMMAND, environment, served

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
OWN_MASTER = EXAMPLES / "pytest-own-master"
INSTALLED = any(each.value == "mbusbench.pytest_plugin" for each in entry_points(group="pytest11"))


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


def test_meters_of_the_example_bus_are_polled(tmp_path: Path) -> None:
    with served(str(EXAMPLES / "bus.yaml"), "--tcp", "127.0.0.1:0") as bus:
        text = (EXAMPLES / "poller.yaml").read_text(encoding="utf-8")
        config = tmp_path / "poller.yaml"
        config.write_text(text.replace("port: 10001", f"port: {bus.ready['ports'][0]['port']}"), encoding="utf-8")
        done = subprocess.run(
            [*COMMAND, "poll", "--once", str(config)],
            cwd=tmp_path,
            env=environment(PYTHONPATH=str(EXAMPLES.parent)),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
    heating, *flats = [json.loads(line) for line in done.stdout.splitlines()]
    assert (heating["meter"], heating["values"][0]["value"]) == ("KAM-00012345-35-04", 168.04)
    assert [reading["name"] for reading in flats] == ["flat 1", "flat 2"]
    assert (tmp_path / "readings.sqlite").exists()


def test_bus_and_master_share_a_process() -> None:
    done = _run("virtual_bus.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        ["99", "80450799"],
        ["100", "80450800"],
        ["101", "80450801"],
    ]


@pytest.fixture
def own_master(tmp_path: Path) -> Path:
    """The project of a master of one's own, where it is alone."""
    return Path(shutil.copytree(OWN_MASTER, tmp_path / "own-master"))


def _pytest(directory: Path, *arguments: str) -> tuple[int, str]:
    plugin = () if INSTALLED else ("-p", "mbusbench.pytest_plugin")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugin, "-p", "no:asyncio", "-n", "2", *arguments],
        cwd=directory,
        env=environment(PYTHONPATH=f"{EXAMPLES.parent}:{directory}", COLUMNS="200"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "INTERNALERROR" not in done.stdout + done.stderr
    return done.returncode, done.stdout


def test_master_of_ones_own_bears_what_its_tests_do_to_it(own_master: Path) -> None:
    docs = (EXAMPLES.parent / "docs" / "pytest-plugin.md").read_text(encoding="utf-8")
    for number, block in enumerate(re.findall(r"^```python\n(.*?)^```$", docs, re.MULTILINE | re.DOTALL)):
        (own_master / "tests" / f"test_docs_{number}.py").write_text(block, encoding="utf-8")
    status, shown = _pytest(own_master)
    assert status == 0, shown
    assert "8 passed" in shown


def test_what_is_wrong_with_the_first_try_is_found(own_master: Path) -> None:
    status, shown = _pytest(own_master, "--master", "naive_master")
    assert status == 1
    for found in (
        "FAILED tests/test_master.py::test_damaged_answer_is_not_believed - assert 148.115 == 148.117",
        "ERROR tests/test_master.py::test_meter_is_read_again - Failed: bus.yaml: 1 unexpected:",
        "fcb-not-toggled: REQ_UD2 fcb=1. The FCB changes after an answer that was received.",
        "= wrong checksum: 68 1B 1B 68",
    ):
        assert found in shown, shown
