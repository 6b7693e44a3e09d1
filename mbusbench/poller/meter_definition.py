"""Meters and bindings as the configuration says them: which record a tag means, and what becomes of its value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator

from mbusbench.codec.address import SecondaryAddress
from mbusbench.definition.document import Path_
from mbusbench.definition.fields import Duration, Exact, HexBytes, in_range, one_of
from mbusbench.definition.secret import Secret, SecretText, WithSecrets
from mbusbench.definition.validation import Definition, did_you_mean, mistake, shown
from mbusbench.errors import MBusUsageError
from mbusbench.master.record_type import MBusRecordType
from mbusbench.master.results import MBusRecordFunction
from mbusbench.master.target import parse_target
from mbusbench.poller.units import KNOWN_UNITS, is_known

MAX_STORAGE = (1 << 41) - 1
MAX_TARIFF = (1 << 20) - 1
MAX_SUBUNIT = (1 << 10) - 1
MAX_TELEGRAM = 255
MAX_INDEX = 10_000
_KEY = re.compile(r"[0-9A-Fa-f]{32}")
BY_MEANING = ("quantity", "storage", "tariff", "subunit", "function", "modifiers")


class Access(StrEnum):
    """Whether a tag is read, written, or both."""

    READ = "R"
    WRITE = "W"
    BOTH = "RW"


class ValueType(StrEnum):
    """What a value is made to; `auto` leaves it as it comes."""

    AUTO = "auto"
    INTEGER = "int"
    REAL = "float"
    TEXT = "text"
    BOOLEAN = "bool"


def _name(value: str) -> str:
    if not value.strip() or not value.isprintable() or len(value) > 200:
        raise mistake(f"{shown(value)} is not a name: printable characters, at most 200")
    return value


def _address(value: object) -> int | str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise mistake(f"{shown(value)} is not an address: a number such as 5, or text such as HYD-12345678-28-07")
    try:
        target = parse_target(value)
    except MBusUsageError as error:
        raise mistake(str(error)) from None
    return target if isinstance(target, int) else str(target)


def _quantity(value: object) -> MBusRecordType:
    names = [member.value for member in MBusRecordType]
    if isinstance(value, str) and value in names:
        return MBusRecordType(value)
    hint = did_you_mean(value, names) if isinstance(value, str) else ""
    raise mistake(f"{shown(value)} is not a quantity such as energy, volume or flow_temperature{hint}")


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _key(value: Secret) -> Secret:
    if not _KEY.fullmatch(value.reveal()):
        raise mistake("a key has 32 hex digits")
    return value


Name = Annotated[str, AfterValidator(_name)]
MeterAddress = Annotated[int | str, PlainValidator(_address)]
"""A primary address, or a secondary one as its 16 digits."""


class WriteDefinition(Definition):
    """The head of the record that is sent, where it is not that of the record that was read."""

    dib: HexBytes
    vib: HexBytes


class BindingDefinition(Definition):
    """One value of a meter: which record it is, its name and tag, what is done to it.

    The record is the one at `index` in telegram `telegram`, both from 0; or the first with this meaning; or, with both,
    the one at the index if it has that meaning.
    """

    name: Name
    tag: Name | None = None
    access: Annotated[Access, one_of(Access)] = Access.READ
    telegram: Annotated[int, in_range(0, MAX_TELEGRAM)] | None = None
    index: Annotated[int, in_range(0, MAX_INDEX)] | None = None
    quantity: Annotated[MBusRecordType, PlainValidator(_quantity)] | None = None
    storage: Annotated[int, in_range(0, MAX_STORAGE)] = 0
    tariff: Annotated[int, in_range(0, MAX_TARIFF)] = 0
    subunit: Annotated[int, in_range(0, MAX_SUBUNIT)] = 0
    function: Annotated[MBusRecordFunction, one_of(MBusRecordFunction)] = MBusRecordFunction.INSTANTANEOUS
    modifiers: Annotated[tuple[str, ...], BeforeValidator(_as_list), Field(strict=False)] = ()
    scale: Exact | None = None
    offset: Exact | None = None
    deadband: Exact | None = None
    unit: str | None = None
    type: Annotated[ValueType, one_of(ValueType)] = ValueType.AUTO
    write: WriteDefinition | None = None


class AddressedBinding(BindingDefinition):
    """A binding that says which meter it is of, as it stands in the list of a connection."""

    address: MeterAddress


class MeterDefinition(WithSecrets):
    """A meter on a bus. Without bindings, all of its records are read. `key` opens its telegrams: 32 hex digits."""

    address: MeterAddress
    name: Name | None = None
    enabled: bool = True
    minimum_period: Duration = 0
    key: Annotated[SecretText, AfterValidator(_key)] | None = None
    bindings: list[BindingDefinition] = Field(default=[])
    binding_set: str | None = None

    @property
    def label(self) -> str:
        """Its name until it has told who it is."""
        return self.name or str(self.address)

    @property
    def target(self) -> int | SecondaryAddress:
        return parse_target(self.address)


def binding_mistakes(data: Mapping[str, Any]) -> Iterator[tuple[Path_, str]]:
    """What is wrong with the keys of a binding together."""
    by_index = data.get("index") is not None
    if not by_index and data.get("quantity") is None:
        yield (), "which record it is is missing: index, or quantity with storage, tariff, subunit and function"
    if not by_index and data.get("telegram") is not None:
        yield ("telegram",), "a telegram is of use with an index only: a meaning is looked for in all of them"
    if data.get("quantity") is None and by_index:
        for key in BY_MEANING[1:]:
            if key in data:
                yield (key,), f"{key} is of use with a quantity only"
    access = data.get("access", "R")
    if "write" in data and access == "R":
        yield ("write",), "the binding is not written: its access is R"
    unit = data.get("unit")
    if isinstance(unit, str) and data.get("scale") is None and data.get("offset") is None and not is_known(unit):
        near = did_you_mean(unit, KNOWN_UNITS)
        yield (
            ("unit",),
            f"{shown(unit)} is no unit that can be converted to (with a scale any name can stand here){near}",
        )
    if data.get("scale") == 0:
        yield ("scale",), "0 leaves nothing of the value"
    deadband = data.get("deadband")
    if isinstance(deadband, int | float) and deadband < 0:
        yield ("deadband",), f"{shown(deadband)} is less than 0"


Sets = dict[str, list[BindingDefinition]]
