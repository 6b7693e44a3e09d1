"""A meter's clock: the bus's epoch plus the time since, plus what a master set it to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

from mbusbench.codec.data_field import encode_value
from mbusbench.errors import MBusUsageError
from mbusbench.meter.record_definition import Record

_SECOND = 10**9
_MINUTE = 60 * _SECOND
_DAY = 24 * 60 * _MINUTE
# What a date field of so many bytes can tell apart.
_RESOLUTION = {2: _DAY, 3: _SECOND, 4: _MINUTE, 6: _SECOND}


class MeterClock:
    """Local time as the meter knows it."""

    __slots__ = ("_day", "_since_midnight")

    def __init__(self, epoch: datetime) -> None:
        self._day = datetime(epoch.year, epoch.month, epoch.day)
        self._since_midnight = _nanoseconds(epoch - self._day)

    def set(self, value: datetime, now: int) -> None:
        """The clock shows `value` at `now`, ns since the bus's epoch."""
        self._since_midnight = _nanoseconds(value - self._day) - now

    def ticks(self, now: int) -> int:
        """ns since the midnight before the epoch, by this clock."""
        return now + self._since_midnight

    def at(self, now: int) -> datetime:
        return self._day + timedelta(microseconds=self.ticks(now) // 1000)


def _nanoseconds(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1) * 1000


def last_due_date(today: date, month: int, day: int) -> date:
    """The last day of that name, today included."""
    due = date(today.year, month, day)
    return due if due <= today else date(today.year - 1, month, day)


def encoder(record: Record, clock: MeterClock, due: tuple[int, int] | None) -> Callable[[int], bytes]:
    """A function of time: the record with the clock's date or time, or with the last due date (month, day)."""
    head = record.head
    dib, vib = record.dib_block, record.vib_block
    length = dib.data_length or 0
    resolution = _DAY if due is not None else _RESOLUTION[length]
    shown: int | None = None
    encoded = b""

    def encode(now: int) -> bytes:
        nonlocal shown, encoded
        tick = clock.ticks(now) // resolution
        if tick != shown:
            moment = clock.at(now)
            value: object = moment
            if due is not None:
                day = last_due_date(moment.date(), *due)
                value = day if length == 2 else datetime(day.year, day.month, day.day)
            elif length == 2:
                value = moment.date()
            elif length == 3:
                value = moment.time()
            try:
                encoded = head + record.as_sent(encode_value(dib, vib, value))  # type: ignore[arg-type]
            except MBusUsageError:  # set to a year that this record has no coding for
                encoded = head + encode_value(dib, vib, None)
            shown = tick
        return encoded

    return encode
