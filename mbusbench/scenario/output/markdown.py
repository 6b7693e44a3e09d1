"""Results as Markdown: counts of each verdict, a table of masters by cases, and what was seen that is not pass."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mbusbench.scenario.output.results import CaseResult, MasterResult, Results
from mbusbench.scenario.output.text import case_verdict, one_line, summary, worst_variant
from mbusbench.scenario.verdict import Column, Verdict

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~])")
MOST = 300


def encode(results: Results, *, heading: str = "Masters by cases", repeat: bool = True) -> str:
    """The whole page. Without `repeat` the commands that repeat a case are left out."""
    return "\n".join([*_page(results, heading, repeat), ""])


def rows_of(results: Results) -> list[tuple[str, str]]:
    """(id, title) of every case of any master, in order."""
    found: dict[str, str] = {}
    for master in results.masters:
        for case in master.cases:
            found.setdefault(case.id, case.title)
    ends = {"SAN-01": 0, "SAN-02": 2}
    return sorted(found.items(), key=lambda row: (ends.get(row[0], 1), row[0]))


def cell(case: CaseResult | None) -> str:
    """`pass`, `fail (W R)`, `non-strict (T)`: the verdict, and the columns that it is from."""
    if case is None:
        return ""
    word = case_verdict(case)
    columns = [column for column in Column if case.columns.get(column) is case.verdict]
    if case.verdict in (Verdict.PASS, Verdict.UNSUPPORTED, Verdict.NOT_APPLICABLE) or not columns:
        return word
    text = f"{word} ({' '.join(columns)})"
    return f"**{text}**" if case.verdict is Verdict.FAIL and case.excused is None else text


def escaped(text: str) -> str:
    """Text that Markdown takes as it is."""
    return _SPECIAL.sub(r"\\\1", one_line(text))


def _page(results: Results, heading: str, repeat: bool) -> Iterator[str]:
    masters = results.masters
    yield f"# {heading}"
    yield ""
    yield from _row("", *(escaped(master.title) for master in masters))
    yield from _row(*["---"] * (len(masters) + 1))
    for verdict in Verdict:
        yield from _row(str(verdict), *(str(master.counts.get(verdict, 0)) for master in masters))
    if any(master.xfail or master.xpass for master in masters):
        yield from _row("xfail / xpass", *(f"{master.xfail} / {master.xpass}" for master in masters))
    yield from _row("exit code", *(str(master.exit_code) for master in masters))
    yield ""
    yield from _row("case", "", *(escaped(master.title) for master in masters))
    yield from _row(*["---"] * (len(masters) + 2))
    by_id = [{case.id: case for case in master.cases} for master in masters]
    for case_id, title in rows_of(results):
        yield from _row(case_id, escaped(title), *(cell(cases.get(case_id)) for cases in by_id))
    for master in masters:
        yield from _section(master, repeat)


def _row(*cells: str) -> Iterator[str]:
    yield f"| {' | '.join(cells)} |"


def _section(master: MasterResult, repeat: bool) -> Iterator[str]:
    wanted = [case for case in master.cases if case.verdict is not Verdict.PASS or case.excused]
    if not wanted and master.problem is None:
        return
    yield ""
    yield f"## {escaped(master.title)}"
    yield ""
    if master.problem is not None:
        yield f"{escaped(master.problem)}"
        yield ""
    for case in wanted:
        said = summary(case)
        said = said if len(said) <= MOST else f"{said[: MOST - 3]}..."
        yield f"- **{case.id}** {escaped(case.title)}, {cell(case).replace('*', '')}: {escaped(said)}"
        if repeat and case.verdict in (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE):
            yield f"  `{worst_variant(case).repeat}`"
