"""A meter's clock: the bus's epoch plus the time since, plus what a master set it to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

from mbusbench.codec.data_field import encode_value
from mbusbench.errors import MBusUsageError
from mbusbench.meter.conditions import ClockDefinition
from mbusbench.meter.record_definition import Record

_SECOND = 10**9
_MINUTE = 60 * _SECOND
_DAY = 24 * 60 * _MINUTE
# What a date field of so many bytes can tell apart.
_RESOLUTION = {2: _DAY, 3: _SECOND, 4: _MINUTE, 6: _SECOND}

_MILLION = 10**6
_SUMMER = timedelta(hours=1)
_EXACT = ClockDefinition()
# Where a date and time says that it is summer time: (byte, bit) for so many bytes.
_SUMMER_BIT = {4: (1, 0x80), 6: (1, 0x40)}


class MeterClock:
    """Local time as the meter knows it. `definition` says how far it is off."""

    __slots__ = ("_day", "_definition", "_since", "_since_midnight", "is_set", "version")

    def __init__(self, epoch: datetime, definition: ClockDefinition = _EXACT) -> None:
        self._day = datetime(epoch.year, epoch.month, epoch.day)
        self._definition = definition
        self._since_midnight = _nanoseconds(epoch - self._day) + definition.offset
        self._since = 0
        self.is_set = definition.set
        self.version = 0

    def set(self, value: datetime, now: int) -> None:
        """The clock shows `value` at `now`, ns since the bus's epoch."""
        self._since_midnight = _nanoseconds(self._standard(value) - self._day) - now
        self._since = now
        self.is_set = True
        self.version += 1

    def ticks(self, now: int) -> int:
        """ns since the midnight before the epoch, by this clock, without summer time."""
        drift = self._definition.drift
        return now + self._since_midnight + ((now - self._since) * drift // _MILLION if drift else 0)

    def at(self, now: int) -> datetime:
        moment = self._day + timedelta(microseconds=self.ticks(now) // 1000)
        return moment + _SUMMER if self.is_summer(moment) else moment

    def is_summer(self, standard: datetime) -> bool:
        """Whether the clock is put forward at that time (without summer time)."""
        if not self._definition.summer_time:
            return False
        begin, end = (_last_sunday(standard.year, month) for month in (3, 10))
        return begin <= standard < end

    def shows_summer(self, now: int) -> bool:
        return self.is_summer(self._day + timedelta(microseconds=self.ticks(now) // 1000))

    def _standard(self, shown: datetime) -> datetime:
        return shown - _SUMMER if self.is_summer(shown - _SUMMER) else shown

    def instant(self, shown: datetime) -> int:
        """When the clock, as it goes now, shows that time: ns since the bus's epoch, the first whole one."""
        ticks = _nanoseconds(self._standard(shown) - self._day) - self._since_midnight
        rate = _MILLION + self._definition.drift
        return self._since - (ticks - self._since) * _MILLION // -rate


def _last_sunday(year: int, month: int) -> datetime:
    """Of a month of 31 days, 02:00."""
    last = datetime(year, month, 31, 2)
    return last - timedelta(days=(last.weekday() + 1) % 7)


def _nanoseconds(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1) * 1000


def last_due_date(today: date, month: int, day: int) -> date:
    """The last day of that name, today included."""
    due = date(today.year, month, day)
    return due if due <= today else date(today.year - 1, month, day)


def encoder(record: Record, clock: MeterClock, due: tuple[int, int] | None) -> Callable[[int], bytes]:
    """A function of time: the record with the clock's date or time, or with the last due date (month, day)."""
    length = record.dib_block.data_length or 0
    resolution = _DAY if due is not None else _RESOLUTION[length]
    shown: tuple[int, int] | None = None
    encoded = b""

    def encode(now: int) -> bytes:
        nonlocal shown, encoded
        tick = clock.ticks(now) // resolution, clock.version
        if tick != shown:
            moment: datetime | None = clock.at(now) if clock.is_set else None
            if due is not None and moment is not None:
                day = last_due_date(moment.date(), *due)
                moment = datetime(day.year, day.month, day.day)
            encoded = dated(record, moment, summer=due is None and clock.shows_summer(now))
            shown = tick
        return encoded

    return encode


def dated(record: Record, moment: datetime | None, *, summer: bool = False) -> bytes:
    """The record with a date, a time, or both, as its size has it; no valid date where there is no coding."""
    length = record.dib_block.data_length
    value: object = moment
    if moment is not None and length in (2, 3):
        value = moment.date() if length == 2 else moment.time()
    try:
        data = record.as_sent(encode_value(record.dib_block, record.vib_block, value))  # type: ignore[arg-type]
    except MBusUsageError:
        data = encode_value(record.dib_block, record.vib_block, None)
    if summer and moment is not None and length in _SUMMER_BIT:
        index, bit = _SUMMER_BIT[length]
        data = data[:index] + bytes([data[index] | bit]) + data[index + 1 :]
    return record.head + record.as_sent(data)
