"""What must hold for any input whatever. Each check returns the kind of outcome or raises `ViolationError`."""

from __future__ import annotations

import random
from collections.abc import Sequence

from mbusbench import decode
from mbusbench.codec import layout
from mbusbench.codec.frame import LongFrame, decode_frame
from mbusbench.codec.frame_reader import FrameReader, Reject
from mbusbench.codec.record import DataRecord
from mbusbench.codec.telegram import Telegram
from mbusbench.errors import DecodeError

LONG_HEADER_SIZE = 12


class ViolationError(AssertionError):
    """An input for which something does not hold."""


def check_decode(data: bytes | str, key: bytes | None = None) -> str:
    """`decode` gives a result or raises DecodeError."""
    try:
        result = decode(data, key=key)
    except DecodeError as error:
        if error.layer not in ("link", "application", "security"):
            raise ViolationError(f"layer {error.layer!r}") from error
        return f"refused, {error.layer} layer"
    if result.application_error is not None or result.alarm is not None:
        return "application error or alarm"
    if result.encrypted:
        return "encrypted"
    return "read in part" if result.diagnostics else "read"


def check_round_trip(data: bytes) -> None:
    """What was decoded is encoded to the bytes it came from: frame, telegram, and each record."""
    try:
        frame = decode_frame(data)
    except DecodeError:
        return
    if frame.encode() != data:
        raise ViolationError("the frame comes back changed")
    if not isinstance(frame, LongFrame):
        return
    try:
        telegram = Telegram.decode(frame.ci, frame.data)
    except DecodeError:
        return
    if telegram.encode() != frame.data:
        raise ViolationError("the telegram comes back changed")
    for record in telegram.records:
        if record.dib.raw and record.encode() != record.raw:
            raise ViolationError(f"record {record.raw.hex()} comes back as {record.encode().hex()}")


def check_stream(data: bytes, source: random.Random) -> None:
    """The reader raises nothing, loses nothing, and finds the same frames however the stream is cut."""
    reader = FrameReader()
    found = []
    position = 0
    while position < len(data):
        step = source.choice((1, 2, 7, 64, 400))
        found += reader.receive(data[position : position + step])
        position += step
    found += reader.idle()
    seen = b"".join(item.raw if isinstance(item, Reject) else item.encode() for item in found)
    if seen + reader.pending != data:
        raise ViolationError(f"the reader gives {seen.hex()} and keeps {reader.pending.hex()}")


def _shown(records: list[DataRecord]) -> list[tuple[str, str, bytes]]:
    return [(type(record.value).__name__, repr(record.value), record.raw) for record in records]


def check_warm_as_cold(data: bytes) -> None:
    """A telegram read by its layout is the one that a walk over its bytes finds."""
    if len(data) <= LONG_HEADER_SIZE:
        return
    structure, records = layout.read(data, LONG_HEADER_SIZE, data[4:8])
    walked, cold = layout.parse(data, LONG_HEADER_SIZE)
    if _shown(records) != _shown(cold):
        raise ViolationError(f"warm {_shown(records)}, cold {_shown(cold)}")
    if (structure.more_records_follow, structure.manufacturer_start, structure.diagnostics) != (
        walked.more_records_follow,
        walked.manufacturer_start,
        walked.diagnostics,
    ):
        raise ViolationError("warm and cold differ in the tail")


def check_other_values(data: bytes, source: random.Random, odd: Sequence[bytes]) -> bool:
    """Once its layout is known, the same structure with any other values is read by it, and read right.

    Returns whether there was a layout to judge.
    """
    if len(data) <= LONG_HEADER_SIZE:
        return False
    for _ in range(2):  # a layout is compiled when its kind of meter comes again
        structure, _ = layout.read(data, LONG_HEADER_SIZE, data[4:8])
    if not structure.fields or structure.diagnostics or not structure.exact:
        return False
    for _ in range(3):
        changed = bytearray(data)
        for field in structure.fields:
            start = field.data_start + (field.header.data_length < 0)  # the first octet of an LVAR is structure
            size = field.stop - start
            if size <= 0 or source.random() < 0.3:
                continue
            octets = source.choice((*odd, b""))
            changed[start : field.stop] = (octets * size)[:size] if octets else source.randbytes(size)
        check_warm_as_cold(bytes(changed))
    return True
