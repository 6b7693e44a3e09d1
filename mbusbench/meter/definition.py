"""The device file: who a meter is, which telegrams it sends, and recorded telegrams that prove it.

A telegram's record area has at most 240 bytes (EN 13757-3); all telegrams but the last end with DIF 1F by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import Enum
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Discriminator, Field, PlainValidator, PrivateAttr, Tag, model_validator

from mbusbench.codec import device_type
from mbusbench.codec.address import manufacturer_code
from mbusbench.codec.frame import DATA_MAXIMUM
from mbusbench.definition.document import Document, Path_, definition_error, read_document
from mbusbench.definition.fields import (
    Byte,
    Duration,
    Exact,
    Format,
    HexBytes,
    HexTail,
    IdentificationNumber,
    PrimaryAddress,
    each_once,
    exact,
    in_range,
    nanoseconds,
    one_of,
)
from mbusbench.definition.validation import Definition, did_you_mean, mistake, mistakes, shown
from mbusbench.meter.behaviour import AlarmDefinition, Behaviour, BusyDefinition, Key, Security
from mbusbench.meter.conditions import ClockDefinition, ConditionDefinition
from mbusbench.meter.extension import DeviceExtension, extension_class
from mbusbench.meter.quirk.listing import QuirkList
from mbusbench.meter.quirk.quirk import contradictions
from mbusbench.meter.record_definition import Record
from mbusbench.meter.value.generator import Generator, NamedValue
from mbusbench.meter.value.references import mistakes_of_references
from mbusbench.protocol.fcb import FcbMode
from mbusbench.protocol.slave.security import record_space
from mbusbench.protocol.slave.settings import AfterLast, SlaveSettings
from mbusbench.timing import BAUD_RATES

MAX_RECORD_BYTES = 240
RESPONSE = 0x72
SHORT_HEADER_RESPONSE = 0x7A
NO_HEADER_RESPONSE = 0x78
_ROOM = {RESPONSE: MAX_RECORD_BYTES, SHORT_HEADER_RESPONSE: 248, NO_HEADER_RESPONSE: 252}
MAX_TELEGRAMS = 64
MAX_EVENTS = 256
MAX_VALUES = 256
_ANY_EPOCH = datetime(2026, 1, 1)


class Confidence(Enum):
    """How sure a device file is: A telegram and manufacturer agree, B telegram only, C manual only, D inferred."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"


