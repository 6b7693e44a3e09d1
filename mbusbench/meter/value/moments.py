"""The days at which a meter keeps what it shows: due dates, ends of months, ends of days; and what is kept of them."""

from __future__ import annotations

import calendar
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Annotated

from pydantic import PlainValidator, model_validator

from mbusbench.definition.fields import NANOSECONDS, Duration, Exact, in_range
from mbusbench.definition.validation import Definition, mistake, shown

_MOST_KEPT = 1000
_MOST_INTERVALS = 10_000
_DAYS = {"year": 366, "month": 31, "day": 1}


class LastDay(Enum):
    LAST = "last"


def _day(value: object) -> int | LastDay:
    if value == "last" or isinstance(value, LastDay):
        return LastDay.LAST
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 31:
        return value
    raise mistake(f"{shown(value)} is not a day: 1..31, or last")


class Moment(Definition):
    """Once a year with `month` and `day`, once a month with `day` alone, once a day without both.

    `hour` 24, the default, is the end of that day, 0 its beginning. A month that is too short has its last day instead.
    """

    month: Annotated[int, in_range(1, 12)] | None = None
    day: Annotated[int | LastDay, PlainValidator(_day)] | None = None
    hour: Annotated[int, in_range(0, 24)] = 24

    @model_validator(mode="after")
    def _whole(self) -> Moment:
        if self.month is not None and self.day is None:
            raise mistake("'day' is missing: month needs one")
        if self.month is not None and isinstance(self.day, int) and self.day > calendar.monthrange(2000, self.month)[1]:
            raise mistake(f"month {self.month} has no day {self.day}", ["day"])
        return self

    @property
    def rhythm(self) -> str:
        return "year" if self.month is not None else "month" if self.day is not None else "day"

    def _in_period(self, period: int) -> date:
        """The day in that year, month (counted from the year 0) or day (ordinal)."""
        if self.rhythm == "day":
            return date.fromordinal(period)
        year, month = (period, self.month) if self.month is not None else (period // 12, period % 12 + 1)
        assert month is not None
        longest = calendar.monthrange(year, month)[1]
        return date(year, month, min(self.day, longest) if isinstance(self.day, int) else longest)

    def instant(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day) + timedelta(hours=self.hour)

    def last(self, now: datetime, ago: int) -> date:
        """The last such day whose hour has come, or the one before (`ago` 2), and so on."""
        period = {"year": now.year, "month": now.year * 12 + now.month - 1, "day": now.toordinal()}[self.rhythm]
        while self.instant(self._in_period(period)) > now:
            period -= 1
        return self._in_period(period - ago + 1)

    def following(self, day: date) -> date:
        """The next one after that."""
        period = {"year": day.year, "month": day.year * 12 + day.month - 1, "day": day.toordinal()}[self.rhythm]
        return self._in_period(period + 1)


_END_OF_MONTH = Moment(day=LastDay.LAST)


class Stored(Definition):
    """What another value was at a moment in the past, or (without `of`) the date of that moment."""

    of: str | None = None
    at: Moment | None = None
    monthly: Annotated[int, in_range(1, _MOST_KEPT)] | None = None
    ago: Annotated[int, in_range(1, _MOST_KEPT)] | None = None
    initial: Exact | None = None

    @model_validator(mode="after")
    def _one_moment(self) -> Stored:
        if (self.at is None) == (self.monthly is None):
            raise mistake("needs either at (a day) or monthly (1 for the end of last month, 2 for that before, ...)")
        if self.monthly is not None and self.ago is not None:
            raise mistake("monthly says already how long ago", ["ago"])
        if self.of is None and self.initial is not None:
            raise mistake("a date has no initial value", ["initial"])
        return self

    @property
    def moment(self) -> Moment:
        return self.at or _END_OF_MONTH

    @property
    def back(self) -> int:
        """1 for the last moment, 2 for the one before."""
        return self.monthly or self.ago or 1


class Extreme(Definition):
    """The greatest or least mean of another value over an interval, since the last moment or in the period before."""

    of: str
    mean: Duration = NANOSECONDS["h"]
    at: Moment = _END_OF_MONTH
    ago: Annotated[int, in_range(0, _MOST_KEPT)] = 0

    @model_validator(mode="after")
    def _few_intervals(self) -> Extreme:
        days = _DAYS[self.at.rhythm]
        if not self.mean or days * NANOSECONDS["d"] > self.mean * _MOST_INTERVALS:
            raise mistake(f"a {self.at.rhythm} has more than {_MOST_INTERVALS} such intervals", ["mean"])
        return self
