from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from pathlib import Path

import pytest

from mbusbench.errors import DefinitionError
from mbusbench.scenario.case import run_variant
from mbusbench.scenario.driver.builtin import BuiltinMaster
from mbusbench.scenario.file.matrix import Variant
from mbusbench.scenario.output.results import FindingResult, MasterResult, VariantResult
from mbusbench.scenario.run.baseline import read_baseline
from mbusbench.scenario.run.runner import MasterRun, Options, Task
from mbusbench.scenario.run.selection import catalogue, read_cases, sanity_at_the_ends
from mbusbench.scenario.verdict import Column, ExitCode, Verdict
from tests.scenario.suites import CASES, driver, scenario, suite

UNTIMED = {"seconds"}


def ran(variants: Sequence[Variant], master: str = "builtin", **options: object) -> MasterResult:
    run = MasterRun(master, "tcp", variants, Options(**{"jobs": 1, **options}), lambda each: f"again {each.name}")  # type: ignore[arg-type]
    run.run()
    return run.result()


def verdicts(result: MasterResult) -> dict[str, str]:
    return {case.id: case.excused or str(case.verdict) for case in result.cases}


def test_each_case_has_the_worst_verdict_of_its_variants(tmp_path: Path) -> None:
    result = ran(read_cases([suite(tmp_path)]))
    assert verdicts(result) == {
        "TST-01": "pass",
        "TST-02": "fail",
        "TST-03": "non-strict",
        "TST-04": "fail",
        "TST-05": "error",
    }
    assert result.counts == {
        Verdict.PASS: 1,
        Verdict.NON_STRICT: 1,
        Verdict.FAIL: 2,
        Verdict.INCONCLUSIVE: 0,
        Verdict.UNSUPPORTED: 0,
        Verdict.NOT_APPLICABLE: 0,
        Verdict.ERROR: 1,
    }
    two = result.cases[3]
    assert [(each.variant, each.verdict) for each in two.variants] == [("a", "pass"), ("b", "fail")]
    assert (two.columns[Column.WIRE], two.columns[Column.REPORT]) == ("pass", "fail")


def test_results_are_the_same_whatever_the_jobs() -> None:
    variants = read_cases([catalogue()])[:12]
    exclude = {"cases": {"__all__": {"variants": {"__all__": UNTIMED}}}}
    one, several = (ran(variants, jobs=jobs, seed=3).model_dump(exclude=exclude) for jobs in (1, 3))
    assert one == several


def test_data_of_a_variant_say_what_was_expected_and_seen(tmp_path: Path) -> None:
    result = ran(read_cases([suite(tmp_path, "TST-02")]), artifacts=tmp_path / "artifacts")
    (variant,) = result.cases[0].variants
    assert "REQ_UD2 5 fcb=0" in variant.expected
    (step,) = variant.steps
    assert (step.action, step.arguments["MBUS_ADDRESS"], step.outcome) == ("read", "5", "done")
    assert step.report is not None
    assert step.report["meters"][0]["ok"] is True
    finding = next(each for each in variant.findings if each.verdict is Verdict.FAIL)
    assert finding.column is Column.WIRE
    assert finding.line is not None
    assert "REQ_UD2 fcb=1" in variant.wire[finding.line]
    assert variant.repeat == "again TST-02"
    trace = tmp_path / "artifacts" / "mbusbench-virtual" / str(variant.trace)
    first, *events = trace.read_text(encoding="ascii").splitlines()
    assert json.loads(first)["bus"] == "TST-02"
    assert len(events) > 3


def test_findings_point_at_the_line_of_the_log_also_in_long_ones(tmp_path: Path) -> None:
    text = "title: long\nsteps: {read: 5, repeat: 150}\nexpect: {wire: [{only: [SND_NKE 5]}]}\n"
    path = tmp_path / "case.yaml"
    path.write_text(scenario("TST-01", text), encoding="utf-8")
    (variant,) = ran(read_cases([path])).cases[0].variants
    assert len(variant.wire) <= 410
    assert any(line.startswith("[... ") for line in variant.wire)
    placed = [each for each in variant.findings if each.line is not None]
    assert placed
    assert all("REQ_UD2" in variant.wire[each.line or 0] for each in placed)


def test_judgements_can_be_pickled() -> None:
    variant = next(each for each in read_cases([catalogue()]) if each.name == "LL-CHK-04b")
    judgement = run_variant(variant, BuiltinMaster(), 1)
    assert pickle.loads(pickle.dumps(judgement)) == judgement


