"""What a frame says, in words: one line for its link layer and header, one for each record.

What a meter sent as text is shown with everything unprintable replaced. Nothing here knows times.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time

from mbusbench.codec import application_errors, ci_field, commands, control_field, device_type
from mbusbench.codec.dib import Function
from mbusbench.codec.fixed_data import FixedHeader
from mbusbench.codec.frame import Frame, LongFrame, ShortFrame, SingleCharacter
from mbusbench.codec.frame_reader import Reject
from mbusbench.codec.header import LongHeader, ShortHeader, describe_status, manufacturer_letters
from mbusbench.codec.record import DataRecord
from mbusbench.codec.telegram import Header, Telegram
from mbusbench.errors import DecodeError

_SINGLE = {0xE5: "E5 (acknowledged)", 0xA2: "A2 (not acknowledged)"}
_REASONS = {
    "start": "no frame",
    "length": "wrong length",
    "checksum": "wrong checksum",
    "stop": "no stop byte",
    "truncated": "cut off",
    "parity": "parity or framing error",
}
_SHOWN_BYTES = 16


def hex_text(data: bytes, longest: int = _SHOWN_BYTES) -> str:
    """Hex with spaces; the middle of what is longer is left out."""
    text = data.hex(" ").upper()
    return text if len(data) <= longest else f"{text[: 3 * longest]}.. ({len(data)} bytes)"


def printable(text: str) -> str:
    """The text with everything that is not printable replaced."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def value_text(value: object) -> str:
    """A value as a person reads it; "-" for none."""
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds" if value.second else "minutes")
    if isinstance(value, date | time):
        return value.isoformat()
    return printable(str(value))


def describe_frame(item: Frame | Reject, key: bytes | None = None) -> tuple[str, Iterable[str]]:
    """The line, and the lines below it, made when they are asked for: records, and what is wrong with them."""
    if isinstance(item, Reject):
        return f"{_REASONS[item.reason.value]}: {hex_text(item.raw)}", ()
    if isinstance(item, SingleCharacter):
        return _SINGLE.get(item.code, f"{item.code:02X}"), ()
    line = f"{control_field.describe(item.control)}, address {item.address}"
    if isinstance(item, ShortFrame):
        return line, ()
    line += f", CI {item.ci:02X} ({ci_field.describe(item.ci)})"
    try:
        details, below = _datagram(item, key)
    except DecodeError as error:
        details, below = [f"{error.layer}: {error}"], ()
    return ", ".join([line, *details]), below


def _datagram(frame: LongFrame, key: bytes | None) -> tuple[list[str], Iterable[str]]:
    if not frame.control & control_field.PRM:
        return _telegram(Telegram.decode(frame.ci, frame.data, key=key))
    command = commands.decode_command(frame.ci, frame.data)
    match command:
        case commands.SelectDevice(mask, fabrication, raw):
            details = [f"mask {hex_text(raw) if mask is None else mask}"]
            return details + ([f"fabrication number {fabrication}"] if fabrication else []), ()
        case commands.ApplicationReset(subcodes):
            return [f"sub-code {hex_text(subcodes)}"] if subcodes else [], ()
        case commands.SetBaudRate(baud):
            return [f"{baud} baud"], ()
        case commands.DataSend():
            return _telegram(Telegram.decode(frame.ci, frame.data, key=key))
        case _:
            return [hex_text(frame.data)] if frame.data else [], ()


def _telegram(telegram: Telegram) -> tuple[list[str], Iterable[str]]:
    details = list(_header(telegram.header))
    if telegram.application_error is not None:
        code = telegram.application_error
        details.append(f"application error {code} ({application_errors.describe(code)})")
    if telegram.alarm is not None:
        details.append(f"alarm {telegram.alarm:02X}")
    if telegram.records:
        details.append(f"{len(telegram.records)} record{'s' if len(telegram.records) > 1 else ''}")
    if telegram.more_records_follow:
        details.append("more follow")
    if telegram.encrypted:
        details.append("encrypted")
    if telegram.diagnostics:
        details.append("with errors")
    return details, _below(telegram)


def _below(telegram: Telegram) -> Iterator[str]:
    yield from map(_record, telegram.records)
    if telegram.manufacturer_data:
        yield f"manufacturer data: {hex_text(telegram.manufacturer_data, 64)}"
    for diagnostic in telegram.diagnostics:
        yield f"! {diagnostic}"


def _header(header: Header | None) -> Iterator[str]:
    if isinstance(header, LongHeader):
        name = manufacturer_letters(header.manufacturer)
        yield f"{name} {header.identification}".strip()
        yield f"version {header.version}"
        yield device_type.name(header.device_type).replace("_", " ")
    elif isinstance(header, FixedHeader):
        yield header.identification
    if header is not None:
        yield f"access {header.access_number}"
        if header.status:
            yield f"status {header.status:02X}" + _in_words(header)


def _in_words(header: LongHeader | ShortHeader | FixedHeader) -> str:
    if isinstance(header, FixedHeader):
        return ""
    words = describe_status(header.status)
    return f" ({', '.join(words)})" if words else ""


def _record(record: DataRecord) -> str:
    vib = record.vib
    parts = [record.quantity, *vib.modifiers]
    text = f"{printable(' '.join(parts)).replace('_', ' ')} = {value_text(record.value)}"
    if record.unit:
        text += f" {printable(record.unit)}"
    notes = [
        f"{name} {number}"
        for name, number in (
            ("storage", record.storage_number),
            ("tariff", record.tariff),
            ("subunit", record.subunit),
        )
        if number
    ]
    if record.function is not Function.INSTANTANEOUS:
        notes.insert(0, record.function.name.lower())
    if not record.valid:
        notes.append("not valid")
    return f"{text} ({', '.join(notes)})" if notes else text
