"""The words that libmbus has for units, media and errors: rows only. Scripts compare with them, odd as some are.

`{}` stands for the prefix of a power of ten, `exponent` is that of the first code of a row. The last code of a row is
the one before the next row's first.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

PREFIXES = {
    -6: "my",
    -3: "m",
    0: "",
    1: "10 ",
    2: "100 ",
    3: "k",
    4: "10 k",
    5: "100 k",
    6: "M",
    9: "G",
}


class Row(NamedTuple):
    first: int
    text: str
    exponent: int = 0


_RESERVED = "Reserved (0x{vife:02x})"
_UNKNOWN = "Unknown (VIF=0x{vif:02X})"
_NO_FB = "Unrecognized VIF 0xFB extension: 0x{vife:02x}"

_PRIMARY = (
    Row(0x00, "Energy ({}Wh)", -3),
    Row(0x08, "Energy ({}J)"),
    Row(0x10, "Volume ({} m^3)", -6),
    Row(0x18, "Mass ({}kg)", -3),
    Row(0x20, "On time ({span})"),
    Row(0x24, "Operating time ({span})"),
    Row(0x28, "Power ({}W)", -3),
    Row(0x30, "Power ({}J/h)"),
    Row(0x38, "Volume flow ({} m^3/h)", -6),
    Row(0x40, "Volume flow ({} m^3/min)", -7),
    Row(0x48, "Volume flow ({} m^3/s)", -9),
    Row(0x50, "Mass flow ({} kg/h)", -3),
    Row(0x58, "Flow temperature ({}deg C)", -3),
    Row(0x5C, "Return temperature ({}deg C)", -3),
    Row(0x60, "Temperature Difference ({} deg C)", -3),
    Row(0x64, "External temperature ({} deg C)", -3),
    Row(0x68, "Pressure ({} bar)", -3),
    Row(0x6C, "Time Point (date)"),
    Row(0x6D, "Time Point (time & date)"),
    Row(0x6E, "Units for H.C.A."),
    Row(0x6F, "Reserved"),
    Row(0x70, "Averaging Duration ({span})"),
    Row(0x74, "Actuality Duration ({span})"),
    Row(0x78, "Fabrication number"),
    Row(0x79, _UNKNOWN),
    Row(0x7A, "Bus Address"),
    Row(0x7B, _UNKNOWN),
    Row(0x7C, "Custom VIF"),
    Row(0x7D, _UNKNOWN),
    Row(0x7F, "Manufacturer specific"),
)
_FB = (
    Row(0x00, "Energy (0.1 MWh)"),
    Row(0x01, "Energy (MWh)"),
    Row(0x02, _RESERVED),
    Row(0x06, _NO_FB),
    Row(0x08, "Energy (0.1 GJ)"),
    Row(0x09, "Energy (GJ)"),
    Row(0x0A, _RESERVED),
    Row(0x0C, _RESERVED),
    Row(0x10, "Volume ({}m3)", 2),
    Row(0x12, _RESERVED),
    Row(0x18, "Mass ({}t)", 2),
    Row(0x1A, _RESERVED),
    Row(0x21, "Volume (0.1 feet^3)"),
    Row(0x22, "Volume (0.1 american gallon)"),
    Row(0x23, "Volume (american gallon)"),
    Row(0x24, "Volume flow (0.001 american gallon/min)"),
    Row(0x25, "Volume flow (american gallon/min)"),
    Row(0x26, "Volume flow (american gallon/h)"),
    Row(0x27, _RESERVED),
    Row(0x28, "Power (0.1 MW)"),
    Row(0x29, "Power (MW)"),
    Row(0x2A, _RESERVED),
    Row(0x30, "Power (0.1 GJ/h)"),
    Row(0x31, "Power (GJ/h)"),
    Row(0x32, _RESERVED),
    Row(0x50, _NO_FB),
    Row(0x52, _RESERVED),
    Row(0x58, "Flow Temperature ({} degree F)", -3),
    Row(0x5C, "Return Temperature ({} degree F)", -3),
    Row(0x60, "Temperature Difference ({} degree F)", -3),
    Row(0x64, "External Temperature ({} degree F)", -3),
    Row(0x68, _RESERVED),
    Row(0x70, "Cold / Warm Temperature Limit ({} degree F)", -3),
    Row(0x74, "Cold / Warm Temperature Limit ({} degree C)", -3),
    Row(0x78, "cumul. count max power ({} W)", -3),
)
_FD = (
    Row(0x00, "Credit of {} of the nominal local legal currency units", -3),
    Row(0x04, "Debit of {} of the nominal local legal currency units", -3),
    Row(0x08, "Access Number (transmission count)"),
    Row(0x09, "Medium (as in fixed header)"),
    Row(0x0A, "Manufacturer (as in fixed header)"),
    Row(0x0B, "Parameter set identification"),
    Row(0x0C, "Model / Version"),
    Row(0x0D, "Hardware version"),
    Row(0x0E, "Firmware version"),
    Row(0x0F, "Software version"),
    Row(0x10, "Customer location"),
    Row(0x11, "Customer"),
    Row(0x12, "Access Code User"),
    Row(0x13, "Access Code Operator"),
    Row(0x14, "Access Code System Operator"),
    Row(0x15, "Access Code Developer"),
    Row(0x16, "Password"),
    Row(0x17, "Error flags"),
    Row(0x18, "Error mask"),
    Row(0x19, "Reserved"),
    Row(0x1A, "Digital output (binary)"),
    Row(0x1B, "Digital input (binary)"),
    Row(0x1C, "Baudrate"),
    Row(0x1D, "response delay time"),
    Row(0x1E, "Retry"),
    Row(0x1F, "Reserved"),
    Row(0x20, "First storage # for cyclic storage"),
    Row(0x21, "Last storage # for cyclic storage"),
    Row(0x22, "Size of storage block"),
    Row(0x23, "Reserved"),
    Row(0x24, "Storage interval {short}"),
    Row(0x28, "Storage interval month(s)"),
    Row(0x29, "Storage interval year(s)"),
    Row(0x2A, "Reserved"),
    Row(0x2C, "Duration since last readout {short}"),
    Row(0x30, "Start (date/time) of tariff"),
    Row(0x31, "Duration of tariff {short}"),
    Row(0x34, "Period of tariff {short}"),
    Row(0x38, "Period of tariff months(s)"),
    Row(0x39, "Period of tariff year(s)"),
    Row(0x3A, "dimensionless / no VIF"),
    Row(0x3B, "Reserved"),
    Row(0x40, "{} V", -9),
    Row(0x50, "{} A", -12),
    Row(0x60, "Reset counter"),
    Row(0x61, "Cumulation counter"),
    Row(0x62, "Control signal"),
    Row(0x63, "Day of week"),
    Row(0x64, "Week number"),
    Row(0x65, "Time point of day change"),
    Row(0x66, "State of parameter activation"),
    Row(0x67, "Special supplier information"),
    Row(0x68, "Duration since last cumulation {long}"),
    Row(0x6C, "Operating time battery {long}"),
    Row(0x70, "Date and time of battery change"),
    Row(0x71, "Reserved VIF extension"),
)

_SPANS = ("seconds", "minutes", "hours", "days")
_SHORT = ("second(s)", "minute(s)", "hour(s)", "day(s)")
_LONG = ("hour(s)", "day(s)", "month(s)", "year(s)")
_PLAIN_TEXT = 0x7C
_MULTIPLIER = 0x70  # VIFE of a multiplicative correction: 10^-6 to 10^1


def prefix(exponent: int) -> str:
    """The prefix of a power of ten."""
    return PREFIXES.get(exponent, f"1e{exponent} ")


def unit(vib: bytes, plain_text: str) -> str:
    """The unit of a record from its VIF and VIFEs, without what a VIF in plain text brings: that is `plain_text`."""
    vif, vifes = vib[0], vib[1:]
    if vif == _PLAIN_TEXT:
        return plain_text
    if vif == 0xFC and vifes and vifes[0] & 0x78 == _MULTIPLIER:
        return f"{prefix((vifes[0] & 7) - 6)} {plain_text}"
    if vif in (0xFB, 0xFD):
        if not vifes:
            return "Missing VIF extension"
        return _text(_FB if vif == 0xFB else _FD, vifes[0] & 0x7F, vif, vifes[0])
    return _text(_PRIMARY, vif & 0x7F, vif, 0)


def _text(rows: tuple[Row, ...], code: int, vif: int, vife: int) -> str:
    row = rows[bisect_right(rows, code, key=lambda row: row.first) - 1]
    return row.text.format(
        prefix(row.exponent + code - row.first),
        span=_SPANS[code & 3],
        short=_SHORT[code & 3],
        long=_LONG[code & 3],
        vif=vif,
        vife=vife,
    )


MEDIA = {
    0x00: "Other",
    0x01: "Oil",
    0x02: "Electricity",
    0x03: "Gas",
    0x04: "Heat: Outlet",
    0x05: "Steam",
    0x06: "Warm water (30-90°C)",
    0x07: "Water",
    0x08: "Heat Cost Allocator",
    0x09: "Compressed Air",
    0x0A: "Cooling load meter: Outlet",
    0x0B: "Cooling load meter: Inlet",
    0x0C: "Heat: Inlet",
    0x0D: "Heat / Cooling load meter",
    0x0E: "Bus/System",
    0x0F: "Unknown Medium",
    0x10: "Irrigation Water",
    0x11: "Water Logger",
    0x12: "Gas Logger",
    0x13: "Gas Converter",
    0x14: "Calorific value",
    0x15: "Hot water (>90°C)",
    0x16: "Cold water",
    0x17: "Dual water",
    0x18: "Pressure",
    0x19: "A/D Converter",
    0x1A: "Smoke Detector",
    0x1B: "Ambient Sensor",
    0x1C: "Gas Detector",
    0x20: "Breaker: Electricity",
    0x21: "Valve: Gas or Water",
    **dict.fromkeys((0x22, 0x23, 0x24, 0x26, 0x27), "Reserved"),
    0x25: "Customer Unit: Display Device",
    0x28: "Waste Water",
    0x29: "Garbage",
    **dict.fromkeys(range(0x2A, 0x30), "Reserved"),
    0x30: "Service Unit",
    **dict.fromkeys(range(0x31, 0x35), "Reserved"),
    0x36: "Radio Converter: System",
    0x37: "Radio Converter: Meter",
    **dict.fromkeys(range(0x38, 0x40), "Reserved"),
}

FIXED_MEDIA = (
    "Other",
    "Oil",
    "Electricity",
    "Gas",
    "Heat",
    "Steam",
    "Hot Water",
    "Water",
    "H.C.A.",
    "Reserved",
    "Gas Mode 2",
    "Heat Mode 2",
    "Hot Water Mode 2",
    "Water Mode 2",
    "H.C.A. Mode 2",
    "Reserved",
)

_SCALED = (
    *("Wh", "kWh", "MWh", "kJ", "MJ", "GJ", "W", "kW", "MW", "kJ/h", "MJ/h", "GJ/h"),
    *("ml", "l", "m^3", "ml/h", "l/h", "m^3/h"),
)
FIXED_UNITS = (
    *("h,m,s", "D,M,Y"),
    *(f"{factor}{name}" for name in _SCALED for factor in ("", "10 ", "100 ")),
    *("1e-3 °C", "units for HCA", "reserved", "reserved", "reserved", "reserved", "reserved but historic"),
    "without units",
)

ERRORS = (
    "Unspecified error",
    "Unimplemented CI-Field",
    "Buffer too long, truncated",
    "Too many records",
    "Premature end of record",
    "More than 10 DIFE´s",
    "More than 10 VIFE´s",
    "Reserved",
    "Application busy",
    "Too many readouts",
)
