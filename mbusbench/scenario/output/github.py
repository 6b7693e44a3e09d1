"""Results as workflow commands of GitHub Actions: an annotation at the scenario file of what is not passed."""

from __future__ import annotations

from collections.abc import Iterator

from mbusbench.scenario.output.junit import element_of
from mbusbench.scenario.output.results import Results
from mbusbench.scenario.output.text import case_verdict, summary, worst_variant
from mbusbench.scenario.verdict import Verdict


def workflow_commands(results: Results) -> Iterator[str]:
    """Errors for what counts as one, warnings for other non-strict and inconclusive cases, a notice of each master."""
    for master in results.masters:
        if master.problem is not None:
            yield _command("error", f"{master.problem}", title=master.title)
        for case in master.cases:
            counts = element_of(case, results.manifest) in ("failure", "error")
            if counts or case.verdict in (Verdict.NON_STRICT, Verdict.INCONCLUSIVE):
                text = f"{case.title}: {summary(case)}\n{worst_variant(case).repeat}"
                title = f"{case.id} {case_verdict(case)} ({master.title})"
                yield _command("error" if counts else "warning", text, file=case.file, title=title)
        counted = ", ".join(f"{count} {verdict}" for verdict, count in master.counts.items())
        yield _command("notice", f"{len(master.cases)} cases: {counted}", title=master.title)


def _command(kind: str, text: str, **properties: str) -> str:
    given = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{kind} {given}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