CHATTER = (
    "import json, os, socket, sys, time\nif os.environ['MBUS_ACTION'] != 'ping': sys.exit(127)\n"
    "s = socket.create_connection((os.environ['MBUS_HOST'], int(os.environ['MBUS_PORT'])))\n"
    "s.sendall(b'\\xaa')\ntime.sleep(0.3)\n"
    "print(json.dumps({'mbus': 1, 'ok': False, 'error': 'no-answer',\n"
    "    'meters': [{'address': 5, 'ok': False, 'error': 'no-answer'}]}))\nsys.exit(1)\n"
)


def test_invariant_that_is_switched_off_is_not_judged(tmp_path: Path) -> None:
    path = tmp_path / "case.yaml"
    path.write_text(scenario("TST-01", "title: x\nsteps: {ping: 5}\nexpect: {report: no-answer}\n"), encoding="utf-8")
    variants, master = read_cases([path]), str(driver(tmp_path, CHATTER))
    (judged,) = ran(variants, master).cases[0].variants
    assert {each.invariant for each in judged.findings} == {"INV-04"}
    assert ran(variants, master, without=("INV-04",)).cases[0].verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("names", "options", "code"),
    [
        (["TST-01"], {}, ExitCode.PASSED),
        (["TST-01", "TST-03"], {}, ExitCode.PASSED),
        (["TST-01", "TST-03"], {"strict": True}, ExitCode.FAILED),
        (["TST-01", "TST-02"], {}, ExitCode.FAILED),
        (["TST-01", "TST-02", "TST-05"], {}, ExitCode.BENCH),
        ([], {}, ExitCode.FAILED),
    ],
)
def test_exit_code_is_the_highest_that_applies(
    tmp_path: Path, names: list[str], options: dict[str, bool], code: ExitCode
) -> None:
    variants = read_cases([suite(tmp_path, *names)]) if names else []
    assert ran(variants, **options).exit_code == code


def test_known_failures_are_excused_and_those_that_pass_are_not(tmp_path: Path) -> None:
    path = tmp_path / "baseline.yaml"
    lines = [{"case": name, "reason": "r"} for name in ("TST-01", "TST-02", "TST-04b", "TST-05")]
    path.write_text(json.dumps({"baseline": 1, "xfail": lines}), encoding="utf-8")
    run = MasterRun("builtin", "tcp", read_cases([suite(tmp_path)]), Options(jobs=1), lambda _: "")
    run.baseline = read_baseline(path)
    run.run()
    result = run.result()
    assert verdicts(result) == {
        "TST-01": "xpass",
        "TST-02": "xfail",
        "TST-03": "non-strict",
        "TST-04": "xfail",
        "TST-05": "error",
    }
    assert (result.xfail, result.xpass, result.exit_code) == (2, 1, ExitCode.BENCH)


REFUSES = "import sys; sys.exit(127)\n"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("print('{}')\n", "has to leave with 127 when asked for an action that does not exist, saw exit status 0"),
        ("raise SystemExit(3)\n", "saw exit status 3"),
        (
            "import os, socket, sys\n"
            "s = socket.create_connection((os.environ['MBUS_HOST'], int(os.environ['MBUS_PORT'])))\n"
            "s.sendall(bytes.fromhex('1040054516'))\nimport time; time.sleep(0.5)\nsys.exit(127)\n",
            "put 5 characters on the bus",
        ),
    ],
)
def test_master_that_does_not_keep_the_protocol_is_not_judged(tmp_path: Path, script: str, said: str) -> None:
    result = ran(read_cases([suite(tmp_path, "TST-01")]), str(driver(tmp_path, script)))
    assert said in (result.problem or "")
    assert (result.cases, result.exit_code) == ((), ExitCode.NO_MASTER)


def test_master_that_does_not_start_is_not_judged(tmp_path: Path) -> None:
    path = driver(tmp_path, "")
    path.write_text(json.dumps({"driver": 1, "name": "gone", "command": ["./no-such-program"]}), encoding="utf-8")
    result = ran(read_cases([suite(tmp_path, "TST-01")]), str(path))
    assert "gone does not start" in (result.problem or "")
    assert result.exit_code == ExitCode.NO_MASTER


def test_driver_that_is_missing_or_wrong_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="there is no driver 'libmbuss', did you mean 'libmbus'"):
        MasterRun("libmbuss", "tcp", [], Options(), lambda _: "")
    path = tmp_path / "driver.yaml"
    path.write_text("driver: 1\nname: x\n", encoding="utf-8")
    with pytest.raises(DefinitionError, match=r"driver\.yaml:1:1: command or actions is missing"):
        MasterRun(str(path), "tcp", [], Options(), lambda _: "")


