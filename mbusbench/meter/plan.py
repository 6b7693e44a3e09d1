"""What all meters of one device have in common, compiled once: constant bytes merged, moving values as closures.

A request then costs one call for each value that moves, and thousands of meters of one device share the rest.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from mbusbench.codec.data_field import encode_value
from mbusbench.codec.dib import MANUFACTURER_DATA, MORE_RECORDS_FOLLOW
from mbusbench.meter.definition import Device
from mbusbench.meter.record_definition import BCD_DIGITS, BINARY_SIZES, REAL32, Record
from mbusbench.meter.value.curve import Register
from mbusbench.meter.value.device_values import Values
from mbusbench.meter.value.generator import Generator, Overflow
from mbusbench.meter.value.signal import Signal

Encode = Callable[[int], bytes]
Part = bytes | Encode


@dataclass(frozen=True, slots=True)
class Place:
    """A record that is not the same for every meter of a device."""

    record: Record


class Plan:
    """What all meters of one device share: bytes that never change, and registers that only time changes."""

    def __init__(self, device: Device, epoch: datetime) -> None:
        self.device = device
        self.values = Values(device, epoch)
        self._parts: dict[int, Part | Place] = {}
        self.endings = [self._ending(index) for index in range(len(device.telegrams))]
        self.telegrams = [self._telegram(index) for index in range(len(device.telegrams))]
        self.fabrication = next(
            (record for _, record in device.each_record() if record.raw is None and record.head == b"\x0c\x78"), None
        )

    def _telegram(self, index: int) -> list[Part | Place]:
        parts = [self.part(record) for record in self.device.telegrams[index].records]
        return merged([*parts, self.endings[index]] if self.endings[index] else parts)

    def _ending(self, index: int) -> bytes:
        manufacturer_data = self.device.telegrams[index].manufacturer_data
        more = self.device.more_follows(index)
        if not more and manufacturer_data is None:
            return b""
        return bytes([MORE_RECORDS_FOLLOW if more else MANUFACTURER_DATA]) + (manufacturer_data or b"")

    def part(self, record: Record) -> Part | Place:
        """The record as all meters of the device send it."""
        found = self._parts.get(id(record))
        if found is None:
            found = self._parts[id(record)] = self._made(record)
        return found

    def _made(self, record: Record) -> Part | Place:
        if record.raw is not None:
            return record.raw
        value = record.value
        if not isinstance(value, Generator):
            if record.error is not None:
                return Place(record)
            return record.head + record.fixed_data
        if value.needs_meter or record.error is not None or self.values.is_random(record):
            return Place(record)
        return moving(record, self.values)


def moving(record: Record, values: Values) -> Encode:
    """A function of time for a record whose value changes.

    Counters do beyond their register what they say. Of other values, curves were checked to fit, and what is made of
    several stays at the register's limits.
    """
    value = record.value
    assert isinstance(value, Generator)
    counter = value.counter
    if record.data_field == REAL32:
        return _real_encoder(record.head, values.of_record(record).at, record.per_unit)
    if counter is not None:
        if counter.follows is None and counter.between is None:
            register = values.of_record(record).register(record.per_unit)
        else:
            start, per_area, source = values.counting(record)
            register = source.integral_register(start, per_area)
        return _encoder(record, _not_rolling(record, register, counter.overflow))
    found = values.of_record(record)
    if not isinstance(found, Signal) or found.single is None:
        return _limited_encoder(record, found.register(record.per_unit))
    return _encoder(record, found.register(record.per_unit))


def _limited_encoder(record: Record, register: Register) -> Encode:
    assert record.capacity is not None
    low, high = record.capacity
    head, data_field = record.head, record.data_field
    if data_field in BCD_DIGITS:
        return _bcd_encoder(head, lambda now: min(max(register(now), low), high), BCD_DIGITS[data_field])
    size, signed = BINARY_SIZES[data_field], low < 0

    def encode(now: int) -> bytes:
        number = register(now)
        if not low <= number <= high:
            number = low if number < low else high
        return head + number.to_bytes(size, "little", signed=signed)

    return encode


def _not_rolling(record: Record, register: Register, overflow: Overflow) -> Register:
    if overflow is not Overflow.HOLD:
        return register
    assert record.capacity is not None
    _, high = record.capacity
    return lambda now: min(register(now), high)


def packed(record: Record, number: int) -> bytes:
    """Head and data of a whole number; what does not fit rolls over where it counts, else it is at the limit."""
    return _encoder(record, lambda now: number)(0)


def merged(parts: Sequence[Part | Place]) -> list[Part | Place]:
    """Neighbours that never change as one."""
    result: list[Part | Place] = []
    for part in parts:
        if isinstance(part, bytes) and result and isinstance(result[-1], bytes):
            result[-1] += part
        else:
            result.append(part)
    return result


def no_value(record: Record) -> bytes:
    """Head, and the coding for "no value"."""
    return record.head + encode_value(record.dib_block, record.vib_block, None)


def _encoder(record: Record, register: Register) -> Encode:
    encode = _numbers_encoder(record, register)
    counter = record.value.counter if isinstance(record.value, Generator) else None
    full = counter is not None and counter.overflow is Overflow.INVALID
    return _until_full(record, register, encode) if full else encode


def _until_full(record: Record, register: Register, encode: Encode) -> Encode:
    assert record.capacity is not None
    _, high = record.capacity
    invalid = no_value(record)
    return lambda now: invalid if register(now) > high else encode(now)


def _numbers_encoder(record: Record, register: Register) -> Encode:
    head, data_field = record.head, record.data_field
    if data_field in BCD_DIGITS:
        return _bcd_encoder(head, register, BCD_DIGITS[data_field])
    size = BINARY_SIZES[data_field]
    if not record.is_signed:
        modulus = 1 << 8 * size
        return lambda now: head + (register(now) % modulus).to_bytes(size, "little")
    half, modulus = 1 << 8 * size - 1, 1 << 8 * size
    counts = isinstance(record.value, Generator) and record.value.counter is not None
    if counts:

        def encode(now: int) -> bytes:
            number = register(now)
            # What counts up begins again at 0, and not at the lowest number.
            return head + (number % (half if number >= 0 else modulus)).to_bytes(size, "little")

        return encode
    return lambda now: head + (register(now) % modulus).to_bytes(size, "little")


def _bcd_encoder(head: bytes, register: Register, digits: int) -> Encode:
    modulus, size = 10**digits, digits // 2
    # Digits read as hexadecimal are their own BCD coding.
    positive = f"0{digits}d"

    def encode(now: int) -> bytes:
        number = register(now)
        if number < 0:
            return head + bytes.fromhex(f"f{-number:0{digits - 1}d}")[::-1]
        return head + int(format(number % modulus, positive), 16).to_bytes(size, "little")

    return encode


def _real_encoder(head: bytes, value: Callable[[int], Fraction], factor: Fraction) -> Encode:
    pack = struct.Struct("<f").pack
    return lambda now: head + pack(float(value(now) * factor))


def plan_of(device: Device, epoch: datetime) -> Plan:
    """The device's plan for buses that begin at `epoch`, compiled at the first call."""
    plan = device.compiled.get(epoch)
    if plan is None:
        plan = device.compiled[epoch] = Plan(device, epoch)
    assert isinstance(plan, Plan)
    return plan
