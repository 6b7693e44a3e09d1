"""What the masters of others print, in one form, and how it compares with what MBusMaster reads.

Meters move on while they are read: MBusMaster reads each before and after, and a foreign value is right between both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, time
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, NamedTuple

from mbusbench.master.results import MBusSlaveRecord
from tests.outside.normalise import UNITS
from tests.outside.peers import pymeterbus_readings

TOLERANCE = Fraction(6, 10**7)
"""Six digits are shown, or computed in binary floating point: of the value, and of one of the units that are shown."""


class Shown(NamedTuple):
    """A record as a master shows it. `unit` is that of the comparison, "" where it names none; `step` is one of its."""

    function: str
    storage: int
    tariff: int
    subunit: int
    unit: str
    value: Fraction | str
    step: Fraction = Fraction(1)


_NODE_UNITS: dict[str, tuple[str, Fraction]] = {
    "Wh": ("Wh", Fraction(1)),
    "MWh": ("Wh", Fraction(10**6)),
    "J": ("J", Fraction(1)),
    "GJ": ("J", Fraction(10**9)),
    "kg": ("kg", Fraction(1)),
    "t": ("kg", Fraction(1000)),
    "m^3": ("m^3", Fraction(1)),
    "m3": ("m^3", Fraction(1)),
    "W": ("W", Fraction(1)),
    "MW": ("W", Fraction(10**6)),
    "J/h": ("J/h", Fraction(1)),
    "GJ/h": ("J/h", Fraction(10**9)),
    "m^3/h": ("m^3/h", Fraction(1)),
    "m^3/min": ("m^3/h", Fraction(60)),
    "m^3/s": ("m^3/h", Fraction(3600)),
    "kg/h": ("kg/h", Fraction(1)),
    "deg C": ("degC", Fraction(1)),
    "bar": ("bar", Fraction(1)),
    "V": ("V", Fraction(1)),
    "A": ("A", Fraction(1)),
    "seconds": ("s", Fraction(1)),
    "minutes": ("s", Fraction(60)),
    "hours": ("s", Fraction(3600)),
    "days": ("s", Fraction(86400)),
}
_PREFIXES = {None: 0, "my": -6, "m": -3, "k": 3, "M": 6, "G": 9}
_NODE_UNIT = re.compile(
    r"(?:[^()]*\()? ?(?P<factor>100|10|1e-?\d+)? *(?P<prefix>my|[mkMG])?? ?(?P<unit>"
    + "|".join(map(re.escape, sorted(_NODE_UNITS, key=len, reverse=True)))
    + r")\)?"
)
_NODE_FUNCTIONS = {"Instantaneous value": "instantaneous", "Maximum value": "maximum", "Minimum value": "minimum"}


def _node_unit(text: str) -> tuple[str, Fraction]:
    """`Volume (1e-2  m^3)` as (`m^3`, 1/100), "" for what is no unit."""
    match = _NODE_UNIT.fullmatch(text.replace("  ", " "))
    if match is None:
        return "", Fraction(1)
    unit, worth = _NODE_UNITS[match["unit"]]
    if text.startswith("Temperature Difference"):
        unit = "K"
    return unit, worth * Fraction(10) ** _PREFIXES[match["prefix"]] * Fraction(match["factor"] or 1)


def node_mbus(rows: Iterable[Mapping[str, Any]]) -> Iterator[Shown]:
    """`getData(...).DataRecord`: registers, and their units with a power of ten."""
    for row in rows:
        if row["Function"] in ("More records follow", "Manufacturer specific"):
            continue
        unit, worth = _node_unit(str(row.get("Unit", "")))
        value = number(str(row["Value"]))
        yield Shown(
            _NODE_FUNCTIONS.get(row["Function"], "error"),
            int(row["StorageNumber"]),
            int(row.get("Tariff", 0)),
            int(row.get("Device", 0)),
            unit,
            str(row["Value"]) if value is None else value * worth,
            worth,
        )


def py_meterbus(rows: Iterable[Mapping[str, Any]]) -> Iterator[Shown]:
    """`interpreted` of each record: values in the units of its own choice."""
    for reading in pymeterbus_readings(rows):
        value = number(reading.value)
        yield Shown(*reading[:5], reading.value if value is None else value)


def number(text: str) -> Fraction | None:
    """`text` as a number, None where it is none."""
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    return Fraction(found) if found.is_finite() else None


_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?Z?)?")


def _text(value: object) -> str:
    """Texts and dates without what masters do differently: the T, seconds of zero, blanks around."""
    text = value.isoformat() if isinstance(value, date | time) else str(value)
    match = _MOMENT.fullmatch(text)
    if match is None:
        return text.strip()
    seconds = match[3] if match[3] not in (None, ":00") else ""
    return match[1] + (f" {match[2]}{seconds}" if match[2] else "")


def _is_between(before: MBusSlaveRecord, after: MBusSlaveRecord, shown: Shown) -> bool:
    first, last = before.value, after.value
    if first is None:
        return not isinstance(shown.value, Fraction) and shown.value.lower().lstrip("-") in ("", "none", "nan")
    factor = UNITS.get(before.unit or "", ("", Fraction(1)))[1]
    if isinstance(first, str) and isinstance(shown.value, Fraction) and first.isdigit():
        return int(first) == shown.value
    if isinstance(first, int | float) and isinstance(last, int | float):
        if not isinstance(shown.value, Fraction):
            return False
        low, high = sorted(Fraction(repr(value)) * factor for value in (first, last))
        spare = max(shown.step * TOLERANCE, abs(high) * TOLERANCE, abs(low) * TOLERANCE)
        return low - spare <= shown.value <= high + spare
    if isinstance(shown.value, Fraction):
        return False
    return _text(first) <= _text(shown.value) <= _text(last)


def differences(
    before: Sequence[MBusSlaveRecord], after: Sequence[MBusSlaveRecord], shown: Sequence[Shown]
) -> Iterator[str]:
    """What a master shows otherwise than MBusMaster, as "record N what: theirs ..., ours ..."."""
    if len(shown) != len(before):
        yield f"records: theirs {len(shown)}, ours {len(before)}"
    for first, last, theirs in zip(before, after, shown, strict=False):
        place = (str(first.function), first.storage_number, first.tariff, first.device_unit)
        if theirs[:4] != place:
            yield f"record {first.index} place: theirs {theirs[:4]}, ours {place}"
        unit = UNITS.get(first.unit or "", (first.unit or "", None))[0]
        if theirs.unit and theirs.unit != unit:
            yield f"record {first.index} unit: theirs {theirs.unit}, ours {unit}"
        elif not _is_between(first, last, theirs):
            value = float(theirs.value) if isinstance(theirs.value, Fraction) else theirs.value
            yield f"record {first.index} value: theirs {value} {theirs.unit}, ours {first.value} {first.unit or ''}"
