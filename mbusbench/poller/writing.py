"""From a value that is set on a tag to the record that is sent (SND_UD), and whether the meter took it."""

from __future__ import annotations

from datetime import date, datetime, time
from fractions import Fraction

from mbusbench.codec.commands import data_send
from mbusbench.codec.data_field import encode_value
from mbusbench.codec.dib import DataInformationBlock
from mbusbench.codec.record import RecordHeader
from mbusbench.codec.vib import ValueInformationBlock
from mbusbench.errors import MBusUsageError
from mbusbench.master.results import MBusSlaveRecord
from mbusbench.poller.binding import Binding, NotPossible, Readout, exact
from mbusbench.sinks.reading import Scalar

_REAL = 5
_LVAR = 0xD
_TEXT_KINDS = ("text", "identification", "version")
_DATES: dict[int, type[date] | type[time] | type[datetime]] = {2: date, 3: time, 4: datetime, 6: datetime}
_EXAMPLES: dict[type, str] = {date: "2026-01-31", time: "12:30:00", datetime: "2026-01-31T12:30"}


def command(binding: Binding, readout: Readout | None, value: Scalar) -> bytes:
    """What is sent: the CI field and the record with the value.

    The head of the record is the one that the meter sends, unless the binding says which. MBusUsageError where the
    value does not fit into it.
    """
    definition = binding.definition
    if definition.write is not None:
        dib = DataInformationBlock.decode(definition.write.dib)
        vib = ValueInformationBlock.decode(definition.write.vib)
    else:
        assert readout is not None
        record = _record(binding, readout)
        dib = DataInformationBlock.decode(bytes.fromhex(record.dib))
        vib = ValueInformationBlock.decode(bytes.fromhex(record.vib))
    ci, data = data_send(dib.raw + vib.raw + encode_value(dib, vib, register(binding, dib, vib, value)))
    return bytes([ci]) + data


def _record(binding: Binding, readout: Readout) -> MBusSlaveRecord:
    try:
        return binding.record(readout)
    except NotPossible as error:
        raise MBusUsageError(f"{binding.tag} cannot be written: {error}") from None


def register(
    binding: Binding, dib: DataInformationBlock, vib: ValueInformationBlock, value: Scalar
) -> int | float | str | date | time | datetime:
    """The value as the meter counts it, to the nearest step of its register."""
    if vib.kind in ("date", "datetime"):
        return _instant(dib, value)
    if isinstance(value, str):
        number = None if vib.kind in _TEXT_KINDS or dib.data_field == _LVAR else _number(value)
        if number is None:
            return value
    elif value is None:
        raise MBusUsageError(f"{binding.tag}: there is no value to write")
    else:
        number = Fraction(int(value)) if isinstance(value, bool) else exact(value)
    try:
        factor, shift = binding.factors(vib.unit)
    except NotPossible as error:
        raise MBusUsageError(f"{binding.tag} cannot be written: {error}") from None
    given = (number - shift) / factor
    steps = (given - vib.offset) * vib.denominator / vib.numerator
    return float(steps) if dib.data_field == _REAL else round(steps)


def _number(text: str) -> Fraction | None:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        return None


def _instant(dib: DataInformationBlock, value: Scalar) -> date | time | datetime:
    kind = _DATES.get(dib.data_length or 0, datetime)
    try:
        return kind.fromisoformat(str(value))
    except ValueError:
        raise MBusUsageError(f"{value!r} is not a {kind.__name__} in ISO 8601, such as {_EXAMPLES[kind]}") from None


def was_taken(binding: Binding, sent: bytes, readout: Readout) -> bool | None:
    """Whether the meter holds now what was sent; None where it sends no such record."""
    try:
        record = binding.record(readout)
    except NotPossible:
        return None
    dib = DataInformationBlock.decode(sent, 1)
    vib = ValueInformationBlock.decode(sent, 1 + len(dib.raw))
    return record.valid and record.value == RecordHeader(dib, vib).value(sent[1 + len(dib.raw) + len(vib.raw) :])
