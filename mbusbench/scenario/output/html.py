"""Results as one HTML page that needs nothing else: masters by cases, and below each what was expected and seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mbusbench.scenario.output.markdown import rows_of
from mbusbench.scenario.output.results import CaseResult, Results
from mbusbench.scenario.output.text import case_verdict, summary
from mbusbench.scenario.verdict import Column, Verdict
from mbusbench.trace.text import milliseconds

TEMPLATE = "report.html.j2"


def encode(results: Results) -> str:
    """The whole page."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(pretty=_pretty, ms=milliseconds, verdict=case_verdict, summary=summary)
    by_id = [{case.id: case for case in master.cases} for master in results.masters]
    page = environment.get_template(TEMPLATE).render(
        results=results,
        manifest=results.manifest,
        masters=results.masters,
        rows=rows_of(results),
        cases=by_id,
        columns=list(Column),
        verdicts=list(Verdict),
        anchor=_anchor,
        marks=_marks,
    )
    return page + "\n"


def _anchor(index: int, case: CaseResult) -> str:
    return f"m{index}-{case.id}"


def _marks(variant: Any) -> set[int]:
    """Lines of the log that findings point at."""
    return {each.line for each in variant.findings if each.line is not None and each.verdict is not Verdict.PASS}


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)
