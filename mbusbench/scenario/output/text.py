"""Results for a person at a terminal: a line for each case, then what went wrong with the log of the line around it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

from mbusbench.scenario.output.results import CaseResult, Columns, FindingResult, MasterResult, Results, VariantResult
from mbusbench.scenario.verdict import Column, Verdict

SHORT = 24
"""Entries of a log that is shown as a whole."""
BEFORE, AFTER = 8, 4
"""Of a longer one: entries before what a finding is about, and after it."""
MOST_PLACES = 3
MOST_FINDINGS = 6
"""Of one variant; how many more there are is said."""
_INDENT = " " * 11
_LOUD = (Verdict.FAIL, Verdict.ERROR)
_TITLE = 34
_TOLD_FIRST = (Column.REPORT, Column.WIRE, Column.TIMING)
_QUIET = (Verdict.PASS, Verdict.UNSUPPORTED, Verdict.NOT_APPLICABLE)


def shown_verdict(verdict: Verdict | None) -> str:
    """`pass`, `FAIL`, and `-` for a column that nobody looked at."""
    if verdict is None:
        return "-"
    return verdict.upper() if verdict in _LOUD else str(verdict)


def shown_columns(columns: Columns) -> str:
    """`W pass        R FAIL  T pass`."""
    return "  ".join(f"{column} {shown_verdict(columns.get(column)):<5}" for column in Column).rstrip()


def case_verdict(case: CaseResult) -> str:
    """The verdict, or what the baseline makes of it."""
    return case.excused or str(case.verdict)


def worst_variant(case: CaseResult) -> VariantResult:
    """The one that the verdict is from."""
    return next((each for each in case.variants if each.verdict is case.verdict), case.variants[0])


def first_finding(variant: VariantResult) -> FindingResult | None:
    """Of those that made the verdict what it is, the one that says most: what the user is told comes first."""
    found = [each for each in variant.findings if each.verdict is variant.verdict]
    return min(found, key=lambda each: (each.invariant is not None, _TOLD_FIRST.index(each.column)), default=None)


def case_line(case: CaseResult) -> str:
    """One line: id, title, columns, and what was expected and seen where it is not pass."""
    title = case.title if len(case.title) <= _TITLE else f"{case.title[: _TITLE - 3]}..."
    columns = "  ".join(f"{column} {shown_verdict(case.columns.get(column)):<10}" for column in Column)
    line = f"{case.id:<10}  {title:<{_TITLE}}  {columns}"
    said = summary(case)
    return f"{line}  {said}".rstrip()


def summary(case: CaseResult) -> str:
    """`[b] expected wrong-address, saw ok`, the reason of what was not tried, and nothing for a pass."""
    if case.excused is not None:
        return f"{case.excused}: {'; '.join(case.notes)}"
    if case.verdict is Verdict.PASS:
        return _left_out(case)
    variant = worst_variant(case)
    finding = first_finding(variant)
    which = f"[{variant.variant}] " if variant.variant else ""
    if finding is None:
        return f"{which}{case.verdict}: {variant.reason}" if variant.reason else str(case.verdict)
    named = f"{finding.invariant}: " if finding.invariant else ""
    return f"{which}{named}{one_line(finding.text)}"


def _left_out(case: CaseResult) -> str:
    """Variants that were not tried are named also where the others passed."""
    left = [each for each in case.variants if each.verdict in (Verdict.UNSUPPORTED, Verdict.NOT_APPLICABLE)]
    return "; ".join(f"[{each.variant}] {each.verdict}: {each.reason}" for each in left)


def one_line(text: str) -> str:
    """What findings say, without line breaks."""
    return " ".join(text.split())


def details(case: CaseResult) -> Iterator[str]:
    """For everything that is not pass: the findings, the log around them, and the command that repeats it."""
    if case.verdict in _QUIET:
        return
    yield case_line(case)
    yield from (f"{_INDENT}{one_line(note)}" for note in case.notes)
    for variant in case.variants:
        if variant.verdict in _QUIET:
            continue
        yield f"{_INDENT}{variant.name}: {shown_columns(variant.columns) or variant.verdict}"
        if variant.reason:
            yield f"{_INDENT}  {one_line(variant.reason)}"
        wanted = [each for each in variant.findings if each.verdict is not Verdict.PASS]
        for finding in wanted[:MOST_FINDINGS]:
            yield f"{_INDENT}  {one_line(str(finding))}"
        if len(wanted) > MOST_FINDINGS:
            yield f"{_INDENT}  and {len(wanted) - MOST_FINDINGS} more findings"
        if variant.again:
            yield f"{_INDENT}  run again, since at first: {one_line(variant.again[0])}"
        if variant.load is not None:
            yield f"{_INDENT}  bus load: {variant.load}"
        yield from (f"{_INDENT}  {line}" for line in excerpt(variant))
        yield f"{_INDENT}{variant.repeat}"


def excerpt(variant: VariantResult) -> list[str]:
    """The log around the worst findings, which are marked; a short one as a whole."""
    if not variant.wire or variant.verdict in _QUIET:
        return []
    heads = [number for number, line in enumerate(variant.wire) if not line.startswith(" " * 40)]
    ends = [*heads[1:], len(variant.wire)]
    marked = {
        bisect_right(heads, each.line) - 1
        for each in variant.findings
        if each.line is not None and each.verdict is variant.verdict
    }
    lines: list[str] = []
    last = -1
    for index in _shown(len(heads), marked):
        if index != last + 1:
            lines.append(f"   [... {index - last - 1} more ...]")
        mark = ">>" if index in marked else "  "
        lines += [f"{mark} {variant.wire[number]}" for number in range(heads[index], ends[index])]
        last = index
    if last + 1 < len(heads):
        lines.append(f"   [... {len(heads) - last - 1} more ...]")
    return lines


def _shown(count: int, marked: Iterable[int]) -> list[int]:
    """Which of `count` entries of the log: all, or those around the first marked ones, or its two ends."""
    if count <= SHORT:
        return list(range(count))
    wanted = sorted(marked)[:MOST_PLACES]
    if not wanted:
        return [*range(BEFORE), *range(count - AFTER, count)]
    return sorted({near for at in wanted for near in range(max(0, at - BEFORE), min(count, at + AFTER + 1))})


def count_lines(master: MasterResult) -> list[str]:
    """How many of each verdict, all seven of them, and by name what was not tried."""
    counts = ", ".join(f"{master.counts.get(verdict, 0)} {verdict}" for verdict in Verdict)
    known = f"; {master.xfail} xfail, {master.xpass} xpass" if master.xfail or master.xpass else ""
    lines = [f"{master.title}: {len(master.cases)} cases: {counts}{known}"]
    for verdict in (Verdict.UNSUPPORTED, Verdict.NOT_APPLICABLE):
        names = [variant.name for case in master.cases for variant in case.variants if variant.verdict is verdict]
        if names:
            lines.append(f"{verdict}: {', '.join(names)}")
    return lines


def report(results: Results) -> Iterator[str]:
    """Everything, line by line."""
    for number, master in enumerate(results.masters):
        if number:
            yield ""
        yield f"{master.title}, seed {results.manifest.seed}"
        if results.manifest.without:
            yield f"switched off: {', '.join(results.manifest.without)}"
        for case in master.cases:
            yield case_line(case)
        wrong = [line for case in master.cases for line in (*details(case), "") if case.verdict not in _QUIET]
        if wrong:
            yield ""
            yield from wrong[:-1]
        yield ""
        if master.problem is not None:
            yield one_line(master.problem)
        yield from count_lines(master)
    if results.interrupted:
        yield "interrupted: what had not run is not in here"
