"""docs/matrix.md against what is seen here: masters that others wrote, through a part of the catalogue."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mbusbench.scenario.output.markdown import cell
from mbusbench.scenario.output.results import CaseResult, MasterResult, load
from mbusbench.scenario.run.selection import catalogue
from mbusbench.scenario.verdict import Column, Verdict
from tests.interop.parts import NODE_MODULES, need

pytestmark = pytest.mark.interop

MATRIX = Path(__file__).resolve().parents[2] / "docs" / "matrix.md"
CASES = (
    *("LL-FCB-01", "LL-CHK-01", "LL-CHK-02", "LL-CHK-04", "LL-CHK-05", "LL-CHK-07", "LL-ACK-01", "LL-RTY-01"),
    *("APL-ERR-01", "APL-MUL-02", "APL-VAR-02", "APL-VAR-03", "SEC-SEL-01", "SEC-SEL-04", "BUS-COL-01"),
)
"""A part that takes a minute, since node-mbus waits four seconds for each frame."""
NAMES = {"pymeterbus": "pyMeterBus (tcp)", "node-mbus": "node-mbus (tcp)"}
JOBS = {"pymeterbus": "2", "node-mbus": "24"}
"""node-mbus mostly waits; pyMeterBus misses answers where it is not let run."""


def _results(master: str, directory: Path) -> MasterResult:
    path = directory / f"{master}.json"
    command = [sys.executable, "-m", "mbusbench", "run", str(catalogue()), "--master", master, "--jobs", JOBS[master]]
    command += ["-k", " or ".join(CASES), "--json", str(path)]
    environment = {**os.environ, "NODE_PATH": str(NODE_MODULES)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return load(path).masters[0]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, MasterResult]:
    need("pyMeterBus", "node-mbus")
    directory = tmp_path_factory.mktemp("matrix")
    return {master: _results(master, directory) for master in NAMES}


def _page() -> dict[str, dict[str, str]]:
    """Of each case the cells by master."""
    rows = [
        [part.strip() for part in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in MATRIX.read_text(encoding="utf-8").splitlines()
        if line.startswith("|")
    ]
    heading = next(row for row in rows if row[0] == "case")
    cases = rows[rows.index(heading) + 2 :]
    return {row[0]: dict(zip(heading[2:], row[2:], strict=True)) for row in cases}


def test_matrix_has_the_whole_catalogue_and_our_master_passes_it() -> None:
    page = _page()
    assert set(page) == {path.stem for path in catalogue().glob("*.yaml")} - {"common"}
    assert {cells["mbusbench"] for cells in page.values()} == {"pass"}
    assert all({*NAMES.values(), "mbusbench"} <= set(cells) for cells in page.values())


def _seen_cell(case: CaseResult, published: str) -> str:
    """The cell, with what is published of columns that the bench could not see this time."""
    unseen = [column for column, verdict in case.columns.items() if verdict is Verdict.INCONCLUSIVE]
    columns = {
        column: case.verdict if column in unseen and f"{column}" in published.partition("(")[2] else verdict
        for column, verdict in case.columns.items()
    }
    return cell(case.model_copy(update={"columns": columns}))


@pytest.mark.parametrize("master", NAMES)
def test_matrix_says_what_is_seen(seen: dict[str, MasterResult], master: str) -> None:
    published = {name: cells[NAMES[master]] for name, cells in _page().items()}
    cases = {case.id: case for case in seen[master].cases if case.verdict is not Verdict.INCONCLUSIVE}
    assert set(cases) <= set(CASES)
    assert len(cases) >= len(CASES) // 2
    found = {name: _seen_cell(case, published[name]) for name, case in cases.items()}
    assert found == {name: published[name] for name in found}


def _said(master: MasterResult, name: str, column: Column) -> str:
    case = next(each for each in master.cases if each.id == name)
    assert case.columns[column] is Verdict.FAIL, f"{name} {case.columns}"
    return " ".join(each.text for variant in case.variants for each in variant.findings if each.column is column)


@pytest.mark.parametrize("master", NAMES)
def test_answer_of_another_meter_is_reported_as_the_own(seen: dict[str, MasterResult], master: str) -> None:
    assert "saw ok 99999.999 m3 from 5" in _said(seen[master], "LL-CHK-04", Column.REPORT)


def test_py_meterbus_reports_old_data_of_a_meter_that_keeps_its_fcb(seen: dict[str, MasterResult]) -> None:
    assert "only in an old frame" in _said(seen["pymeterbus"], "LL-FCB-01", Column.REPORT)


@pytest.mark.parametrize("master", NAMES)
def test_junk_before_an_answer_is_not_borne(seen: dict[str, MasterResult], master: str) -> None:
    case = next(each for each in seen[master].cases if each.id == "LL-CHK-07")
    assert case.columns[Column.REPORT] is not Verdict.PASS
