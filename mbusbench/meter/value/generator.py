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
    value: {yearly: ..} {random_walk: ..} {draws: ..} {csv: ..}    pattern.py
    value: {of: name}                                        another value, of the device's `values` or a record's
    value: {sum: [..]} {product: [..]} {difference: [a, b]} {quotient: [a, b]}    of numbers, names and values
    value: {stored: {of: energy, monthly: 1}}                what another value was then: moments.py
    value: {maximum: {of: power, mean: 1h}} {minimum: ..}    of means since a moment
    value: {total: [energy_t1, energy_t2]}                   what these records show, added up
    value: {flags: {0: {value: flow, above: 2.5}}}           bits that conditions set

`{random: [..]}` may stand for any number inside the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from enum import Enum
from fractions import Fraction
from random import Random
from typing import Annotated

from pydantic import Discriminator, Field, PlainValidator, Tag, model_validator

from mbusbench.definition.document import Path_
from mbusbench.definition.fields import NANOSECONDS, Duration, Exact, duration, in_range, one_of
from mbusbench.definition.validation import Definition, mistake, shown
from mbusbench.meter.value import curve
from mbusbench.meter.value.curve import Curve
from mbusbench.meter.value.moments import Extreme, Stored
from mbusbench.meter.value.pattern import Draws, RandomWalk, Series, Yearly, midnight_phase
from mbusbench.meter.value.points import Shape, points_field, time_of_day

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


class Overflow(Enum):
    """What a counter shows beyond its register: 0 again, the greatest number for ever, or no number."""

    ROLL = "roll"
    HOLD = "hold"
    INVALID = "invalid"


def _time(value: object) -> int:
    found = time_of_day(value) if isinstance(value, str) else None
    if found is None:
        raise mistake(f'{shown(value)} is not a time of day such as "06:30"')
    return found


class Counter(Definition):
    """Counts up by `rate`, or by the area under the value that it follows; rolls over where its register is full.

    With `between` it counts only from the first time of day to the second, over midnight where that is earlier.
    """

    start: Number = Fraction(0)
    rate: Number | None = None
    per: Annotated[Per, one_of(Per)] = Per.HOUR
    follows: str | None = None
    between: list[Annotated[int, PlainValidator(_time)]] | None = Field(default=None, min_length=2, max_length=2)
    overflow: Annotated[Overflow, one_of(Overflow)] = Overflow.ROLL

    @model_validator(mode="after")
    def _one_source(self) -> Counter:
        if (self.rate is None) == (self.follows is None):
            raise mistake("needs either a rate or the name of a value that it follows")
        if self.between is not None and self.between[0] == self.between[1]:
            raise mistake("the two times of day are the same", ["between"])
        return self

    def gate(self, epoch: datetime) -> Curve | None:
        """1 while it counts, 0 while not; None where it always counts."""
        if self.between is None:
            return None
        begin, end = self.between
        points = sorted([(begin, Fraction(1)), (end, Fraction(0))])
        return curve.steps(points, period=DAY, phase=midnight_phase(epoch))

    @property
    def per_ns(self) -> int:
        return _PER[self.per]


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


class Daily(Definition):
    """The same every day, by the time of day at which the bus's epoch began."""

    points: Annotated[dict[int, Fraction], points_field(time_of_day, 'a time of day such as "06:30"')]
    shape: Annotated[Shape, one_of(Shape)] = Shape.LINE

    def curve(self, phase: int) -> Curve:
        build = curve.through if self.shape is Shape.LINE else curve.steps
        return build(list(self.points.items()), period=DAY, phase=phase)


class Step(Definition):
    """Level from point to point, counted from the bus's epoch; with `repeat` all over again after that time."""

    points: Annotated[dict[int, Fraction], points_field(duration, "a duration such as 90s or 10min")]
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


def _kind_of_operand(value: object) -> str:
    if isinstance(value, dict | Generator):
        return "<generator>"
    return "<name>" if isinstance(value, str) else "<number>"


Operand = Annotated[
    Annotated["Generator", Tag("<generator>")] | Annotated[str, Tag("<name>")] | Annotated[Exact, Tag("<number>")],
    Discriminator(_kind_of_operand),
]
"""A number, the name of a value, or a value that is not written down as it is."""


_FOR_RECORDS = ("counter", "clock", "due_date", "device", "stored", "maximum", "minimum", "total")


def _check_operand(operand: Fraction | str | Generator, place: Path_) -> None:
    if isinstance(operand, Generator) and operand.kind in _FOR_RECORDS:
        raise mistake(f"{operand.kind} is for records: name the record, and refer to it", place)


class Condition(Definition):
    """Whether a value is above a limit, below one, or both."""

    value: Operand
    above: Exact | None = None
    below: Exact | None = None

    @model_validator(mode="after")
    def _has_a_limit(self) -> Condition:
        _check_operand(self.value, ("value",))
        if self.above is None and self.below is None:
            raise mistake("needs above or below")
        if self.above is not None and self.below is not None and self.above >= self.below:
            raise mistake("must be greater than above", ["below"])
        return self

    def references(self) -> Iterator[tuple[Path_, str]]:
        """(place, name) of the value."""
        yield from _within(("value",), self.value)

    def holds(self, value: Fraction) -> bool:
        return (self.above is None or value > self.above) and (self.below is None or value < self.below)


