"""What came of a run, as data: manifest, masters, cases, variants. The JSON file, and what reports are made of.

Keys are stable: they may be added, not renamed or removed within a version of the format (docs/conformance.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mbusbench.errors import MBusUsageError
from mbusbench.scenario.verdict import Column, Level, Verdict, worst

FORMAT: Literal["mbusbench-results"] = "mbusbench-results"
VERSION: Literal[1] = 1
Columns = dict[Column, Verdict]
Excuse = Literal["xfail", "xpass"]


class _Result(BaseModel):
    model_config = ConfigDict(extra="ignore")


class FindingResult(_Result):
    """One thing that a column was judged by. `line` is an index into `wire`, None where there is no one place."""

    column: Column
    verdict: Verdict
    text: str
    invariant: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        named = f"{self.invariant}: " if self.invariant else ""
        return f"{self.column} {self.verdict}: {named}{self.text}"


class StepSeen(_Result):
    """One action that the master was asked for. `arguments` are the variables of the driver protocol."""

    name: str
    action: str
    arguments: dict[str, str]
    outcome: str
    exit_status: int | None = None
    problem: str | None = None
    report: dict[str, Any] | None = None
    output: str = ""


class VariantResult(_Result):
    """One variant of a case. `columns` has only those that were looked at; `wire` is the annotated log of the line.

    `lag` is the longest that the host was late, in ns, None in virtual time. `again` is what an earlier run could not
    tell, after which this one was made. `trace` is the file of its events, below the directory of artefacts.
    """

    name: str
    variant: str
    verdict: Verdict
    columns: Columns
    reason: str = ""
    findings: tuple[FindingResult, ...] = ()
    expected: str = ""
    steps: tuple[StepSeen, ...] = ()
    wire: tuple[str, ...] = ()
    faults: dict[str, int] = Field(default={})
    load: str | None = None
    lag: int | None = None
    seconds: float = 0.0
    repeat: str = ""
    trace: str | None = None
    again: tuple[str, ...] = ()


class CaseResult(_Result):
    """A case with all its variants; verdict and columns are the worst of them.

    `excused` is what the baseline makes of it, `notes` why.
    """

    id: str
    title: str
    level: Level
    rule: str = ""
    intent: str = ""
    source: str = ""
    file: str
    verdict: Verdict
    columns: Columns
    excused: Excuse | None = None
    notes: tuple[str, ...] = ()
    variants: tuple[VariantResult, ...]


class MasterResult(_Result):
    """A master over one transport. `problem` is why it was not judged, or not to the end."""

    master: str
    name: str
    transport: str
    sha256: str | None = None
    claims: dict[str, Any] = Field(default={})
    problem: str | None = None
    counts: dict[Verdict, int] = Field(default={})
    xfail: int = 0
    xpass: int = 0
    exit_code: int
    cases: tuple[CaseResult, ...] = ()

    @property
    def title(self) -> str:
        """The name, and the transport where there is one."""
        return self.name if self.transport == "virtual" else f"{self.name} ({self.transport})"


class FileHash(_Result):
    """A file that took part."""

    file: str
    sha256: str


class Manifest(_Result):
    """What a run can be repeated by. `lag` is the longest that the host was late in any case, in ns."""

    mbusbench: str
    python: str
    platform: str
    started: str
    seconds: float
    command: tuple[str, ...]
    seed: int
    jobs: int
    cpus: int
    transports: tuple[str, ...]
    without: tuple[str, ...] = ()
    select: str = ""
    strict: bool = False
    allow_inconclusive: bool = False
    lag: int | None = None
    files: tuple[FileHash, ...] = ()


class Results(_Result):
    """A whole run. `interrupted`: it was stopped, and has what there was."""

    format: Literal["mbusbench-results"] = FORMAT
    version: Literal[1] = VERSION
    manifest: Manifest
    interrupted: bool = False
    exit_code: int
    masters: tuple[MasterResult, ...]


def encode(results: Results) -> str:
    """The JSON file."""
    return results.model_dump_json(indent=1) + "\n"


def decode(text: str | bytes, name: str) -> Results:
    """The results in a file called `name`; MBusUsageError where it has none."""
    try:
        return Results.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        what = "is no JSON" if first["type"] == "json_invalid" else f"has no results of version {VERSION}: {where}"
        raise MBusUsageError(f"{name}: this {what}: {first['msg']}") from None


def load(path: str | Path) -> Results:
    """The results in a file; MBusUsageError where it has none, OSError where it cannot be read."""
    return decode(Path(path).read_bytes(), str(path))


def joined(parts: Iterable[Results]) -> Results:
    """Several runs as one, for a page about all of their masters; the manifest is the first one's.

    Runs of one master over one transport become one: of a case that is in several, what is no inconclusive counts, and
    of that the worst.
    """
    every = list(parts)
    if not every:
        raise MBusUsageError("no results are given")
    masters: dict[tuple[str, str, str], MasterResult] = {}
    for master in (master for each in every for master in each.masters):
        key = (master.master, master.name, master.transport)
        masters[key] = _merged(masters[key], master) if key in masters else master
    return every[0].model_copy(
        update={
            "masters": tuple(masters.values()),
            "exit_code": max(each.exit_code for each in every),
            "interrupted": any(each.interrupted for each in every),
        }
    )


def _merged(one: MasterResult, other: MasterResult) -> MasterResult:
    cases = {case.id: case for case in one.cases}
    for case in other.cases:
        cases[case.id] = _one_of(cases[case.id], case) if case.id in cases else case
    return one.model_copy(
        update={
            "problem": one.problem or other.problem,
            "cases": tuple(cases.values()),
            "counts": {verdict: sum(case.verdict is verdict for case in cases.values()) for verdict in Verdict},
            "xfail": sum(case.excused == "xfail" for case in cases.values()),
            "xpass": sum(case.excused == "xpass" for case in cases.values()),
            "exit_code": max(one.exit_code, other.exit_code),
        }
    )


def _one_of(one: CaseResult, other: CaseResult) -> CaseResult:
    """A failure stays one, whatever another run says."""
    if Verdict.INCONCLUSIVE in (one.verdict, other.verdict):
        return other if one.verdict is Verdict.INCONCLUSIVE else one
    if one.verdict is other.verdict:
        return one
    kept = one if worst((one.verdict, other.verdict)) is one.verdict else other
    seen = other if kept is one else one
    return kept.model_copy(update={"notes": (*kept.notes, f"unstable: {seen.verdict} in another run")})
