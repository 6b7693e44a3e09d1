"""What moved between two readouts of a meter, written as a value that lives.

A total that grew counts on at the rate seen; anything else that changed goes back and forth between both values; a date
and time that went on is the meter's clock.
"""

from __future__ import annotations

from datetime import datetime, time
from fractions import Fraction
from typing import Any

from pydantic import ValidationError

from mbusbench.codec.frame import LongFrame
from mbusbench.codec.record import DataRecord
from mbusbench.codec.telegram import Telegram
from mbusbench.definition.fields import LONGEST
from mbusbench.errors import DecodeError
from mbusbench.meter.record_definition import Record
from mbusbench.meter.record_notation import decimal, parsed, value_data
from mbusbench.meter.recording import DeviceData, Readout

HOUR = 3600 * 10**9
_DIGITS = 9
_TOTALS = frozenset({
    "energy", "reactive_energy", "apparent_energy", "volume", "mass", "on_time", "operating_time", "hca_units",
    "cumulation_counter", "reset_counter", "transmission_counter", "access_number", "manufacturer_specific",
    "dimensionless", "plain_text", "cumulative_counter",
})  # fmt: skip


def bring_to_life(data: DeviceData, first: Readout, last: Readout, elapsed: int | None) -> list[str]:
    """Give the device's records of two readouts their movement. `elapsed` is ns between them, None where unknown.

    Returns a line for each record that changed and stays as it was.
    """
    notes: list[str] = []
    for index, (before, after) in enumerate(zip(first.frames, last.frames, strict=False)):
        telegram = data["telegrams"][index]
        if "records" not in telegram:
            continue
        pairs = zip(_records(before), _records(after), strict=False)
        records = [record for record in telegram["records"] if not _is_filler(record)]
        for number, (record, (old, new)) in enumerate(zip(records, pairs, strict=False)):
            if old.field.header != new.field.header or old.data == new.data:
                continue
            moved = _moving(record, old, new, elapsed)
            if moved is None:
                notes.append(f"telegrams[{index}] record {number} ({old.quantity}) changed, and stays as it was first")
            else:
                record.clear()
                record.update(moved)
    return notes


def clock_of(readout: Readout) -> datetime | None:
    """What the meter's clock showed: its first present date and time."""
    for frame in readout.frames:
        for record in _records(frame):
            if record.vib.kind == "datetime" and isinstance(record.value, datetime) and not record.storage_number:
                return record.value
    return None


def _records(frame: LongFrame) -> list[DataRecord]:
    try:
        return Telegram.decode(frame.ci, frame.data).records
    except DecodeError:
        return []


def _is_filler(record: dict[str, Any]) -> bool:
    return str(record.get("raw", "")).startswith("2F")


def _moving(record: dict[str, Any], old: DataRecord, new: DataRecord, elapsed: int | None) -> dict[str, Any] | None:
    for value in _values(record, old, new, elapsed):
        for candidate in ({**record, "value": value}, _in_blocks(old, value)):
            if _is_possible(candidate):
                return candidate
    return None


def _in_blocks(old: DataRecord, value: Any) -> dict[str, Any]:
    return {"dib": old.dib.raw.hex(" ").upper(), "vib": old.vib.raw.hex(" ").upper(), "value": value}


def _is_possible(candidate: dict[str, Any]) -> bool:
    if "raw" in candidate:
        return False
    try:
        Record.model_validate(candidate)
    except ValidationError:
        return False
    return True


def _values(record: dict[str, Any], old: DataRecord, new: DataRecord, elapsed: int | None) -> list[Any]:
    if isinstance(old.value, datetime) and isinstance(new.value, datetime):
        return [{"clock": "now"}] if new.value > old.value else []
    if isinstance(old.value, time):
        return [{"clock": "now"}]
    definition = parsed(record)
    if elapsed is None or elapsed <= 0 or definition is None or "raw" in record:
        return []
    start, end = (_number(value_data(each, definition.per_unit)) for each in (old, new))
    if start is None or end is None:
        return []
    if end > start and _is_total(old):
        rate = float(f"{float((end - start) * HOUR / elapsed):.{_DIGITS}g}")
        return [{"counter": {"start": decimal(start), "rate": decimal(Fraction(repr(rate)))}}]
    over = f"{min(elapsed, LONGEST) // 10**6}ms"
    return [{"ramp": {"from": decimal(start), "to": decimal(end), "over": over, "then": "return"}}]


def _number(value: Any) -> Fraction | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return Fraction(repr(value)) if isinstance(value, float) else Fraction(value)


def _is_total(record: DataRecord) -> bool:
    return record.quantity in _TOTALS or record.vib.kind == "duration"
