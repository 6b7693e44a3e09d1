"""The result line of a driver (docs/drivers.md): what a master told its user about one action.

`parse_output` finds the one line in a process's output, `contradictions` says where it disagrees with itself, and
`compare_record` compares a record with what was expected. What the report says is data; nothing here raises.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from mbusbench.definition.document import path_text
from mbusbench.definition.validation import mistakes_in
from mbusbench.scenario.units import is_known_unit, to_base

PROTOCOL = 1
UNSUPPORTED = 127
MAX_LINE = 32 * 1024 * 1024
_MARK = re.compile(r'"mbus"\s*:\s*1(?![0-9.eE])')


class ErrorKind(StrEnum):
    """Why an action, or a meter of it, has no result: the whole list."""

    NO_ANSWER = "no-answer"
    GARBLED = "garbled"
    COLLISION = "collision"
    WRONG_ADDRESS = "wrong-address"
    STALE = "stale"
    NO_DATA = "no-data"
    APPLICATION_ERROR = "application-error"
    ENCRYPTED = "encrypted"
    DECODE = "decode"
    TOO_MANY_TELEGRAMS = "too-many-telegrams"
    REFUSED = "refused"
    DISCONNECTED = "disconnected"
    USAGE = "usage"
    UNSPECIFIED = "unspecified"


ERROR_KINDS = frozenset(ErrorKind)


class _Reported(BaseModel):
    """Types are strict, keys that nobody asked for are ignored."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


def _value(value: object) -> object:
    if value is None or isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ValueError("a value is a number, text or null")


Value = int | float | str | None
Byte = Annotated[int, Field(ge=0, le=0xFF)]
Count = Annotated[int, Field(ge=0)]


class RecordReport(_Reported):
    """One record as the master shows it. None is "not said" everywhere but in `value`, where it is "no value"."""

    value: Annotated[Value, BeforeValidator(_value)]
    unit: str | None = None
    storage: Count | None = None
    tariff: Count | None = None
    subunit: Count | None = None
    function: str | None = None
    telegram: Count | None = None
    valid: bool = True


class HeaderReport(_Reported):
    """What of a meter's header the master shows; None is "not said"."""

    id: str | None = None
    manufacturer: str | None = None
    version: Byte | None = None
    medium: Byte | None = None
    access: Byte | None = None
    status: Byte | None = None


class MeterReport(_Reported):
    """One meter, or one turn of it. `code` goes with application-error, `alarm` with the action of that name.

    `address` is what was asked for, where no meter said another; that may be no address at all.
    """

    address: int | None = None
    secondary: str | None = None
    ok: bool
    error: str | None = None
    detail: str | None = None
    code: Byte | None = None
    telegrams: Count | None = None
    more: bool = False
    partial: bool = False
    stale: bool = False
    alarm: Byte | None = None
    header: HeaderReport | None = None
    records: tuple[RecordReport, ...] = Field(default=(), strict=False)


class DriverReport(_Reported):
    """A whole result line."""

    mbus: int
    ok: bool
    error: str | None = None
    detail: str | None = None
    meters: tuple[MeterReport, ...] = Field(strict=False)
    name: str | None = None
    version: str | None = None
    actions: tuple[str, ...] | None = Field(default=None, strict=False)
    claims: dict[str, Any] | None = None

    def line(self) -> str:
        """The line that a driver prints: what was not said is left out, but for the keys that always stand there."""
        data = self.model_dump(exclude_unset=True)
        data.update(mbus=self.mbus, ok=self.ok, error=self.error)
        data["meters"] = [_meter_data(meter) for meter in self.meters]
        return json.dumps(data, ensure_ascii=True, allow_nan=False)


def _meter_data(meter: MeterReport) -> dict[str, Any]:
    data = meter.model_dump(exclude_unset=True)
    data.update(address=meter.address, secondary=meter.secondary, ok=meter.ok, error=meter.error)
    return data


@dataclass(frozen=True, slots=True)
class ParsedOutput:
    """Either a report, or why there is none; `found` counts the lines that claim to be one."""

    report: DriverReport | None
    problem: str | None
    found: int


def parse_output(stdout: str) -> ParsedOutput:
    """The one result line of `stdout`, wherever it stands. None and several are problems, and so is a broken one."""
    # Not splitlines: a text in JSON may hold characters that it takes for ends of lines.
    lines = [line for line in (each.strip(" \t\r") for each in stdout.split("\n")) if _claims_to_be_one(line)]
    if len(lines) != 1:
        count = "no" if not lines else str(len(lines))
        return ParsedOutput(None, f'{count} lines with "mbus": 1 on stdout, there must be exactly one', len(lines))
    report = parse_line(lines[0])
    if isinstance(report, str):
        return ParsedOutput(None, report, 1)
    return ParsedOutput(report, None, 1)


def _claims_to_be_one(line: str) -> bool:
    if not line.startswith("{") or '"mbus"' not in line:
        return False
    data = _json(line)
    if isinstance(data, dict):
        return data.get("mbus") == PROTOCOL and type(data["mbus"]) is int
    return _MARK.search(line) is not None


