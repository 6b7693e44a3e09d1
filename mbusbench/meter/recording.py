"""Recorded answers as a device: its emulation sends the same bytes again.

A telegram that records cannot give is kept whole. Nothing here reads files or knows when a telegram was recorded;
`movement.py` compares readouts, and what it finds goes on top of this.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pydantic import ValidationError

from mbusbench.codec import device_type
from mbusbench.codec.address import SELECTED, manufacturer_code, manufacturer_letters
from mbusbench.codec.control_field import ACD, DFC, RSP_UD
from mbusbench.codec.data_field import Value
from mbusbench.codec.fixed_data import FixedHeader
from mbusbench.codec.frame import LongFrame
from mbusbench.codec.header import LongHeader, ShortHeader
from mbusbench.codec.security import FILLERS
from mbusbench.codec.telegram import Telegram
from mbusbench.definition.document import parse_document
from mbusbench.definition.yaml_text import Hexadecimal, yaml_text
from mbusbench.errors import DecodeError
from mbusbench.meter import checks
from mbusbench.meter.definition import NO_HEADER_RESPONSE, RESPONSE, SHORT_HEADER_RESPONSE, Device, TelegramDefinition
from mbusbench.meter.meter import Meter
from mbusbench.meter.record_notation import hex_text, record_data
from mbusbench.protocol.slave.security import MODES
from mbusbench.protocol.slave.settings import AccessNumber

_HIGHEST_PRIMARY = 250
_WITH_RECORDS = (RESPONSE, SHORT_HEADER_RESPONSE, NO_HEADER_RESPONSE)
_LARGEST_CHECKED = 1e30
_LARGEST_WHOLE = 2**53
_LONG_HEADER = 12

DeviceData = dict[str, Any]
"""A device file as plain data."""


@dataclass(frozen=True, slots=True)
class Readout:
    """The telegrams of one readout in their order.

    `asked` is the address of the request, None where nobody knows; `time` when it was, in ns of any clock, or None.
    """

    frames: tuple[LongFrame, ...]
    asked: int | None = None
    time: int | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """What the headers say of the sender. A meter that never says it has zeros."""

    identification: str = "00000000"
    manufacturer: int = 0
    version: int = 0
    device_type: int = 0

    @property
    def name(self) -> str:
        """`kam-heat-80450799`, of the characters that every file system has."""
        letters = manufacturer_letters(self.manufacturer).lower() or "unknown"
        medium = device_type.name(self.device_type).replace("_", "-")
        return f"{letters}-{medium}-{self.identification.lower()}"


def identity(frame: LongFrame) -> Identity | None:
    """Who sent this; None where the telegram does not say."""
    try:
        header = Telegram.decode(frame.ci, frame.data).header
    except DecodeError:
        return None
    if isinstance(header, LongHeader):
        return Identity(header.identification, header.manufacturer, header.version, header.device_type)
    if isinstance(header, FixedHeader):
        return Identity(header.identification, device_type=header.device_type)
    return None


def device_data(
    readouts: Sequence[Readout], *, key: bytes | None = None, description: str | None = None, source: str | None = None
) -> DeviceData:
    """The device of one meter's readouts, of which the first is what it will send. At least one, none of them empty."""
    first = readouts[0]
    mode = None if key is None else _security(first.frames, key)
    data = _device(readouts, [_telegram(frame, key) for frame in first.frames])
    if mode is not None and key is not None:
        data["device"].pop("configuration", None)
        data["device"].update(security=mode, key=key.hex())
    sent = _sent(data, len(first.frames))
    for index, frame in enumerate(first.frames):
        if sent is None or sent[index : index + 1] != [(frame.control, frame.ci, frame.data)]:
            data["telegrams"][index] = _whole(frame)
    if all("data" in telegram for telegram in data["telegrams"]):
        for name in ("security", "key"):
            data["device"].pop(name, None)
    if description is not None:
        data = {"format": 1, "description": description, **data}
    if source is not None:
        data = {"format": 1, **({"description": description} if description else {}), "source": source, **data}
    checked = [_check(index, frame, source, key) for index, frame in enumerate(first.frames)]
    if "security" in data["device"]:
        checked = [{"at": "0s", **check} for check in checked if "reply_address" not in data.get("behaviour", {})]
    data["checks"] = checked
    return data


