"""The XML that libmbus prints, as far as telegrams can be built from it again.

libmbus prints values with their units and drops how they were coded: the data field (a whole number becomes int32, or
int64 where it needs it), VIFEs, and the address. What it prints in hex (manufacturer data) is the meter's own. Records
whose unit has no VIF of its own cannot be built.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from xml.etree import ElementTree

from mbusbench.codec.address import manufacturer_code
from mbusbench.codec.data_field import encode_value
from mbusbench.codec.dib import DataInformationBlock, Function
from mbusbench.codec.frame import LongFrame
from mbusbench.codec.header import LongHeader
from mbusbench.codec.record import DataRecord
from mbusbench.codec.telegram import Telegram
from mbusbench.codec.vib import ValueInformationBlock
from mbusbench.errors import MBusUsageError
from mbusbench.master import libmbus_texts

_FUNCTIONS = {
    "Instantaneous value": Function.INSTANTANEOUS,
    "Maximum value": Function.MAXIMUM,
    "Minimum value": Function.MINIMUM,
    "Value during error state": Function.ERROR,
}
_MORE = "More records follow"
_MANUFACTURER = "Manufacturer specific"
_UNKNOWN_MEDIUM = re.compile(r"Unknown medium \(0x([0-9a-f]{2})\)")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}\s*)*")
_INTEGER = re.compile(r"-?\d{1,18}")
_REAL = re.compile(r"-?\d+\.\d+")
_ROOM = 240


@dataclass(slots=True)
class XmlRecording:
    """The telegrams that could be built, and one line for each thing that could not."""

    frames: list[LongFrame] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_xml(text: str) -> XmlRecording:
    """Telegrams of one XML document; MBusUsageError where it is none of libmbus."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise MBusUsageError("XML with declarations of its own is not read")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise MBusUsageError(f"no valid XML: {error}") from None
    if root.tag != "MBusData":
        raise MBusUsageError(f"XML of libmbus begins with MBusData, not with {root.tag[:40]}")
    found = XmlRecording()
    header = _header(root.find("SlaveInformation"), found)
    if header is not None:
        _build(root, header, found)
    return found


def _header(slave: ElementTree.Element | None, found: XmlRecording) -> LongHeader | None:
    if slave is None:
        raise MBusUsageError("XML without SlaveInformation does not say which meter it is of")
    if slave.find("Manufacturer") is None:
        found.notes.append("a fixed data structure: XML does not say how its counters were coded")
        return None
    try:
        letters = (slave.findtext("Manufacturer") or "").strip()
        return LongHeader(
            _identification((slave.findtext("Id") or "").strip()),
            manufacturer_code(letters) if letters else 0,
            int(slave.findtext("Version") or 0),
            _medium((slave.findtext("Medium") or "").strip(), found),
            int(slave.findtext("AccessNumber") or 0),
            int(slave.findtext("Status") or "0", 16),
            int(slave.findtext("Signature") or "0", 16),
        )
    except (ValueError, MBusUsageError) as error:
        raise MBusUsageError(f"SlaveInformation cannot be read: {error}") from None


def _identification(text: str) -> str:
    if not re.fullmatch(r"[0-9A-Fa-f]{1,8}", text):
        raise MBusUsageError(f"Id {text[:20]!r}")
    return text.upper().zfill(8)


def _medium(text: str, found: XmlRecording) -> int:
    unknown = _UNKNOWN_MEDIUM.fullmatch(text)
    if unknown is not None:
        return int(unknown[1], 16)
    codes = [code for code, name in libmbus_texts.MEDIA.items() if name.lower() == text.lower()]
    if len(codes) == 1:
        return codes[0]
    found.notes.append(f"medium {text[:40]!r} could be several, or none: 'other' is taken")
    return 0


def _build(root: ElementTree.Element, header: LongHeader, found: XmlRecording) -> None:
    """A telegram for each `frame`, or where the records do not fit into one."""
    current: list[DataRecord] = []
    ending: tuple[bool, bytes | None] = (False, None)
    frame = None
    for element in root.iter("DataRecord"):
        if element.get("frame") != frame:
            frame = element.get("frame")
            if current:
                _finish(header, current, (True, None), found)
                current = []
        function = (element.findtext("Function") or "").strip()
        if function in (_MORE, _MANUFACTURER):
            ending = (function == _MORE, _hex(element.findtext("Value") or ""))
            _finish(header, current, ending, found)
            current, ending = [], (False, None)
            continue
        record = _record(element, function, found)
        if record is None:
            continue
        if sum(len(each.raw) for each in current) + len(record.raw) >= _ROOM:
            _finish(header, current, (True, None), found)
            current = []
        current.append(record)
    if current or not found.frames:
        _finish(header, current, ending, found)


def _finish(
    header: LongHeader, records: list[DataRecord], ending: tuple[bool, bytes | None], found: XmlRecording
) -> None:
    telegram = Telegram.build(header, records, more_records_follow=ending[0], manufacturer_data=ending[1])
    found.frames.append(LongFrame(0x08, 0, telegram.ci, telegram.data))


def _hex(text: str) -> bytes:
    return bytes.fromhex(text) if _HEX.fullmatch(text.strip()) else b""


def _record(element: ElementTree.Element, function: str, found: XmlRecording) -> DataRecord | None:
    unit = element.findtext("Unit") or ""
    where = f"record {element.get('id', '?')[:10]} ({unit[:40] or 'without a unit'})"
    vib = _vibs().get(unit.strip())
    if vib is None or function not in _FUNCTIONS:
        found.notes.append(f"{where} is left out: nothing says how it was coded")
        return None
    numbers = (element.findtext(name) or "0" for name in ("StorageNumber", "Tariff", "Device"))
    try:
        storage, tariff, subunit = map(int, numbers)
        data_field, raw = _coded(vib, (element.findtext("Value") or "").strip())
        dib = DataInformationBlock.build(data_field, _FUNCTIONS[function], storage, tariff, subunit)
        return DataRecord.build(dib, vib, encode_value(dib, vib, raw))
    except (ValueError, MBusUsageError):
        found.notes.append(f"{where} is left out: its value cannot be coded")
        return None


def _coded(vib: ValueInformationBlock, text: str) -> tuple[int, int | float | str | date | datetime | None]:
    """(data field, register) for a value as printed."""
    if vib.kind == "date":
        return 0x2, date.fromisoformat(text[:10]) if text else None
    if vib.kind == "datetime":
        return 0x4, datetime.fromisoformat(text) if text else None
    if vib.kind == "identification" and re.fullmatch(r"[0-9A-Fa-f]{1,8}", text):
        return 0xC, text.upper()
    if _INTEGER.fullmatch(text):
        return (0x4 if -(2**31) < int(text) < 2**31 else 0x7), int(text)
    if _REAL.fullmatch(text):
        return 0x5, float(text)
    return 0xD, text


@cache
def _vibs() -> dict[str, ValueInformationBlock]:
    """Units as libmbus prints them, to the first VIF that has each."""
    found: dict[str, ValueInformationBlock] = {}
    for raw in _vifs():
        vib = ValueInformationBlock.decode(raw)
        if vib.kind not in ("reserved", "special", "extension") and vib.quantity != "plain_text":
            found.setdefault(libmbus_texts.unit(raw, "").strip(), vib)
    return found


def _vifs() -> Iterator[bytes]:
    yield from (bytes([code]) for code in range(0x7B))
    for extension in (0xFB, 0xFD):
        yield from (bytes([extension, code]) for code in range(0x80))
