"""Field types that several kinds of file share: ranges, choices, durations, hexadecimal bytes, exact numbers."""

from __future__ import annotations

import re
from datetime import datetime
from enum import Enum
from fractions import Fraction
from math import isfinite
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, PlainValidator

from mbusbench.definition.document import OtherBase
from mbusbench.definition.validation import did_you_mean, mistake, mistakes, shown

_E = TypeVar("_E", bound=Enum)
_T = TypeVar("_T")

NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "min": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86400 * 10**9,
}
LONGEST = 36_500 * NANOSECONDS["d"]
# Two-digit years are those of 1981 to 2080; a due date may be in the year before, and time goes on.
YEARS = range(1982, 2071)
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ns|us|ms|s|min|h|d)")
IDENTIFICATION_NUMBER = re.compile(r"[0-9A-Fa-f]{1,8}")
_HEX = re.compile(r"[0-9A-Fa-f]{2}(?:\s*[0-9A-Fa-f]{2})*")


def in_range(low: int, high: int, *, hexadecimal: bool = False) -> AfterValidator:
    """A number from `low` to `high`, both included."""

    def check(value: int) -> int:
        if not low <= value <= high:
            limits = f"{low:#04x}..{high:#04x}" if hexadecimal else f"{low}..{high}"
            raise mistake(f"{value} is not in {limits}")
        return value

    return AfterValidator(check)


def each_once(values: list[_T]) -> list[_T]:
    """For lists in which nothing stands twice."""
    found = [
        ((index,), f"{shown(value)} is listed twice") for index, value in enumerate(values) if value in values[:index]
    ]
    if found:
        raise mistakes(list(found))
    return values


def one_of(kind: type[_E]) -> Any:
    """A member of an Enum with text values, by its value."""

    def convert(value: object) -> _E:
        names = [str(member.value) for member in kind]
        if isinstance(value, str) and value in names:
            return kind(value)
        if isinstance(value, kind):
            return value
        hint = did_you_mean(value, names) if isinstance(value, str) else ""
        raise mistake(f"{shown(value)} is not one of {', '.join(names)}{hint}")

    return PlainValidator(convert)


def duration(text: str) -> int | None:
    """`1.5s` as nanoseconds, or None where it is no duration."""
    match = _DURATION.fullmatch(text.strip())
    return round(Fraction(match[1]) * NANOSECONDS[match[2]]) if match else None


def nanoseconds(value: object) -> int:
    """A duration with its unit; `mistake` where it is none."""
    found = duration(value) if isinstance(value, str) else None
    if found is None:
        if isinstance(value, int | float) and not isinstance(value, bool):
            raise mistake(
                f"{value} has no unit: write a duration as {value}ms, {value}s, {value}min, {value}h or {value}d"
            )
        raise mistake(f"{shown(value)} is not a duration such as 600ms, 1.5s, 20min, 12h or 1d")
    if found > LONGEST:
        raise mistake(f"{shown(value)} is longer than 36500d")
    return found


def hex_bytes(value: object) -> bytes:
    """`0C 78` as bytes; `mistake` where it is no hexadecimal text."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise mistake(f'{value} is a number here, hexadecimal text is wanted: write it in quotes ("{value}")')
    if not isinstance(value, str) or not _HEX.fullmatch(value.strip()):
        raise mistake(f'{shown(value)} is not hexadecimal bytes such as "0C 78"')
    return bytes.fromhex(value)


def exact(value: object) -> Fraction:
    """A number as written; `mistake` where it is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return Fraction(value)
    if isinstance(value, float):
        if not isfinite(value) or abs(value) > 1e30:
            raise mistake(f"{value} is not a usable number")
        return Fraction(repr(value))
    if isinstance(value, Fraction):
        return value
    raise mistake(f"{shown(value)} is not a number")


def _instant(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    try:
        if not isinstance(value, str):
            raise ValueError
        instant = datetime.fromisoformat(value)
    except ValueError:
        raise mistake(f"{shown(value)} is not a date and time such as 2026-01-01T00:00:00") from None
    if instant.tzinfo is not None:
        raise mistake("a meter's clock has no time zone: write it without one")
    if instant.year not in YEARS:
        raise mistake(f"the year {instant.year} is not in {YEARS[0]}..{YEARS[-1]}, which all meters' dates can tell")
    return instant


def _digits(value: object) -> str:
    if isinstance(value, float):
        raise mistake("a number with point or power of ten is no identification number: quote one with letters")
    if isinstance(value, OtherBase):
        raise mistake("a hexadecimal or octal number is no identification number: write its 8 digits, in quotes")
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not IDENTIFICATION_NUMBER.fullmatch(text):
        raise mistake(f"{shown(value)} is not an identification number of up to 8 digits")
    return text.upper().zfill(8)


Duration = Annotated[int, PlainValidator(nanoseconds)]
"""`600ms`, `1.5s`, `20min`, `12h`, `1d` as nanoseconds."""

HexBytes = Annotated[bytes, PlainValidator(hex_bytes)]
"""`"0C 78"` as bytes."""

HexTail = Annotated[bytes, PlainValidator(lambda value: b"" if value == "" else hex_bytes(value))]
"""The same, or `""` for none."""

Exact = Annotated[Fraction, PlainValidator(exact)]
"""A number as written: 0.1 is one tenth."""

Instant = Annotated[datetime, PlainValidator(_instant)]
"""`2026-01-01T00:00:00`, without a time zone."""

IdentificationNumber = Annotated[str, PlainValidator(_digits)]
"""Up to 8 digits (hexadecimal ones in quotes) as 8."""

Byte = Annotated[int, in_range(0, 0xFF)]
PrimaryAddress = Annotated[int, in_range(0, 250)]


def _format(value: object) -> int:
    if type(value) is int and value == 1:
        return 1
    raise mistake(f"{shown(value)} is not 1, the only format there is")


Format = Annotated[int, BeforeValidator(_format)]
