"""Our decoding in the normal form in which the corpus states what a telegram means, and the comparison of both.

The normal form has one unit for each quantity (Wh, J, m^3, W, degC, s, ...), decimal strings without exponent, dates
with `*` for what recurs, the quantity's name and the qualifiers. Numbers are compared twice: the value at the API must
be the nearest float (or the int) of the exact one, and the register with its power of ten must be exactly it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from fractions import Fraction
from typing import Any

from mbusbench.codec.fixed_data import FixedHeader
from mbusbench.codec.header import LongHeader, manufacturer_letters
from mbusbench.codec.record import DataRecord
from mbusbench.codec.telegram import Telegram, decode_telegram

__all__ = ["compare_record", "compare_telegram", "decode_telegram", "normal_header", "normal_record"]

MANUFACTURER_DATA = "manufacturer specific data"

#: Our unit: the corpus's unit, and how many of the latter one of ours is worth.
UNITS: dict[str, tuple[str, Fraction]] = {
    "kWh": ("Wh", Fraction(1000)),
    "MJ": ("J", Fraction(10**6)),
    "MJ/h": ("J/h", Fraction(10**6)),
    "kvarh": ("varh", Fraction(1000)),
    "kVAh": ("VAh", Fraction(1000)),
    "m³": ("m^3", Fraction(1)),
    "m³/h": ("m^3/h", Fraction(1)),
    "°C": ("degC", Fraction(1)),
    "HCA units": ("H.C.A.", Fraction(1)),
}

#: The corpus leaves these as the VIF has them; ours is one unit for each quantity.
CORPUS_UNITS: dict[str, tuple[str, Fraction]] = {
    "m^3/min": ("m^3/h", Fraction(60)),
    "m^3/s": ("m^3/h", Fraction(3600)),
}

QUANTITIES: dict[str, str] = {
    "any": "any VIF",
    "datetime": "date and time",
    "hca_units": "H.C.A.",
    "rf_level": "RF level",
    "model_version": "model/version",
    "parameter_set_id": "parameter set identification",
    "unique_message_id": "unique message identification",
    "metrology_firmware_version": "firmware version",
    "other_software_version": "software version",
    "wireless_mbus_container": "data container wireless M-Bus",
}

QUALIFIERS: dict[str, str] = {
    "negative_contributions": "accumulation of absolute value of negative contributions",
    "positive_contributions": "accumulation only of positive contributions",
    "date_of_first_end": "date/time of end of first value",
    "date_of_last_end": "date/time of end of last value",
    "limit_exceed_date_upper_last_end": "date/time of end of last upper limit exceed",
    "per_input_pulse_ch0": "increment per input pulse channel 0",
    "standard_conform_data": "record error: 1d",
    "reserved_08": "record error: 08",
    "too_many_difes": "record error: too many DIFEs",
    "too_many_vifes": "record error: too many VIFEs",
}


def unit_factor(unit: str | None) -> tuple[str, Fraction]:
    """(the corpus's unit, what one of ours is worth in it)."""
    if unit is None:
        return "", Fraction(1)
    return UNITS.get(unit, (unit, Fraction(1)))


def decimal(number: Fraction) -> str:
    """`number` as a decimal string without exponent and trailing zeros; a fraction where it has no end."""
    rest = number.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest != 1:
        return str(number)
    places = 0
    while number * 10**places % 1:
        places += 1
    digits = f"{abs(int(number * 10**places)):0{places + 1}d}"
    text = f"{digits[:-places]}.{digits[-places:]}" if places else digits
    return f"-{text}" if number < 0 else text


def date_text(value: date | time) -> str:
    """A date type as the corpus writes it; seconds only where the coding has them (the caller knows)."""
    return value.isoformat()


def corpus_value(record: DataRecord) -> str | None:
    """The record's value as a string of the normal form."""
    value = record.value
    if value is None:
        return None
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds" if len(record.data) == 6 else "minutes")
    if isinstance(value, date | time):
        return date_text(value)
    if isinstance(value, str):
        return value
    return decimal(Fraction(repr(value)) * unit_factor(record.unit)[1])


def corpus_quantity(record: DataRecord) -> str:
    """The corpus's name of the quantity."""
    if record.quantity == "plain_text":
        return f"plain text: {record.unit}"
    return QUANTITIES.get(record.quantity, record.quantity.replace("_", " "))


def qualifiers(record: DataRecord) -> list[str]:
    """The VIFEs' meanings as the corpus writes them."""
    found = []
    vib = record.vib
    for name in vib.modifiers:
        if name == "manufacturer_specific":
            continue
        if name.startswith("phase_"):
            found.append("phase " + name.removeprefix("phase_").upper())
        elif not name.startswith("per_") or name.startswith(("per_input", "per_output")):
            found.append(QUALIFIERS.get(name, name.replace("_", " ")))
    for error in (vib.record_error, vib.action):
        if error is not None:
            found.append(QUALIFIERS.get(error, error))
    if vib.manufacturer or "manufacturer_specific" in vib.modifiers:
        found.append(f"manufacturer VIFE {vib.manufacturer.hex()}")
    return found


def normal_record(record: DataRecord) -> dict[str, Any]:
    """One record in the normal form."""
    return {
        "function": record.function.name.lower(),
        "storage": record.storage_number,
        "tariff": record.tariff,
        "device": record.subunit,
        "quantity": corpus_quantity(record),
        "unit": unit_factor(record.unit)[0],
        "value": corpus_value(record),
        "qualifiers": qualifiers(record),
        "data": (record.data[::-1] if record.field.most_significant_first else record.data).hex(),
    }


def normal_header(telegram: Telegram) -> dict[str, Any] | None:
    """The header in the normal form; the fixed data structure has no manufacturer, version and signature."""
    header = telegram.header
    if isinstance(header, FixedHeader):
        return {
            "id": header.identification.lower(),
            "manufacturer": None,
            "version": None,
            "medium": header.device_type,
            "access_no": header.access_number,
            "status": header.status,
            "signature": None,
        }
    if not isinstance(header, LongHeader):
        return None
    return {
        "id": header.identification.lower(),
        "manufacturer": manufacturer_letters(header.manufacturer),
        "version": header.version,
        "medium": header.device_type,
        "access_no": header.access_number,
        "status": header.status,
        "signature": f"{header.configuration:04x}",
    }


def same_number(record: DataRecord, expected: str, unit: str) -> bool:
    """Whether the record's number is `expected` (in the corpus's `unit`): nearest float at the API, exact register."""
    exact = Fraction(expected) * CORPUS_UNITS.get(unit, ("", Fraction(1)))[1] / unit_factor(record.unit)[1]
    value = record.value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return value == exact if isinstance(value, int) else value == float(exact)


#: What a meter's unit is worth in the corpus's, where they are not the same.
METER_UNITS: dict[str, Fraction] = {
    "MWh": Fraction(10**6),
    "kWh": Fraction(1000),
    "GJ": Fraction(10**9),
    "kvarh": Fraction(1000),
    "kVAh": Fraction(1000),
    "l": Fraction(1, 1000),
    "t": Fraction(1000),
    "MW": Fraction(10**6),
    "GJ/h": Fraction(10**9),
    "kvar": Fraction(1000),
    "kVA": Fraction(1000),
    "min": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86400),
}