def test_what_is_not_known_and_not_claimed_is_named_and_no_failure(tmp_path: Path) -> None:
    variants = read_cases([suite(tmp_path, "TST-01")])
    unknown = ran(variants, str(driver(tmp_path, REFUSES)))
    assert verdicts(unknown) == {"TST-01": "unsupported"}
    unclaimed = ran(variants, str(driver(tmp_path, REFUSES, claims={"actions": ["ping"]})))
    assert verdicts(unclaimed) == {"TST-01": "not-applicable"}
    assert {unknown.exit_code, unclaimed.exit_code} == {ExitCode.FAILED}
    claimed = ran(variants, str(driver(tmp_path, REFUSES, claims={"actions": ["read"]})))
    assert verdicts(claimed) == {"TST-01": "fail"}


def test_claims_that_are_described_count(tmp_path: Path) -> None:
    script = (
        "import json, os, sys\nif os.environ['MBUS_ACTION'] != 'describe': sys.exit(127)\n"
        "print(json.dumps({'mbus': 1, 'ok': True, 'error': None, 'meters': [], 'name': 'Stranger', 'version': '7',\n"
        "    'actions': ['describe', 'ping']}))\n"
    )
    result = ran(read_cases([suite(tmp_path, "TST-01")]), str(driver(tmp_path, script)))
    assert (result.name, verdicts(result)) == ("Stranger 7", {"TST-01": "not-applicable"})
    assert result.claims["actions"] == ["describe", "ping"]


def _sanity(directory: Path, first: str, last: str) -> list[Variant]:
    place = suite(directory, "TST-01", "TST-02", "TST-03")
    for name, text in (("SAN-01", first), ("SAN-02", last)):
        (place / f"{name}.yaml").write_text(scenario(name, text), encoding="utf-8")
    return sanity_at_the_ends(read_cases([place]))


def test_nothing_is_tried_where_sanity_is_not_passed(tmp_path: Path) -> None:
    result = ran(_sanity(tmp_path, CASES["TST-02"], CASES["TST-01"]), sanity=True)
    assert verdicts(result) == {"SAN-01": "fail"}
    assert "SAN-01 (fails) is not passed: W fail: expected" in (result.problem or "")
    assert result.exit_code == ExitCode.NO_MASTER


def test_what_passed_before_a_failed_last_sanity_case_is_inconclusive(tmp_path: Path) -> None:
    result = ran(_sanity(tmp_path, CASES["TST-01"], CASES["TST-02"]), sanity=True)
    assert verdicts(result) == {
        "SAN-01": "pass",
        "TST-01": "inconclusive",
        "TST-02": "fail",
        "TST-03": "inconclusive",
        "SAN-02": "fail",
    }
    assert result.cases[1].variants[0].reason == "SAN-02 is not passed"
    assert result.exit_code == ExitCode.NO_MASTER


def test_sanity_is_passed_first_and_last(tmp_path: Path) -> None:
    seen: list[VariantResult] = []
    run = MasterRun(
        "builtin",
        "tcp",
        _sanity(tmp_path, CASES["TST-01"], CASES["TST-01"]),
        Options(jobs=2, sanity=True),
        lambda _: "",
    )
    run.run(seen.append)
    names = [each.name for each in seen]
    assert (names[0], names[-1]) == ("SAN-01", "SAN-02")
    assert run.result().problem is None


@pytest.mark.parametrize(("second", "expected"), [("pass", "pass"), ("fail", "fail"), ("inconclusive", "inconclusive")])
def test_what_was_inconclusive_is_run_once_more_and_a_fail_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, second: str, expected: str
) -> None:
    runs: list[str] = []

    def perform(task: Task) -> VariantResult:
        runs.append(task.name)
        first = {"TST-01": "inconclusive", "TST-02": "fail", "TST-03": "pass"}[task.name]
        verdict = Verdict(first if runs.count(task.name) == 1 else second)
        finding = FindingResult(column=Column.TIMING, verdict=verdict, text=f"run {len(runs)}")
        return VariantResult(
            name=task.name, variant="", verdict=verdict, columns={Column.TIMING: verdict}, findings=(finding,)
        )

    monkeypatch.setattr("mbusbench.scenario.run.runner.perform", perform)
    result = ran(read_cases([suite(tmp_path, "TST-01", "TST-02", "TST-03")]))
    assert runs == ["TST-01", "TST-02", "TST-03", "TST-01"]
    assert verdicts(result) == {"TST-01": expected, "TST-02": "fail", "TST-03": "pass"}
    assert result.cases[0].variants[0].again == ("T inconclusive: run 1",)


def test_interrupted_run_has_what_there_was(tmp_path: Path) -> None:
    run = MasterRun("builtin", "tcp", read_cases([suite(tmp_path)]), Options(jobs=1), lambda _: "")

    def interrupt(result: VariantResult) -> None:
        if result.name == "TST-02":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.run(interrupt)
    assert list(verdicts(run.result())) == ["TST-01", "TST-02"]
