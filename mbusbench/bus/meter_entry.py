"""An entry of a bus file's `meters`: one meter, or many that count up. What is not given is the device's own."""

from __future__ import annotations

import re
from enum import Enum
from typing import Annotated, Any

from pydantic import Discriminator, Field, PlainValidator, Tag, model_validator

from mbusbench.definition.document import Path_
from mbusbench.definition.fields import Byte, IdentificationNumber, in_range, one_of
from mbusbench.definition.template import Template
from mbusbench.definition.validation import Definition, mistake, mistakes, shown
from mbusbench.meter.behaviour import AlarmDefinition, Behaviour, BusyDefinition, Key, Security
from mbusbench.meter.definition import MAX_EVENTS, Baud, Manufacturer, Medium, ResponseDelay
from mbusbench.meter.quirk.listing import QuirkList
from mbusbench.protocol.fcb import FcbMode
from mbusbench.protocol.slave.settings import AfterLast

MAX_METERS = 2000
HIGHEST_ADDRESS = 250
PLACES = ("n", "address")
"""What a place of a template may use: the meter's number in its entry, from 0, and its primary address."""
_RANGE = re.compile(r"\s*([0-9]{1,3})(?:\s*-\s*([0-9]{1,3})(?:\s*/\s*([0-9]{1,3}))?)?\s*")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. -]{0,63}")


def is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


class RandomIdentification(Enum):
    """An identification number from the seed."""

    RANDOM = "random"


def template(value: str, names: tuple[str, ...]) -> Template:
    """`mistake` where it is none."""
    try:
        return Template(value, names)
    except ValueError as error:
        raise mistake(str(error)) from None


def _address(value: object) -> int | Template:
    if isinstance(value, Template):
        return value
    if isinstance(value, str) and "{" in value:
        return template(value, PLACES[:1])
    if not isinstance(value, int) or isinstance(value, bool):
        raise mistake(f"{shown(value)} is not a whole number")
    if not 0 <= value <= HIGHEST_ADDRESS:
        raise mistake(f"{value} is not in 0..{HIGHEST_ADDRESS}")
    return value


def _some_addresses(value: object) -> range:
    """ValueError, with words for whoever wrote it, where it is none."""
    match = _RANGE.fullmatch(str(value)) if isinstance(value, int | str) and not isinstance(value, bool) else None
    if match is None:
        raise ValueError(f"{shown(value)} is not addresses such as 10-49, 10-50/2 (every second) or [1, 5, 10-49]")
    first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
    if last > HIGHEST_ADDRESS:
        raise ValueError(f"{last} is not in 0..{HIGHEST_ADDRESS}")
    if first > last or not step:
        raise ValueError(f"{shown(value)} has no address in it: the first, the last, and a step above 0")
    return range(first, last + 1, step)


def _addresses(value: object) -> tuple[int, ...]:
    if isinstance(value, tuple):
        return value
    found: list[int] = []
    wrong: list[tuple[Path_, str]] = []
    for index, part in enumerate(value if isinstance(value, list) else [value]):
        at: Path_ = (index,) if isinstance(value, list) else ()
        try:
            some = _some_addresses(part)
        except ValueError as error:
            wrong.append((at, str(error)))
            continue
        double = next((address for address in some if address in found), None)
        if double is not None:
            wrong.append((at, f"address {double} is listed twice"))
        found += some
    if wrong:
        raise mistakes(wrong)
    if not found:
        raise mistake("must not be empty")
    return tuple(found)


def _name(value: object) -> Template:
    if isinstance(value, Template):
        return value
    if not isinstance(value, str):
        raise mistake(f"{shown(value)} is not text")
    found = template(value, PLACES)
    if not is_name(found.text(dict.fromkeys(PLACES, 0))):
        raise mistake(f"{shown(value)} is not a name: up to 64 letters, digits, spaces and . _ -")
    return found


class IdentificationSeries(Definition):
    """Identification numbers from `start` on, `step` apart."""

    start: IdentificationNumber
    step: Annotated[int, in_range(-(10**8), 10**8)] = 1


def _kind_of_identification(value: object) -> str:
    if value is None:
        return "<none>"
    if isinstance(value, dict | IdentificationSeries):
        return "<series>"
    if value == RandomIdentification.RANDOM.value or isinstance(value, RandomIdentification):
        return "<random>"
    return "<template>" if isinstance(value, Template) or (isinstance(value, str) and "{" in value) else "<number>"


Identification = Annotated[
    Annotated[None, Tag("<none>")]
    | Annotated[IdentificationSeries, Tag("<series>")]
    | Annotated[RandomIdentification, one_of(RandomIdentification), Tag("<random>")]
    | Annotated[Template, PlainValidator(lambda value: template(value, PLACES)), Tag("<template>")]
    | Annotated[IdentificationNumber, Tag("<number>")],
    Discriminator(_kind_of_identification),
]


class MeterEntry(Definition):
    """One meter, or `count` of them; with `addresses` one for each that is free, or the first `count` of these."""

    device: str
    name: Annotated[Template, PlainValidator(_name)] | None = None
    address: Annotated[int | Template, PlainValidator(_address)] | None = None
    addresses: Annotated[tuple[int, ...], PlainValidator(_addresses)] | None = None
    id: Identification = None
    count: Annotated[int, in_range(1, MAX_METERS)] | None = None
    values: dict[str, Any] = {}  # noqa: RUF012
    version: Byte | None = None
    medium: Medium | None = None
    manufacturer: Manufacturer | None = None
    status: Byte | None = None
    fcb: Annotated[FcbMode, one_of(FcbMode)] | None = None
    after_last: Annotated[AfterLast, one_of(AfterLast)] | None = None
    response_delay: ResponseDelay | None = None
    behaviour: Behaviour = Behaviour()
    quirks: QuirkList = ()
    alarms: list[AlarmDefinition] | None = Field(default=None, max_length=MAX_EVENTS)
    busy: list[BusyDefinition] | None = Field(default=None, max_length=MAX_EVENTS)
    security: Security | None = None
    key: Key | None = None
    baud: Baud | None = None

    @model_validator(mode="after")
    def _one_way_to_address(self) -> MeterEntry:
        if self.address is not None and self.addresses is not None:
            raise mistake("does not go together with address", ["addresses"])
        return self

    @property
    def options(self) -> dict[str, Any]:
        """What a meter of the entry is given beside device, address, identification number and settings."""
        return {
            "version": self.version,
            "medium": self.medium,
            "manufacturer": self.manufacturer,
            "status": self.status,
            "fcb": self.fcb,
            "after_last": self.after_last,
            "response_delay": self.response_delay,
            "alarms": None if self.alarms is None else tuple(each.alarm for each in self.alarms),
            "busy": None if self.busy is None else tuple((each.from_, each.until) for each in self.busy),
            "security": self.security,
            "key": self.key,
            "baud": self.baud,
        }
