"""What is written of results: each form says the same, and holds whatever masters print."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mbusbench.errors import MBusUsageError
from mbusbench.scenario.output import github, html, junit, markdown, text
from mbusbench.scenario.output.results import (
    CaseResult,
    FindingResult,
    Manifest,
    MasterResult,
    Results,
    StepSeen,
    VariantResult,
    decode,
    encode,
    joined,
)
from mbusbench.scenario.verdict import Column, Level, Verdict

W, R, T = Column
NASTY = "</pre><script>alert('|')</script> & ]]> \x00\x1b[31m % ::error:: *bold* \ud800".encode(
    "utf-8", "replace"
).decode()
WIRE = [f"{n:>14}.000000              port 1     > REQ_UD2 fcb=1, address {n}" for n in range(60)]


def variant(name: str, verdict: Verdict, said: str = "", *, at: int | None = None, letter: str = "") -> VariantResult:
    tried = verdict not in (Verdict.UNSUPPORTED, Verdict.NOT_APPLICABLE, Verdict.ERROR)
    finding = FindingResult(column=R, verdict=verdict, text=said, line=at)
    return VariantResult(
        name=name + letter,
        variant=letter,
        verdict=verdict,
        columns={W: Verdict.PASS, R: verdict} if tried else {},
        reason="" if tried else said,
        findings=(finding,) if tried and said else (),
        expected="expect: {report: value}\n",
        steps=(StepSeen(name="", action="read", arguments={"MBUS_ADDRESS": "5"}, outcome="done", output=NASTY),),
        wire=tuple(WIRE) if tried else (),
        seconds=0.25,
        repeat=f"mbusbench run x.yaml -k {name}{letter} --seed 7",
    )


def case(name: str, *variants: VariantResult, excused: str | None = None) -> CaseResult:
    order = list(Verdict)
    worst = max(
        variants, key=lambda each: (order.index(Verdict.FAIL) == order.index(each.verdict), each.verdict)
    ).verdict
    return CaseResult(
        id=name,
        title=f"title of {name}",
        level=Level.MUST,
        rule="a rule",
        file="x.yaml",
        verdict=worst,
        columns=next(each for each in variants if each.verdict is worst).columns,
        excused=excused,  # type: ignore[arg-type]
        notes=("known: for a reason",) if excused else (),
        variants=variants,
    )


CASES = (
    case("SAN-01", variant("SAN-01", Verdict.PASS)),
    case(
        "LL-CHK-04",
        variant("LL-CHK-04", Verdict.PASS, letter="a"),
        variant("LL-CHK-04", Verdict.FAIL, f"expected wrong-address, saw {NASTY}", at=30, letter="b"),
    ),
    case("LL-FCB-01", variant("LL-FCB-01", Verdict.NON_STRICT, "SHOULD: toggled")),
    case("LL-FCB-03", variant("LL-FCB-03", Verdict.FAIL, "stale"), excused="xfail"),
    case("LL-FCB-04", variant("LL-FCB-04", Verdict.PASS), excused="xpass"),
    case("PHY-01", variant("PHY-01", Verdict.INCONCLUSIVE, "the bench was late")),
    case("CFG-01", variant("CFG-01", Verdict.UNSUPPORTED, "the master does not know set-baud")),
    case("CFG-02", variant("CFG-02", Verdict.NOT_APPLICABLE, "only for tty")),
    case("BUS-01", variant("BUS-01", Verdict.ERROR, "fault late: never fired")),
)


def results(*, strict: bool = False, allow: bool = False, masters: int = 1, problem: str | None = None) -> Results:
    counts = {verdict: sum(each.verdict is verdict for each in CASES) for verdict in Verdict}
    master = MasterResult(
        master="x", name="master 1", transport="tcp", counts=counts, xfail=1, xpass=1, exit_code=4, cases=CASES
    )
    manifest = Manifest(
        mbusbench="1",
        python="3",
        platform="here",
        started="2026-11-21T10:00:00+00:00",
        seconds=1.5,
        command=("mbusbench", "run", "x.yaml"),
        seed=7,
        jobs=2,
        cpus=2,
        transports=("tcp",),
        without=("INV-14",),
        strict=strict,
        allow_inconclusive=allow,
        lag=1_500_000,
    )
    several = [master.model_copy(update={"name": f"master {n + 1}", "problem": problem}) for n in range(masters)]
    return Results(manifest=manifest, exit_code=4, masters=tuple(several))


def test_json_is_read_back_as_it_was() -> None:
    assert decode(encode(results()), "x.json") == results()


KEYS = {
    "": "format version manifest interrupted exit_code masters",
    "manifest": "mbusbench python platform started seconds command seed jobs cpus transports without select strict "
    "allow_inconclusive lag files",
    "masters": "master name transport sha256 claims problem counts xfail xpass exit_code cases",
    "masters.cases": "id title level rule intent source file verdict columns excused notes variants",
    "masters.cases.variants": "name variant verdict columns reason findings expected steps wire faults load lag "
    "seconds repeat trace again",
    "masters.cases.variants.findings": "column verdict text invariant line",
    "masters.cases.variants.steps": "name action arguments outcome exit_status problem report output",
}


@pytest.mark.parametrize("place", KEYS)
def test_keys_of_the_json_are_stable(place: str) -> None:
    found = json.loads(encode(results()))
    for key in filter(None, place.split(".")):
        found = found[key]
        found = found[1] if key in ("cases", "variants") else found[0] if isinstance(found, list) else found
    assert set(KEYS[place].split()) <= set(found)


def test_every_key_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "conformance.md").read_text(encoding="utf-8")
    keys = page.split("### Keys of the JSON")[1].split("\n## ")[0]
    models = (Results, Manifest, MasterResult, CaseResult, VariantResult, StepSeen, FindingResult)
    assert [name for model in models for name in model.model_fields if f"`{name}`" not in keys] == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "x.json: this is no JSON"),
        ("[1", "x.json: this is no JSON"),
        ("{}", "has no results of version 1: manifest"),
        (encode(results()).replace('"version": 1', '"version": 2'), "has no results of version 1: version"),
        (encode(results()).replace('"fail"', '"failed"'), "has no results of version 1: masters.0."),
    ],
)
def test_what_are_no_results_is_an_error_in_one_line(content: str, said: str) -> None:
    with pytest.raises(MBusUsageError) as caught:
        decode(content, "x.json")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_results_of_several_files_are_one_matrix() -> None:
    both = joined([results(), results(masters=2).model_copy(update={"exit_code": 1})])
    assert [master.name for master in both.masters] == ["master 1", "master 2"]
    assert both.masters[0] == results().masters[0]
    assert both.exit_code == 4
    with pytest.raises(MBusUsageError, match="no results"):
        joined([])


@pytest.mark.parametrize(
    ("first", "second", "verdict", "notes"),
    [
        (Verdict.PASS, Verdict.PASS, Verdict.PASS, ()),
        (Verdict.FAIL, Verdict.PASS, Verdict.FAIL, ("unstable: pass in another run",)),
        (Verdict.PASS, Verdict.FAIL, Verdict.FAIL, ("unstable: pass in another run",)),
        (Verdict.INCONCLUSIVE, Verdict.PASS, Verdict.PASS, ()),
        (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.FAIL, ()),
    ],
)
def test_runs_of_one_master_become_one_and_a_failure_stays_one(
    first: Verdict, second: Verdict, verdict: Verdict, notes: tuple[str, ...]
) -> None:
    def run(*cases: CaseResult) -> Results:
        whole = results()
        return whole.model_copy(update={"masters": (whole.masters[0].model_copy(update={"cases": cases}),)})

    one = run(case("A-01", variant("A-01", first, "x")), case("B-01", variant("B-01", Verdict.PASS)))
    other = run(case("A-01", variant("A-01", second, "y")), case("C-01", variant("C-01", Verdict.FAIL, "z")))
    (master,) = joined([one, other]).masters
    assert [each.id for each in master.cases] == ["A-01", "B-01", "C-01"]
    assert (master.cases[0].verdict, master.cases[0].notes) == (verdict, notes)
    assert sum(master.counts.values()) == 3


def test_text_has_a_line_for_each_case_and_the_log_around_what_failed() -> None:
    lines = list(text.report(results()))
    starts = [line.split()[0] for line in lines[2 : 2 + len(CASES)]]
    assert starts == [each.id for each in CASES]
    assert "switched off: INV-14" in lines
    failed = next(line for line in lines if line.startswith("LL-CHK-04"))
    assert "W pass        R FAIL        T -           [b] expected wrong-address, saw" in failed
    around = list(text.details(CASES[1]))
    assert [line.split("address ")[1] for line in around if line.lstrip().startswith(">>")] == ["30"]
    shown = [int(line.split("address ")[1]) for line in around if "REQ_UD2 fcb=1" in line]
    assert shown == list(range(30 - text.BEFORE, 30 + text.AFTER + 1))
    assert f"{' ' * 11}mbusbench run x.yaml -k LL-CHK-04b --seed 7" in lines


def test_counts_of_all_seven_verdicts_and_what_was_not_tried_are_told() -> None:
    lines = list(text.report(results()))
    assert (
        "master 1 (tcp): 9 cases: 2 pass, 1 non-strict, 2 fail, 1 inconclusive, 1 unsupported, 1 not-applicable, "
        "1 error; 1 xfail, 1 xpass"
    ) in lines
    assert "unsupported: CFG-01" in lines
    assert "not-applicable: CFG-02" in lines


def test_text_has_no_line_breaks_of_a_finding() -> None:
    broken = case("X-01", variant("X-01", Verdict.FAIL, "one\ntwo"))
    assert text.case_line(broken).endswith("one two")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"failure": ["LL-CHK-04", "LL-FCB-04", "PHY-01"], "error": ["BUS-01"]}),
        ({"strict": True}, {"failure": ["LL-CHK-04", "LL-FCB-01", "LL-FCB-04", "PHY-01"], "error": ["BUS-01"]}),
        ({"allow": True}, {"failure": ["LL-CHK-04", "LL-FCB-04"], "error": ["BUS-01"]}),
    ],
)
def test_junit_counts_what_the_exit_code_counts(options: dict[str, bool], expected: dict[str, list[str]]) -> None:
    root = ElementTree.fromstring(junit.encode(results(**options)))  # type: ignore[arg-type]
    (suite,) = root
    found = {
        kind: [each.get("name", "").split()[0] for each in suite.iter("testcase") if each.find(kind) is not None]
        for kind in ("failure", "error", "skipped")
    }
    skipped = found.pop("skipped")
    assert found == expected
    assert {"LL-FCB-03", "CFG-01", "CFG-02"} <= set(skipped)
    for node in (root, suite):
        assert node.get("tests") == "9"
        assert node.get("failures") == str(len(expected["failure"]))
        assert node.get("errors") == "1"
        assert node.get("skipped") == str(len(skipped))
    failure = suite.find("testcase[2]/failure")
    assert failure is not None
    assert "mbusbench run x.yaml -k LL-CHK-04b --seed 7" in str(failure.text)


def test_junit_tells_why_a_master_was_not_judged() -> None:
    root = ElementTree.fromstring(junit.encode(results(problem="it does not start")))
    assert root.get("errors") == "2"
    assert root.find(".//testcase[@name='master']/error[@message='it does not start']") is not None


class _Page(HTMLParser):
    """Ids, links, what is loaded, open elements."""

    VOID = frozenset({"meta", "br", "link", "img"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.scripts = 0
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in self.VOID:
            self.open.append(tag)
        self.scripts += tag == "script"
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [given["href"] or ""] if tag == "a" else []
        self.loaded += [value or "" for name, value in attrs if name in ("src", "srcset", "data") or tag == "link"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_html_is_one_page_that_needs_nothing_else() -> None:
    page = html.encode(results(masters=2))
    parsed = _Page(page)
    assert parsed.open == []
    assert parsed.loaded == []
    assert parsed.scripts == 1
    assert "http" not in page
    assert "@import" not in page
    assert "url(" not in page


def test_html_leads_from_each_cell_to_what_was_expected_and_seen() -> None:
    page = html.encode(results(masters=2))
    parsed = _Page(page)
    assert sorted(parsed.links) == sorted(f"#m{n}-{each.id}" for n in range(2) for each in CASES)
    assert {link[1:] for link in parsed.links} <= set(parsed.ids)
    assert len(parsed.ids) == len(set(parsed.ids))
    assert f"<mark>{WIRE[30].replace('>', '&gt;')}</mark>" in page
    assert "expect: {report: value}" in page
    assert "alert(&#39;|&#39;)" in page


def test_markdown_has_a_column_for_each_master() -> None:
    lines = markdown.encode(results(masters=2)).splitlines()
    assert "| LL-CHK-04 | title of LL-CHK-04 | **fail (R)** | **fail (R)** |" in lines
    assert "| LL-FCB-03 | title of LL-FCB-03 | xfail (R) | xfail (R) |" in lines
    assert "| CFG-02 | title of CFG-02 | not-applicable | not-applicable |" in lines
    table = [line for line in lines if line.startswith("|")]
    assert {line.count(" |") for line in table[1 : 3 + len(Verdict)]} == {3}
    assert "<script>" not in "\n".join(lines).replace("\\<script\\>", "")


def test_annotations_are_one_line_each_and_cannot_be_forged() -> None:
    lines = list(github.workflow_commands(results()))
    assert all(line.startswith(("::error ", "::warning ", "::notice ")) for line in lines)
    assert not any("\n" in line for line in lines)
    errors = [line for line in lines if line.startswith("::error ")]
    assert [line.split("title=")[1].split(" ")[0] for line in errors] == ["LL-CHK-04", "LL-FCB-04", "PHY-01", "BUS-01"]
    assert "file=x.yaml,title=LL-CHK-04 fail (master 1 (tcp))::" in errors[0]
    assert "%0A" in errors[0]
    assert "%25" in errors[0]


def test_what_was_stopped_says_so(tmp_path: Path) -> None:
    stopped = results().model_copy(update={"interrupted": True})
    assert list(text.report(stopped))[-1] == "interrupted: what had not run is not in here"
    assert "The run was interrupted" in html.encode(stopped)
