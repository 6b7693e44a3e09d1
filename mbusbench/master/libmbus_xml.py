"""A reading as the XML that libmbus prints (mbus_frame_xml), for scripts that parse it.

Elements, their order and their words are those of libmbus 0.9. Where libmbus prints what the meter did not say, this
does not; docs/results.md lists the differences.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from struct import unpack

from mbusbench.codec.dib import Function
from mbusbench.codec.fixed_data import FixedHeader
from mbusbench.codec.header import LongHeader, ShortHeader
from mbusbench.codec.record import DataRecord
from mbusbench.codec.telegram import Telegram
from mbusbench.master import libmbus_texts as texts

_HEAD = '<?xml version="1.0" encoding="ISO-8859-1"?>\n<MBusData>\n\n'
_TAIL = "</MBusData>\n"
_FUNCTIONS = {
    Function.INSTANTANEOUS: "Instantaneous value",
    Function.MAXIMUM: "Maximum value",
    Function.MINIMUM: "Minimum value",
    Function.ERROR: "Value during error state",
}
_STORED = 0x02
_BINARY = 0x01
_DIFE_FOLLOWS = 0x80
_INTEGERS = (1, 2, 3, 4, 6, 7)
_DIGITS = (9, 10, 11, 12, 14)
_NO_DATA, _REAL, _VARIABLE, _SPECIAL = 0, 5, 13, 15
_LONGEST_TEXT = 0xBF
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}
_UNPRINTABLE = {*range(32), 127}

Element = tuple[str, str]


def libmbus_xml(telegrams: Sequence[Telegram], timestamp: datetime | None = None) -> str:
    """The document for one readout, pure ASCII. `timestamp` is when it was received, None where that is unknown."""
    first = telegrams[0]
    blocks = [_block("SlaveInformation", _slave(first))]
    if isinstance(first.header, FixedHeader):
        blocks += _fixed_records(first, first.header)
    elif first.application_error is None:
        blocks += _records(telegrams, timestamp)
    return "".join((_HEAD, *blocks, _TAIL))


def _block(opening: str, elements: list[Element]) -> str:
    lines = "".join(f"        <{name}>{_escaped(text)}</{name}>\n" for name, text in elements)
    return f"    <{opening}>\n{lines}    </{opening.split(maxsplit=1)[0]}>\n\n"


def _escaped(text: str) -> str:
    """As libmbus escapes; what is not ASCII is a character reference, right in any encoding."""
    characters = (" " if ord(character) in _UNPRINTABLE else _ESCAPES.get(character, character) for character in text)
    return "".join(characters).encode("ascii", "xmlcharrefreplace").decode("ascii")


def _slave(telegram: Telegram) -> list[Element]:
    if telegram.application_error is not None:
        code = telegram.application_error
        return [("Error", texts.ERRORS[code] if code < len(texts.ERRORS) else f"Unknown error (0x{code:02X})")]
    header = telegram.header
    elements: list[Element] = []
    if isinstance(header, LongHeader | FixedHeader):
        elements.append(("Id", header.identification.lstrip("0") or "0"))
    if isinstance(header, LongHeader):
        manufacturer, medium = header.manufacturer, header.device_type
        elements += (
            ("Manufacturer", "".join(chr(64 + (manufacturer >> shift & 0x1F)) for shift in (10, 5, 0))),
            ("Version", str(header.version)),
            ("ProductName", ""),
            ("Medium", texts.MEDIA.get(medium, f"Unknown medium (0x{medium:02x})")),
        )
    elif isinstance(header, FixedHeader):
        elements.append(("Medium", texts.FIXED_MEDIA[header.medium]))
    if header is not None:
        elements += (("AccessNumber", str(header.access_number)), ("Status", f"{header.status:02X}"))
    if isinstance(header, LongHeader | ShortHeader):
        elements.append(("Signature", f"{header.configuration:04X}"))
    return elements


def _fixed_records(telegram: Telegram, header: FixedHeader) -> Iterator[str]:
    function = "Stored value" if header.status & _STORED else "Actual value"
    for number, (record, unit) in enumerate(zip(telegram.records, header.units, strict=True)):
        data = _ordered(record)
        value = str(int.from_bytes(data, "little", signed=True)) if header.status & _BINARY else _hexadecimal(data)
        elements = [("Function", function), ("Unit", texts.FIXED_UNITS[unit]), ("Value", value)]
        yield _block(f'DataRecord id="{number}"', elements)


def _records(telegrams: Sequence[Telegram], timestamp: datetime | None) -> Iterator[str]:
    received: list[Element] = []
    if timestamp is not None:
        received.append(("Timestamp", f"{timestamp.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"))
    number = 0
    for index, telegram in enumerate(telegrams):
        frame = f' frame="{index}"' if len(telegrams) > 1 else ""
        contents = [_record(record) for record in telegram.records]
        if telegram.manufacturer_data is not None:
            function = "More records follow" if telegram.more_records_follow else "Manufacturer specific"
            contents.append([("Function", function), ("Value", telegram.manufacturer_data.hex(" ").upper())])
        for elements in contents:
            yield _block(f'DataRecord id="{number}"{frame}', elements + received)
            number += 1


def _record(record: DataRecord) -> list[Element]:
    dib = record.dib
    elements = [("Function", _FUNCTIONS[dib.function]), ("StorageNumber", str(dib.storage_number))]
    if dib.raw[0] & _DIFE_FOLLOWS:
        elements += (("Tariff", str(dib.tariff)), ("Device", str(dib.subunit)))
    return [*elements, ("Unit", _unit(record.vib.raw)), ("Value", _value(record))]


def _unit(vib: bytes) -> str:
    if vib[0] & 0x7F != 0x7C or len(vib) < 2:
        return texts.unit(vib, "")
    end = 2 + vib[1]
    return texts.unit(vib[:1] + vib[end:], _text(vib[2:end]))


def _text(data: bytes) -> str:
    return data[::-1].decode("latin-1").rstrip("\0")


def _ordered(record: DataRecord) -> bytes:
    """The data bytes, least significant first."""
    return record.data[::-1] if record.field.most_significant_first else record.data


def _value(record: DataRecord) -> str:
    """The register as it was sent: libmbus does not scale, its unit says by how much."""
    if record.vib.kind in ("date", "datetime", "time") and record.dib.data_field in (2, 3, 4, 6):
        return _time(record) if record.valid else ""
    field, data = record.dib.data_field, _ordered(record)
    if field in _INTEGERS:
        return str(int.from_bytes(data, "little", signed=True))
    if field in _DIGITS:
        return _hexadecimal(data) if record.dib.function is Function.ERROR else _decimal(data)
    if field == _REAL:
        return f"{unpack('<f', data)[0]:f}"
    if field == _VARIABLE and data[0] <= _LONGEST_TEXT:
        return _text(data[1:])
    if field == _VARIABLE:
        return "" if record.raw_value is None else str(record.raw_value)
    return "" if field in (_NO_DATA, _SPECIAL) else f"Unknown DIF (0x{record.dib.raw[0]:02x})"


def _time(record: DataRecord) -> str:
    value = record.value
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%S}"
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value)


def _hexadecimal(data: bytes) -> str:
    return f"{int.from_bytes(data, 'little'):X}"


def _decimal(data: bytes) -> str:
    """BCD with F in front for a minus; other digits as they are, since they are no number."""
    digits = data[::-1].hex().upper()
    if digits.isdecimal():
        return str(int(digits))
    if digits[0] == "F" and digits[1:].isdecimal():
        return str(-int(digits[1:]))
    return digits
