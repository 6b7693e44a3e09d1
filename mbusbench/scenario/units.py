"""The units that a report may use, and what each is worth, exactly: conversion to one unit for each dimension.

Energy in Wh and J are one dimension, and so are power in W and J/h. A unit that is not in the table is its own.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

_KILO, _MEGA, _GIGA, _TERA = 10**3, 10**6, 10**9, 10**12
_SAME = {"C": "°C"}
_CUBIC = re.compile(r"(?<=m)(?:³|\^3)")

#: unit -> (unit of the dimension, what one is worth in it)
UNITS: dict[str, tuple[str, Fraction]] = {
    "J": ("J", Fraction(1)),
    "kJ": ("J", Fraction(_KILO)),
    "MJ": ("J", Fraction(_MEGA)),
    "GJ": ("J", Fraction(_GIGA)),
    "Wh": ("J", Fraction(3600)),
    "kWh": ("J", Fraction(3600 * _KILO)),
    "MWh": ("J", Fraction(3600 * _MEGA)),
    "GWh": ("J", Fraction(3600 * _GIGA)),
    "Mcal": ("J", Fraction(41868, 10000) * _MEGA),
    "m3": ("m3", Fraction(1)),
    "l": ("m3", Fraction(1, _KILO)),
    "ml": ("m3", Fraction(1, _MEGA)),
    "ft3": ("m3", Fraction(28316846592, _TERA)),
    "kg": ("kg", Fraction(1)),
    "t": ("kg", Fraction(_KILO)),
    "s": ("s", Fraction(1)),
    "min": ("s", Fraction(60)),
    "h": ("s", Fraction(3600)),
    "d": ("s", Fraction(86400)),
    "W": ("W", Fraction(1)),
    "kW": ("W", Fraction(_KILO)),
    "MW": ("W", Fraction(_MEGA)),
    "J/h": ("W", Fraction(1, 3600)),
    "kJ/h": ("W", Fraction(_KILO, 3600)),
    "MJ/h": ("W", Fraction(_MEGA, 3600)),
    "GJ/h": ("W", Fraction(_GIGA, 3600)),
    "m3/h": ("m3/h", Fraction(1)),
    "l/h": ("m3/h", Fraction(1, _KILO)),
    "ml/h": ("m3/h", Fraction(1, _MEGA)),
    "m3/min": ("m3/h", Fraction(60)),
    "m3/s": ("m3/h", Fraction(3600)),
    "kg/h": ("kg/h", Fraction(1)),
    "°C": ("°C", Fraction(1)),
    "K": ("K", Fraction(1)),
    "bar": ("bar", Fraction(1)),
    "mbar": ("bar", Fraction(1, _KILO)),
    "V": ("V", Fraction(1)),
    "mV": ("V", Fraction(1, _KILO)),
    "A": ("A", Fraction(1)),
    "mA": ("A", Fraction(1, _KILO)),
    "Hz": ("Hz", Fraction(1)),
    "var": ("var", Fraction(1)),
    "kvar": ("var", Fraction(_KILO)),
    "varh": ("varh", Fraction(1)),
    "kvarh": ("varh", Fraction(_KILO)),
    "VA": ("VA", Fraction(1)),
    "kVA": ("VA", Fraction(_KILO)),
    "VAh": ("VAh", Fraction(1)),
    "kVAh": ("VAh", Fraction(_KILO)),
    "%": ("%", Fraction(1)),
}


class Quantity(NamedTuple):
    """A number in the unit of its dimension; `factor` is what one of the unit given is worth in it."""

    value: Fraction
    unit: str | None
    factor: Fraction


def canonical_unit(unit: str | None) -> str | None:
    """The unit as the table writes it; None for none."""
    if not unit:
        return None
    plain = _CUBIC.sub("3", unit.strip())
    return _SAME.get(plain, plain)


def is_known_unit(unit: str | None) -> bool:
    """Whether the table has it; "no unit" is known."""
    name = canonical_unit(unit)
    return name is None or name in UNITS


def to_base(value: Fraction, unit: str | None) -> Quantity:
    """`value`, exact, in the unit of its dimension. A unit that nobody knows stays what it is."""
    name = canonical_unit(unit)
    if name is None or name not in UNITS:
        return Quantity(value, name, Fraction(1))
    base, factor = UNITS[name]
    return Quantity(value * factor, base, factor)