def opened(frame: LongFrame, key: bytes) -> LongFrame:
    """The telegram as it would be without encryption; as it is where `key` does not open it."""
    try:
        telegram = Telegram.decode(frame.ci, frame.data, key=key)
    except DecodeError:
        return frame
    if telegram.plain == telegram.data or frame.ci != RESPONSE:
        return frame
    start = telegram.structure.manufacturer_start
    end = max((record.field.stop for record in telegram.records), default=_LONG_HEADER)
    area = telegram.plain[_LONG_HEADER:end].removeprefix(FILLERS)
    tail = b"" if start is None else telegram.plain[start - 1 :]
    return LongFrame(frame.control, frame.address, frame.ci, telegram.plain[:10] + bytes(2) + area + tail)


def _security(frames: Sequence[LongFrame], key: bytes) -> int | None:
    """The security mode of the telegrams that the key opens."""
    for frame in frames:
        if opened(frame, key) != frame:
            mode = frame.data[11] & 0x1F
            return mode if mode in MODES else None
    return None


def device_of(data: DeviceData) -> Device:
    """The device; DefinitionError where the data is no device file."""
    return Device.from_document(parse_document(yaml_text(data), "recorded"))


def _device(readouts: Sequence[Readout], telegrams: list[dict[str, Any]]) -> DeviceData:
    frames = readouts[0].frames
    own = next((found for frame in frames if (found := identity(frame)) is not None), Identity())
    head: dict[str, Any] = {
        "manufacturer": _manufacturer(own.manufacturer),
        "version": Hexadecimal(own.version),
        "medium": _medium(own.device_type),
        "id": own.identification,
        "address": primary_address(readouts),
        **_state(frames),
    }
    behaviour = _behaviour(readouts, head["address"])
    data: DeviceData = {"format": 1, "device": head}
    if behaviour:
        data["behaviour"] = behaviour
    for index, telegram in enumerate(telegrams):
        _settle_ending(telegram, last=index == len(telegrams) - 1)
    data["telegrams"] = telegrams
    return data


def primary_address(readouts: Sequence[Readout]) -> int:
    """The address that the meter was asked at, else the one that it answers from; 0 where neither is a meter's own."""
    asked = [readout.asked for readout in readouts if readout.asked is not None and readout.asked <= _HIGHEST_PRIMARY]
    answers = [frame.address for readout in readouts for frame in readout.frames]
    return next((address for address in (*asked, *answers) if address <= _HIGHEST_PRIMARY), 0)


def _manufacturer(code: int) -> str | int:
    letters = manufacturer_letters(code)
    if len(letters) == 3 and letters.isalpha() and letters.isupper() and manufacturer_code(letters) == code:
        return letters
    return Hexadecimal(code)


def _medium(code: int) -> str | int:
    if code == 0xFF:  # the wildcard: no meter may be one, so its telegrams are kept whole
        return device_type.name(0)
    name = device_type.name(code)
    return Hexadecimal(code) if name.startswith("reserved") else name


def _state(frames: Sequence[LongFrame]) -> dict[str, Any]:
    """The rest of the header, as far as it is not zero."""
    for frame in frames:
        try:
            header = Telegram.decode(frame.ci, frame.data).header
        except DecodeError:
            continue
        if isinstance(header, LongHeader | ShortHeader):
            fields = {"status": header.status, "configuration": header.configuration}
            state: dict[str, Any] = {name: Hexadecimal(value) for name, value in fields.items() if value}
            if header.access_number:
                state["access_number"] = header.access_number
            return state
    return {}