def _manufacturer(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 0xFFFF:
        return value
    if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isalpha() and value.isupper():
        return manufacturer_code(value)
    raise mistake(f"{shown(value)} is not a manufacturer: three capital letters, or a code such as 0x2C2D")


def _medium(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 0xFE:
        return value
    if isinstance(value, str):
        code = device_type.code(value)
        if code is not None:
            return code
        raise mistake(f"there is no medium {value!r}{did_you_mean(value, device_type.names())}")
    raise mistake(f"{shown(value)} is not a medium: a name such as heat, or a code 0x00..0xfe")


def _delay(value: object) -> tuple[int, int]:
    if isinstance(value, tuple):
        return value
    pair = value if isinstance(value, list) else [value, value]
    if len(pair) != 2:
        raise mistake("one duration, or two: the shortest and the longest")
    low, high = (nanoseconds(each) for each in pair)
    if low > high:
        raise mistake("the shortest response delay is longer than the longest")
    return low, high


def _baud(value: object) -> int:
    if isinstance(value, int) and value in BAUD_RATES:
        return value
    raise mistake(f"{shown(value)} is not one of {', '.join(str(rate) for rate in BAUD_RATES)}")


Manufacturer = Annotated[int, PlainValidator(_manufacturer)]
Medium = Annotated[int, PlainValidator(_medium)]
ResponseDelay = Annotated[tuple[int, int], PlainValidator(_delay)]
Baud = Annotated[int, PlainValidator(_baud)]


class DeviceHeader(Definition):
    """Identity and habits. A bus file may override them for one meter."""

    manufacturer: Manufacturer
    version: Byte
    medium: Medium
    id: IdentificationNumber = "00000000"
    address: PrimaryAddress = 0
    baud: Annotated[list[Baud], Field(min_length=1), AfterValidator(each_once)] = [300, 2400]  # noqa: RUF012
    status: Byte = 0
    access_number: Byte = 0
    configuration: Annotated[int, in_range(0, 0xFFFF, hexadecimal=True)] = 0
    response_delay: ResponseDelay | None = None
    fcb: Annotated[FcbMode, one_of(FcbMode)] = FcbMode.STRICT
    after_last: Annotated[AfterLast, one_of(AfterLast)] = AfterLast.WRAP
    security: Security | None = None
    key: Key | None = None

    @model_validator(mode="after")
    def _secure(self) -> DeviceHeader:
        if self.security is not None and self.key is None:
            raise mistake("'key' is missing: security needs one", ["security"])
        if self.key is not None and self.security is None:
            raise mistake("'security' is missing: 5 or 7", ["key"])
        if self.security is not None and self.configuration:
            raise mistake("security makes a configuration field of its own", ["configuration"])
        return self


class TelegramDefinition(Definition):
    """One telegram of a readout; of another application than the ordinary one where `application` says so.

    `application` is the sub-code of the application reset that chooses it: application in the upper, block in the lower
    four bits. `ci` 0x7A has the short header, 0x78 none. `data` instead of records is all that stands behind the CI
    field, header included, sent as it is: what is no variable data structure, or not to be read.
    """

    ci: Byte = RESPONSE
    data: HexTail | None = None
    application: Annotated[int, in_range(0x10, 0xFF, hexadecimal=True)] | None = None
    records: list[Record] = []  # noqa: RUF012
    manufacturer_data: HexTail | None = None
    more_records_follow: bool | None = None

    @model_validator(mode="after")
    def _fits(self) -> TelegramDefinition:
        if self.data is not None:
            self._check_data(self.data)
            return self
        if self.ci not in _ROOM:
            raise mistake(f"CI {self.ci:02X} has no records (72, 78, 7A have): give its data", ["ci"])
        size = sum(record.size for record in self.records)
        if self.manufacturer_data is not None:
            size += 1 + len(self.manufacturer_data)
        elif self.more_records_follow:
            size += 1
        room = _ROOM[self.ci]
        if size > room:
            raise mistake(f"{size} bytes of records, a telegram holds {room}: split it in two", ["records"])
        return self

    def _check_data(self, data: bytes) -> None:
        for key in ("records", "manufacturer_data", "more_records_follow"):
            if key in self.model_fields_set:
                raise mistake(f"{key} does not go together with data", [key])
        if len(data) > DATA_MAXIMUM:
            raise mistake(f"{len(data)} bytes, a telegram holds {DATA_MAXIMUM}", ["data"])

    @property
    def is_ordinary(self) -> bool:
        """Whether it has the long header and records: CI 72."""
        return self.ci == RESPONSE and self.data is None


def _checked_value(value: object) -> Fraction | str | None:
    if value is None or isinstance(value, str):
        return value
    return exact(value)


CheckedValue = Annotated[Fraction | str | None, PlainValidator(_checked_value)]


class Check(Definition):
    """A recorded telegram and the values it means, in the API's units.

    Without `at` the telegram was recorded: the device must have its records in its order, and with its values send it
    byte for byte. With `at` it is what the device sends then, as it is.
    """

    telegram: HexBytes
    records: list[CheckedValue] | None = None
    number: Annotated[int, in_range(1, MAX_TELEGRAMS)] = 1
    at: Duration | None = None
    source: str | None = None


def _kind_of_named(value: object) -> str:
    return "<value>" if isinstance(value, dict | NamedValue) else "<number>"


NamedEntry = Annotated[
    Annotated[NamedValue, Tag("<value>")] | Annotated[Exact, Tag("<number>")], Discriminator(_kind_of_named)
]


class Device(Definition):
    """A whole device file."""

    format: Format
    description: str | None = None
    source: str | None = None
    confidence: Annotated[Confidence, one_of(Confidence)] | None = None
    python: Annotated[type[DeviceExtension], PlainValidator(extension_class)] | None = None
    device: DeviceHeader
    behaviour: Behaviour = Behaviour()
    quirks: QuirkList = ()
    alarms: list[AlarmDefinition] = Field(default=[], max_length=MAX_EVENTS)
    busy: list[BusyDefinition] = Field(default=[], max_length=MAX_EVENTS)
    clock: ClockDefinition = ClockDefinition()
    values: dict[str, NamedEntry] = Field(default={}, max_length=MAX_VALUES)
    conditions: list[ConditionDefinition] = Field(default=[], max_length=MAX_EVENTS)
    telegrams: list[TelegramDefinition] = Field(min_length=1, max_length=MAX_TELEGRAMS)
    checks: list[Check] = []  # noqa: RUF012
    _compiled: dict[object, object] = PrivateAttr(default_factory=dict)
    _data: Any = PrivateAttr(default=None)

    @property
    def compiled(self) -> dict[object, object]:
        """What `meter.plan` made of the device, by the epoch that it was made for."""
        return self._compiled

    @property
    def data(self) -> Any:
        """What stands in the file that the device is from."""
        return self._data

    @classmethod
    def from_document(cls, document: Document, context: Mapping[str, Any] | None = None) -> Self:
        device = super().from_document(document, context)
        device._data = document.data
        return device

    @classmethod
    def from_file(cls, path: str | Path) -> Device:
        """The device in the file `path`; DefinitionError with a line for each mistake."""
        document = read_document(path)
        if isinstance(document.data, dict) and "meters" in document.data and "device" not in document.data:
            raise definition_error([document.mistake(("meters",), "this is a bus file, not a device", key=True)])
        return cls.from_document(document, {"directory": Path(path).parent})

    @model_validator(mode="after")
    def _consistent(self) -> Device:
        wrong: list[tuple[Path_, str]] = [
            (("quirks", index), text) for index, text in contradictions(self.quirks, self._decided())
        ]
        wrong += [*self._name_mistakes(), *self._size_mistakes()]
        wrong += [*mistakes_of_references(self), *self._range_mistakes()]
        if not self.readout(None):
            wrong.append((("telegrams",), "all of them belong to an application: none is left for an ordinary readout"))
        wrong += [
            (("checks", index, "number"), f"{check.number} is not in 1..{len(self.telegrams)}")
            for index, check in enumerate(self.checks)
            if check.number > len(self.telegrams)
        ]
        if wrong:
            raise mistakes(wrong)
        return self

    def each_record(self) -> Iterator[tuple[Path_, Record]]:
        """Every record with its place in the file."""
        for outer, telegram in enumerate(self.telegrams):
            for inner, record in enumerate(telegram.records):
                yield ("telegrams", outer, "records", inner), record

    def more_follows(self, telegram: int) -> bool:
        """Whether this telegram ends with DIF 1F, where it has records."""
        if self.telegrams[telegram].data is not None:
            return False
        stated = self.telegrams[telegram].more_records_follow
        if stated is not None:
            return stated
        own = _application(self.telegrams[telegram])
        return any(_application(later) == own for later in self.telegrams[telegram + 1 :])

    def record_bytes(self, telegram: int) -> int:
        """Bytes of the record area, ending included; 0 for a telegram that is given whole."""
        definition = self.telegrams[telegram]
        if definition.data is not None:
            return 0
        size = sum(record.size for record in definition.records)
        if definition.manufacturer_data is not None:
            return size + 1 + len(definition.manufacturer_data)
        return size + self.more_follows(telegram)

    def readout(self, application: int | None) -> tuple[int, ...]:
        """The telegrams of a readout after an application reset with this sub-code; () where there are none.

        From the block of the sub-code on (0: from the first) to the application's last. None and 0 are the telegrams
        that belong to no application.
        """
        wanted = None if not application else application >> 4
        found = [index for index, each in enumerate(self.telegrams) if _application(each) == wanted]
        if application and application & 0x0F:
            start = next((index for index in found if self.telegrams[index].application == application), None)
            return () if start is None else tuple(index for index in found if index >= start)
        return tuple(found)

    @cached_property
    def settings(self) -> SlaveSettings:
        """What the device does differently from the standard."""
        return self.behaviour.applied_to(SlaveSettings(fcb=self.device.fcb, after_last=self.device.after_last))

    @cached_property
    def named(self) -> dict[str, list[Record]]:
        """Records by the name that others may use for them."""
        found: dict[str, list[Record]] = {}
        for _, record in self.each_record():
            if record.raw is not None:
                continue
            name = record.name or (record.quantity if record.is_plain else None)
            if name is not None:
                found.setdefault(name, []).append(record)
        return found

    def referred(self, name: str) -> Record | NamedValue | Fraction:
        """What is meant by a name: an entry of `values` before a record."""
        if name in self.values:
            return self.values[name]
        records = self.named[name]
        return next((record for record in records if record.name == name), records[0])

    def _decided(self) -> dict[str, str]:
        """The settings that the file gives, and where."""
        given = {key: f"behaviour.{key}" for key in self.behaviour.model_fields_set}
        header = {"fcb", "after_last", "response_delay"} & self.device.model_fields_set
        return given | {key: f"device.{key}" for key in header}

    def references_of_conditions(self) -> Iterator[tuple[Path_, str]]:
        """(place, name) of what conditions outside values refer to."""
        for index, entry in enumerate(self.conditions):
            for inner, name in entry.when.references():
                yield ("conditions", index, "when", *inner), name
        for path, record in self.each_record():
            if record.error is not None:
                for inner, name in record.error.references():
                    yield (*path, "error", *inner), name

    def _name_mistakes(self) -> Iterator[tuple[Path_, str]]:
        seen: set[str] = set()
        for path, record in self.each_record():
            if record.name in seen:
                yield (*path, "name"), f"another record is called {record.name!r} already"
            elif record.name is not None:
                seen.add(record.name)

    def _size_mistakes(self) -> Iterator[tuple[Path_, str]]:
        for index, telegram in enumerate(self.telegrams):
            room = _ROOM.get(telegram.ci, DATA_MAXIMUM)
            security = self.device.security if telegram.is_ordinary else None
            limit = room if security is None else record_space(security)
            size = sum(record.size for record in telegram.records)
            whole = self.record_bytes(index)
            if limit < whole <= room:
                text = f"{whole} bytes of records, an encrypted telegram holds {limit}: split it in two"
                yield ("telegrams", index, "records"), text
            if telegram.manufacturer_data is None and self.more_follows(index) and size == room:
                text = f"{size + 1} bytes with the closing 1F, a telegram holds {room}: split it in two"
                yield ("telegrams", index, "records"), text

    def _range_mistakes(self) -> Iterator[tuple[Path_, str]]:
        for path, record in self.each_record():
            generator = record.value
            if not isinstance(generator, Generator) or generator.counter is not None or record.capacity is None:
                continue
            curve = generator.curve(Random(0), _ANY_EPOCH)
            bounds = curve.bounds() if curve is not None and generator.random is None else None
            if generator.random is not None:
                bounds = min(generator.random), max(generator.random)
            if bounds is None:
                continue
            low, high = record.capacity
            for bound in bounds:
                if not low <= bound * record.per_unit // 1 <= high:
                    yield (*path, "value"), f"{float(bound):g} does not fit into {record.code or 'this register'}"
                    break


def _application(telegram: TelegramDefinition) -> int | None:
    """The application's number, 1 to 15, or None."""
    return None if telegram.application is None else telegram.application >> 4


__all__ = ["Check", "Confidence", "Device", "DeviceHeader", "TelegramDefinition"]
