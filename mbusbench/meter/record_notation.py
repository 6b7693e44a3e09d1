"""A recorded record as a device file would have it: by names, else in blocks, else as bytes.

Whatever is chosen gives exactly the recorded bytes; each notation is tried with the device file's own reader.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import date, datetime, time
from fractions import Fraction
from typing import Any

from pydantic import ValidationError

from mbusbench.codec.data_field import raw_value
from mbusbench.codec.dib import Function
from mbusbench.codec.record import DataRecord
from mbusbench.codec.vib import ValueInformationBlock, quantities
from mbusbench.meter.record_definition import BCD_DIGITS, BINARY_SIZES, DATA_FIELDS, REAL32, Record

_DATE_AND_TIME = 4
_EXTENDED = (0xFB, 0xFC, 0xFD)

RecordData = dict[str, Any]
"""A record as plain data: what YAML makes of it in a file."""

_CODES = {data_field: name for name, data_field in DATA_FIELDS.items()}
# The unit that people use instead of the table's, where the step is this power of ten of the table's or larger.
_LARGER_UNITS = {"Wh": ("kWh", 3, -3), "J": ("MJ", 6, 0), "J/h": ("MJ/h", 6, 0), "W": ("kW", 3, 2)}


def record_data(record: DataRecord) -> RecordData:
    """The most readable notation that gives the record's bytes."""
    for candidate in _candidates(record):
        if _gives(candidate, record.raw):
            return candidate
    return {"raw": hex_text(record.raw)}


def hex_text(data: bytes) -> str:
    """`0C 78`."""
    return data.hex(" ").upper()


def decimal(number: Fraction) -> int | float:
    """The number as a file gives it; the nearest one where it has no short decimal."""
    return int(number) if number.denominator == 1 else float(number)


def value_data(record: DataRecord, per_unit: Fraction) -> Any:
    """The value as a file gives it, for a register that has `per_unit` steps in the file's unit."""
    raw = raw_value(record.dib, record.vib, record.data)
    if isinstance(raw, datetime):
        return raw.isoformat(timespec="minutes" if len(record.data) == 4 else "seconds")
    if isinstance(raw, date | time):
        return raw.isoformat()
    if raw is None or isinstance(raw, str):
        return raw
    return decimal((Fraction(raw) if isinstance(raw, int) else Fraction(repr(raw))) / per_unit)


def parsed(data: RecordData) -> Record | None:
    """The record that a device file with this would have; None where it would be a mistake."""
    try:
        return Record.model_validate(data)
    except ValidationError:
        return None


def _gives(data: RecordData, wanted: bytes) -> bool:
    record = parsed(data)
    return record is not None and record.head + record.fixed_data == wanted


def _candidates(record: DataRecord) -> Iterator[RecordData]:
    code = _CODES.get(record.dib.data_field)
    if code is not None and record.vib.quantity in quantities():
        for unit, scale in _units(record.vib):
            named = _named(record, code, unit, scale)
            for value in _values(record, Fraction(10) ** -scale):
                yield {**named, **value}
    blocks = {"dib": hex_text(record.dib.raw), "vib": hex_text(record.vib.raw)}
    for value in _values(record, Fraction(1)):
        yield {**blocks, **value}


def _units(vib: ValueInformationBlock) -> Iterator[tuple[str | None, int]]:
    """(unit, scale) by which `vif` might find the block."""
    if vib.modifiers and vib.raw[0] not in _EXTENDED:
        vib = ValueInformationBlock.decode(bytes([vib.raw[0] & 0x7F]))  # a date of a value, say, has no unit any more
    if vib.meter_unit is None or vib.exponent is None:
        yield None, 0
        return
    larger = _LARGER_UNITS.get(vib.meter_unit)
    if larger is not None and vib.exponent >= larger[2]:
        yield larger[0], vib.exponent - larger[1]
    yield vib.meter_unit, vib.exponent
    yield None, 0


def _named(record: DataRecord, code: str, unit: str | None, scale: int) -> RecordData:
    dib, vib = record.dib, record.vib
    named: RecordData = {"vif": vib.quantity}
    if unit is not None:
        named["unit"] = unit
    if scale:
        named["scale"] = scale
    named["code"] = code
    if dib.storage_number:
        named["storage"] = dib.storage_number
    if dib.tariff:
        named["tariff"] = dib.tariff
    if dib.subunit:
        named["subunit"] = dib.subunit
    if dib.function is not Function.INSTANTANEOUS:
        named["function"] = dib.function.name.lower()
    if len(dib.raw) > 1 and not dib.raw[-1]:
        named["difes"] = len(dib.raw) - 1
    modifiers = [*vib.modifiers, *([vib.record_error] if vib.record_error else [])]
    if vib.manufacturer:
        modifiers = [name for name in modifiers if name != "manufacturer_specific"]
        named["manufacturer_vifes"] = hex_text(vib.manufacturer)
    if modifiers:
        named["modifiers"] = modifiers
    return named


def _values(record: DataRecord, per_unit: Fraction) -> Iterator[RecordData]:
    data_field = record.dib.data_field
    if not record.data:
        yield {}
        return
    value = {"value": value_data(record, per_unit)}
    yield value
    if record.vib.kind in ("date", "datetime") and len(record.data) == _DATE_AND_TIME:
        yield {**value, "year_hundreds": False}
    if data_field in BCD_DIGITS:
        digits = record.data[::-1].hex().upper()
        yield {"value": digits.lstrip("0") or "0"}
        yield {"value": digits}
    elif data_field in BINARY_SIZES:
        number = int.from_bytes(record.data, "little", signed=record.vib.datatype == "B")
        yield {"value": decimal(number / per_unit)}
    elif data_field == REAL32:
        # A scaled single may need the very number that it is, not the shortest decimal near it.
        yield {"value": _plain_real(record.data)}
    yield {"value": None}


def _plain_real(data: bytes) -> float | None:
    number: float = struct.unpack("<f", data)[0]
    return number if abs(number) <= 1e30 else None
