"""Which record of a readout a binding means, and the value that it becomes: unit, scale, offset, type, deadband.

What is not there, or cannot be converted, is a value of bad quality with its reason, never an exception.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from fractions import Fraction
from functools import lru_cache
from math import inf, isfinite

from mbusbench.master.results import MBusSlaveData, MBusSlaveRecord
from mbusbench.poller.meter_definition import Access, BindingDefinition, ValueType
from mbusbench.poller.units import conversion
from mbusbench.sinks.reading import Quality, Scalar, Value

Meaning = tuple[str, int, int, int, str, tuple[str, ...]]

NO_VALUE = "the meter has no value"


class NotPossible(Exception):  # noqa: N818
    """Why a record does not give the value that is wanted."""


def meaning_of(record: MBusSlaveRecord) -> Meaning:
    return (
        record.quantity,
        record.storage_number,
        record.tariff,
        record.device_unit,
        record.function,
        record.modifiers,
    )


class Readout:
    """The records of one readout, found by their place or their meaning."""

    __slots__ = ("_by_meaning", "data")

    def __init__(self, data: MBusSlaveData) -> None:
        self.data = data
        self._by_meaning: dict[Meaning, MBusSlaveRecord] | None = None

    def at(self, telegram: int, index: int) -> MBusSlaveRecord | None:
        """The record at `index` of `telegram`, both from 0."""
        records = self.data.records
        if telegram == 0:
            found = records[index] if index < len(records) else None
            return found if found is not None and found.telegram == 0 else None
        first = next((record.index for record in records if record.telegram == telegram), None)
        if first is None or first + index >= len(records):
            return None
        found = records[first + index]
        return found if found.telegram == telegram else None

    def meaning(self, meaning: Meaning) -> MBusSlaveRecord | None:
        """The first record with that meaning."""
        known = self._by_meaning
        if known is None:
            # From the last to the first, so that the first one stays.
            known = self._by_meaning = {meaning_of(record): record for record in reversed(self.data.records)}
        return known.get(meaning)


class Binding:
    """One tag of a meter."""

    __slots__ = ("_meaning", "_plain", "_telegram", "definition", "name", "tag")

    def __init__(self, definition: BindingDefinition, tag: str) -> None:
        self.definition = definition
        self.name = definition.name
        self.tag = tag
        self._telegram = definition.telegram or 0
        self._meaning: Meaning | None = None
        if definition.quantity is not None:
            self._meaning = (
                definition.quantity,
                definition.storage,
                definition.tariff,
                definition.subunit,
                definition.function,
                definition.modifiers,
            )
        self._plain = (
            definition.scale is None
            and definition.offset is None
            and definition.unit is None
            and definition.type is ValueType.AUTO
        )

    @property
    def is_read(self) -> bool:
        return self.definition.access is not Access.WRITE

    @property
    def is_written(self) -> bool:
        return self.definition.access is not Access.READ

    def record(self, readout: Readout) -> MBusSlaveRecord:
        """The record that is meant. NotPossible where there is none."""
        definition = self.definition
        if definition.index is None:
            assert self._meaning is not None
            found = readout.meaning(self._meaning)
            if found is None:
                raise NotPossible(f"the meter sent no {describe(self._meaning)}")
            return found
        found = readout.at(self._telegram, definition.index)
        if found is None:
            raise NotPossible(f"there is no record {definition.index} in telegram {self._telegram}")
        if self._meaning is not None and meaning_of(found) != self._meaning:
            place = f"record {definition.index} of telegram {self._telegram}"
            raise NotPossible(f"{place} is {describe(meaning_of(found))}, not {describe(self._meaning)}")
        return found

    def value(self, readout: Readout, quality: Quality = Quality.GOOD, reason: str | None = None) -> Value:
        """The value in a readout; `quality` is that of the readout."""
        try:
            record = self.record(readout)
        except NotPossible as error:
            return self.bad(str(error))
        try:
            value, unit = self._converted(record)
        except NotPossible as error:
            return value_of(self.tag, self.name, record, None, unit=record.unit, quality=Quality.BAD, reason=str(error))
        return value_of(self.tag, self.name, record, value, unit=unit, quality=quality, reason=reason)

    def bad(self, reason: str) -> Value:
        """What it is where there is no record."""
        definition = self.definition
        return Value(
            tag=self.tag,
            name=self.name,
            value=None,
            unit=definition.unit,
            quality=Quality.BAD,
            reason=reason,
            quantity=definition.quantity,
            storage=definition.storage,
            tariff=definition.tariff,
            subunit=definition.subunit,
            function=definition.function,
        )

    def _converted(self, record: MBusSlaveRecord) -> tuple[Scalar, str | None]:
        raw = record.value
        if raw is None or not record.valid:
            raise NotPossible(record.record_error or NO_VALUE)
        if self._plain:
            return plain(raw), record.unit
        definition = self.definition
        unit = definition.unit or record.unit
        if isinstance(raw, int | float):
            factor, shift = self.factors(record.unit)
            if factor != 1 or shift:
                raw = decimal(exact(raw) * factor + shift)
            if isinstance(raw, float) and not isfinite(raw):
                raise NotPossible("the number is too large")
        elif definition.scale is not None or definition.offset is not None:
            raise NotPossible(f"{plain(raw)!r} is no number that could be scaled")
        elif unit != record.unit:
            raise NotPossible(f"{plain(raw)!r} is no number that could be given in {unit}")
        return typed(plain(raw), definition.type), unit

    def factors(self, given: str | None) -> tuple[Fraction, Fraction]:
        """wanted = value in the API's unit * the first + the second. NotPossible where the units do not fit."""
        definition = self.definition
        if definition.scale is not None or definition.offset is not None:
            # The writer's own arithmetic: the unit is the name of what comes out of it.
            return definition.scale or Fraction(1), definition.offset or Fraction(0)
        if definition.unit is None:
            return Fraction(1), Fraction(0)
        found = conversion(given, definition.unit)
        if found is None:
            raise NotPossible(f"{given or 'a value without unit'} cannot be converted to {definition.unit}")
        return found.factor, Fraction(-found.shift)


