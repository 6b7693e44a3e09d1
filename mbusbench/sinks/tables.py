"""A reading as rows of two tables, the same in every database: `reading`, and `value` with what was read.

`key` makes a reading unique. Numbers are in `value.value`, everything else in `value.text`.
"""

from __future__ import annotations

from typing import Any

from mbusbench.sinks.reading import Reading, Value

READING_COLUMNS = (
    "key",
    "time",
    "connection",
    "meter",
    "name",
    "address",
    "medium",
    "manufacturer",
    "version",
    "access_number",
    "status",
    "quality",
    "reason",
)
VALUE_COLUMNS = (
    "key",
    "ordinal",
    "time",
    "connection",
    "meter",
    "tag",
    "name",
    "value",
    "text",
    "unit",
    "quality",
    "reason",
    "quantity",
    "storage",
    "tariff",
    "subunit",
    "function",
)


def reading_row(reading: Reading, time: Any) -> tuple[Any, ...]:
    """In the order of READING_COLUMNS; `time` as the database wants it."""
    return (
        reading.key,
        time,
        reading.connection,
        reading.meter,
        reading.name,
        reading.address,
        reading.medium,
        reading.manufacturer,
        reading.version,
        reading.access_number,
        reading.status,
        reading.quality.value,
        reading.reason,
    )


def value_rows(reading: Reading, time: Any) -> list[tuple[Any, ...]]:
    """In the order of VALUE_COLUMNS."""
    return [
        (
            reading.key,
            ordinal,
            time,
            reading.connection,
            reading.meter,
            value.tag,
            value.name,
            value.number,
            _text(value),
            value.unit,
            value.quality.value,
            value.reason,
            value.quantity,
            value.storage,
            value.tariff,
            value.subunit,
            value.function,
        )
        for ordinal, value in enumerate(reading.values)
    ]


def _text(value: Value) -> str | None:
    return value.value if isinstance(value.value, str) else None
