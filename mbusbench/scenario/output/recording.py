"""A judgement as data: what was expected as the scenario says it, what was seen, and the annotated log of the line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from mbusbench.scenario.case import Judgement
from mbusbench.scenario.expectation.definition import Expectation
from mbusbench.scenario.file.matrix import Variant
from mbusbench.scenario.observation import PerformedStep
from mbusbench.scenario.output.results import FindingResult, StepSeen, VariantResult
from mbusbench.trace.event import TraceEvent
from mbusbench.trace.header import TraceHeader
from mbusbench.trace.jsonl import encode_trace
from mbusbench.trace.text import Annotator

MOST_LINES = 400
"""Of the log of one variant; what is longer is kept around its findings."""
MOST_OUTPUT = 4000
"""Characters of what a master printed in one action."""
MOST_STEPS = 50
MOST_FINDINGS = 50
_AROUND = 40
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def recorded(variant: Variant, judgement: Judgement, seconds: float, directory: Path | None = None) -> VariantResult:
    """The data of a judgement; its trace goes into `directory`, where one is given."""
    observation = judgement.observation
    findings = judgement.findings[:MOST_FINDINGS]
    wire: list[str] = []
    marks: list[int | None] = [None] * len(findings)
    trace = None
    if observation is not None:
        wire, marks = _wire(observation.events, [each.position for each in findings])
        if directory is not None:
            trace = f"{file_name(variant.name)}.jsonl"
            header = TraceHeader(variant.name, judgement.seed)
            (directory / trace).write_text(encode_trace(header, observation.events), encoding="ascii")
    return VariantResult(
        name=variant.name,
        variant=variant.label,
        verdict=judgement.verdict,
        columns=dict(judgement.columns),
        reason=judgement.reason,
        findings=tuple(
            FindingResult(column=each.column, verdict=each.verdict, text=each.text, invariant=each.invariant, line=mark)
            for each, mark in zip(findings, marks, strict=True)
        ),
        expected=expected_text(variant),
        steps=tuple(_step(each) for each in observation.steps[:MOST_STEPS]) if observation else (),
        wire=tuple(wire),
        faults=dict(observation.fired) if observation else {},
        load=judgement.load,
        lag=observation.lag if observation else None,
        seconds=round(seconds, 3),
        repeat=judgement.repeat,
        trace=trace,
    )


def file_name(name: str) -> str:
    """A name that can be a file's."""
    return _UNSAFE.sub("_", name).strip("_") or "_"


def expected_text(variant: Variant) -> str:
    """What is expected, as YAML."""
    definition = variant.definition
    keys: dict[str, Any] = {"expect": _plain(definition.expect)}
    if definition.tolerate:
        keys["tolerate"] = [_plain(each) for each in definition.tolerate]
    if definition.never.wire or definition.never.report:
        keys["never"] = _plain(definition.never)
    text = yaml.safe_dump(keys, sort_keys=False, width=110, allow_unicode=True, default_flow_style=None)
    return str(text)


def _plain(value: Any) -> Any:
    if isinstance(value, Expectation):
        return {name: _plain(part) for name, part in value if part is not None}
    if isinstance(value, BaseModel):
        given = {name: getattr(value, name) for name in type(value).model_fields if name in value.model_fields_set}
        plain = {name.rstrip("_"): _plain(part) for name, part in given.items()}
        alone = next(iter(plain)) if len(plain) == 1 else None
        return plain[alone] if alone in ("is", "sequence", "entries") else plain
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return repr(value)


def _step(step: PerformedStep) -> StepSeen:
    result = step.result
    report = None if result.report is None else result.report.model_dump(mode="json", exclude_none=True)
    if report is not None and len(report.get("meters", ())) > MOST_STEPS:
        report["meters"] = report["meters"][:MOST_STEPS]
    output = result.output
    if len(output) > MOST_OUTPUT:
        output = f"{output[: MOST_OUTPUT // 2]}\n[...]\n{output[-MOST_OUTPUT // 2 :]}"
    return StepSeen(
        name=step.name,
        action=step.action.name,
        arguments=step.action.environment(),
        outcome=result.outcome,
        exit_status=result.exit_status,
        problem=result.problem,
        report=report,
        output=output,
    )


def _wire(events: Sequence[TraceEvent], positions: Sequence[int | None]) -> tuple[list[str], list[int | None]]:
    """The log, and for each position the index of the line that its event is in."""
    annotator = Annotator(data=True)
    lines: list[str] = []
    place: dict[int, int] = {}
    wanted = {position for position in positions if position is not None}
    open_: list[int] = []
    for index, event in enumerate(events):
        found = annotator.lines(event)
        if index in wanted:
            open_.append(index)
        if found and open_:
            heads = [number for number, line in enumerate(found) if not line.startswith(" " * 40)]
            for each in open_:
                place[each] = len(lines) + (heads[-1] if each == index and heads else heads[0] if heads else 0)
            open_.clear()
        lines += found
    rest = annotator.finish()
    for each in open_:
        place[each] = len(lines) if rest else len(lines) - 1
    lines += rest
    marks = [None if position is None else place.get(position) for position in positions]
    return _shortened(lines, marks)


def _shortened(lines: list[str], marks: list[int | None]) -> tuple[list[str], list[int | None]]:
    if len(lines) <= MOST_LINES:
        return lines, marks
    wanted = [0, *(mark for mark in marks if mark is not None)][: MOST_LINES // _AROUND]
    keep = sorted({n for mark in wanted for n in range(max(0, mark - _AROUND // 2), mark + _AROUND // 2)})
    kept: list[str] = []
    moved: dict[int, int] = {}
    last = -1
    for number in (each for each in keep if each < len(lines)):
        if number != last + 1:
            kept.append(f"[... {number - last - 1} lines ...]")
        moved[number] = len(kept)
        kept.append(lines[number])
        last = number
    if last + 1 < len(lines):
        kept.append(f"[... {len(lines) - last - 1} lines ...]")
    return kept, [None if mark is None else moved.get(mark) for mark in marks]
