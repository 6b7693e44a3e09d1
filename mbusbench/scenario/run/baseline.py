"""The baseline: failures that are known, by case and column, each with its reason. Nothing else excuses a failure.

A case all of whose failures are listed is `xfail`; one that is listed and passes is `xpass`, and counts as a failure
until its line is removed. `error` and `inconclusive` are never excused.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import AfterValidator, BeforeValidator, Field

from mbusbench.definition.document import Document, definition_error, read_document
from mbusbench.definition.validation import Definition, did_you_mean, mistake, shown
from mbusbench.scenario.file.matrix import Variant
from mbusbench.scenario.output.results import CaseResult, MasterResult, VariantResult
from mbusbench.scenario.verdict import Column, Verdict

ANY = "any"
_JUDGED = (Verdict.PASS, Verdict.NON_STRICT)


def _version(value: object) -> object:
    if type(value) is int and value == 1:
        return value
    raise mistake(f"{shown(value)} is not 1, the only version there is")


def _column(value: object) -> object:
    names = (*Column, ANY)
    if isinstance(value, str) and value in names:
        return value
    raise mistake(f"{shown(value)} is none of {', '.join(names)}")


def _said(value: str) -> str:
    if not value.strip():
        raise mistake("a reason is needed")
    return value


class KnownFailure(Definition):
    """`case` is an id, the name of a variant, or a pattern with `*` and `?`."""

    case: str
    column: Annotated[str, BeforeValidator(_column)] = ANY
    reason: Annotated[str, AfterValidator(_said)]

    def means(self, case_id: str, name: str) -> bool:
        """Whether this variant of this case is meant."""
        if "*" not in self.case and "?" not in self.case:
            return self.case in (case_id, name)
        pattern = self.case.replace("[", "[[]")
        return fnmatchcase(case_id, pattern) or fnmatchcase(name, pattern)

    def covers(self, result: VariantResult) -> list[Column]:
        """Of a variant that is meant: the columns that are listed, and looked at."""
        return [column for column in result.columns if self.column in (ANY, column)]


class BaselineFile(Definition):
    """The file."""

    baseline: Annotated[int, BeforeValidator(_version)]
    master: str | None = None
    xfail: Annotated[tuple[KnownFailure, ...], Field(strict=False)] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """A file that was read. `document` knows where everything was written."""

    file: BaselineFile
    document: Document

    @property
    def known(self) -> tuple[KnownFailure, ...]:
        return self.file.xfail

    def check(self, variants: Sequence[Variant], masters: Iterable[str]) -> None:
        """DefinitionError where a line means no case at all, or the baseline is about another master."""
        document = self.document
        wrong = []
        named = list(masters)
        if self.file.master is not None and self.file.master not in named:
            text = f"this is about {shown(self.file.master)}, and the master is {' and '.join(map(shown, named))}"
            wrong.append(document.mistake(("master",), text))
        names = {name for variant in variants for name in (variant.id, variant.name)}
        for index, known in enumerate(self.known):
            if not any(known.means(variant.id, variant.name) for variant in variants):
                text = f"no case is called {shown(known.case)}{did_you_mean(known.case, names)}"
                wrong.append(document.mistake(("xfail", index, "case"), text))
        if wrong:
            raise definition_error(wrong)


def read_baseline(path: str | os.PathLike[str]) -> Baseline:
    """The baseline in a file. DefinitionError with a line for each mistake."""
    document = read_document(os.fspath(path))
    return Baseline(BaselineFile.from_document(document), document)


def excused(cases: Iterable[CaseResult], baseline: Baseline | None) -> Iterator[CaseResult]:
    """The cases, with what the baseline makes of them."""
    for case in cases:
        yield case if baseline is None else _excused(case, baseline.known)


def _excused(case: CaseResult, known: Sequence[KnownFailure]) -> CaseResult:
    lines = [each for each in known if any(each.means(case.id, variant.name) for variant in case.variants)]
    if not lines:
        return case
    failing = {
        (variant.name, column)
        for variant in case.variants
        for column, verdict in variant.columns.items()
        if verdict is Verdict.FAIL
    }
    covered: set[tuple[str, Column]] = set()
    reasons: list[str] = []
    passed: list[str] = []
    for line in lines:
        meant = [variant for variant in case.variants if line.means(case.id, variant.name)]
        pairs = {(variant.name, column) for variant in meant for column in line.covers(variant)}
        covered |= pairs
        if pairs & failing:
            reasons.append(f"known: {line.reason}")
        elif any(variant.verdict in (*_JUDGED, Verdict.FAIL) and line.covers(variant) for variant in meant):
            where = "" if line.column == ANY else f" in {line.column}"
            passed.append(f"listed, and passed{where}: {line.case} ({line.reason})")
    notes = (*case.notes, *reasons, *passed)
    if passed and case.verdict in (*_JUDGED, Verdict.FAIL) and failing <= covered:
        return case.model_copy(update={"excused": "xpass", "notes": notes})
    if case.verdict is Verdict.FAIL and failing and failing <= covered:
        return case.model_copy(update={"excused": "xfail", "notes": notes})
    return case.model_copy(update={"notes": notes})


def write_baseline(path: Path, result: MasterResult) -> int:
    """Every failure of a result as a known one; how many lines that makes. OSError where it cannot be written."""
    lines = []
    for case in result.cases:
        for column in case.columns:
            failing = [each for each in case.variants if each.columns.get(column) is Verdict.FAIL]
            everything = [each for each in case.variants if column in each.columns]
            for name in [case.id] if len(failing) == len(everything) else [each.name for each in failing]:
                first = next(each for each in failing if name in (case.id, each.name))
                lines.append({"case": name, "column": column.value, "reason": _reason(first, column)})
    head = {"baseline": 1, "master": result.name}
    text = yaml.safe_dump(head, sort_keys=False, allow_unicode=True)
    rows = yaml.safe_dump({"xfail": lines}, sort_keys=False, allow_unicode=True, default_flow_style=None, width=10_000)
    path.write_text(text + rows, encoding="utf-8")
    return len(lines)


def _reason(variant: VariantResult, column: Column) -> str:
    found = [each for each in variant.findings if each.column is column and each.verdict is Verdict.FAIL]
    text = " ".join(str(found[0].text).split()) if found else "fails"
    return text if len(text) <= 150 else f"{text[:147]}..."