def parse_line(line: str) -> DriverReport | str:
    """One result line, or what is wrong with it."""
    data = _json(line)
    if isinstance(data, str):
        return f"result line: {data}"
    try:
        return DriverReport.model_validate(data)
    except ValidationError as error:
        path, text, _ = next(iter(mistakes_in(error, DriverReport)))
        return f"result line: {path_text(path)}: {text}" if path else f"result line: {text}"


def _json(line: str) -> Any:
    """The data, or a text that says why it is none."""
    if len(line) > MAX_LINE:
        return f"longer than {MAX_LINE // 1024 // 1024} MB"
    try:
        data = json.loads(line, parse_constant=_no_constant)
    except RecursionError:
        return "nested too deeply"
    except ValueError as error:
        return f"no JSON: {error}"
    return data if isinstance(data, dict) else "no JSON object"


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def status_contradiction(report: DriverReport, exit_status: int) -> str | None:
    """How the exit status contradicts the line; that is a crash of the driver."""
    expected = 0 if report.ok else 1
    if exit_status == expected:
        return None
    ended = f"signal {-exit_status}" if exit_status < 0 else f"exit status {exit_status}"
    return f"{ended} with ok: {str(report.ok).lower()}, expected exit status {expected}"


_TOLD_BY_PROCEDURE = frozenset({"scan", "search", "describe"})


def contradictions(report: DriverReport, action: str, *, complete: bool = True) -> list[str]:
    """Where a report disagrees with itself or with the protocol, one line each.

    `complete` False leaves out what only holds for a whole list: the top level against the entries.
    """
    found = _error_contradictions("the result", report.ok, report.error)
    for number, meter in enumerate(report.meters):
        where = f"meters[{number}]"
        found += _error_contradictions(where, meter.ok, meter.error)
        if meter.code is not None and meter.error != ErrorKind.APPLICATION_ERROR:
            found.append(f"{where}: code {meter.code} without application-error")
        if meter.secondary is not None and not _SECONDARY.fullmatch(meter.secondary):
            found.append(f"{where}: secondary {meter.secondary!r} is not 16 hex digits")
        for index, record in enumerate(meter.records):
            if record.function is not None and record.function not in FUNCTIONS:
                found.append(
                    f"{where}.records[{index}]: function {record.function!r} is none of {', '.join(FUNCTIONS)}"
                )
    if complete and action not in _TOLD_BY_PROCEDURE:
        failed = [number for number, meter in enumerate(report.meters) if not meter.ok]
        if report.ok and failed:
            found.append(f"ok: true, but meters[{failed[0]}] failed")
        if not report.ok and report.meters and not failed:
            found.append("ok: false, but every entry of meters is ok")
        if report.ok and not report.meters:
            found.append("ok: true, but meters is empty")
    return found


FUNCTIONS = ("instantaneous", "maximum", "minimum", "error")
_SECONDARY = re.compile(r"[0-9A-Fa-f]{16}")


def _error_contradictions(where: str, ok: bool, error: str | None) -> list[str]:
    if error is None:
        return [] if ok else [f"{where}: ok: false without an error"]
    found = [f"{where}: ok: true with error {error}"] if ok else []
    if error not in ERROR_KINDS:
        found.append(f"{where}: error {error!r} is no error of the protocol")
    return found


@dataclass(frozen=True, slots=True)
class ExpectedRecord:
    """What a record has to say. `value` is a number in `unit`, text, an ISO date, or None where the meter has none.

    None elsewhere: not looked at. `valid` False: the value may be there, marked so, or be null.
    """

    value: int | float | Fraction | str | None
    unit: str | None = None
    storage: int | None = None
    tariff: int | None = None
    subunit: int | None = None
    function: str | None = None
    telegram: int | None = None
    valid: bool = True


@dataclass(frozen=True, slots=True)
class RecordComparison:
    """`differences` make a record untrue; `loose` are things not said, or said less exactly than they could be."""

    differences: tuple[str, ...] = ()
    loose: tuple[str, ...] = ()

    @property
    def is_same(self) -> bool:
        """Whether nothing untrue was said."""
        return not self.differences


_LETTERS_FOR_DIGITS = re.compile(r"[0-9]*[A-Fa-f][0-9A-Fa-f]*")
_PLACE = ("storage", "tariff", "subunit", "function", "telegram")


def compare_record(record: RecordReport, expected: ExpectedRecord) -> RecordComparison:
    """What `record` says otherwise than expected. A field that is absent is only loose."""
    differences: list[str] = []
    loose: list[str] = []
    kind, text = _compare_value(record, expected)
    if kind is not None:
        (differences if kind == "different" else loose).append(text)
    for name in _PLACE:
        wanted, seen = getattr(expected, name), getattr(record, name)
        if wanted is None or seen == wanted:
            continue
        if seen is None:
            loose.append(f"{name} is not said, expected {wanted}")
        else:
            differences.append(f"expected {name} {wanted}, saw {seen}")
    return RecordComparison(tuple(differences), tuple(loose))


