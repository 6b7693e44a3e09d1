"""What a scenario expects, as it is written: on the wire, in the report, in time, and of the meters afterwards."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainValidator, model_validator

from mbusbench.definition.fields import Byte, in_range
from mbusbench.definition.validation import Definition, did_you_mean, mistake, shown
from mbusbench.scenario.file.duration import Span
from mbusbench.scenario.file.pattern import MANY, FramePattern, Item
from mbusbench.scenario.report import ERROR_KINDS
from mbusbench.scenario.units import is_known_unit

_COUNT = re.compile(r"([0-9]{1,6})(?:(-)([0-9]{1,6})?)?")
_TIMES = re.compile(r"x([0-9]{1,5})")
KINDS = ("value", "ok", "error", *sorted(ERROR_KINDS))
FLAGS = ("more", "partial", "stale", "incomplete")


def _pattern(value: object) -> FramePattern:
    if isinstance(value, FramePattern):
        return value
    if not isinstance(value, str):
        raise mistake(f"{shown(value)} is not a frame such as REQ_UD2 5 fcb=1: bytes need quotes")
    try:
        return FramePattern(value)
    except ValueError as error:
        raise mistake(str(error)) from None


def _item(value: object) -> Item:
    if isinstance(value, Item):
        return value
    if not isinstance(value, str):
        raise mistake(f"{shown(value)} is not a frame such as REQ_UD2 5 fcb=1: bytes need quotes")
    try:
        return Item.parse(value)
    except ValueError as error:
        raise mistake(str(error)) from None


def _count(value: object) -> tuple[int, int]:
    if isinstance(value, tuple):
        return value
    match = _COUNT.fullmatch(str(value)) if isinstance(value, int | str) and not isinstance(value, bool) else None
    if match is None:
        raise mistake(f"{shown(value)} is not a number of frames: 3, 1-3, or 2- for two at least")
    least = int(match[1])
    most = int(match[3]) if match[3] else MANY if match[2] else least
    if most < least:
        raise mistake(f"{shown(value)}: the most is below the least")
    return least, most


def as_list(value: object) -> object:
    """A value alone is a list of one."""
    return value if isinstance(value, list | tuple) else [value]


Pattern = Annotated[FramePattern, PlainValidator(_pattern)]
Items = Annotated[tuple[Annotated[Item, PlainValidator(_item)], ...], BeforeValidator(as_list), Field(strict=False)]
Patterns = Annotated[tuple[Pattern, ...], BeforeValidator(as_list), Field(strict=False)]
Count = Annotated[tuple[int, int], PlainValidator(_count)]


class WireCheck(Definition):
    """One thing about the master's frames, all of them or those of one `step`: exactly one of the first five.

    `sequence`: all frames in order. `order`: these in this order, others between. `only`: each is one of these.
    `never`: none is. `frames`: how many there are, in all or, with `per`, from each frame of that kind to the next;
    with `each`, of those with the same content (whatever their C).
    """

    sequence: Items | None = None
    order: Items | None = None
    only: Patterns | None = None
    never: Patterns | None = None
    frames: Pattern | None = None
    count: Count | None = None
    per: Pattern | None = None
    each: bool = False
    step: str | None = None

    @model_validator(mode="after")
    def _one(self) -> WireCheck:
        kinds = ("sequence", "order", "only", "never", "frames")
        given = [kind for kind in kinds if getattr(self, kind) is not None]
        if len(given) != 1:
            raise mistake(f"exactly one of {', '.join(kinds)} is needed")
        if (self.frames is None) != (self.count is None):
            raise mistake("frames and count go together")
        if self.per is not None and self.frames is None:
            raise mistake("goes together with frames and count", ["per"])
        if self.each and (self.frames is None or self.per is not None):
            raise mistake("goes together with frames and count, and not with per", ["each"])
        return self


class RecordEntry(Definition):
    """A record that has to be reported; what is not given is not looked at. `optional`: it may be missing.

    `valid` false: "no value". `any`: whatever it says. `sent`: what the meter sent as the record of this number.
    """

    value: int | float | str | None = None
    unit: str | None = None
    storage: int | None = None
    tariff: int | None = None
    subunit: int | None = None
    function: str | None = None
    telegram: int | None = None
    valid: bool = True
    optional: bool = False
    any: bool = False
    sent: bool = False

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: object) -> object:
        """`0.0042 V`, `21`, or a mapping."""
        if isinstance(data, str) and " " in data:
            number, _, unit = data.partition(" ")
            try:
                return {"value": float(number) if "." in number or "e" in number else int(number), "unit": unit}
            except ValueError:
                return {"value": data}
        return data if isinstance(data, dict) else {"value": data}

    @model_validator(mode="after")
    def _unit(self) -> RecordEntry:
        if not is_known_unit(self.unit):
            raise mistake(f"{shown(self.unit)} is no unit of a report", ["unit"])
        return self


class ReportEntry(Definition):
    """What one entry of a report says: `value`, `ok`, `error` or the name of an error, or several with `|`.

    `value` is everything that the meter sent in this readout and nothing else. Behind it may stand `more`, `partial`,
    `stale` or `incomplete` (some of it), and `x3` for three entries. `share`: so many percent of them at least are the
    first of several.
    """

    is_: str = Field(default="value", alias="is")
    times: Annotated[int, in_range(1, 100_000)] = 1
    address: int | None = None
    secondary: str | None = None
    code: Byte | None = None
    alarm: Byte | None = None
    no_alarm: bool = False
    telegrams: int | None = None
    records: list[RecordEntry] | None = None
    header: dict[str, int | str] = Field(default={})
    strict: bool = False
    share: Annotated[int, in_range(1, 100)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: object) -> object:
        if isinstance(data, str):
            words = data.split()
            match = _TIMES.fullmatch(words[-1]) if words else None
            return {"is": " ".join(words[:-1]), "times": int(match[1])} if match else {"is": data}
        return data

    @model_validator(mode="after")
    def _known(self) -> ReportEntry:
        for words in self.alternatives:
            if words[:1] == ():
                raise mistake("an alternative is missing", ["is"])
            if words[0] not in KINDS:
                raise mistake(f"{shown(words[0])} is none of {', '.join(KINDS)}{did_you_mean(words[0], KINDS)}", ["is"])
            for word in words[1:]:
                if word not in FLAGS:
                    raise mistake(f"{shown(word)} is none of {', '.join(FLAGS)}{did_you_mean(word, FLAGS)}", ["is"])
        return self

    @property
    def alternatives(self) -> list[tuple[str, ...]]:
        """Kind first, then its flags."""
        return [tuple(each.split()) for each in self.is_.split("|")]


Entries = Annotated[tuple[ReportEntry, ...], BeforeValidator(as_list), Field(strict=False)]


class StepReport(Definition):
    """What the report of one step says, or of all of them (`step` None)."""

    step: str | None = None
    entries: Entries


class TimingCheck(Definition):
    """A time on the line, or of a step.

    `from`, `to`: from the end of each such frame to the beginning of the next one that is `to`; `to` may be `next`, or
    `end` (of the step). `idle_before`: silence on the line before each such frame. `within`: the longest pause between
    two characters of each such frame. None of these: how long the `step` takes. `nth` is one of the frames only.
    `tolerated` is a longer time that is non-strict. `growth`: the last tenth of the turns of the `step` takes at most
    so many times as long as the first one.
    """

    from_: Pattern | None = Field(default=None, alias="from")
    to: str = "next"
    idle_before: Pattern | None = None
    within: Pattern | None = None
    nth: Annotated[int, in_range(1, 100_000)] | None = None
    step: str | None = None
    least: Span | None = None
    most: Span | None = None
    tolerated: Span | None = None
    growth: float | None = None

    @model_validator(mode="after")
    def _complete(self) -> TimingCheck:
        given = [each is not None for each in (self.from_, self.idle_before, self.within)]
        if sum(given) > 1:
            raise mistake("from, idle_before and within do not go together")
        if not any(given) and self.step is None:
            raise mistake("exactly one of from, idle_before, within, step is needed")
        if self.least is None and self.most is None and self.growth is None:
            raise mistake("least, most or growth is needed")
        if self.growth is not None and (any(given) or self.step is None):
            raise mistake("goes together with step", ["growth"])
        if self.to not in ("next", "end"):
            try:
                FramePattern(self.to)
            except ValueError as error:
                raise mistake(str(error), ["to"]) from None
        return self


class StateCheck(Definition):
    """What a meter is afterwards. `meter` is its name, or the address that it had at the beginning."""

    meter: int | str
    address: int | None = None
    baud: int | None = None
    writes: int | None = None
    application: int | None = None
    clock: str | None = None
    selected: bool | None = None
    values: dict[str, int | float | str] = Field(default={})


def _wire(value: object) -> object:
    """Texts are one sequence, mappings checks beside it."""
    if value is None:
        return []
    if not isinstance(value, list):
        value = [value]
    if all(isinstance(each, WireCheck) for each in value):
        return value
    texts = [each for each in value if not isinstance(each, dict)]
    checks: list[Any] = [each for each in value if isinstance(each, dict)]
    return [*([{"sequence": texts}] if texts else []), *checks]


def _report(value: object) -> object:
    if value is None:
        return []
    if isinstance(value, dict) and "is" not in value and not set(value) <= set(ReportEntry.model_fields):
        return [{"step": str(step), "entries": entries} for step, entries in value.items()]
    if isinstance(value, list) and value and all(isinstance(each, StepReport) for each in value):
        return value
    return [{"entries": value}]


class Expectation(Definition):
    """What is looked at, by column; `state` counts as wire."""

    wire: Annotated[tuple[WireCheck, ...], BeforeValidator(_wire), Field(strict=False)] | None = None
    report: Annotated[tuple[StepReport, ...], BeforeValidator(_report), Field(strict=False)] | None = None
    timing: Annotated[tuple[TimingCheck, ...], BeforeValidator(as_list), Field(strict=False)] | None = None
    state: Annotated[tuple[StateCheck, ...], BeforeValidator(as_list), Field(strict=False)] | None = None


class Forbidden(Definition):
    """What makes it a fail in any case: frames that were sent, entries that were reported."""

    wire: Patterns = ()
    report: Entries = ()
