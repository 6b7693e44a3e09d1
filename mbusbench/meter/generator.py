"""How a device file says what a value is over time, and what that is as an exact curve.

    value: 21.5                                              a constant; null is "no value"
    value: {counter: {start: 125000, rate: 3.5}}             per hour unless `per` says otherwise
    value: {counter: {start: 125000, follows: power}}        the integral of another record's value
    value: {ramp: {from: 20, to: 80, over: 1h, then: return}}
    value: {daily: {points: {"06:00": 12, "22:00": 3}}}      straight lines between, or `shape: step`
    value: {step: {points: {0s: 1, 10min: 2}, repeat: 1h}}
    value: {clock: now}                                      the meter's clock
    value: {due_date: {month: 12, day: 31}}                  the last such day
    value: {device: id}                                      the identification number
    value: {random: [10, 20]}                                picked once for each meter, from the seed

`{random: [..]}` may stand for any number inside the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from enum import Enum
from fractions import Fraction
from math import isfinite
from random import Random
from typing import Annotated, Any

from pydantic import Discriminator, Field, PlainValidator, Tag, model_validator

from mbusbench.definition.fields import NANOSECONDS, Duration, Exact, duration, in_range, one_of
from mbusbench.definition.validation import Definition, mistake, mistakes, shown
from mbusbench.meter import curve
from mbusbench.meter.curve import Curve

DAY = NANOSECONDS["d"]
_RANDOM_STEPS = 10**6


class Picked(Definition):
    """A number between two others, picked once for each meter."""

    random: list[Exact] = Field(min_length=2, max_length=2)

    def pick(self, rng: Random) -> Fraction:
        low, high = self.random
        return low + (high - low) * Fraction(rng.randrange(_RANDOM_STEPS + 1), _RANDOM_STEPS)


def _kind_of_number(value: object) -> str:
    return "<random>" if isinstance(value, dict | Picked) else "<number>"


Number = Annotated[
    Annotated[Exact, Tag("<number>")] | Annotated[Picked, Tag("<random>")],
    Discriminator(_kind_of_number),
]


def number(value: Fraction | Picked, rng: Random) -> Fraction:
    return value.pick(rng) if isinstance(value, Picked) else value


class Per(Enum):
    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


_PER = {Per.SECOND: NANOSECONDS["s"], Per.MINUTE: NANOSECONDS["min"], Per.HOUR: NANOSECONDS["h"], Per.DAY: DAY}


class Counter(Definition):
    """Counts up by `rate`, or by the area under the value that it follows; rolls over where its register is full."""

    start: Number = Fraction(0)
    rate: Number | None = None
    per: Annotated[Per, one_of(Per)] = Per.HOUR
    follows: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Counter:
        if (self.rate is None) == (self.follows is None):
            raise mistake("needs either a rate or the name of a value that it follows")
        return self

    def curve(self, rng: Random) -> Curve:
        start = number(self.start, rng)
        assert self.rate is not None
        return curve.line(start, number(self.rate, rng) / _PER[self.per])


class Then(Enum):
    HOLD = "hold"
    REPEAT = "repeat"
    RETURN = "return"


class Ramp(Definition):
    """A straight line; afterwards it holds, starts again, or goes back and forth."""

    from_: Number = Field(alias="from")
    to: Number
    over: Duration
    then: Annotated[Then, one_of(Then)] = Then.HOLD

    @model_validator(mode="after")
    def _takes_time(self) -> Ramp:
        if not self.over:
            raise mistake("a ramp takes longer than 0s", ["over"])
        return self

    def curve(self, rng: Random) -> Curve:
        low, high = number(self.from_, rng), number(self.to, rng)
        if self.then is Then.HOLD:
            return curve.through([(0, low), (self.over, high)])
        if self.then is Then.RETURN:
            return curve.through([(0, low), (self.over, high)], period=2 * self.over)
        return Curve((curve.Piece(0, low, (high - low) / self.over),), self.over)


class Shape(Enum):
    LINE = "line"
    STEP = "step"


_TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")


def _time_of_day(text: str) -> int | None:
    match = _TIME_OF_DAY.fullmatch(text)
    if match is None:
        return None
    hour, minute, second = (int(part or 0) for part in match.groups())
    return (hour * 3600 + minute * 60 + second) * NANOSECONDS["s"]


def _points(read: Callable[[str], int | None], wanted: str) -> Any:
    """A mapping of moments to numbers, in the order of time."""

    def check(value: object) -> dict[int, Fraction]:
        if not isinstance(value, dict):
            raise mistake(f"{shown(value)} is not a mapping of {wanted} to numbers")
        points: dict[int, Fraction] = {}
        wrong: list[tuple[tuple[str | int, ...], str]] = []
        for key, point in value.items():
            moment = read(key)
            if moment is None:
                wrong.append(((key,), f"{key!r} is not {wanted}"))
            elif isinstance(point, bool) or not isinstance(point, int | float) or not isfinite(point):
                wrong.append(((key,), f"{shown(point)} is not a number"))
            elif moment in points:
                wrong.append(((key,), f"{key!r} is the same moment as one before"))
            else:
                points[moment] = Fraction(repr(point))
        if wrong:
            raise mistakes(wrong)
        if not points:
            raise mistake("must not be empty")
        return dict(sorted(points.items()))

    return PlainValidator(check)


class Daily(Definition):
    """The same every day, by the time of day at which the bus's epoch began."""

    points: Annotated[dict[int, Fraction], _points(_time_of_day, 'a time of day such as "06:30"')]
    shape: Annotated[Shape, one_of(Shape)] = Shape.LINE

    def curve(self, phase: int) -> Curve:
        build = curve.through if self.shape is Shape.LINE else curve.steps
        return build(list(self.points.items()), period=DAY, phase=phase)


