"""Units and media of the fixed data structure (CI 73 and 77; The M-Bus 4.8, 6.2)."""

from __future__ import annotations

from typing import NamedTuple


class FixedUnitRow(NamedTuple):
    """Codes `first`..`last` (6 bits); `exponent` is that of `first` and counts up by one."""

    first: int
    last: int
    quantity: str
    unit: str | None
    exponent: int | None


UNITS = (
    FixedUnitRow(0x00, 0x00, "time_hms", None, None),
    FixedUnitRow(0x01, 0x01, "date_dmy", None, None),
    FixedUnitRow(0x02, 0x04, "energy", "Wh", 0),
    FixedUnitRow(0x05, 0x07, "energy", "kWh", 0),
    FixedUnitRow(0x08, 0x0A, "energy", "MWh", 0),
    FixedUnitRow(0x0B, 0x0D, "energy", "kJ", 0),
    FixedUnitRow(0x0E, 0x10, "energy", "MJ", 0),
    FixedUnitRow(0x11, 0x13, "energy", "GJ", 0),
    FixedUnitRow(0x14, 0x16, "power", "W", 0),
    FixedUnitRow(0x17, 0x19, "power", "kW", 0),
    FixedUnitRow(0x1A, 0x1C, "power", "MW", 0),
    FixedUnitRow(0x1D, 0x1F, "power", "kJ/h", 0),
    FixedUnitRow(0x20, 0x22, "power", "MJ/h", 0),
    FixedUnitRow(0x23, 0x25, "power", "GJ/h", 0),
    FixedUnitRow(0x26, 0x28, "volume", "ml", 0),
    FixedUnitRow(0x29, 0x2B, "volume", "l", 0),
    FixedUnitRow(0x2C, 0x2E, "volume", "m3", 0),
    FixedUnitRow(0x2F, 0x31, "volume_flow", "ml/h", 0),
    FixedUnitRow(0x32, 0x34, "volume_flow", "l/h", 0),
    FixedUnitRow(0x35, 0x37, "volume_flow", "m3/h", 0),
    FixedUnitRow(0x38, 0x38, "temperature", "°C", -3),
    FixedUnitRow(0x39, 0x39, "hca_units", "HCA units", 0),
    FixedUnitRow(0x3F, 0x3F, "dimensionless", None, 0),
)

HISTORIC = 0x3E  # the unit of the other counter, but a stored value

# Medium code (4 bits) to the device type of the variable structure; codes 10 to 14 repeat some with counters MSB first.
DEVICE_TYPES = (0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x0F, 0x03, 0x04, 0x06, 0x07, 0x08, 0x0F)
