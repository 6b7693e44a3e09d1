"""Mistakes in what the values of a device file refer to: names, circles, units that do not go together."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING

from mbusbench.definition.document import Path_
from mbusbench.definition.validation import did_you_mean
from mbusbench.meter.record_definition import Record
from mbusbench.meter.value.device_values import INTEGRALS, Values, is_unit, rate_worth, unit_worth
from mbusbench.meter.value.generator import Generator, NamedValue
from mbusbench.meter.value.signal import Signal, SignalError

if TYPE_CHECKING:
    from mbusbench.meter.definition import Device

Source = Record | NamedValue | Fraction
_EPOCH = datetime(2026, 1, 1)
_REGISTERS_ONLY = ("stored", "total")


def mistakes_of_references(device: Device) -> list[tuple[Path_, str]]:
    """(place, what is wrong) for each."""
    found = [*_named_twice(device), *_unknown(device)]
    if not found:
        found = list(_circles(device))
    if not found:
        found = list(_unfit(device))
    return found or list(_unmade(device))


def _users(device: Device) -> Iterator[tuple[Path_, Record | None, Generator]]:
    """(place, record where it is one's, value) of every value."""
    for path, record in device.each_record():
        if isinstance(record.value, Generator):
            yield (*path, "value"), record, record.value
    for name, value in device.values.items():
        if isinstance(value, NamedValue):
            yield ("values", name), None, value


def _references(device: Device) -> Iterator[tuple[Path_, str]]:
    for path, _, value in _users(device):
        for inner, name in value.references():
            yield (*path, *inner), name
    yield from device.references_of_conditions()


def _named_twice(device: Device) -> Iterator[tuple[Path_, str]]:
    for path, record in device.each_record():
        if record.name is not None and record.name in device.values:
            yield (*path, "name"), f"a value of 'values' is called {record.name!r} already"


def _unknown(device: Device) -> Iterator[tuple[Path_, str]]:
    known = {**device.named, **dict.fromkeys(device.values, ())}
    for place, name in _references(device):
        if name in device.values:
            continue
        records = device.named.get(name, [])
        if not records:
            yield place, f"no value is called {name!r}{did_you_mean(name, known)}"
        elif len(records) > 1 and all(each.name != name for each in records):
            yield place, f"{len(records)} records could be meant by {name!r}: give one a name"


def _circles(device: Device) -> Iterator[tuple[Path_, str]]:
    done: set[int] = set()

    def circle(source: Source, trail: list[tuple[int, str]]) -> list[str] | None:
        value = source.value if isinstance(source, Record) else source
        if not isinstance(value, Generator) or id(source) in done:
            return None
        for _, name in value.references():
            target = device.referred(name)
            seen = [key for key, _ in trail]
            if id(target) in seen:
                return [*(each for _, each in trail[seen.index(id(target)) + 1 :]), name]
            found = circle(target, [*trail, (id(target), name)])
            if found is not None:
                return found
        done.add(id(source))
        return None

    # Entries of `values` first: a circle is told where it is, not where it is used.
    for path, record, value in sorted(_users(device), key=lambda user: user[1] is not None):
        source: Source = record if record is not None else device.values[str(path[1])]
        names = circle(source, [(id(source), "")])
        if names is not None:
            own = value.counter is not None and len(names) == 1
            text = "a counter cannot follow itself" if own else f"the value depends on itself: {' -> '.join(names)}"
            yield (*path, "counter", "follows") if own else path, text
            return


def _unfit(device: Device) -> Iterator[tuple[Path_, str]]:
    for path, record, value in _users(device):
        for inner, name in value.references():
            source = device.referred(name)
            reason = _obstacle(device, record, value, inner, source)
            if reason is not None:
                yield (*path, *inner), reason
        if record is None and value.kind in (*_REGISTERS_ONLY, "counter", "maximum", "minimum", "clock", "due_date"):
            yield path, f"{value.kind} is for records: name the record, and refer to it"
        unit = value.unit if isinstance(value, NamedValue) else None
        if unit is not None and not is_unit(unit):
            yield (*path, "unit"), f"no quantity has the unit {unit!r}"
    for place, name in device.references_of_conditions():
        source = device.referred(name)
        own = source.value if isinstance(source, Record) else source
        if not isinstance(own, Generator | Fraction):
            yield place, "a condition needs a number"
        elif isinstance(own, Generator) and own.needs_meter:
            yield place, "it depends on the meter's clock or registers: only stored can refer to it"


def _obstacle(device: Device, record: Record | None, value: Generator, place: Path_, source: Source) -> str | None:
    own = source.value if isinstance(source, Record) else source
    if not isinstance(own, Generator | Fraction):
        return "what a counter follows must be a number" if value.counter else "must be a number"
    needs = isinstance(own, Generator) and own.needs_meter
    if value.counter is not None:
        if needs or (isinstance(own, Generator) and own.counter is not None):
            return "what a counter follows must be a constant, ramp, daily, step or random value"
        return None if record is None else _unit_obstacle(record, source)
    if needs and value.stored is None:
        return "it depends on the meter's clock or registers: only stored can refer to it"
    if value.total is not None and not (isinstance(source, Record) and source.capacity):
        return "total adds up what records show: this is no record with a whole number"
    if record is not None and (value.of is not None or value.stored is not None or value.maximum or value.minimum):
        return _conversion_obstacle(record, source)
    return None


def _unit_obstacle(record: Record, source: Source) -> str | None:
    """Why what it adds up to is not in the counter's unit."""
    if isinstance(source, Record):
        unit = source.vib_block.unit or "no unit"
    elif isinstance(source, NamedValue) and source.unit is not None:
        worth = rate_worth(source.unit)
        unit = worth[1] if worth is not None else source.unit
    else:
        return None
    own = record.vib_block.unit or "no unit"
    return None if (unit, own) in INTEGRALS else f"{own} is not what {unit} add up to over time"


def _conversion_obstacle(record: Record, source: Source) -> str | None:
    own = record.vib_block.unit
    if isinstance(source, Record):
        if source.vib_block.unit != own:
            return f"it is in {source.vib_block.unit or 'no unit'}, the record in {own or 'no unit'}"
        return None
    unit = source.unit if isinstance(source, NamedValue) else None
    if unit is not None and (record.quantity is None or unit_worth(record.quantity, unit) is None):
        return f"it is in {unit}, which {record.quantity} cannot be"
    return None


def _unmade(device: Device) -> Iterator[tuple[Path_, str]]:
    """Sums and products that are too much, and counters of what has no integral."""
    values = Values(device, _EPOCH)
    for path, record, value in _users(device):
        if value.needs_meter and not (value.maximum or value.minimum):
            continue
        try:
            extreme = value.maximum or value.minimum
            if extreme is not None:
                if not isinstance(values.of_name(extreme.of), Signal):
                    yield path, "a quotient or counter has no mean over time"
            elif value.counter is not None:
                if value.counter.follows is not None and not isinstance(values.of_name(value.counter.follows), Signal):
                    yield (*path, "counter", "follows"), "a counter cannot follow a quotient"
                else:
                    assert record is not None
                    values.counting(record)
            elif value.of or value.operands or value.flags:
                if record is not None:
                    values.of_record(record)
                else:
                    values.of_name(str(path[1]))
        except SignalError as error:
            yield path, str(error)
