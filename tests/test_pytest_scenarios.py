"""Scenario files as tests of pytest, seen from a project that has some."""

from __future__ import annotations

import json
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from mbusbench.scenario import collecting
from mbusbench.scenario.case import run_variant
from mbusbench.scenario.driver.builtin import BuiltinMaster
from mbusbench.scenario.file.matrix import read_scenario

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parent.parent
PLUGIN = "mbusbench.pytest_plugin"
INSTALLED = any(each.value == PLUGIN for each in entry_points(group="pytest11"))
DEVICES = """\
devices:
  one:
    device: {manufacturer: HYD, version: 0x28, medium: water, id: 12345678, address: 5}
    telegrams: [{records: [{vif: volume, unit: l, code: bcd8, value: 4711}]}]
"""
SCENARIO = """\
scenario: 1
id: OWN-01
title: our meter
rule: what is asked once is answered once
include: devices.yaml
bus: {meters: [{device: one, address: 5}]}
steps: {read: 5}
"""
VARIANTS = """\
variants:
  a: {expect: {wire: [SND_NKE 5, REQ_UD2 5 fcb=1], report: value}}
  b:
    faults: [{name: lost, frame: RSP_UD, exactly: 1, do: drop}]
    expect: {wire: [SND_NKE 5, REQ_UD2 5 fcb=1 x2 same], report: value}
"""
LIAR = '''\
"""A master that has never seen the bus."""
import json, os
if os.environ["MBUS_ACTION"] not in ("read", "describe"):
    raise SystemExit(127)
record = {"value": 1, "unit": "m3"}
entry = {"address": 5, "ok": True, "error": None, "telegrams": 1, "records": [record]}
print(json.dumps({"mbus": 1, "ok": True, "error": None, "meters": [entry]}))
'''


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    own = pytester.path / "scenarios"
    own.mkdir()
    (own / "devices.yaml").write_text(DEVICES)
    (own / "meter.yaml").write_text(SCENARIO + VARIANTS)
    (pytester.path / "devices.yaml").write_text(DEVICES)
    (pytester.path / "other.scenario.yaml").write_text(
        SCENARIO.replace("OWN-01", "OWN-02") + "expect: {report: value}\n"
    )
    (pytester.path / "unrelated.yaml").write_text("a: b\n")
    return pytester


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    plugin = () if INSTALLED else ("-p", PLUGIN)
    run_pytest = project.runpytest_subprocess if "-n" in arguments else project.runpytest_inprocess
    return run_pytest(*plugin, "-p", "no:asyncio", "-p", "no:cacheprovider", *arguments)


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    # pytester takes away again what a run imports: whatever is imported only once has to be here before.
    assert run_variant(read_scenario(ROOT / "scenarios/conformance/SAN-01.yaml")[0], BuiltinMaster()).findings == ()
    assert collecting.SUFFIX


def test_scenarios_are_collected_only_on_request(project: pytest.Pytester) -> None:
    assert run(project).ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result = run(project, "--mbus-scenarios", "-v")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*other.scenario.yaml::OWN-02 PASSED*", "*meter.yaml::OWN-01a PASSED*"])
    project.makeini("[pytest]\nmbus_scenarios = true\n")
    run(project).assert_outcomes(passed=3)
    run(project, "-k", "OWN-01b").assert_outcomes(passed=1, deselected=2)


def test_variants_are_named_on_the_command_line(project: pytest.Pytester) -> None:
    run(project, "--mbus-scenarios", "scenarios/meter.yaml::OWN-01b").assert_outcomes(passed=1)


def test_a_failure_shows_findings_the_wire_and_the_command_and_no_traceback(project: pytest.Pytester) -> None:
    (project.path / "liar.py").write_text(LIAR)
    (project.path / "liar.yaml").write_text(
        f"driver: 1\nname: liar\ncommand: [{json.dumps(sys.executable)}, liar.py]\nclaims: {{actions: [read]}}\n"
    )
    result = run(project, "--mbus-scenarios", "--mbus-master", "liar.yaml", "--mbus-trace-dir", "traces")
    result.assert_outcomes(failed=3)
    shown = result.stdout.str()
    assert "OWN-01a: our meter" in shown
    assert "rule: what is asked once is answered once" in shown
    assert "INV-15: 1 m" in shown
    assert "mbusbench run" in shown
    assert "--master liar.yaml" in shown
    assert "Traceback" not in shown
    assert "raise ScenarioFailedError" not in shown
    assert sorted(path.name for path in (project.path / "traces").iterdir()) == [
        "OWN-01a.jsonl",
        "OWN-01b.jsonl",
        "OWN-02.jsonl",
    ]


def test_the_wire_is_shown_around_what_went_wrong(project: pytest.Pytester) -> None:
    (project.path / "wrong.scenario.yaml").write_text(
        SCENARIO.replace("OWN-01", "OWN-03") + "expect: {wire: [REQ_UD2 5]}\n"
    )
    result = run(project, "--mbus-scenarios", "wrong.scenario.yaml")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*W fail: expected REQ_UD2 5*", "*>> *SND_NKE, address 5*", "*RSP_UD, address 5*"])


def test_what_a_master_does_not_claim_is_skipped(project: pytest.Pytester) -> None:
    (project.path / "liar.py").write_text(LIAR)
    (project.path / "liar.yaml").write_text(
        f"driver: 1\nname: liar\ncommand: [{json.dumps(sys.executable)}, liar.py]\nclaims: {{actions: [read]}}\n"
    )
    (project.path / "ping.scenario.yaml").write_text(
        SCENARIO.replace("OWN-01", "OWN-04").replace("read: 5", "ping: 5") + "expect: {report: ok}\n"
    )
    result = run(project, "--mbus-scenarios", "--mbus-master", "liar.yaml", "-rs", "ping.scenario.yaml")
    result.assert_outcomes(skipped=1)


def test_non_strict_passes_unless_strict_is_wanted(project: pytest.Pytester) -> None:
    (project.path / "may.scenario.yaml").write_text(
        SCENARIO.replace("OWN-01", "OWN-05") + "level: MAY\nexpect: {wire: [REQ_UD2 5]}\n"
    )
    run(project, "--mbus-scenarios", "may.scenario.yaml").assert_outcomes(passed=1)
    project.makeini("[pytest]\nmbus_strict = true\n")
    run(project, "--mbus-scenarios", "may.scenario.yaml").assert_outcomes(failed=1)


def test_workers_share_the_scenarios(project: pytest.Pytester) -> None:
    run(project, "--mbus-scenarios", "-n", "2").assert_outcomes(passed=3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--mbus-master", "nobody"), "--mbus-master: *nobody*"),
        (("--mbus-transport", "pigeon"), "mbus_transport: 'pigeon' is none of tcp, tty, rfc2217"),
    ],
)
def test_wrong_options_are_told_in_a_line(project: pytest.Pytester, arguments: tuple[str, ...], said: str) -> None:
    result = run(project, "--mbus-scenarios", *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{said}*"])


def test_a_file_with_mistakes_is_an_error_with_its_lines(project: pytest.Pytester) -> None:
    (project.path / "bad.scenario.yaml").write_text(SCENARIO + "expct: {}\n")
    result = run(project, "--mbus-scenarios", "bad.scenario.yaml")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*bad.scenario.yaml:8:1*expct*"])
