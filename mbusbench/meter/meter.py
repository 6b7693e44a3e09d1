"""A meter: a device file brought to life. Its records are pure functions of time, seed and what a master wrote."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from mbusbench.meter import clock
from mbusbench.meter.clock import MeterClock
from mbusbench.meter.definition import Device
from mbusbench.meter.generator import Generator
from mbusbench.meter.plan import Part, Place, merged, plan_of
from mbusbench.meter.record_definition import BCD_DIGITS, BINARY_SIZES, Record
from mbusbench.protocol.fcb import FcbMode
from mbusbench.protocol.slave_application import AfterLast

DEFAULT_EPOCH = datetime(2026, 1, 1)


class Meter:
    """One meter with its own identity, clock and picks. It answers what `protocol.slave_application.SlaveDevice` asks.

    What is not given is the device's own. `seed` names the meter's random stream: two meters with the same device, seed
    and time send the same records. `response_delay` is the shortest and the longest, in ns.
    """

    __slots__ = (
        "_clock",
        "_parts",
        "_plan",
        "address",
        "after_last",
        "configuration",
        "device",
        "fcb",
        "response_delay",
        "seed",
        "status",
        "wire_address",
    )

    def __init__(
        self,
        device: Device,
        *,
        address: int | None = None,
        identification: str | None = None,
        version: int | None = None,
        medium: int | None = None,
        manufacturer: int | None = None,
        status: int | None = None,
        fcb: FcbMode | None = None,
        after_last: AfterLast | None = None,
        response_delay: tuple[int, int] | None = None,
        seed: str = "0",
        epoch: datetime = DEFAULT_EPOCH,
    ) -> None:
        own = device.device
        self.device = device
        self.address = own.address if address is None else address
        self.status = own.status if status is None else status
        self.configuration = own.configuration.to_bytes(2, "little")
        self.wire_address = (
            bytes.fromhex(identification or own.id)[::-1]
            + (own.manufacturer if manufacturer is None else manufacturer).to_bytes(2, "little")
            + bytes([own.version if version is None else version, own.medium if medium is None else medium])
        )
        self.fcb = fcb or own.fcb
        self.after_last = after_last or own.after_last
        self.response_delay = response_delay or own.response_delay
        self.seed = seed
        self._clock = MeterClock(epoch)
        self._plan = plan_of(device, epoch)
        self._parts: list[list[Part]] = []
        self._bind()

    def _bind(self) -> None:
        self._parts = [self._bound_parts(parts) for parts in self._plan.telegrams]

    def _bound_parts(self, parts: list[Part | Place]) -> list[Part]:
        if any(isinstance(part, Place) for part in parts):
            parts = merged([self._bound(part) for part in parts])
        return cast(list[Part], parts)

    def _bound(self, part: Part | Place) -> Part:
        if not isinstance(part, Place):
            return part
        record = part.record
        value = record.value
        assert isinstance(value, Generator)
        if value.device is not None:
            return record.head + self._identification(record)
        if value.is_date:
            due = (value.due_date.month, value.due_date.day) if value.due_date is not None else None
            return clock.encoder(record, self._clock, due)
        return self._plan.moving(record, self.seed)

    def _identification(self, record: Record) -> bytes:
        bcd = self.wire_address[:4]
        if record.data_field in BCD_DIGITS:
            return bcd.ljust(BCD_DIGITS[record.data_field] // 2, b"\x00")
        digits = bcd[::-1].hex()
        number = int(digits) if digits.isdigit() else int(digits, 16)
        return number.to_bytes(BINARY_SIZES[record.data_field], "little")

    @property
    def identification(self) -> str:
        """8 digits as printed."""
        return self.wire_address[3::-1].hex().upper()

    @property
    def fabrication_number(self) -> bytes | None:
        """From the record 0C 78, as sent."""
        record = self._plan.fabrication
        if record is None:
            return None
        if isinstance(record.value, Generator):
            return self.wire_address[:4] if record.value.device is not None else None
        return record.fixed_data

    @property
    def telegram_count(self) -> int:
        return len(self._parts)

    def records(self, telegram: int, now: int) -> bytes:
        """The record area of one telegram at `now`, its ending included."""
        return b"".join([part if type(part) is bytes else part(now) for part in self._parts[telegram]])  # type: ignore[operator]

    def set_wire_address(self, wire_address: bytes) -> None:
        """A master wrote a new identification (8 bytes as in the header)."""
        self.wire_address = wire_address
        self._bind()

    def set_clock(self, value: datetime, now: int) -> None:
        self._clock.set(value, now)

    def clock(self, now: int) -> datetime:
        """What the meter's clock shows."""
        return self._clock.at(now)
