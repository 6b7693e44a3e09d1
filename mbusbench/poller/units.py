"""From the API's unit of a value to the one that a binding wants."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from mbusbench.codec.tables.units import UNITS, UnitRow

_MORE = (
    UnitRow("Pa", "bar", 1, 100_000),
    UnitRow("hPa", "bar", 1, 1000),
    UnitRow("mbar", "bar", 1, 1000),
    UnitRow("kPa", "bar", 1, 100),
    UnitRow("var", "var"),
    UnitRow("VA", "VA"),
    UnitRow("mV", "V", 1, 1000),
    UnitRow("mA", "A", 1, 1000),
    UnitRow("g", "kg", 1, 1000),
)
_SPELLINGS = {"m³": "m3", "m³/h": "m3/h", "m³/min": "m3/min", "m³/s": "m3/s", "L": "l", "L/h": "l/h", "year": "a"}
_ROWS = {row.unit: row for row in (*UNITS, *_MORE)}
# Two units of the API that measure the same: one of the first is so many of the second.
_SAME = {("kWh", "MJ"): Fraction(36, 10), ("W", "MJ/h"): Fraction(36, 10_000)}

KNOWN_UNITS = (*_ROWS, *_SPELLINGS)


class Conversion(NamedTuple):
    """wanted = given * `factor` - `shift`."""

    factor: Fraction
    shift: int


def is_known(unit: str) -> bool:
    """Whether some value can be converted to it."""
    return _SPELLINGS.get(unit, unit) in _ROWS


@lru_cache(maxsize=1024)
def conversion(given: str | None, wanted: str) -> Conversion | None:
    """From a unit of the API to another one; None where there is no way."""
    if given == wanted:
        return Conversion(Fraction(1), 0)
    row = _ROWS.get(_SPELLINGS.get(wanted, wanted))
    if row is None or given is None:
        return None
    factor = Fraction(row.denominator, row.numerator)
    if row.api_unit == given:
        return Conversion(factor, row.shift)
    if (given, row.api_unit) in _SAME:
        return Conversion(factor * _SAME[given, row.api_unit], row.shift)
    if (row.api_unit, given) in _SAME:
        return Conversion(factor / _SAME[row.api_unit, given], row.shift)
    return None
