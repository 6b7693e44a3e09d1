"""What all meters of one device have in common, compiled once: constant bytes merged, moving values as closures.

A request then costs one call for each value that moves, and thousands of meters of one device share the rest.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from random import Random

from mbusbench.codec.dib import MANUFACTURER_DATA, MORE_RECORDS_FOLLOW
from mbusbench.meter.curve import Curve, Register, constant
from mbusbench.meter.definition import INTEGRALS, Device
from mbusbench.meter.generator import Generator
from mbusbench.meter.record_definition import BCD_DIGITS, BINARY_SIZES, REAL32, Record

Encode = Callable[[int], bytes]
Part = bytes | Encode

_HOUR = 3600 * 10**9


@dataclass(frozen=True, slots=True)
class Place:
    """A record that is not the same for every meter of a device."""

    record: Record
    stream: str


class Plan:
    """What all meters of one device share: bytes that never change, and registers that only time changes."""

    def __init__(self, device: Device, epoch: datetime) -> None:
        self.device = device
        midnight = datetime(epoch.year, epoch.month, epoch.day)
        self.phase = int((epoch - midnight).total_seconds()) * 10**9
        self._streams: dict[int, str] = {}
        for path, record in device.each_record():
            self._streams[id(record)] = f"{path[1]}.{path[3]}"
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
        if record.raw is not None:
            return record.raw
        value = record.value
        if not isinstance(value, Generator):
            return record.head + record.fixed_data
        if value.is_date or value.device is not None or self._is_random(record):
            return Place(record, self._streams[id(record)])
        return self.moving(record, "")

    def _is_random(self, record: Record) -> bool:
        value = record.value
        if not isinstance(value, Generator):
            return False
        if value.counter is not None and value.counter.follows is not None:
            return value.is_random or self._is_random(self.device.followed(value.counter.follows))
        return value.is_random

    def _curve(self, record: Record, seed: str) -> Curve:
        """The record's value over time, in the file's unit."""
        if isinstance(record.value, Fraction):
            return constant(record.value)
        assert isinstance(record.value, Generator)
        curve = record.value.curve(self._random(record, seed), self.phase)
        assert curve is not None
        return curve

    def _random(self, record: Record, seed: str) -> Random:
        return Random(f"{seed}/{self._streams[id(record)]}")

    def moving(self, record: Record, seed: str) -> Encode:
        """A function of time for a record whose value changes. Counters roll over, other values were checked to fit."""
        value = record.value
        assert isinstance(value, Generator)
        counter = value.counter
        if counter is None or counter.follows is None:
            curve = self._curve(record, seed)
            if record.data_field == REAL32:
                return _real_encoder(record.head, curve.at, record.per_unit)
            return _encoder(record, curve.register(record.per_unit))
        source = self.device.followed(counter.follows)
        per_area = _steps_per_area(source, record)
        rng = self._random(record, seed)
        start = (counter.start if isinstance(counter.start, Fraction) else counter.start.pick(rng)) * record.per_unit
        curve = self._curve(source, seed)
        if record.data_field == REAL32:
            return _real_encoder(record.head, lambda now: start + curve.integral(now) * per_area, Fraction(1))
        return _encoder(record, curve.integral_register(start, per_area))


def _steps_per_area(source: Record, record: Record) -> Fraction:
    """Steps of the counter's register for one unit of the source's value that lasts 1 ns."""
    assert source.vib_block.unit is not None
    assert record.vib_block.unit is not None
    numerator, denominator = INTEGRALS[source.vib_block.unit, record.vib_block.unit]
    in_common_units = source.per_unit * source.step_worth
    return in_common_units * Fraction(numerator, denominator * _HOUR) / record.step_worth


def merged(parts: Sequence[Part | Place]) -> list[Part | Place]:
    """Neighbours that never change as one."""
    result: list[Part | Place] = []
    for part in parts:
        if isinstance(part, bytes) and result and isinstance(result[-1], bytes):
            result[-1] += part
        else:
            result.append(part)
    return result


def _encoder(record: Record, register: Register) -> Encode:
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
        return lambda now: head + (register(now) % half).to_bytes(size, "little")
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
