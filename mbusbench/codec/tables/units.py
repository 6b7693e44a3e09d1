"""One unit for each quantity at the API, and what a meter's unit is worth in it. Rows only.

The factor is exact: value[api unit] = (value[unit] + `shift`) * numerator / denominator. Months and years stay what
they are, since neither is a fixed number of seconds. The megacalorie is the international table calorie's, as in heat
metering.
"""

from __future__ import annotations

from typing import NamedTuple


class UnitRow(NamedTuple):
    """`unit` in a telegram, `api_unit` at the API."""

    unit: str
    api_unit: str
    numerator: int = 1
    denominator: int = 1
    shift: int = 0


UNITS = (
    UnitRow("Wh", "kWh", 1, 1000),
    UnitRow("kWh", "kWh"),
    UnitRow("MWh", "kWh", 1000),
    UnitRow("GWh", "kWh", 1000000),
    UnitRow("J", "MJ", 1, 1000000),
    UnitRow("kJ", "MJ", 1, 1000),
    UnitRow("MJ", "MJ"),
    UnitRow("GJ", "MJ", 1000),
    UnitRow("Mcal", "MJ", 41868, 10000),
    UnitRow("kvarh", "kvarh"),
    UnitRow("kVAh", "kVAh"),
    UnitRow("ml", "m³", 1, 1000000),
    UnitRow("l", "m³", 1, 1000),
    UnitRow("m3", "m³"),
    UnitRow("ft3", "m³", 28316846592, 10**12),
    UnitRow("US gal", "m³", 3785411784, 10**12),
    UnitRow("kg", "kg"),
    UnitRow("t", "kg", 1000),
    UnitRow("W", "W"),
    UnitRow("kW", "W", 1000),
    UnitRow("MW", "W", 1000000),
    UnitRow("J/h", "MJ/h", 1, 1000000),
    UnitRow("kJ/h", "MJ/h", 1, 1000),
    UnitRow("MJ/h", "MJ/h"),
    UnitRow("GJ/h", "MJ/h", 1000),
    UnitRow("kvar", "var", 1000),
    UnitRow("kVA", "VA", 1000),
    UnitRow("ml/h", "m³/h", 1, 1000000),
    UnitRow("l/h", "m³/h", 1, 1000),
    UnitRow("m3/h", "m³/h"),
    UnitRow("m3/min", "m³/h", 60),
    UnitRow("m3/s", "m³/h", 3600),
    UnitRow("US gal/min", "m³/h", 3785411784 * 60, 10**12),
    UnitRow("US gal/h", "m³/h", 3785411784, 10**12),
    UnitRow("kg/h", "kg/h"),
    UnitRow("°C", "°C"),
    UnitRow("°F", "°C", 5, 9, -32),
    UnitRow("K", "K"),
    UnitRow("bar", "bar"),
    UnitRow("V", "V"),
    UnitRow("A", "A"),
    UnitRow("Hz", "Hz"),
    UnitRow("°", "°"),
    UnitRow("%", "%"),
    UnitRow("s", "s"),
    UnitRow("min", "s", 60),
    UnitRow("h", "s", 3600),
    UnitRow("d", "s", 86400),
    UnitRow("month", "month"),
    UnitRow("a", "year"),
    UnitRow("dBm", "dBm"),
    UnitRow("Bd", "Bd"),
    UnitRow("bit times", "bit times"),
    UnitRow("HCA units", "HCA units"),
    UnitRow("currency", "currency"),
)
