"""The shipped drivers of masters that others wrote, each with its master, on a bus that is served."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mbusbench.scenario.driver.action import Action, Transport
from mbusbench.scenario.driver.opening import open_master
from mbusbench.scenario.driver.probe import probe
from mbusbench.scenario.observation import StepResult
from mbusbench.scenario.report import ExpectedRecord, compare_records, contradictions
from tests.interop.parts import LIBMBUS, NODE_MODULES, need
from tests.scenario.drivers import NOWHERE, served

pytestmark = pytest.mark.interop

VOLUME = [ExpectedRecord(1234, "l", storage=0, function="instantaneous")]
TOOLS = (
    *("mbus-tcp-request-data", "mbus-tcp-request-data-multi-reply", "mbus-tcp-scan", "mbus-tcp-scan-secondary"),
    *("mbus-tcp-select-secondary",),
)


@pytest.fixture(scope="session")
def libmbus_tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tools of libmbus, compiled from the source that node-mbus brings."""
    need("libmbus", "node-mbus")
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        pytest.skip("there is no C compiler")
    source = NODE_MODULES / "node-mbus" / "libmbus"
    directory = tmp_path_factory.mktemp("libmbus")
    for name in TOOLS:
        command = [compiler, "-w", f"-I{source}", f"-I{source}/mbus", "-o", directory / name]
        rpath = f"-Wl,-rpath,{LIBMBUS.parent}"
        subprocess.run([*command, source / "bin" / f"{name}.c", LIBMBUS, rpath, "-lm"], check=True, timeout=60)
    return directory


@pytest.fixture(params=["pymeterbus", "node-mbus", "libmbus"])
def name(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "libmbus":
        monkeypatch.setenv("PATH", f"{request.getfixturevalue('libmbus_tools')}:{os.environ['PATH']}")
    elif request.param == "node-mbus":
        need("node-mbus")
        monkeypatch.setenv("NODE_PATH", str(NODE_MODULES))
    else:
        need("pyMeterBus")
    return str(request.param)


def entries(result: StepResult) -> list[tuple[int | None, str | None]]:
    assert result.outcome == "done", (result.problem, result.output)
    assert result.report is not None
    assert contradictions(result.report, result.action) == [], result.output
    return [(meter.address, meter.error) for meter in result.report.meters]


def has_volume(result: StepResult, index: int = 0) -> bool:
    assert result.report is not None
    found = compare_records(result.report.meters[index].records, VOLUME)
    assert found.is_same, found.differences
    return found.is_same


async def test_master_reads_one_meter_and_misses_another(tmp_path: Path, name: str) -> None:
    master = open_master(name)
    async with served(tmp_path) as access:
        assert await probe(master, access) is None
        result = await master.perform(Action("read", addresses=(5, 7), timeout=0.25, deadline=100), access)
    assert entries(result) == [(5, None), (7, "no-answer")]
    assert has_volume(result)
    assert result.report is not None
    header = result.report.meters[0].header
    assert header is not None
    assert (header.id, header.manufacturer, header.version) == ("12345678", "HYD", 40)


async def test_master_reads_by_secondary_address(tmp_path: Path, name: str) -> None:
    async with served(tmp_path, addresses=(5, 6)) as access:
        action = Action("read-all", secondary=("1234567824232807",), timeout=0.25)
        result = await open_master(name).perform(action, access)
    assert [error for _, error in entries(result)] == [None]
    assert has_volume(result)
    assert result.report is not None
    assert result.report.meters[0].secondary == "1234567824232807"


@pytest.mark.parametrize("transport", ["tty", "rfc2217"])
async def test_py_meterbus_reads_over_serial_lines(tmp_path: Path, transport: Transport) -> None:
    need("pyMeterBus")
    async with served(tmp_path, transport) as access:
        result = await open_master("pymeterbus").perform(Action("read", addresses=(5,)), access)
        pinged = await open_master("pymeterbus").perform(Action("ping", addresses=(5, 6)), access)
    assert entries(result) == [(5, None)]
    assert has_volume(result)
    assert entries(pinged) == [(5, None), (6, "no-answer")]


async def test_node_mbus_reads_several_times_in_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need("node-mbus")
    monkeypatch.setenv("NODE_PATH", str(NODE_MODULES))
    async with served(tmp_path, addresses=(5, 6)) as access:
        action = Action("read", addresses=(5, 6), repeat=2, timeout=0.25)
        result = await open_master("node-mbus").perform(action, access)
    assert entries(result) == [(5, None), (6, None)] * 2
    assert result.output.count("$ ") == 1


@pytest.mark.parametrize("name", ["node-mbus"], indirect=True)
async def test_search_finds_the_secondary_addresses(tmp_path: Path, name: str) -> None:
    async with served(tmp_path, addresses=(5, 6)) as access:
        result = await open_master(name).perform(Action("search", timeout=0.25), access)
    assert result.report is not None
    assert [meter.secondary for meter in result.report.meters] == ["1234567824232807", "1234567924232807"]


async def test_master_says_that_nobody_listens(name: str) -> None:
    result = await open_master(name).perform(Action("read", addresses=(5,)), NOWHERE)
    assert [error for _, error in entries(result)] == ["disconnected"]