def same_register(record: DataRecord, expected: str, unit: str) -> bool:
    """Whether what the meter sent, times its power of ten, is exactly `expected`; real32 is left to `same_number`."""
    register, exponent, meter_unit = record.raw_value, record.exponent, record.vib.meter_unit
    if record.dib.data_field == 5 or not isinstance(register, int):
        return True
    if record.vib.offset:
        return True  # the additive constants are not in the register
    exact = Fraction(register) * Fraction(10) ** (exponent or 0)
    if meter_unit != record.vib.plain_text:
        exact *= METER_UNITS.get(meter_unit or "", Fraction(1))
    return exact == Fraction(expected)


DATE_UNITS = ("date", "datetime", "time")


def compare_record(record: DataRecord, expected: Mapping[str, Any]) -> Iterator[tuple[str, object, object]]:
    """(field, expected, ours) of everything that differs."""
    ours = normal_record(record)
    unit, value = str(expected["unit"]), expected["value"]
    shown_unit = CORPUS_UNITS.get(unit, (unit,))[0]
    for name in ("function", "storage", "tariff", "device", "quantity"):
        if name in expected and ours[name] != expected[name]:
            yield name, expected[name], ours[name]
    dated = shown_unit in DATE_UNITS
    if ours["unit"] != ("" if dated else shown_unit):
        yield "unit", unit, ours["unit"]
    if isinstance(record.value, int | float) and value is not None:
        if not same_number(record, value, unit):
            yield "value", value, ours["value"]
        if not same_register(record, value, unit):
            yield "register", value, f"{record.raw_value} * 10^{record.exponent} {record.vib.meter_unit}"
    elif ours["value"] != value:
        yield "value", value, ours["value"]
    if "data" in expected and not ours["data"].endswith(expected["data"]):
        yield "data", expected["data"], ours["data"]
    if "qualifiers" in expected or ours["qualifiers"]:
        wanted = list(expected.get("qualifiers", ()))
        if wanted != ours["qualifiers"]:
            yield "qualifiers", wanted, ours["qualifiers"]
    yield from _compare_flags(record, expected)


def _compare_flags(record: DataRecord, expected: Mapping[str, Any]) -> Iterator[tuple[str, object, object]]:
    flags = expected.get("flags", ())
    usable = expected["value"] is not None and "time invalid" not in flags
    if record.data and record.valid != usable:
        yield "valid", usable, record.valid


def compare_telegram(telegram: Telegram, expected: Mapping[str, Any]) -> Iterator[tuple[str, object, object]]:
    """(place, expected, ours) of everything in which a decoded telegram differs from what it is to mean."""
    header = expected.get("header")
    if header is not None:
        yield from _compare_header(telegram, header)
    if "more_records_follow" in expected and telegram.more_records_follow != expected["more_records_follow"]:
        yield "more_records_follow", expected["more_records_follow"], telegram.more_records_follow
    wanted = list(expected.get("records", ()))
    if wanted and wanted[-1]["quantity"] == MANUFACTURER_DATA:
        last = wanted.pop()
        if (telegram.manufacturer_data or b"").hex() != last["value"]:
            yield "manufacturer data", last["value"], (telegram.manufacturer_data or b"").hex()
    elif telegram.manufacturer_data:
        yield "manufacturer data", "", telegram.manufacturer_data.hex()
    if len(wanted) != len(telegram.records):
        yield "number of records", len(wanted), len(telegram.records)
    for index, (record, row) in enumerate(zip(telegram.records, wanted, strict=False)):
        for name, theirs, ours in compare_record(record, row):
            yield f"record {index} {name}", theirs, ours


def _compare_header(telegram: Telegram, header: Mapping[str, Any]) -> Iterator[tuple[str, object, object]]:
    ours = normal_header(telegram)
    for name, value in header.items():
        if name == "medium_name":
            continue
        if ours is None:
            yield "header", header, None
            return
        if ours[name] != value:
            yield f"header {name}", value, ours[name]