def _compare_value(record: RecordReport, expected: ExpectedRecord) -> tuple[str | None, str]:
    text = f"expected {shown_value(expected.value, expected.unit)}, saw {shown_value(record.value, record.unit)}"
    if not expected.valid and (record.value is None or not record.valid):
        return None, ""
    if expected.value is None:
        if record.value is None or not record.valid:
            return None, ""
        is_shown = isinstance(record.value, str) and _LETTERS_FOR_DIGITS.fullmatch(record.value) is not None
        return ("loose", f"{text}: the digits of a register without a value") if is_shown else ("different", text)
    if record.value is None:
        return "different", text
    if isinstance(expected.value, str):
        return _compare_text(record.value, expected.value, text)
    if isinstance(record.value, str):
        return "different", text
    wanted, seen = to_base(_exact(expected.value), expected.unit), to_base(_exact(record.value), record.unit)
    if not is_known_unit(expected.unit) and (record.unit is None or not is_known_unit(record.unit)):
        # Units that the protocol has no word for, such as those of heat cost allocators.
        wanted, seen = to_base(wanted.value, None), to_base(seen.value, None)
    elif expected.unit is None and not is_known_unit(record.unit):
        seen = to_base(seen.value, None)
    elif record.unit is None and expected.unit is not None:
        return "different", text
    same = wanted.unit == seen.unit and is_same_number(wanted.value, seen.value, wanted.value / (seen.factor or 1))
    if not same:
        return "different", text
    if not record.valid and expected.valid:
        return "loose", f"{text}, marked as not valid"
    return None, ""


def _exact(value: float | Fraction) -> Fraction:
    """The number as it was written, not the binary number nearest to it."""
    return Fraction(repr(value)) if isinstance(value, float) else Fraction(value)


def is_same_number(wanted: Fraction, seen: Fraction, in_reported_unit: Fraction | None = None) -> bool:
    """Whole numbers exactly, but for the rounding of a double; others to 1e-9.

    Whether it is whole, `wanted` says in the unit that was reported.
    """
    if wanted == seen:
        return True
    whole = (wanted if in_reported_unit is None else in_reported_unit).denominator == 1
    return abs(wanted - seen) <= abs(wanted) * (Fraction(1, 2**51) if whole else Fraction(1, 10**9))


_MOMENT = re.compile(
    r"([0-9*]{1,4}-[0-9*]{1,2}-[0-9*]{1,2})(?:[T ]([0-9*]{1,2}:[0-9*]{1,2})(?::([0-9*]{1,2})(?:\.0+)?)?Z?)?"
)


def _moment(text: str) -> str:
    """A date in the form in which dates are compared: with T, without seconds that are 0."""
    match = _MOMENT.fullmatch(text.strip())
    if match is None:
        return text
    if match[2] is None:
        return match[1]
    seconds = "" if match[3] in (None, "00", "0") else f":{match[3]}"
    return f"{match[1]}T{match[2]}{seconds}"


def _compare_text(seen: float | str, wanted: str, text: str) -> tuple[str | None, str]:
    if not isinstance(seen, str):
        same = wanted.isascii() and wanted.isdecimal() and isinstance(seen, int) and int(wanted) == seen
        return (None, "") if same else ("different", text)
    if seen == wanted or _moment(seen) == _moment(wanted):
        return None, ""
    if seen.strip(" \0") == wanted.strip(" \0"):
        return "loose", f"{text}: blanks around it"
    if _MOMENT.fullmatch(wanted) and "T" not in wanted and _moment(seen) == f"{wanted}T00:00":
        return "loose", f"{text}: a date, and no time"
    return "different", text


def shown_value(value: float | Fraction | str | None, unit: str | None) -> str:
    """`99999.999 m3`, `"WFH21"`, `no value`."""
    if value is None:
        return "no value"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Fraction):
        value = value.numerator if value.denominator == 1 else float(value)
    number = format(value, ".15g") if isinstance(value, float) else str(value)
    return f"{number} {unit}" if unit else number


def plain_value(value: float | str | datetime | date | time | None) -> Value:
    """A value of ours as a result line has it: moments as ISO text, to the minute where the seconds are 0."""
    if isinstance(value, datetime | time):
        return value.isoformat(timespec="seconds" if value.second else "minutes")
    return value.isoformat() if isinstance(value, date) else value


def compare_records(records: Sequence[RecordReport], expected: Sequence[ExpectedRecord]) -> RecordComparison:
    """All records of a meter, in order; there may be no more and no fewer."""
    differences: list[str] = []
    loose: list[str] = []
    if len(records) != len(expected):
        differences.append(f"expected {len(expected)} records, saw {len(records)}")
    for index, (record, wanted) in enumerate(zip(records, expected, strict=False)):
        found = compare_record(record, wanted)
        differences += (f"record {index}: {text}" for text in found.differences)
        loose += (f"record {index}: {text}" for text in found.loose)
    return RecordComparison(tuple(differences), tuple(loose))
