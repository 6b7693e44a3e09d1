"""A meter: a device file brought to life. Its records are pure functions of time, seed and what a master wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from typing import Any, cast

from mbusbench.codec.data_field import Value, encode_value
from mbusbench.codec.record import RecordHeader
from mbusbench.definition.validation import did_you_mean
from mbusbench.meter import clock, writing
from mbusbench.meter.clock import MeterClock
from mbusbench.meter.definition import MAX_RECORD_BYTES, NO_HEADER_RESPONSE, Device
from mbusbench.meter.plan import Encode, Part, Place, merged, moving, plan_of
from mbusbench.meter.quirk.listing import quirks_of
from mbusbench.meter.quirk.quirk import Quirks, UsedQuirk
from mbusbench.meter.reading import Reading, StatusConditions, marked, shown, when_asked
from mbusbench.meter.readout_selection import is_wanted
from mbusbench.meter.record_definition import BCD_DIGITS, BINARY_SIZES, Record
from mbusbench.meter.value import kept
from mbusbench.meter.value.device_values import Values
from mbusbench.meter.value.generator import Generator
from mbusbench.protocol.fcb import FcbMode
from mbusbench.protocol.slave.alarms import Alarm, SlaveAlarms
from mbusbench.protocol.slave.application import SlaveApplication
from mbusbench.protocol.slave.commands import ACCESS_VIOLATION, DATA_ERROR, CommandError, WrittenRecord
from mbusbench.protocol.slave.link import SlaveLink
from mbusbench.protocol.slave.quirk import QuirkedDevice, QuirkedLink
from mbusbench.protocol.slave.security import SlaveSecurity, record_space
from mbusbench.protocol.slave.settings import AfterLast, SlaveSettings

DEFAULT_EPOCH = datetime(2026, 1, 1)


@lru_cache(maxsize=256)
def _settings(base: SlaveSettings, fcb: FcbMode | None, after_last: AfterLast | None) -> SlaveSettings:
    """One object for all meters that have the same."""
    return replace(base, fcb=fcb or base.fcb, after_last=after_last or base.after_last)


class Meter:
    """One meter with its own identity, clock and picks. It answers what `protocol.slave.application.SlaveDevice` asks.

    What is not given is the device's own. `seed` names the meter's random stream: two meters with the same device, seed
    and time send the same records. `response_delay` is the shortest and the longest, in ns; `alarms` and `busy` (from,
    until) are at times of the bus. `quirks` are as in a device file. `baud` is the rate it is set to, None for that of
    its line. `name` is for people and `VirtualBus.meter`. `link` is the slave that a bus speaks to.
    """

    __slots__ = (
        "_conditions",
        "_epoch",
        "_history",
        "_parts",
        "_plan",
        "_values",
        "_written",
        "address",
        "alarms",
        "baud",
        "busy",
        "configuration",
        "device",
        "key",
        "link",
        "meter_clock",
        "name",
        "quirks",
        "response_delay",
        "security",
        "seed",
        "settings",
        "status",
        "wire_address",
        "writes",
    )

    def __init__(
        self,
        device: Device,
        *,
        address: int | None = None,
        identification: str | None = None,
        version: int | None = None,
        medium: int | None = None,
        manufacturer: int | None = None,
        status: int | None = None,
        fcb: FcbMode | None = None,
        after_last: AfterLast | None = None,
        response_delay: tuple[int, int] | None = None,
        settings: SlaveSettings | None = None,
        alarms: Sequence[Alarm] | None = None,
        busy: Sequence[tuple[int, int]] | None = None,
        security: int | None = None,
        key: bytes | None = None,
        baud: int | None = None,
        name: str = "",
        quirks: Iterable[str | Mapping[str, Any] | UsedQuirk] | None = None,
        seed: str = "0",
        epoch: datetime = DEFAULT_EPOCH,
    ) -> None:
        self.quirks = Quirks(device.quirks if quirks is None else quirks_of(quirks))
        device = self.quirks.device(device)
        own = device.device
        self.device = device
        self.address = own.address if address is None else address
        self.status = own.status if status is None else status
        self.configuration = own.configuration.to_bytes(2, "little")
        self.wire_address = (
            bytes.fromhex(identification or own.id)[::-1]
            + (own.manufacturer if manufacturer is None else manufacturer).to_bytes(2, "little")
            + bytes([own.version if version is None else version, own.medium if medium is None else medium])
        )
        if self.quirks.used:
            self.wire_address = self.quirks.identity(self.wire_address)
            settings = replace(settings or device.settings, **self.quirks.settings)
        self.settings = _settings(settings or device.settings, fcb, after_last)
        self.response_delay = response_delay or self.quirks.response_delay or own.response_delay
        self.alarms = tuple(each.alarm for each in device.alarms) if alarms is None else tuple(alarms)
        self.busy = tuple((each.from_, each.until) for each in device.busy) if busy is None else tuple(busy)
        self.security = own.security if security is None else security
        self.key = own.key if key is None else key
        self.baud = baud
        self.name = name
        self.seed = seed
        self._written: dict[int, Part] = {}
        self.writes = 0
        self.meter_clock = MeterClock(epoch, device.clock)
        self._epoch = epoch
        self._history: dict[int, list[tuple[int, Part]]] = {}
        self._values: Values | None = None
        self._plan = plan_of(device, epoch)
        self._conditions = StatusConditions(device.conditions, self.values) if device.conditions else None
        self._parts: list[list[Part]] = []
        self._bind()
        self.link = self._new_link()

    def _new_link(self) -> SlaveLink:
        secured = SlaveSecurity(self.security, self.key) if self.security is not None and self.key is not None else None
        quirks = self.quirks.pieces()
        if self.device.python is not None:
            quirks.append(self.device.python(self))
        application = SlaveApplication(
            QuirkedDevice(self, quirks) if quirks else self,
            self.settings,
            access_number=self.device.device.access_number,
            alarms=self._new_alarms(),
            busy=self.busy,
            security=secured,
        )
        return QuirkedLink(application, quirks, baud=self.baud) if quirks else SlaveLink(application, baud=self.baud)

    def continue_from(self, former: Meter) -> None:
        """Take over what a meter keeps without power from the one that this one replaces.

        That is its clock, its access number, and what a master wrote into records that both have alike.
        """
        if former.device.clock == self.device.clock:
            self.meter_clock = former.meter_clock
        self.link.application.access_number = former.link.application.access_number
        theirs = dict(former.device.each_record())
        for path, record in self.device.each_record():
            other = theirs.get(path)
            if other is not None and id(other) in former._written and other == record:
                self._written[id(record)] = former._written[id(other)]
                self._history[id(record)] = former._history.get(id(other), [])
        self.writes = former.writes
        self._bind()

    def _new_alarms(self) -> SlaveAlarms | None:
        own = self._conditions.alarms if self._conditions is not None else ()
        return SlaveAlarms([*self.alarms, *own]) if self.alarms or own else None

    @property
    def values(self) -> Values:
        """What its values are over time, exactly, whatever a master wrote."""
        if self._values is None:
            self._values = Values(self.device, self._epoch, self.seed, self._plan.values)
        return self._values

    def raise_alarm(self, alarm: Alarm) -> None:
        """An alarm of its own accord, beside those of the device file."""
        application = self.link.application
        if application.alarms is None:
            application.alarms = SlaveAlarms()
        application.alarms.add(alarm)

    def second(self) -> Meter | None:
        """The other meter in the housing, where a quirk says that there is one: alike but for its secondary address."""
        wire_address = self.quirks.second(self.wire_address)
        if wire_address is None:
            return None
        other = Meter(
            self.device,
            address=self.address,
            status=self.status,
            response_delay=self.response_delay,
            settings=self.settings,
            alarms=self.alarms,
            busy=self.busy,
            security=self.security,
            key=self.key,
            baud=self.baud,
            quirks=self.quirks.without_second(),
            seed=f"{self.seed}/second",
            epoch=self._epoch,
        )
        other.set_wire_address(wire_address)
        return other

    def _bind(self) -> None:
        telegrams = self._plan.telegrams
        if self._written:
            definitions = self.device.telegrams
            telegrams = [
                [*(self._present(record) for record in definition.records), ending]
                for definition, ending in zip(definitions, self._plan.endings, strict=True)
            ]
        self._parts = [self._bound_parts(parts) for parts in telegrams]

    def _present(self, record: Record) -> Part:
        """The record as it is sent now, by itself."""
        written = self._written.get(id(record))
        return self._bound(self._plan.part(record)) if written is None else written

    def _bound_parts(self, parts: list[Part | Place]) -> list[Part]:
        if self._written or any(isinstance(part, Place) for part in parts):
            parts = merged([self._bound(part) for part in parts])
        return cast(list[Part], parts)

    def _bound(self, part: Part | Place) -> Part:
        if not isinstance(part, Place):
            return part
        record = part.record
        value = record.value
        if not isinstance(value, Generator):
            return self._marked(record, record.head + record.fixed_data)
        if value.device is not None:
            return self._marked(record, record.head + self._identification(record))
        encode = self._kept(record, value)
        if encode is None and value.is_date:
            due = (value.due_date.month, value.due_date.day) if value.due_date is not None else None
            encode = clock.encoder(record, self.meter_clock, due)
        if encode is None:
            simple = value.curve_is_small
            encode = moving(record, self.values) if simple else when_asked(lambda: moving(record, self.values))
        return self._marked(record, encode)

    def _marked(self, record: Record, part: Part) -> Part:
        if record.error is None:
            return part
        return marked(part, self.values.condition_of(record.error, "error"))

    def _kept(self, record: Record, value: Generator) -> Encode | None:
        if value.stored is not None:
            return kept.stored(self, record, value.stored)
        extreme = value.maximum or value.minimum
        if extreme is not None:
            better = max if value.maximum is not None else min
            return when_asked(lambda: kept.extreme(self, record, extreme, better))
        return None if value.total is None else kept.total(self, record, value.total)

    def _identification(self, record: Record) -> bytes:
        bcd = self.wire_address[:4]
        if record.data_field in BCD_DIGITS:
            return bcd.ljust(BCD_DIGITS[record.data_field] // 2, b"\x00")
        digits = bcd[::-1].hex()
        number = int(digits) if digits.isdigit() else int(digits, 16)
        return number.to_bytes(BINARY_SIZES[record.data_field], "little")

    @property
    def identification(self) -> str:
        """8 digits as printed."""
        return self.wire_address[3::-1].hex().upper()

    @property
    def fabrication_number(self) -> bytes | None:
        """From the record 0C 78, as sent."""
        record = self._plan.fabrication
        if record is None:
            return None
        written = self._written.get(id(record))
        if isinstance(written, bytes):
            return written[len(record.head) :]
        if isinstance(record.value, Generator):
            return self.wire_address[:4] if record.value.device is not None else None
        return record.fixed_data

    @property
    def baud_rates(self) -> Sequence[int]:
        return self.device.device.baud

    def readout(self, application: int | None) -> tuple[int, ...]:
        """The telegrams of a readout (`Device.readout`)."""
        return self.device.readout(application)

    def is_ordinary(self, telegram: int) -> bool:
        """Whether the telegram has CI 72, a long header, and records."""
        return self.device.telegrams[telegram].is_ordinary

    def datagram(self, telegram: int, access_number: int, now: int) -> tuple[int, bytes]:
        """CI field and data of a telegram that is not ordinary, as it is sent in clear."""
        definition = self.device.telegrams[telegram]
        if definition.data is not None:
            return definition.ci, definition.data
        header = b"" if definition.ci == NO_HEADER_RESPONSE else bytes((access_number, self.status))
        return definition.ci, header + (header and self.configuration) + self.records(telegram, now)

    def ending(self, telegram: int) -> bytes:
        """DIF 1F or 0F and what stands behind it, or b""."""
        return self._plan.endings[telegram]

    def records(self, telegram: int, now: int) -> bytes:
        """The record area of one telegram at `now`, its ending included."""
        if self._conditions is not None:
            self.status = self._conditions.applied(self.status, now)
        return b"".join([part if type(part) is bytes else part(now) for part in self._parts[telegram]])  # type: ignore[operator]

    def selected_records(self, telegrams: Sequence[int], wanted: Sequence[RecordHeader], now: int) -> list[bytes]:
        """The chosen records of these telegrams at `now`, packed into as few record areas as they need."""
        limit = (MAX_RECORD_BYTES if self.security is None else record_space(self.security)) - 1
        areas = [b""]
        for telegram in telegrams:
            for record in self.device.telegrams[telegram].records:
                if is_wanted(record, wanted):
                    data = self._sent(record, now)
                    if len(areas[-1]) + len(data) > limit:
                        areas.append(b"")
                    areas[-1] += data
        return areas

    def _sent(self, record: Record, now: int) -> bytes:
        part = self._present(record)
        return part if isinstance(part, bytes) else part(now)

    def write(self, record: WrittenRecord, now: int) -> None:
        """A master's write or other object action; CommandError where there is no such record or it is refused."""
        records = [each for _, each in self.device.each_record()]
        target = writing.find(records, record.dib, record.vib)
        if target is None:
            raise CommandError(DATA_ERROR)
        if not target.writable:
            raise CommandError(ACCESS_VIOLATION)
        if record.action == writing.FREEZE:
            source = writing.find(records, replace(record.dib, storage_number=0), record.vib)
            if source is None:
                raise CommandError(DATA_ERROR)
            data = writing.copied(source, self._data(source, now), target)
        else:
            data = writing.changed(target, self._data(target, now), record)
        self._store(target, data, now)

    def _store(self, target: Record, data: bytes, now: int) -> None:
        unwritten = self._bound(self._plan.part(target))
        written = writing.written_part(target, unwritten, data, now)
        self._history.setdefault(id(target), [(-1, unwritten)]).append((now, written))
        self._written[id(target)] = written
        self.writes += 1
        self._bind()

    def put(self, name: str, value: Value, now: int) -> None:
        """From now on a record has this value, in the register's own unit, and counts on from there.

        LookupError where there is no such record, MBusUsageError where it cannot have the value.
        """
        target = self.record(name)
        self._store(target, encode_value(target.dib_block, target.vib_block, value), now)

    def sent_at(self, record: Record, now: int) -> bytes:
        """The record as it was at `now`: by what had been written until then."""
        for since, part in reversed(self._history.get(id(record), [])):
            if since <= now:
                return part if isinstance(part, bytes) else part(now)
        return self._sent(record, now)

    def record(self, name: str) -> Record:
        """The record with that name, or the plain one of that quantity. LookupError where there is none."""
        found = self.device.named.get(name)
        if not found:
            raise LookupError(f"no record is called {name!r}{did_you_mean(name, self.device.named)}")
        return next((record for record in found if record.name == name), found[0])

    def value(self, name: str, now: int) -> Fraction:
        """The exact value of an entry of `values`, at an instant of the bus. LookupError where there is none."""
        if name not in self.device.values:
            raise LookupError(f"no value is called {name!r}{did_you_mean(name, self.device.values)}")
        return self.values.of_name(name).at(now)

    def reading(self, record: str | Record, now: int) -> Reading:
        """What a record is and what is sent at `now`, ns since the bus's epoch; by its name, or as in the device."""
        each = self.record(record) if isinstance(record, str) else record
        sent = self.sent_at(each, now)
        return shown(each, sent, None if id(each) in self._history else self.values, now)

    def _data(self, record: Record, now: int) -> bytes:
        return self._sent(record, now)[len(record.head) :]

    def set_wire_address(self, wire_address: bytes) -> None:
        """A master wrote a new identification (8 bytes as in the header)."""
        self.wire_address = wire_address
        self._bind()

    def set_clock(self, value: datetime, now: int) -> None:
        self.meter_clock.set(value, now)

    def clock(self, now: int) -> datetime:
        """What the meter's clock shows."""
        return self.meter_clock.at(now)
