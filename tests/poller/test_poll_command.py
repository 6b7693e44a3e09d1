"""`mbusbench poll` on the command line, over TCP: once, one write, and a proposal for what is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mbusbench.poller.definition import PollerFile
from mbusbench.testing.served import served
from tests.cli.invoking import invoke
from tests.poller.meters import WRITABLE, bus


@pytest.fixture
def url() -> Iterator[str]:
    with served(bus([5], WRITABLE)) as found:
        yield found.url


@pytest.fixture
def config(url: str, tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(
        f"""\
format: 1
connections:
  - name: cellar
    url: {url}
    latency: 0s
    meters:
      - address: 5
        bindings:
          - {{name: Energy, access: RW, quantity: energy, unit: MWh}}
          - {{name: Temperature, index: 1}}
""",
        encoding="utf-8",
    )
    return path


def test_everything_is_read_once_and_shown(config: Path) -> None:
    result = invoke("poll", "--once", str(config))
    assert result.code == 0
    first, _, _, *rows = result.stdout.splitlines()
    assert first == "cellar  ABC-12345605-10-04  good"
    assert [row.split() for row in rows] == [["Energy", "0.125", "MWh", "good"], ["Temperature", "71.5", "°C", "good"]]


def test_meter_that_is_missing_makes_the_exit_code_1(config: Path) -> None:
    config.write_text(config.read_text(encoding="utf-8").replace("address: 5", "address: 6"), encoding="utf-8")
    result = invoke("poll", "--once", str(config))
    assert result.code == 1
    assert "cellar  6  bad  slave 6 did not answer" in result.stdout


def test_value_is_set_and_read_back(config: Path) -> None:
    assert "Energy         0.25   MWh" in invoke("poll", "--write", "Energy=0.25", str(config)).stdout
    assert "Energy         0.25   MWh" in invoke("poll", "--once", str(config)).stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--write", "Temperature=5"], "Temperature is only read: its access is R"),
        (["--write", "Energy"], "write TAG=VALUE"),
        (["--write", "Energy=1", "--once"], "--once and --write do not go together"),
        (["--discover", "socket://h:1"], "--discover goes without a configuration file"),
    ],
)
def test_what_cannot_be_done_is_a_usage_error(config: Path, arguments: list[str], told: str) -> None:
    result = invoke("poll", *arguments, str(config))
    assert result.code == 2
    assert told in result.stderr


def test_proposal_for_a_bus_is_a_configuration(url: str, tmp_path: Path) -> None:
    result = invoke("poll", "--discover", url, "--addresses", "5", "--latency", "0")
    assert result.code == 0
    assert "5: ABC-12345605-10-04, 3 records" in result.stderr
    path = tmp_path / "proposed.yaml"
    path.write_text(result.stdout, encoding="utf-8")
    (connection,) = PollerFile.read(path).connections
    assert [binding.name for binding in connection.meters[0].bindings] == ["energy", "flow_temperature", "volume"]
    assert connection.meters[0].name == "ABC-12345605-10-04"


def test_bus_without_meters_is_told() -> None:
    with served(bus([])) as found:
        url = found.url
        result = invoke("poll", "--discover", url, "--addresses", "5", "--latency", "0")
    assert result.code == 1
    assert result.stderr.endswith(f"no meter was found on {url}\n")