def value_of(
    tag: str,
    name: str,
    record: MBusSlaveRecord,
    value: Scalar,
    *,
    unit: str | None,
    quality: Quality,
    reason: str | None,
) -> Value:
    return Value(
        tag=tag,
        name=name,
        value=value,
        unit=unit,
        quality=quality,
        reason=reason,
        quantity=record.quantity,
        storage=record.storage_number,
        tariff=record.tariff,
        subunit=record.device_unit,
        function=record.function,
    )


def every_value(readout: Readout, quality: Quality = Quality.GOOD, reason: str | None = None) -> list[Value]:
    """All records of a readout, for a meter without bindings: named by what they are, and numbered where need be."""
    seen: dict[str, int] = {}
    values = []
    for record in readout.data.records:
        name = name_of(meaning_of(record))
        count = seen[name] = seen.get(name, 0) + 1
        if count > 1:
            name = f"{name}_{count}"
        raw = record.value
        if raw is None or not record.valid:
            why = record.record_error or NO_VALUE
            each = value_of(name, name, record, None, unit=record.unit, quality=Quality.BAD, reason=why)
        else:
            each = value_of(name, name, record, plain(raw), unit=record.unit, quality=quality, reason=reason)
        values.append(each)
    return values


@lru_cache(maxsize=8192)
def name_of(meaning: Meaning) -> str:
    """`energy`, `volume_storage1_tariff2`, `power_maximum`."""
    quantity, storage, tariff, subunit, function, modifiers = meaning
    numbers = (("storage", storage), ("tariff", tariff), ("subunit", subunit))
    parts = [str(quantity), *modifiers, *(f"{word}{number}" for word, number in numbers if number)]
    if function != "instantaneous":
        parts.append(str(function))
    return "_".join(parts)


def describe(meaning: Meaning) -> str:
    """For a person: `energy, storage 1`."""
    quantity, storage, tariff, subunit, function, modifiers = meaning
    parts = [str(quantity).replace("_", " "), *(modifier.replace("_", " ") for modifier in modifiers)]
    parts += [
        f"{word} {number}"
        for word, number in (("storage", storage), ("tariff", tariff), ("subunit", subunit))
        if number
    ]
    if function != "instantaneous":
        parts.append(str(function))
    return ", ".join(parts)


def plain(value: int | float | str | datetime | date | time | bool | None) -> Scalar:
    """Dates and times as ISO 8601 text; the rest as it is."""
    return value.isoformat() if isinstance(value, date | time) else value


def exact(value: float) -> Fraction:
    """The number as it is written."""
    return Fraction(value) if isinstance(value, int) else Fraction(repr(value))


def decimal(number: Fraction) -> int | float:
    """A whole number, or the nearest float, infinite where it is too large."""
    try:
        return int(number) if number.denominator == 1 else float(number)
    except OverflowError:
        return inf


def typed(value: Scalar, wanted: ValueType) -> Scalar:
    """The value as that type. NotPossible where it cannot be."""
    try:
        match wanted:
            case ValueType.INTEGER:
                return round(exact(value)) if isinstance(value, int | float) else int(str(value))
            case ValueType.REAL:
                number = float(value)  # type: ignore[arg-type]
                if not isfinite(number):
                    raise ValueError
                return number
            case ValueType.TEXT:
                return str(value)
            case ValueType.BOOLEAN:
                if isinstance(value, str):
                    raise ValueError
                return bool(value)
            case _:
                return value
    except (ValueError, TypeError, OverflowError):
        raise NotPossible(f"{value!r} cannot be given as {wanted}") from None


class Deadband:
    """Leaves out values that hardly differ from the last one that was given on. One for each meter."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: dict[str, Scalar] = {}

    def passes(self, value: Value, width: Fraction) -> bool:
        """Whether it differs by more than `width`, or a value is there again."""
        number = value.value
        if value.quality is not Quality.GOOD or isinstance(number, bool) or not isinstance(number, int | float):
            self._last.pop(value.tag, None)
            return True
        last = self._last.get(value.tag)
        if isinstance(last, int | float) and abs(exact(number) - exact(last)) <= width:
            return False
        self._last[value.tag] = number
        return True


def bound_values(
    bindings: Sequence[Binding], readout: Readout, quality: Quality = Quality.GOOD, reason: str | None = None
) -> list[Value]:
    """The values of those bindings that are read."""
    return [binding.value(readout, quality, reason) for binding in bindings if binding.is_read]


def without_deadband(values: Iterable[Value], widths: dict[str, Fraction], deadband: Deadband) -> tuple[Value, ...]:
    """Those that are given on; `widths` are those of the tags that have one."""
    if not widths:
        return tuple(values)
    return tuple(value for value in values if value.tag not in widths or deadband.passes(value, widths[value.tag]))
