from __future__ import annotations

from pathlib import Path

import pytest

from mbusbench.errors import DefinitionError
from mbusbench.scenario.output.results import CaseResult, Columns, MasterResult, VariantResult
from mbusbench.scenario.run.baseline import excused, read_baseline, write_baseline
from mbusbench.scenario.run.selection import read_cases
from mbusbench.scenario.verdict import Column, Level, Verdict, worst
from tests.scenario.suites import suite

W, R, T = Column
PASS, FAIL, INCONCLUSIVE, ERROR = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR


def case(*columns: Columns, name: str = "LL-FCB-03") -> CaseResult:
    letters = "abc" if len(columns) > 1 else [""]
    variants = tuple(
        VariantResult(
            name=f"{name}{letter}", variant=letter, verdict=worst(each.values()) or ERROR, columns=each, findings=()
        )
        for letter, each in zip(letters, columns, strict=False)
    )
    whole = {c: v for c in Column if (v := worst(each.get(c) for each in columns)) is not None}
    verdict = worst(whole.values()) or ERROR
    return CaseResult(id=name, title="t", level=Level.MUST, file="f", verdict=verdict, columns=whole, variants=variants)


def outcome(tmp_path: Path, found: CaseResult, *lines: str) -> str:
    path = tmp_path / "baseline.yaml"
    path.write_text("baseline: 1\nxfail:\n" + "".join(f"  - {{{line}}}\n" for line in lines), encoding="utf-8")
    (result,) = excused([found], read_baseline(path))
    return result.excused or str(result.verdict)


KNOWN_R = "case: LL-FCB-03, column: R, reason: known"
KNOWN = "case: LL-FCB-03, reason: known"


@pytest.mark.parametrize(
    ("columns", "lines", "expected"),
    [
        ([{W: PASS, R: FAIL}], [KNOWN_R], "xfail"),
        ([{W: PASS, R: FAIL}], [KNOWN], "xfail"),
        ([{W: PASS, R: FAIL}], ["case: 'LL-*', reason: known"], "xfail"),
        ([{W: FAIL, R: FAIL}], [KNOWN_R], "fail"),
        ([{W: FAIL, R: FAIL}], [KNOWN_R, "case: LL-FCB-03, column: W, reason: too"], "xfail"),
        ([{W: PASS, R: PASS}], [KNOWN_R], "xpass"),
        ([{W: FAIL, R: PASS}], [KNOWN_R], "fail"),
        ([{W: FAIL, R: PASS}], [KNOWN_R, KNOWN], "xpass"),
        ([{W: PASS, R: PASS}], ["case: 'LL-*', reason: known"], "xpass"),
        ([{R: INCONCLUSIVE}], [KNOWN_R], "inconclusive"),
        ([{R: ERROR}], [KNOWN_R], "error"),
        ([{R: ERROR}, {R: FAIL}], [KNOWN_R], "error"),
        ([{W: PASS, R: INCONCLUSIVE}], [KNOWN], "inconclusive"),
        ([{R: PASS}, {R: FAIL}], [KNOWN_R], "xfail"),
        ([{R: PASS}, {R: FAIL}], ["case: LL-FCB-03b, reason: known"], "xfail"),
        ([{R: PASS}, {R: FAIL}], ["case: LL-FCB-03a, reason: known"], "fail"),
        ([{R: PASS}], ["case: SAN-01, reason: another"], "pass"),
    ],
)
def test_baseline_excuses_what_is_listed_and_nothing_else(
    tmp_path: Path, columns: list[Columns], lines: list[str], expected: str
) -> None:
    assert outcome(tmp_path, case(*columns), *lines) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("baseline: 2\n", "baseline.yaml:1:11 baseline: 2 is not 1"),
        ("xfail: []\n", "'baseline' is missing"),
        ("baseline: 1\nxfail:\n  - {case: X}\n", "baseline.yaml:3:5 xfail[0]: 'reason' is missing"),
        ("baseline: 1\nxfail:\n  - {case: X, reason: ' '}\n", "xfail[0].reason: a reason is needed"),
        ("baseline: 1\nxfail:\n  - {case: X, column: Q, reason: r}\n", "xfail[0].column: 'Q' is none of W, R, T, any"),
        ("baseline: 1\nxfails: []\n", "did you mean 'xfail'?"),
    ],
)
def test_baseline_with_a_mistake_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "baseline.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DefinitionError) as caught:
        read_baseline(path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_line_that_means_no_case_is_named_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "baseline.yaml"
    path.write_text("baseline: 1\nxfail:\n  - {case: TST-02, reason: r}\n  - {case: TST-20, reason: r}\n")
    with pytest.raises(DefinitionError) as caught:
        read_baseline(path).check(read_cases([suite(tmp_path)]), ["builtin"])
    assert str(caught.value).startswith(f"{path}:4:12 xfail[1].case: no case is called 'TST-20'")


def test_baseline_of_another_master_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "baseline.yaml"
    path.write_text("baseline: 1\nmaster: libmbus 0.10.0\n", encoding="utf-8")
    baseline = read_baseline(path)
    baseline.check([], ["libmbus", "libmbus 0.10.0"])
    with pytest.raises(DefinitionError, match=r"baseline\.yaml:2:9 master: this is about 'libmbus 0\.10\.0'"):
        baseline.check([], ["mbusbench", "builtin"])


def test_written_baseline_excuses_all_failures_and_nothing_else(tmp_path: Path) -> None:
    cases = [
        case({W: PASS, R: FAIL}),
        case({W: FAIL, R: PASS}, {W: PASS, R: PASS}, name="LL-CHK-01"),
        case({W: PASS}, name="SAN-01"),
    ]
    path = tmp_path / "baseline.yaml"
    master = MasterResult(master="x", name="X 1", transport="tcp", exit_code=1, cases=tuple(cases))
    assert write_baseline(path, master) == 2
    baseline = read_baseline(path)
    assert baseline.file.master == "X 1"
    assert [(known.case, known.column) for known in baseline.known] == [("LL-FCB-03", "R"), ("LL-CHK-01a", "W")]
    assert [each.excused for each in excused(cases, baseline)] == ["xfail", "xfail", None]
