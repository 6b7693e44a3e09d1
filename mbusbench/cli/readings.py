"""A reading on paper: one line that says whose it is, and a table of its records; or as CSV, or as XML."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import TYPE_CHECKING

from mbusbench.cli.output import print_csv, print_line, print_table, print_text

if TYPE_CHECKING:
    from mbusbench.master.results import MBusSlaveData, MBusSlaveInfo, MBusSlaveRecord

COLUMNS = ("record", "value", "unit", "storage", "tariff", "subunit", "function", "note")


def identity(info: MBusSlaveInfo) -> str:
    """`KAM 12345678, heat, version 53`, as far as the meter said."""
    name = " ".join(part for part in (info.manufacturer, info.serial_number) if part)
    parts = [name or "unnamed", (info.medium or "").replace("_", " ")]
    if info.version is not None:
        parts.append(f"version {info.version}")
    return ", ".join(part for part in parts if part)


def value_text(value: object) -> str:
    """The value as a person reads it."""
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds" if value.second else "minutes")
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value)


def print_reading(data: MBusSlaveData, *, heading: bool = True) -> None:
    """Everything a person wants of one readout, on stdout. The heading says whose it is."""
    from mbusbench.codec.header import describe_status

    status = describe_status(data.status) if data.status else ()
    telegrams = f", {data.telegrams} telegrams" if data.telegrams > 1 else ""
    if heading:
        print_line(f"address {data.address}: {identity(data)}{telegrams}", "bold")
    if status:
        print_line(f"  status {data.status:02X}: {', '.join(status)}", "yellow")
    if data.application_error is not None:
        print_line(f"  application error {data.application_error}", "red")
    if data.alarm is not None:
        print_line(f"  alarm {data.alarm:02X}", "red")
    if data.records:
        print_table(COLUMNS, [_row(record) for record in data.records], right=("value", "storage", "tariff", "subunit"))
    for block in data.manufacturer_data:
        if block:
            print_line(f"  manufacturer data: {bytes.fromhex(block).hex(' ').upper()}")
    for diagnostic in data.diagnostics:
        print_line(f"  ! {diagnostic}", "red")


CSV_COLUMNS = (
    *("address", "secondary_address", "serial_number", "manufacturer", "medium", "status", "access_number"),
    *("timestamp", "telegram", "index", "quantity", "description", "value", "unit", "function"),
    *("storage_number", "tariff", "device_unit", "valid", "record_error"),
)
_OF_THE_METER = CSV_COLUMNS[: CSV_COLUMNS.index("timestamp")]


class Printer:
    """Prints one reading after the other: as tables where `form` is None, as "csv" or as "xml"."""

    def __init__(self, form: str | None) -> None:
        self._form = form
        self._begun = False

    def show(self, data: MBusSlaveData) -> None:
        if self._form == "csv":
            print_csv(csv_rows(data) if self._begun else [CSV_COLUMNS, *csv_rows(data)])
        elif self._form == "xml":
            print_text(data.to_xml())
        else:
            if self._begun:
                print_line()
            print_reading(data)
        self._begun = True


def csv_rows(data: MBusSlaveData) -> list[tuple[object, ...]]:
    """The cells of each record, in the order of CSV_COLUMNS."""
    meter = tuple(getattr(data, name) for name in _OF_THE_METER)
    return [
        (*meter, *(_plain(getattr(record, name)) for name in CSV_COLUMNS[len(_OF_THE_METER) :]))
        for record in data.records
    ]


def _plain(value: object) -> object:
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value).lower() if isinstance(value, bool) else value


def _row(record: MBusSlaveRecord) -> tuple[object, ...]:
    note = record.record_error or ("" if record.valid else "invalid")
    return (
        record.description,
        value_text(record.value),
        record.unit,
        record.storage_number or None,
        record.tariff or None,
        record.device_unit or None,
        None if record.function == "instantaneous" else record.function.value,
        note.replace("_", " "),
    )
