"""Frames out of JSON objects: those of `decode --json`, and shorter ones that a person writes (docs/json.md).

The frame's own bytes (`hex`) are never read: a frame is built from its fields, and its checksum is right.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from mbusbench.codec.ci_field import header_kind
from mbusbench.codec.dib import MANUFACTURER_DATA, MORE_RECORDS_FOLLOW
from mbusbench.codec.frame import Frame, LongFrame, ShortFrame, SingleCharacter
from mbusbench.codec.header import LongHeader, ShortHeader, manufacturer_code
from mbusbench.errors import MBusUsageError

RSP_UD = 0x08
RESPONSE_LONG = 0x72
_MOST_SIGNIFICANT_FIRST = 0x76
Fields = dict[str, Any]


class RejectedFrameError(ValueError):
    """The object stands for bytes that were no frame; none can be built of it."""


def json_objects(text: str) -> Iterator[Fields]:
    """The objects in a text: one, one a line, or in arrays."""
    decoder = json.JSONDecoder()
    position = 0
    found = False
    while (position := _skip_space(text, position)) < len(text):
        try:
            value, position = decoder.raw_decode(text, position)
        except (json.JSONDecodeError, RecursionError) as error:
            where = (
                f"line {error.lineno}, column {error.colno}: {error.msg}"
                if isinstance(error, ValueError)
                else "too deep"
            )
            raise click.UsageError(f"this is no JSON: {where}") from None
        for item in value if isinstance(value, list) else [value]:
            if not isinstance(item, dict):
                raise click.UsageError(f"a frame is a JSON object, not {json.dumps(item)[:40]}")
            found = True
            yield item
    if not found:
        raise click.UsageError("the input has no JSON object in it")


def _skip_space(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def build_frame(fields: Fields, where: str) -> Frame:
    """The frame of one object; click.UsageError, which names `where`, for what is missing or wrong in it."""
    if fields.get("frame") == "reject":
        raise RejectedFrameError(f"{where} is no frame ({fields.get('reason', 'rejected')}): nothing is built of it")
    try:
        return _frame(fields)
    except (_FieldError, MBusUsageError) as error:
        raise click.UsageError(f"{where}: {error}") from None


class _FieldError(ValueError):
    """A field is missing or cannot be used."""


def _frame(fields: Fields) -> Frame:
    kind = fields.get("frame", "long")
    if kind == "single":
        return SingleCharacter(_byte(fields, "code"))
    if kind == "short":
        return ShortFrame(_byte(fields, "control"), _byte(fields, "address"))
    if kind != "long":
        raise _FieldError(f"'frame' is {kind!r}, not long, short or single")
    control, address, ci = (
        _byte(fields, "control", RSP_UD),
        _byte(fields, "address"),
        _byte(fields, "ci", RESPONSE_LONG),
    )
    data = _hex_text(fields["data"], "data") if "data" in fields else _datagram(fields, ci)
    return LongFrame(control, address, ci, data)


def _datagram(fields: Fields, ci: int) -> bytes:
    """Header, records, and what stands behind them. Idle fillers are kept by `data` only."""
    reading = fields.get("reading") or {}
    if not isinstance(reading, dict):
        raise _FieldError("'reading' is no object")
    parts = [_header(fields, ci)]
    for number, record in enumerate(_list(fields if "records" in fields else reading, "records")):
        parts.append(_record(record, f"records[{number}]"))
    more = _value(fields, reading, "more_records_follow")
    blocks = _list(fields if "manufacturer_data" in fields else reading, "manufacturer_data")
    if more or blocks:
        parts.append(bytes([MORE_RECORDS_FOLLOW if more else MANUFACTURER_DATA]))
        parts += (_hex_text(block, "manufacturer_data") for block in blocks)
    return b"".join(parts)


def _value(fields: Fields, reading: Fields, name: str) -> Any:
    return fields.get(name, reading.get(name))


def _header(fields: Fields, ci: int) -> bytes:
    kind = header_kind(ci)
    if kind == "none":
        return b""
    header = fields.get("header")
    if kind is None or kind == "fixed":
        raise _FieldError(f"CI {ci:02X} has no records that can be built from fields: give 'data'")
    if not isinstance(header, dict):
        raise _FieldError(f"CI {ci:02X} needs a 'header'")
    access_number, status = _byte(header, "access_number", 0), _byte(header, "status", 0)
    configuration = _number(header, "configuration", 0xFFFF, 0)
    if kind == "short":
        return ShortHeader(access_number, status, configuration).encode()
    return LongHeader(
        _text(header, "identification"),
        _manufacturer(header),
        _byte(header, "version"),
        _byte(header, "device_type"),
        access_number,
        status,
        configuration,
        ci == _MOST_SIGNIFICANT_FIRST,
    ).encode()


def _manufacturer(header: Fields) -> int:
    if "manufacturer_code" in header:
        return _number(header, "manufacturer_code", 0xFFFF)
    return manufacturer_code(_text(header, "manufacturer"))


def _record(record: object, where: str) -> bytes:
    """A record of `decode --json` by its `raw` bytes, or one in the notation of device files."""
    if not isinstance(record, dict):
        raise _FieldError(f"{where} is no object")
    if "raw" in record:
        return _hex_text(record["raw"], f"{where}.raw")
    from pydantic import ValidationError

    from mbusbench.meter.record_definition import Record
    from mbusbench.meter.value.generator import Generator

    try:
        made = Record.model_validate(record)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if not str(part).startswith("<"))
        raise _FieldError(f"{where}{'.' if place else ''}{place}: {first['msg']}") from None
    if isinstance(made.value, Generator):
        raise _FieldError(f"{where}.value: a frame holds a value, not a generator of values")
    return made.head + made.fixed_data


def _byte(fields: Fields, name: str, default: int | None = None) -> int:
    return _number(fields, name, 0xFF, default)


def _number(fields: Fields, name: str, largest: int, default: int | None = None) -> int:
    value = fields.get(name, default)
    if value is None:
        raise _FieldError(f"{name!r} is missing")
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= largest:
        raise _FieldError(f"{name!r} is {json.dumps(value)[:40]}, not a number in 0..{largest}")
    return value


def _text(fields: Fields, name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise _FieldError(
            f"{name!r} is missing" if value is None else f"{name!r} is {json.dumps(value)[:40]}, not text"
        )
    return value


def _list(fields: Fields, name: str) -> list[Any]:
    value = fields.get(name, [])
    if not isinstance(value, list):
        raise _FieldError(f"{name!r} is no list")
    return value


def _hex_text(value: object, where: str) -> bytes:
    if isinstance(value, str):
        try:
            return bytes.fromhex(value)
        except ValueError:
            pass
    raise _FieldError(f"{where!r} is no hex")
