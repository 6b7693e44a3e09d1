"""The right answer at an instant: a record's exact value, and what is sent; and what conditions add to an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from mbusbench.codec.data_field import Value
from mbusbench.codec.telegram import Telegram
from mbusbench.meter.conditions import ConditionDefinition
from mbusbench.meter.plan import Encode
from mbusbench.meter.record_definition import Record
from mbusbench.meter.value.device_values import Values
from mbusbench.meter.value.generator import Generator
from mbusbench.protocol.slave.alarms import Alarm
from mbusbench.protocol.slave.application import VARIABLE_DATA

_ERROR = 0x30
_HEADER = 12


@dataclass(frozen=True, slots=True)
class Reading:
    """One record at one instant.

    `exact` is its value before the register rounds it down, in the quantity's unit of the results; None where only the
    register knows it (text, dates, what is stored, what a master wrote). `shown` is what the bytes `sent` mean.
    """

    record: Record
    exact: Fraction | None
    shown: Value
    sent: bytes


def shown(record: Record, sent: bytes, values: Values | None, now: int) -> Reading:
    """`values` is None where a master has written the record."""
    exact: Fraction | None = None
    value = record.value
    counts = isinstance(value, Generator) and not value.needs_meter
    if record.raw is None and values is not None and (counts or isinstance(value, Fraction)):
        exact = values.of_record(record).at(now) * record.per_unit * record.step_worth
    decoded = Telegram.decode(VARIABLE_DATA, bytes(_HEADER) + sent).records
    return Reading(record, exact, decoded[0].value if decoded else None, sent)


class _ConditionalAlarm(Alarm):
    """Bits that are reported as long as a condition holds."""

    __slots__ = ("_holds",)
    _holds: Callable[[int], bool]

    def __init__(self, state: int, holds: Callable[[int], bool]) -> None:
        super().__init__(state, once=False)
        object.__setattr__(self, "_holds", holds)

    def is_active(self, now: int) -> bool:
        return self._holds(now)


class StatusConditions:
    """What the conditions of a device add to its status byte and its alarms."""

    __slots__ = ("_added", "_rows", "alarms")

    def __init__(self, definitions: Sequence[ConditionDefinition], values: Values) -> None:
        rows = [(each, values.condition_of(each.when, f"conditions.{i}")) for i, each in enumerate(definitions)]
        self._rows = [(each.status, holds) for each, holds in rows if each.status]
        self._added = 0
        self.alarms = [_ConditionalAlarm(each.alarm, holds) for each, holds in rows if each.alarm]

    def applied(self, status: int, now: int) -> int:
        """`status` with the bits that hold now instead of those of before."""
        bits = 0
        for bit, holds in self._rows:
            if holds(now):
                bits |= bit
        steady = status & ~self._added
        self._added = bits & ~steady
        return steady | bits


def when_asked(make: Callable[[], Encode]) -> Encode:
    """A value that is compiled when somebody reads it: a bus of many meters begins at once."""
    made: Encode | None = None

    def encode(now: int) -> bytes:
        nonlocal made
        if made is None:
            made = make()
        return made(now)

    return encode


def marked(part: Encode | bytes, holds: Callable[[int], bool]) -> Encode:
    """A record whose function field says error while the condition holds."""

    def encode(now: int) -> bytes:
        sent = part if isinstance(part, bytes) else part(now)
        return bytes([sent[0] | _ERROR]) + sent[1:] if holds(now) else sent

    return encode
