"""A reading as lines of text: for people, as JSON, as CSV, as InfluxDB line protocol. No line ends in any of them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from enum import Enum

from mbusbench.sinks.reading import Quality, Reading, Value, utc_text

CSV_COLUMNS = (
    "time",
    "key",
    "connection",
    "meter",
    "tag",
    "name",
    "value",
    "unit",
    "quality",
    "reason",
    "quantity",
    "storage",
    "tariff",
    "subunit",
    "function",
)
MEASUREMENT = "mbus"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TAG_SPECIAL = re.compile(r"([,= ])")
_LINE_ENDS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")


class LineFormat(Enum):
    """How a reading is written."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"
    INFLUX = "influx"

    def lines(self, reading: Reading) -> list[str]:
        return _LINES[self](reading)

    @property
    def header(self) -> str:
        """The first line of a file, or ""."""
        return ",".join(CSV_COLUMNS) if self is LineFormat.CSV else ""


def text_lines(reading: Reading) -> list[str]:
    """One line for people."""
    who = f"{utc_text(reading.time)} {reading.connection} {reading.name or reading.meter}"
    if reading.quality is Quality.BAD:
        return [one_line(f"{who} bad: {reading.reason or 'no reason is known'}")]
    parts = [_value_text(value) for value in reading.values]
    stale = [] if reading.quality is Quality.GOOD else [f"({reading.quality}: {reading.reason})"]
    return [one_line("  ".join([who, *parts, *stale]))]


def _value_text(value: Value) -> str:
    if value.value is None:
        return f"{value.name} - ({value.reason or value.quality})"
    unit = f" {value.unit}" if value.unit else ""
    doubt = "" if value.quality is Quality.GOOD else f" ({value.quality}: {value.reason})"
    return f"{value.name} {value.value}{unit}{doubt}"


def json_lines(reading: Reading) -> list[str]:
    return [reading.to_json()]


def csv_lines(reading: Reading) -> list[str]:
    """A line for each value; one without tag and value where there are none."""
    lines = []
    for cells in _cells(reading):
        text = io.StringIO()
        csv.writer(text, lineterminator="").writerow(
            one_line(cell) if isinstance(cell, str) else cell for cell in cells
        )
        lines.append(text.getvalue())
    return lines


def _cells(reading: Reading) -> Iterator[tuple[object, ...]]:
    head = (utc_text(reading.time), reading.key, reading.connection, reading.meter)
    if not reading.values:
        yield (*head, None, None, None, None, reading.quality.value, reading.reason, *[None] * 5)
    for value in reading.values:
        yield (
            *head,
            value.tag,
            value.name,
            value.value,
            value.unit,
            value.quality.value,
            value.reason,
            value.quantity,
            value.storage,
            value.tariff,
            value.subunit,
            value.function,
        )


def influx_lines(reading: Reading, measurement: str = MEASUREMENT) -> list[str]:
    """A line for each value: numbers as the field `value`, always a float, texts as `text`; time in ns.

    A series is one value of one meter: connection, meter and tag, and what the value is.
    """
    time = (reading.time - _EPOCH) // _MICROSECOND * 1000
    head = _escaped_measurement(measurement)
    lines = []
    for value in reading.values:
        tags = {
            "connection": reading.connection,
            "function": value.function,
            "medium": reading.medium,
            "meter": reading.meter,
            "quantity": value.quantity,
            "storage": str(value.storage),
            "subunit": str(value.subunit),
            "tag": value.tag,
            "tariff": str(value.tariff),
            "unit": value.unit,
        }
        series = "".join(f",{name}={_escaped_tag(text)}" for name, text in tags.items() if text)
        lines.append(f"{head}{series} {_influx_fields(value)} {time}")
    return lines


def _influx_fields(value: Value) -> str:
    fields = []
    if value.number is not None:
        fields.append(f"value={float(value.number)!r}")
    elif isinstance(value.value, str):
        fields.append(f"text={_quoted(value.value)}")
    fields.append(f"quality={_quoted(value.quality.value)}")
    if value.reason:
        fields.append(f"reason={_quoted(value.reason)}")
    return ",".join(fields)


def _escaped_tag(text: str) -> str:
    # A backslash before the separator would escape it.
    return _TAG_SPECIAL.sub(r"\\\1", one_line(text).replace("\\", "/"))


def _escaped_measurement(text: str) -> str:
    return re.sub(r"([, ])", r"\\\1", one_line(text).replace("\\", "/"))


def _quoted(text: str) -> str:
    escaped = one_line(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def one_line(text: str) -> str:
    """Text of a meter or a person without anything that ends a line."""
    return _LINE_ENDS.sub(" ", text)


_LINES: dict[LineFormat, Callable[[Reading], list[str]]] = {
    LineFormat.TEXT: text_lines,
    LineFormat.JSON: json_lines,
    LineFormat.CSV: csv_lines,
    LineFormat.INFLUX: influx_lines,
}
