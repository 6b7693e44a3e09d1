"""A device file's checks: does the meter send what a real one sent?

A recorded telegram is taken apart by the device's own records, its data put into them, and the whole built again: the
result has to be the same bytes. A check with a time compares what the meter sends then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from fractions import Fraction

from mbusbench.codec.control_field import RSP_UD
from mbusbench.codec.data_field import Value, lvar_length
from mbusbench.codec.dib import IDLE_FILLER, MANUFACTURER_DATA, MORE_RECORDS_FOLLOW, DataInformationBlock
from mbusbench.codec.frame import LongFrame, decode_frame
from mbusbench.codec.telegram import Telegram
from mbusbench.codec.vib import ValueInformationBlock
from mbusbench.errors import DecodeError
from mbusbench.meter.definition import NO_HEADER_RESPONSE, RESPONSE, SHORT_HEADER_RESPONSE, Check, Device
from mbusbench.meter.meter import Meter
from mbusbench.meter.record_definition import Record

_ERROR = 0x30
_HEADERS = {RESPONSE: 12, SHORT_HEADER_RESPONSE: 4, NO_HEADER_RESPONSE: 0}


def failures(device: Device) -> list[str]:
    """What is wrong, one line each; empty where every check holds. The device is judged with its quirks."""
    return [
        f"checks[{index}]: {text}" for index, check in enumerate(device.checks) for text in _failures(device, check)
    ]


def telegram_at(device: Device, number: int, now: int) -> bytes:
    """The frame that a fresh meter sends at `now` as telegram `number` (from 1) of its file."""
    application = Meter(device).link.application
    subcode = device.telegrams[number - 1].application
    application.choose_application(subcode)
    for _ in range(device.readout(subcode).index(number - 1) + 1):
        datagram = application.next_datagram(now)
    assert isinstance(datagram, tuple)
    return LongFrame(RSP_UD, device.device.address, *datagram).encode()


def _failures(device: Device, check: Check) -> Iterator[str]:
    if check.at is not None:
        sent = telegram_at(device, check.number, check.at)
        if sent != check.telegram:
            yield f"the device sends {sent.hex(' ').upper()}"
            return
    try:
        frame = decode_frame(check.telegram)
    except DecodeError as error:
        yield f"the telegram is no valid frame: {error}"
        return
    definition = device.telegrams[check.number - 1]
    if not isinstance(frame, LongFrame) or frame.ci != definition.ci:
        yield f"the telegram is no answer with CI {definition.ci:02X}"
        return
    meter = Meter(device)
    if definition.data is not None:
        if frame.data != definition.data:
            yield "the telegram is not the data that the device has"
    elif check.at is not None:
        pass  # it is what the device sends, record for record
    elif len(frame.data) < _HEADERS[frame.ci]:
        yield "the telegram ends in its header"
        return
    else:
        if definition.is_ordinary:
            yield from _identity(meter, frame)
        yield from _rebuilt(meter.device, check, frame)
    if check.records is not None:
        values = [record.value for record in Telegram.decode(frame.ci, frame.data, key=device.device.key).records]
        yield from _values(check.records, values)


def _identity(meter: Meter, frame: LongFrame) -> Iterator[str]:
    expected = meter.wire_address[4:]
    if frame.data[4:8] != expected:
        found = frame.data[4:8].hex(" ").upper()
        yield f"manufacturer, version and medium are {found} in the telegram, {expected.hex(' ').upper()} in the device"


def _rebuilt(device: Device, check: Check, frame: LongFrame) -> Iterator[str]:
    definition = device.telegrams[check.number - 1]
    data = frame.data
    position = _HEADERS[frame.ci]
    built = data[:position]
    for index, record in enumerate(definition.records):
        head = _head(record)
        end = position + len(head)
        if record.error is not None and data[position : position + 1] == bytes([head[0] | _ERROR]):
            head = data[position : position + 1] + head[1:]
        if data[position:end] != head:
            found = data[position:end].hex(" ").upper()
            yield f"records[{index}] begins with {head.hex(' ').upper()}, in the telegram it is {found or 'not there'}"
            return
        stop = end if record.raw == head else end + _data_length(head, data, end)
        built += head + data[end:stop]
        position = stop
    more = device.more_follows(check.number - 1)
    if more or definition.manufacturer_data is not None:
        built += bytes([MORE_RECORDS_FOLLOW if more else MANUFACTURER_DATA]) + data[position + 1 :]
    if built != data:
        yield f"behind the last record the telegram has {data[position:].hex(' ').upper() or 'nothing'}"
    elif LongFrame(frame.control, frame.address, frame.ci, built).encode() != check.telegram:
        yield "the telegram is not what the device would make of it"


def _head(record: Record) -> bytes:
    if record.raw is None:
        return record.head
    if record.raw[0] == IDLE_FILLER:
        return record.raw
    dib = DataInformationBlock.decode(record.raw)
    return dib.raw + ValueInformationBlock.decode(record.raw, len(dib.raw)).raw


def _data_length(head: bytes, data: bytes, position: int) -> int:
    length = DataInformationBlock.decode(head).data_length
    if length is None:
        return 1 + (lvar_length(data[position]) or 0) if position < len(data) else 1
    return length


def _values(expected: Sequence[Fraction | str | None], found: Sequence[Value]) -> Iterator[str]:
    if len(expected) != len(found):
        yield f"the telegram has {len(found)} records, the check {len(expected)}"
        return
    for index, (wanted, value) in enumerate(zip(expected, found, strict=True)):
        if not _same(wanted, value):
            shown = f"{float(wanted):g}" if isinstance(wanted, Fraction) else wanted
            yield f"records[{index}] is {value}, the check says {shown}"


def _same(wanted: Fraction | str | None, value: Value) -> bool:
    if isinstance(wanted, str) and isinstance(value, time):
        return wanted == value.isoformat()
    if isinstance(wanted, str) and isinstance(value, date):
        kind = datetime if isinstance(value, datetime) else date
        try:
            return kind.fromisoformat(wanted) == value
        except ValueError:
            return False
    if isinstance(wanted, Fraction) and isinstance(value, int | float):
        return Fraction(repr(value)) == wanted
    return wanted == value
