"""What a master writes into a record: found by its DIB and VIB, changed by an object action (EN 13757-3).

A value that moves goes on moving from what was written; a counter counts on.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from datetime import date, time
from math import inf

from mbusbench.codec.data_field import Value, bcd_number, encode_value, raw_value
from mbusbench.codec.dib import LVAR, DataInformationBlock
from mbusbench.codec.vib import ValueInformationBlock
from mbusbench.errors import MBusUsageError
from mbusbench.meter.plan import Encode, Part
from mbusbench.meter.record_definition import BCD_DIGITS, BINARY_SIZES, REAL32, Record
from mbusbench.meter.value.generator import Generator
from mbusbench.protocol.slave.commands import (
    DATA_ERROR,
    NO_FUNCTION,
    PARAMETER_ERROR,
    SIZE_ERROR,
    CommandError,
    WrittenRecord,
)

FREEZE = "freeze_data"
_ARITHMETIC: dict[str, Callable[[int | float, int | float], int | float]] = {
    "add": lambda present, value: present + value,
    "subtract": lambda present, value: present - value,
}
_BITWISE: dict[str, Callable[[int, int], int]] = {
    "or": lambda present, value: present | value,
    "and": lambda present, value: present & value,
    "xor": lambda present, value: present ^ value,
    "and_not": lambda present, value: present & ~value,
}


def find(records: Iterable[Record], dib: DataInformationBlock, vib: ValueInformationBlock) -> Record | None:
    """The record that is meant, one that may be written before one that may not. The data field does not matter."""
    wanted = (dib.function, dib.storage_number, dib.tariff, dib.subunit)
    found: Record | None = None
    for record in records:
        if record.raw is not None or record.vib_block.raw != vib.raw:
            continue
        own = record.dib_block
        if (own.function, own.storage_number, own.tariff, own.subunit) == wanted:
            if record.writable:
                return record
            found = found or record
    return found


def changed(record: Record, present: bytes, written: WrittenRecord) -> bytes:
    """The record's new data bytes; CommandError where the action is not possible."""
    dib, vib = record.dib_block, record.vib_block
    if written.action == "clear":
        return _encoded(record, 0)
    if not written.value:
        raise CommandError(NO_FUNCTION)
    if written.action == "write" and written.dib.data_field == record.data_field:
        if record.data_field == LVAR and len(written.value) > len(present):
            raise CommandError(SIZE_ERROR)
        return written.value
    value = raw_value(written.dib, vib, written.value)
    if written.action == "write":
        return _encoded(record, value)
    before = raw_value(dib, vib, present)
    if written.action in _ARITHMETIC:
        if not isinstance(before, int | float) or not isinstance(value, int | float):
            raise CommandError(DATA_ERROR)
        return _encoded(record, _ARITHMETIC[written.action](before, value))
    if written.action not in _BITWISE or record.data_field not in BINARY_SIZES:
        raise CommandError(NO_FUNCTION)
    if not isinstance(before, int) or not isinstance(value, int):
        raise CommandError(DATA_ERROR)
    return _encoded(record, _BITWISE[written.action](before, value))


def copied(source: Record, present: bytes, target: Record) -> bytes:
    """A record's present data as that of another one."""
    if source.data_field == target.data_field:
        return present
    return _encoded(target, raw_value(source.dib_block, source.vib_block, present))


def _encoded(record: Record, value: Value) -> bytes:
    if isinstance(value, date | time) or record.vib_block.kind in ("date", "datetime"):
        raise CommandError(SIZE_ERROR)
    if isinstance(value, str) and record.data_field != LVAR:
        raise CommandError(PARAMETER_ERROR)
    if isinstance(value, int) and record.data_field == REAL32:
        value = float(value)
    try:
        return encode_value(record.dib_block, record.vib_block, value)
    except MBusUsageError:
        raise CommandError(PARAMETER_ERROR) from None


def written_part(record: Record, base: Part, data: bytes, now: int) -> Part:
    """The record from `now` on, where it has `data`; `base` is what it was until now."""
    if isinstance(base, bytes):
        return record.head + data
    start = len(record.head)
    field = record.data_field
    if field in BCD_DIGITS:
        return _shifted_bcd(record, base, _bcd(data) - _bcd(base(now)[start:]))
    if field == REAL32:
        return _shifted_real(record, base, _real(data) - _real(base(now)[start:]))
    if field in BINARY_SIZES and record.vib_block.kind not in ("date", "datetime"):
        signed = record.is_signed
        before = int.from_bytes(base(now)[start:], "little", signed=signed)
        return _shifted_binary(record, base, int.from_bytes(data, "little", signed=signed) - before)
    return record.head + data


def _shifted_binary(record: Record, base: Encode, shift: int) -> Encode:
    head, size, signed = record.head, BINARY_SIZES[record.data_field], record.is_signed
    start = len(head)
    counts = isinstance(record.value, Generator) and record.value.counter is not None
    modulus = 1 << 8 * size - (1 if signed and counts else 0)

    def encode(now: int) -> bytes:
        number = int.from_bytes(base(now)[start:], "little", signed=signed) + shift
        return head + (number % modulus).to_bytes(size, "little")

    return encode


def _shifted_bcd(record: Record, base: Encode, shift: int) -> Encode:
    head, digits = record.head, BCD_DIGITS[record.data_field]
    start, modulus = len(record.head), 10**digits

    def encode(now: int) -> bytes:
        number = _bcd(base(now)[start:]) + shift
        return head + bytes.fromhex(f"{number % modulus:0{digits}d}")[::-1]

    return encode


def _shifted_real(record: Record, base: Encode, shift: float) -> Encode:
    head, start = record.head, len(record.head)

    def encode(now: int) -> bytes:
        number = _real(base(now)[start:]) + shift
        try:
            return head + struct.pack("<f", number)
        except OverflowError:
            return head + struct.pack("<f", inf if number > 0 else -inf)

    return encode


def _bcd(data: bytes) -> int:
    return bcd_number(data[::-1].hex()) or 0


def _real(data: bytes) -> float:
    number: float = struct.unpack("<f", data)[0]
    return number