def _behaviour(readouts: Sequence[Readout], address: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    bits = readouts[0].frames[0].control & (ACD | DFC)
    if bits:
        found["response_bits"] = Hexadecimal(bits)
    counting = _access_number(readouts)
    if counting is not AccessNumber.TELEGRAM:
        found["access_number"] = counting.value
    for readout in readouts:
        sender = readout.frames[0].address
        if sender != address:
            found.setdefault("selected_reply_address" if readout.asked == SELECTED else "reply_address", sender)
    return found


def _access_number(readouts: Sequence[Readout]) -> AccessNumber:
    """How the access number counts, by what was recorded; with each telegram where that says nothing."""
    rows = [[number for frame in readout.frames if (number := _number(frame)) is not None] for readout in readouts]
    rows = [row for row in rows if row]
    inside = {(after - before) & 0xFF for row in rows for before, after in pairwise(row)}
    between = {(after[0] - before[-1]) & 0xFF for before, after in pairwise(rows)}
    if inside | between == {0}:
        return AccessNumber.READOUT if not between else AccessNumber.NEVER
    return AccessNumber.READOUT if inside == {0} else AccessNumber.TELEGRAM


def _number(frame: LongFrame) -> int | None:
    if frame.ci == RESPONSE and len(frame.data) >= 12:
        return frame.data[8]
    return frame.data[0] if frame.ci == SHORT_HEADER_RESPONSE and frame.data else None


def _whole(frame: LongFrame) -> dict[str, Any]:
    return {"ci": Hexadecimal(frame.ci), "data": hex_text(frame.data)}


def _telegram(given: LongFrame, key: bytes | None = None) -> dict[str, Any]:
    """The telegram by its records, or whole where they cannot give it."""
    frame = given if key is None else opened(given, key)
    if frame.ci not in _WITH_RECORDS:
        return _whole(frame)
    try:
        telegram = Telegram.decode(frame.ci, frame.data)
    except DecodeError:
        return _whole(frame)
    if telegram.diagnostics or telegram.encrypted:
        return _whole(frame)
    data: dict[str, Any] = {} if frame.ci == RESPONSE else {"ci": Hexadecimal(frame.ci)}
    data["records"] = list(_records(telegram, frame))
    rest = telegram.manufacturer_data
    if rest is not None and not (telegram.more_records_follow and not rest):
        data["manufacturer_data"] = hex_text(rest)
    data["more_records_follow"] = telegram.more_records_follow
    try:
        TelegramDefinition.model_validate(data)
    except ValidationError:
        return _whole(frame)
    return data


def _records(telegram: Telegram, frame: LongFrame) -> Iterator[dict[str, Any]]:
    """The records, and idle fillers where they stand."""
    position = {RESPONSE: 12, SHORT_HEADER_RESPONSE: 4, NO_HEADER_RESPONSE: 0}[frame.ci]
    for record in telegram.records:
        if record.field.start > position:
            yield {"raw": hex_text(frame.data[position : record.field.start])}
        yield record_data(record)
        position = record.field.stop
    ending = telegram.structure.manufacturer_start
    stop = len(frame.data) if ending is None else ending - 1
    if stop > position:
        yield {"raw": hex_text(frame.data[position:stop])}


def _settle_ending(telegram: dict[str, Any], *, last: bool) -> None:
    """`more_records_follow` only where it is not what stands to reason: all but the last end with 1F."""
    if telegram.get("more_records_follow") == (not last):
        del telegram["more_records_follow"]


def _sent(data: DeviceData, count: int) -> list[tuple[int, int, bytes]] | None:
    """(C field, CI field, data) of what the device sends to so many requests; None where it is no device."""
    try:
        meter = Meter(Device.model_validate(data))
    except ValidationError:
        return None
    control = RSP_UD | meter.settings.response_bits
    datagrams = [meter.link.application.next_datagram(0) for _ in range(count)]
    return [(control, *datagram) for datagram in datagrams if isinstance(datagram, tuple)]


def _check(index: int, frame: LongFrame, source: str | None, key: bytes | None) -> dict[str, Any]:
    check: dict[str, Any] = {"telegram": hex_text(frame.encode())}
    if index:
        check = {"number": index + 1, **check}
    if source is not None:
        check["source"] = source
    try:
        telegram = Telegram.decode(frame.ci, frame.data, key=key)
    except DecodeError:
        return check
    values = [_checked(record.value) for record in telegram.records]
    if values and not any(isinstance(value, float) and abs(value) > _LARGEST_CHECKED for value in values):
        check["records"] = values
    return check


def _checked(value: Value) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < _LARGEST_WHOLE:
        return int(value)
    if value is None or isinstance(value, int | float | str):
        return value
    return value.isoformat()


def failures(data: DeviceData) -> list[str]:
    """What the device's own checks say."""
    return checks.failures(device_of(data))