class Step(Definition):
    """Level from point to point, counted from the bus's epoch; with `repeat` all over again after that time."""

    points: Annotated[dict[int, Fraction], _points(duration, "a duration such as 90s or 10min")]
    repeat: Duration | None = None

    @model_validator(mode="after")
    def _repeats_after_the_last(self) -> Step:
        if self.repeat is not None and self.repeat <= max(self.points):
            raise mistake("must be later than the last point", ["repeat"])
        return self

    def curve(self) -> Curve:
        return curve.steps(list(self.points.items()), period=self.repeat)


class DueDate(Definition):
    """The last 31 December, or whichever day it is."""

    month: Annotated[int, in_range(1, 12)]
    day: Annotated[int, in_range(1, 31)]

    @model_validator(mode="after")
    def _exists(self) -> DueDate:
        try:
            date(2001, self.month, self.day)
        except ValueError:
            raise mistake(f"month {self.month} has no day {self.day} in every year", ["day"]) from None
        return self


class _Now(Enum):
    NOW = "now"


class _DeviceField(Enum):
    ID = "id"


class Generator(Definition):
    """A value that is not written down as it is: exactly one of its keys."""

    counter: Counter | None = None
    ramp: Ramp | None = None
    daily: Daily | None = None
    step: Step | None = None
    clock: Annotated[_Now, one_of(_Now)] | None = None
    due_date: DueDate | None = None
    device: Annotated[_DeviceField, one_of(_DeviceField)] | None = None
    random: list[Exact] | None = Field(default=None, min_length=2, max_length=2)

    @model_validator(mode="after")
    def _exactly_one(self) -> Generator:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            kinds = ", ".join(type(self).model_fields)
            raise mistake(f"needs exactly one of {kinds}" + (f", not {' and '.join(given)}" if given else ""))
        return self

    @property
    def is_date(self) -> bool:
        return self.clock is not None or self.due_date is not None

    @property
    def is_random(self) -> bool:
        """Whether the seed has a say in it."""
        parts = [self.counter, self.ramp]
        inside = any(isinstance(number, Picked) for part in parts if part is not None for _, number in part)
        return self.random is not None or inside

    def curve(self, rng: Random, phase: int) -> Curve | None:
        """The value over time, in the unit of the file; None where it is no number, or follows another."""
        if self.counter is not None:
            return None if self.counter.follows else self.counter.curve(rng)
        if self.ramp is not None:
            return self.ramp.curve(rng)
        if self.daily is not None:
            return self.daily.curve(phase)
        if self.step is not None:
            return self.step.curve()
        if self.random is not None:
            return curve.constant(Picked(random=self.random).pick(rng))
        return None
