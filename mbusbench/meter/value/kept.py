"""What a meter keeps or makes of its own registers: values at due dates and ends of months, extremes, totals.

Each is a function of time, of the meter's clock as it goes, and of what a master wrote.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from fractions import Fraction
from math import isfinite
from typing import Protocol

from mbusbench.codec.data_field import encode_value, raw_value
from mbusbench.meter.clock import MeterClock, dated
from mbusbench.meter.plan import Encode, no_value, packed
from mbusbench.meter.record_definition import REAL32, Record
from mbusbench.meter.value.device_values import Values
from mbusbench.meter.value.generator import Generator
from mbusbench.meter.value.moments import Extreme, Stored
from mbusbench.meter.value.signal import Area, Signal

_PUT_FORWARD = 2 * 3600 * 10**9  # more than a clock is put forward or back for summer time


class Keeper(Protocol):
    """The meter, as those values need it."""

    @property
    def values(self) -> Values: ...

    @property
    def meter_clock(self) -> MeterClock: ...

    @property
    def writes(self) -> int:
        """How often a master has written."""
        ...

    def sent_at(self, record: Record, now: int) -> bytes:
        """Head and data, by what the register held then."""
        ...


def shown_number(record: Record, sent: bytes) -> Fraction | None:
    """What a record's bytes say, in the quantity's common unit; None for "no value"."""
    number = raw_value(record.dib_block, record.vib_block, sent[len(record.head) :])
    if isinstance(number, bool) or not isinstance(number, int | float) or not isfinite(number):
        return None
    return Fraction(number) * record.step_worth


def _register(record: Record, value: Fraction | None) -> bytes:
    """The record with a value in the common unit."""
    if value is None:
        return no_value(record)
    steps = value / record.step_worth
    if record.data_field == REAL32:
        return record.head + encode_value(record.dib_block, record.vib_block, float(steps))
    return packed(record, steps.__floor__())


def stored(keeper: Keeper, record: Record, definition: Stored) -> Encode:
    """The record with what its source showed at the last moment, or with the date of that."""
    known: tuple[object, ...] | None = None
    encoded = b""
    since, until, version, writes = 0, 0, -1, -1

    def encode(now: int) -> bytes:
        nonlocal known, encoded, since, until, version, writes
        clock = keeper.meter_clock
        if since <= now < until and version == clock.version and writes == keeper.writes:
            return encoded
        if not clock.is_set:
            return dated(record, None) if definition.of is None else no_value(record)
        moment = definition.moment
        shown = clock.at(now)
        day = moment.last(shown, definition.back)
        following = moment.instant(moment.following(moment.last(shown, 1)))
        since, until, version, writes = now, clock.instant(following) - _PUT_FORWARD, clock.version, keeper.writes
        state = (day, version, writes)
        if state != known:
            if definition.of is None:
                # The end of a day is told by its last minute, for that it is that day.
                when = moment.instant(day) if moment.hour < 24 else datetime(day.year, day.month, day.day, 23, 59)
                encoded = dated(record, when)
            else:
                encoded = _stored_value(keeper, record, definition, clock.instant(moment.instant(day)))
            known = state
        return encoded

    return encode


def _stored_value(keeper: Keeper, record: Record, definition: Stored, instant: int) -> bytes:
    assert definition.of is not None
    if instant < 0 and definition.initial is not None:
        return _register(record, definition.initial * record.per_unit * record.step_worth)
    source = keeper.values.referred(definition.of)
    if isinstance(source, Record):
        if instant >= 0:
            sent = keeper.sent_at(source, instant)
            if source.data_field == record.data_field and source.step_worth == record.step_worth:
                return record.head + sent[len(source.head) :]
            return _register(record, shown_number(source, sent))
        if isinstance(source.value, Generator) and source.value.needs_meter:
            return no_value(record)
        value = keeper.values.of_record(source).at(instant) * source.per_unit * source.step_worth
        counts = isinstance(source.value, Generator) and source.value.counter is not None
        # A counter that would be below 0 was not yet there.
        return _register(record, max(value, Fraction(0)) if counts else value)
    exact = keeper.values.of_name(definition.of).at(instant)
    return _register(
        record, exact * keeper.values.conversion(definition.of, record) * record.per_unit * record.step_worth
    )


class _Best:
    """The extreme of a period's first intervals, so far as anybody asked."""

    __slots__ = ("begin", "count", "value")

    def __init__(self) -> None:
        self.begin: int | None = None
        self.count = 0
        self.value: Fraction | None = None


def extreme(keeper: Keeper, record: Record, definition: Extreme, better: Callable[..., Fraction]) -> Encode:
    """The record with the extreme mean of whole intervals since the last moment, or of a whole period before it."""
    source = keeper.values.of_name(definition.of)
    assert isinstance(source, Signal)
    factor = keeper.values.conversion(definition.of, record) * record.per_unit * record.step_worth
    best = _Best()
    area = Area(source)

    def encode(now: int) -> bytes:
        clock = keeper.meter_clock
        if not clock.is_set:
            return no_value(record)
        first = definition.at.last(clock.at(now), definition.ago + 1)
        begin = clock.instant(definition.at.instant(first))
        end = now if not definition.ago else clock.instant(definition.at.instant(definition.at.following(first)))
        count = (end - begin) // definition.mean
        if best.begin != begin or best.count > count:
            best.begin, best.count, best.value = begin, 0, None
        before = area.at(begin + best.count * definition.mean)
        for index in range(best.count, count):
            after = area.at(begin + (index + 1) * definition.mean)
            mean = (after - before) / definition.mean
            best.value = mean if best.value is None else better(best.value, mean)
            before = after
        best.count = count
        value = source.at(begin) if best.value is None else best.value
        return _register(record, value * factor)

    return encode


def total(keeper: Keeper, record: Record, names: list[str]) -> Encode:
    """The record with the sum of what others show."""
    sources = [source for source in map(keeper.values.referred, names) if isinstance(source, Record)]

    def encode(now: int) -> bytes:
        shown = [shown_number(source, keeper.sent_at(source, now)) for source in sources]
        numbers = [number for number in shown if number is not None]
        return _register(record, sum(numbers, Fraction(0)) if len(numbers) == len(shown) else None)

    return encode