def _flag_bit(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and int(value) < 63:
        return int(value)
    if type(value) is int and 0 <= value < 63:
        return value
    raise mistake(f"{shown(value)} is not a bit: 0..62")


FlagBit = Annotated[int, PlainValidator(_flag_bit)]
COMBINED = ("sum", "product", "difference", "quotient")
MAX_OPERANDS = 32


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
    yearly: Yearly | None = None
    random_walk: RandomWalk | None = None
    draws: Draws | None = None
    csv: Series | None = None
    of: str | None = None
    sum: list[Operand] | None = Field(default=None, min_length=1, max_length=MAX_OPERANDS)
    product: list[Operand] | None = Field(default=None, min_length=1, max_length=MAX_OPERANDS)
    difference: list[Operand] | None = Field(default=None, min_length=2, max_length=2)
    quotient: list[Operand] | None = Field(default=None, min_length=2, max_length=2)
    stored: Stored | None = None
    maximum: Extreme | None = None
    minimum: Extreme | None = None
    total: list[str] | None = Field(default=None, min_length=1, max_length=MAX_OPERANDS)
    flags: dict[FlagBit, Condition] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _exactly_one(self) -> Generator:
        kinds = list(Generator.model_fields)
        given = [name for name in kinds if getattr(self, name) is not None]
        if len(given) != 1:
            known = ", ".join(kinds)
            raise mistake(f"needs exactly one of {known}" + (f", not {' and '.join(given)}" if given else ""))
        for index, operand in enumerate(self.operands):
            _check_operand(operand, (self.kind, index))
        return self

    @property
    def kind(self) -> str:
        """The key that it has."""
        return next(name for name in Generator.model_fields if getattr(self, name) is not None)

    @property
    def is_date(self) -> bool:
        return self.clock is not None or self.due_date is not None or (self.stored is not None and not self.stored.of)

    @property
    def curve_is_small(self) -> bool:
        """Whether it costs next to nothing to compile it."""
        alone = self.counter is not None and self.counter.follows is None
        return alone or self.random is not None or self.ramp is not None

    @property
    def needs_meter(self) -> bool:
        """Whether it depends on more than time and seed: the meter's clock, or what a master wrote."""
        kinds = (self.stored, self.maximum, self.minimum, self.total)
        return self.is_date or self.device is not None or any(each is not None for each in kinds)

    @property
    def operands(self) -> list[Fraction | str | Generator]:
        """What a sum, product, difference or quotient is made of."""
        return self.sum or self.product or self.difference or self.quotient or []

    @property
    def is_random(self) -> bool:
        """Whether the seed has a say in it, those that it refers to aside."""
        parts = [self.counter, self.ramp]
        inside = any(isinstance(number, Picked) for part in parts if part is not None for _, number in part)
        nested = [each for each in self.operands if isinstance(each, Generator)]
        nested += [each.value for each in (self.flags or {}).values() if isinstance(each.value, Generator)]
        patterned = self.random is not None or self.random_walk is not None or self.draws is not None
        return patterned or inside or any(each.is_random for each in nested)

    def references(self) -> Iterator[tuple[Path_, str]]:
        """(place, name) of every value that it refers to."""
        if self.counter is not None and self.counter.follows is not None:
            yield ("counter", "follows"), self.counter.follows
        if self.of is not None:
            yield ("of",), self.of
        for key in ("stored", "maximum", "minimum"):
            part = getattr(self, key)
            if part is not None and part.of is not None:
                yield (key, "of"), part.of
        for index, name in enumerate(self.total or []):
            yield ("total", index), name
        for index, operand in enumerate(self.operands):
            yield from _within((self.kind, index), operand)
        for bit, condition in (self.flags or {}).items():
            yield from _within(("flags", str(bit), "value"), condition.value)

    def curve(self, rng: Random, epoch: datetime) -> Curve | None:
        """The value over time, in the unit of the file; None where it is no curve of its own."""
        if self.ramp is not None:
            return self.ramp.curve(rng)
        if self.daily is not None:
            return self.daily.curve(midnight_phase(epoch))
        if self.step is not None:
            return self.step.curve()
        if self.random is not None:
            return curve.constant(Picked(random=self.random).pick(rng))
        if self.random_walk is not None or self.draws is not None:
            pattern = self.random_walk or self.draws
            assert pattern is not None
            return pattern.curve(rng, epoch)
        dated = self.yearly or self.csv
        return None if dated is None else dated.curve(epoch)


def _within(place: Path_, operand: Fraction | str | Generator) -> Iterator[tuple[Path_, str]]:
    if isinstance(operand, str):
        yield place, operand
    elif isinstance(operand, Generator):
        for inner, name in operand.references():
            yield (*place, *inner), name


class NamedValue(Generator):
    """A value that no telegram has, for records and other values to refer to."""

    unit: str | None = None
