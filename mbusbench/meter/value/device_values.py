"""What the values of a device are over time: names resolved, units converted, each as something with an exact `at`.

A `Signal` has an integral, too. What has none (quotients, counters, and what is made of them) is a `Pointwise`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING

from mbusbench.codec.vib import ValueInformationBlock, quantities
from mbusbench.errors import DecodeError
from mbusbench.meter.record_definition import Record
from mbusbench.meter.value import signal
from mbusbench.meter.value.curve import Register, line
from mbusbench.meter.value.generator import Condition, Generator, NamedValue, number
from mbusbench.meter.value.signal import Signal

if TYPE_CHECKING:
    from mbusbench.meter.definition import Device

_HOUR = 3600 * 10**9
_RATES = ("power", "volume_flow", "mass_flow", "reactive_power", "apparent_power")
_SCALES = (0, -3, -2, -1, 1, 2, 3, -4, -5, -6)

# Hours' worth of the first unit make one of the second: (units of the integral) for each (unit of the value) and hour.
INTEGRALS: dict[tuple[str, str], tuple[int, int]] = {
    ("W", "kWh"): (1, 1000),
    ("W", "MJ"): (36, 10000),
    ("MJ/h", "MJ"): (1, 1),
    ("MJ/h", "kWh"): (10, 36),
    ("var", "kvarh"): (1, 1000),
    ("VA", "kVAh"): (1, 1000),
    ("m³/h", "m³"): (1, 1),
    ("kg/h", "kg"): (1, 1),
}


@dataclass(frozen=True, slots=True)
class Pointwise:
    """A value that is known at any instant, but not what it adds up to."""

    at: Callable[[int], Fraction]

    def register(self, factor: Fraction) -> Register:
        at = self.at
        return lambda now: (at(now) * factor).__floor__()


Exactly = Signal | Pointwise


@lru_cache(maxsize=8192)
def unit_worth(quantity: str, unit: str) -> tuple[Fraction, str] | None:
    """(one of `unit` in the quantity's common unit, that unit); None where the quantity has no such unit."""
    for scale in _SCALES:
        try:
            vib = ValueInformationBlock.find(quantity, unit, scale)
        except (LookupError, DecodeError):  # the latter of plain text, which has no name of its own
            continue
        if vib.unit is not None:
            return Fraction(vib.numerator, vib.denominator) / Fraction(10) ** scale, vib.unit
    return None


def rate_worth(unit: str) -> tuple[Fraction, str] | None:
    """The same of a unit of power or flow."""
    return next((found for found in (unit_worth(quantity, unit) for quantity in _RATES) if found is not None), None)


@lru_cache(maxsize=1024)
def is_unit(unit: str) -> bool:
    """Whether any quantity is counted in it."""
    return any(unit_worth(quantity, unit) is not None for quantity in quantities())


class Values:
    """The values of one device for buses that begin at `epoch`; with `seed` those of one meter.

    `shared` holds those that are the same for all meters.
    """

    def __init__(self, device: Device, epoch: datetime, seed: str = "", shared: Values | None = None) -> None:
        self._device = device
        self._epoch = epoch
        self._seed = seed
        self._shared = shared
        self._records: dict[int, Exactly] = {}
        self._named: dict[str, Exactly] = {}
        self._streams: dict[int, str] = {} if shared is None else shared._streams
        self._random: dict[int, bool] = {} if shared is None else shared._random
        if shared is None:
            for path, record in device.each_record():
                self._streams[id(record)] = f"{path[1]}.{path[3]}"

    def is_random(self, record: Record) -> bool:
        """Whether it is not the same for every meter."""
        found = self._random.get(id(record))
        if found is None:
            value = record.value
            found = self._random[id(record)] = isinstance(value, Generator) and self.depends_on_seed(value)
        return found

    def depends_on_seed(self, value: Generator) -> bool:
        return value.is_random or any(self._is_random_name(name) for _, name in value.references())

    def _is_random_name(self, name: str) -> bool:
        source = self._device.referred(name)
        if isinstance(source, Record):
            return self.is_random(source)
        return isinstance(source, Generator) and self.depends_on_seed(source)

    def referred(self, name: str) -> Record | NamedValue | Fraction:
        """What the device means by a name."""
        return self._device.referred(name)

    def of_record(self, record: Record) -> Exactly:
        """In the unit of the file."""
        if self._shared is not None and not self.is_random(record):
            return self._shared.of_record(record)
        found = self._records.get(id(record))
        if found is None:
            found = self._records[id(record)] = self._of_record(record)
        return found

    def of_name(self, name: str) -> Exactly:
        source = self._device.referred(name)
        if isinstance(source, Record):
            return self.of_record(source)
        if isinstance(source, Fraction):
            return signal.of_number(source)
        if self._shared is not None and not self.depends_on_seed(source):
            return self._shared.of_name(name)
        found = self._named.get(name)
        if found is None:
            found = self._named[name] = self.of_generator(source, self._rng(f"values.{name}"))
        return found

    def _rng(self, stream: str) -> Random:
        return Random(f"{self._seed}/{stream}")

    def _of_record(self, record: Record) -> Exactly:
        value = record.value
        if isinstance(value, Fraction):
            return signal.of_number(value)
        assert isinstance(value, Generator)
        rng = self._rng(self._streams[id(record)])
        if value.counter is not None:
            if value.counter.follows is None and value.counter.between is None:
                start = number(value.counter.start, rng)
                assert value.counter.rate is not None
                return signal.of_curve(line(start, number(value.counter.rate, rng) / value.counter.per_ns))
            begin, per_area, source = self.counting(record)
            return Pointwise(lambda now: (begin + source.integral(now) * per_area) / record.per_unit)
        found = self.of_generator(value, rng)
        if value.of is None:
            return found
        factor = self.conversion(value.of, record)
        if factor == 1:
            return found
        if isinstance(found, Signal):
            return signal.product([found, signal.of_number(factor)])
        at = found.at
        return Pointwise(lambda now: at(now) * factor)

    def conversion(self, name: str, record: Record) -> Fraction:
        """What turns a number of that value into one in the record's file unit."""
        own = record.step_worth * record.per_unit
        source = self._device.referred(name)
        if isinstance(source, Record):
            return source.step_worth * source.per_unit / own
        if isinstance(source, NamedValue) and source.unit is not None and record.quantity is not None:
            worth = unit_worth(record.quantity, source.unit)
            assert worth is not None
            return worth[0] / own
        return Fraction(1)

    def of_generator(self, value: Generator, rng: Random) -> Exactly:
        """In the unit of whoever uses it."""
        if value.of is not None:
            return self.of_name(value.of)
        if value.flags is not None:
            return self._flags(value, rng)
        if value.operands:
            return _combined(value.kind, [self._operand(each, rng) for each in value.operands])
        curve = value.curve(rng, self._epoch)
        assert curve is not None
        return signal.of_curve(curve)

    def _operand(self, operand: Fraction | str | Generator, rng: Random) -> Exactly:
        if isinstance(operand, str):
            return self.of_name(operand)
        return signal.of_number(operand) if isinstance(operand, Fraction) else self.of_generator(operand, rng)

    def condition(self, condition: Condition, rng: Random) -> Callable[[int], bool]:
        """A function of time."""
        at = self._operand(condition.value, rng).at
        return lambda now: condition.holds(at(now))

    def condition_of(self, condition: Condition, stream: str) -> Callable[[int], bool]:
        return self.condition(condition, self._rng(stream))

    def _flags(self, value: Generator, rng: Random) -> Pointwise:
        assert value.flags is not None
        flags = [(1 << bit, self.condition(condition, rng)) for bit, condition in value.flags.items()]
        return Pointwise(lambda now: Fraction(sum(bit for bit, holds in flags if holds(now))))

    def counting(self, record: Record) -> tuple[Fraction, Fraction, Signal]:
        """(first number of the register, its steps for the source's unit and ns, source) of a counter."""
        assert isinstance(record.value, Generator)
        counter = record.value.counter
        assert counter is not None
        rng = self._rng(self._streams[id(record)])
        start = number(counter.start, rng) * record.per_unit
        if counter.follows is None:
            assert counter.rate is not None
            source: Exactly = signal.of_number(number(counter.rate, rng))
            per_area = record.per_unit / counter.per_ns
        else:
            source = self.of_name(counter.follows)
            per_area = self._steps_per_area(counter.follows, record)
        assert isinstance(source, Signal)
        gate = counter.gate(self._epoch)
        return start, per_area, source if gate is None else signal.product([source, signal.of_curve(gate)])

    def _steps_per_area(self, name: str, record: Record) -> Fraction:
        """Steps of the counter's register for one unit of the source's value that lasts 1 ns."""
        source = self._device.referred(name)
        if isinstance(source, Record):
            worth, unit = source.per_unit * source.step_worth, source.vib_block.unit
        elif isinstance(source, NamedValue) and source.unit is not None:
            found = rate_worth(source.unit)
            assert found is not None
            worth, unit = found
        else:
            assert isinstance(record.value, Generator)
            assert record.value.counter is not None
            return record.per_unit / record.value.counter.per_ns
        assert unit is not None
        assert record.vib_block.unit is not None
        numerator, denominator = INTEGRALS[unit, record.vib_block.unit]
        return worth * Fraction(numerator, denominator * _HOUR) / record.step_worth


def _combined(kind: str, parts: list[Exactly]) -> Exactly:
    signals = [part for part in parts if isinstance(part, Signal)]
    if len(signals) == len(parts) and kind != "quotient":
        if kind == "product":
            return signal.product(signals)
        return signal.total(signals, [1, -1] if kind == "difference" else [1] * len(signals))
    ats = [part.at for part in parts]
    if kind == "quotient":
        above, below = ats
        return Pointwise(lambda now: above(now) / divisor if (divisor := below(now)) else Fraction(0))
    if kind == "difference":
        return Pointwise(lambda now: ats[0](now) - ats[1](now))
    if kind == "sum":
        return Pointwise(lambda now: sum((at(now) for at in ats), Fraction(0)))

    def multiplied(now: int) -> Fraction:
        value = Fraction(1)
        for at in ats:
            value *= at(now)
        return value

    return Pointwise(multiplied)
