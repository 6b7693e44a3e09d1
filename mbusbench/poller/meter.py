"""One meter of a connection: its bindings, and the reading that becomes of a readout or of its failure."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction

from mbusbench.errors import MBusError
from mbusbench.master.results import MBusSlaveData
from mbusbench.poller.binding import Binding, Readout, bound_values, every_value, without_deadband
from mbusbench.poller.memory import MeterMemory
from mbusbench.poller.meter_definition import MeterDefinition
from mbusbench.poller.schedule import to_datetime, to_ns
from mbusbench.sinks.reading import Quality, Reading

OLD = "the meter sent an old telegram again"
IN_PART = "the telegram could be read only in part"


class Meter:
    """What the poller does with one meter. `memory` is what it knows of it."""

    __slots__ = ("bindings", "connection", "definition", "label", "memory", "target", "widths")

    def __init__(self, connection: str, definition: MeterDefinition, memory: MeterMemory) -> None:
        self.connection = connection
        self.definition = definition
        self.memory = memory
        self.label = definition.label
        self.target = definition.target
        self.bindings = tuple(
            Binding(each, tag_of(each.tag, connection, self.label, each.name)) for each in definition.bindings
        )
        self.widths: dict[str, Fraction] = {
            binding.tag: binding.definition.deadband for binding in self.bindings if binding.definition.deadband
        }

    @property
    def identity(self) -> str:
        """Who it is: what it told itself, else its configured name."""
        return self.memory.identity or self.label

    def reading(self, data: MBusSlaveData, instant: str, time: datetime, *, whole: bool = False) -> Reading | None:
        """The reading of a readout; None where the deadbands leave nothing of it, unless it is to be `whole`.

        `instant` is the end of its key.
        """
        memory = self.memory
        memory.identity = identity_of(data) or memory.identity
        memory.medium, memory.manufacturer, memory.version = data.medium, data.manufacturer, data.version
        quality, reason = Quality.GOOD, None
        if data.stale:
            quality, reason = Quality.STALE, OLD
        readout = Readout(data)
        if self.bindings:
            values = tuple(bound_values(self.bindings, readout, quality, reason))
            if self.widths and not whole:
                values = without_deadband(values, self.widths, memory.deadband)
            if not values and self.widths:
                return None
        else:
            values = tuple(every_value(readout, quality, reason))
        if quality is Quality.GOOD and data.encrypted:
            quality, reason = Quality.BAD, "the telegram is encrypted, and there is no key for it"
        elif quality is Quality.GOOD and data.partial:
            reason = IN_PART
        return Reading(
            key=self.key(instant),
            connection=self.connection,
            meter=self.identity,
            address=str(self.definition.address),
            time=time,
            quality=quality,
            reason=reason,
            medium=data.medium,
            manufacturer=data.manufacturer,
            version=data.version,
            access_number=data.access_number,
            status=data.status,
            values=values,
            name=self.definition.name,
        )

    def failed(self, error: MBusError | str, instant: str, time: datetime) -> Reading:
        """The reading that says why there is none."""
        memory, reason = self.memory, str(error)
        return Reading(
            key=self.key(instant),
            connection=self.connection,
            meter=self.identity,
            address=str(self.definition.address),
            time=time,
            quality=Quality.BAD,
            reason=reason,
            medium=memory.medium,
            manufacturer=memory.manufacturer,
            version=memory.version,
            name=self.definition.name,
            values=tuple(binding.bad(reason) for binding in self.bindings if binding.is_read),
        )

    def key(self, instant: str) -> str:
        """What is read for a slot has the same key, however often the poller begins anew."""
        return f"{self.connection}/{self.identity}/{instant}"


def slot_text(slot: int) -> str:
    """A slot as it stands in keys."""
    return f"{to_datetime(slot):%Y-%m-%dT%H:%M:%SZ}"


def slot_of(key: str) -> int | None:
    """The slot that a key is for; None where it is of a write."""
    try:
        return to_ns(datetime.fromisoformat(key.rsplit("/", 1)[-1]))
    except (ValueError, TypeError):
        return None


def tag_of(tag: str | None, connection: str, meter: str, name: str) -> str:
    """The tag of a binding: its name if nothing else is said. `{connection}`, `{meter}` and `{name}` may be in it."""
    if tag is None:
        return name
    return tag.replace("{connection}", connection).replace("{meter}", meter).replace("{name}", name)


def identity_of(data: MBusSlaveData) -> str | None:
    """`KAM-12345678-1b-04`; None of a meter that does not say who it is."""
    if not data.serial_number or data.version is None or data.device_type is None:
        return None
    return f"{data.manufacturer or '000'}-{data.serial_number}-{data.version:02x}-{data.device_type:02x}"
