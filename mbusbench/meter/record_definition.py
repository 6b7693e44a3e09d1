"""One record of a device file: by names, in raw notation, or as ready bytes; checked against its register.

A value is in the record's `unit`; the register counts in steps of 10^`scale` of it. In raw notation (dib and vib) the
value is the register itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, time
from fractions import Fraction
from functools import cached_property
from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Tag, model_validator

from mbusbench.codec.data_field import encode_value, lvar_length
from mbusbench.codec.dib import IDLE_FILLER, MAXIMUM_EXTENSIONS, DataInformationBlock, Function
from mbusbench.codec.vib import ValueInformationBlock, quantities
from mbusbench.definition.document import Path_
from mbusbench.definition.fields import Exact, HexBytes, in_range
from mbusbench.definition.validation import Definition, did_you_mean, mistake, mistakes, shown
from mbusbench.errors import DecodeError, MBusUsageError
from mbusbench.meter.unit_choice import unit_mistake
from mbusbench.meter.value.generator import Condition, Generator

DATA_FIELDS = {
    "none": 0x0,
    "int8": 0x1,
    "int16": 0x2,
    "int24": 0x3,
    "int32": 0x4,
    "real32": 0x5,
    "int48": 0x6,
    "int64": 0x7,
    "bcd2": 0x9,
    "bcd4": 0xA,
    "bcd6": 0xB,
    "bcd8": 0xC,
    "text": 0xD,
    "bcd12": 0xE,
}
REAL32 = 0x5
BINARY_SIZES = {0x1: 1, 0x2: 2, 0x3: 3, 0x4: 4, 0x6: 6, 0x7: 8}
BCD_DIGITS = {0x9: 2, 0xA: 4, 0xB: 6, 0xC: 8, 0xE: 12}
_TEXT = 0xD
_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?")
_DECIMAL_COMMA = re.compile(r"[-+]?[0-9]+,[0-9]+")
_INT32 = 0x4
_YEAR_HUNDREDS = 0x60  # in the second byte of type F
_FUNCTIONS = {member.name.lower(): member for member in Function}


def _choice(known: dict[str, Any]) -> BeforeValidator:
    def check(value: object) -> object:
        if value not in known.values() and (not isinstance(value, str) or value not in known):
            hint = did_you_mean(value, known) if isinstance(value, str) else ""
            raise mistake(f"{shown(value)} is not one of {', '.join(known)}{hint}")
        return value

    return BeforeValidator(check)


def _kind_of_value(value: object) -> str:
    if isinstance(value, dict | Generator):
        return "<generator>"
    if isinstance(value, str):
        return "<text>"
    return "<none>" if value is None else "<number>"


Value = Annotated[
    Annotated[Generator, Tag("<generator>")]
    | Annotated[str, Tag("<text>")]
    | Annotated[None, Tag("<none>")]
    | Annotated[Exact, Tag("<number>")],
    Discriminator(_kind_of_value),
]


def _number_hint(text: str) -> str:
    """What to write instead of a text that was meant as a number."""
    if _DECIMAL_COMMA.fullmatch(text):
        return f": write {text.replace(',', '.')}"
    return ": write it without quotes" if _NUMBER.fullmatch(text) else ""


class Record(Definition):
    """One record. `name` is what others follow; without it the quantity's is, where only one can be meant.

    `writable`: a master may write it. `year_hundreds`: a date and time of type F says which hundred the year is in;
    many meters leave these two bits 0. `difes`: send at least so many DIFEs, also where they say nothing.
    `manufacturer_vifes`: what stands behind the VIF or VIFE FF. While `error` holds, the function field
    says so.
    """

    name: str | None = None
    raw: HexBytes | None = None
    dib: HexBytes | None = None
    vib: HexBytes | None = None
    vif: str | None = None
    unit: str | None = None
    scale: Annotated[int, in_range(-30, 30)] = 0
    code: Annotated[str, _choice(DATA_FIELDS)] | None = None
    function: Annotated[str, _choice(_FUNCTIONS)] = "instantaneous"
    storage: Annotated[int, in_range(0, 2**41 - 1)] = 0
    tariff: Annotated[int, in_range(0, 2**20 - 1)] = 0
    subunit: Annotated[int, in_range(0, 2**10 - 1)] = 0
    difes: Annotated[int, in_range(0, MAXIMUM_EXTENSIONS)] = 0
    modifiers: list[str] = []  # noqa: RUF012
    manufacturer_vifes: HexBytes = b""
    value: Value = None
    writable: bool = False
    year_hundreds: bool = True
    error: Condition | None = None

    @model_validator(mode="after")
    def _one_notation(self) -> Record:
        notations = [name for name in ("raw", "dib", "vif") if getattr(self, name) is not None]
        if len(notations) != 1:
            given = f", not {' and '.join(notations)}" if notations else ""
            known = "vif (by name), dib with vib (hexadecimal), raw (the whole record)"
            raise mistake(f"needs exactly one of {known}{given}")
        foreign = (
            self.model_fields_set
            - {"name", "value"}
            - {"raw": {"raw"}, "dib": {"dib", "vib", "writable", "error", "year_hundreds"}}.get(
                notations[0], set(type(self).model_fields) - {"raw", "dib", "vib"}
            )
        )
        if foreign:
            raise mistake(f"{sorted(foreign)[0]} does not go together with {notations[0]}", [sorted(foreign)[0]])
        if notations[0] == "raw":
            if "value" in self.model_fields_set:
                raise mistake("raw holds the value already", ["value"])
            self._check_raw()
            return self
        self._check_blocks()
        if self.data_field and "value" not in self.model_fields_set:
            raise mistake("'value' is missing")
        dated = self.data_field == _INT32 and self.vib_block.kind in ("date", "datetime")
        if not self.year_hundreds and not dated:
            raise mistake("only a date and time with code int32 has them", ["year_hundreds"])
        if isinstance(self.value, Generator):
            self._check_generator(self.value)
        else:
            self.fixed_data  # noqa: B018
        return self

    @cached_property
    def dib_block(self) -> DataInformationBlock:
        if self.dib is not None:
            return DataInformationBlock.decode(self.dib)
        return DataInformationBlock.build(
            DATA_FIELDS[self.code or "none"],
            _FUNCTIONS[self.function],
            self.storage,
            self.tariff,
            self.subunit,
            extensions=self.difes,
        )

    @cached_property
    def vib_block(self) -> ValueInformationBlock:
        if self.vib is not None:
            return ValueInformationBlock.decode(self.vib)
        assert self.vif is not None
        return ValueInformationBlock.find(
            self.vif, self.unit, self.scale, tuple(self.modifiers), self.manufacturer_vifes
        )

    @property
    def data_field(self) -> int:
        return self.dib_block.data_field

    @property
    def head(self) -> bytes:
        """DIB and VIB as sent."""
        return self.dib_block.raw + self.vib_block.raw

    @property
    def quantity(self) -> str | None:
        return None if self.raw is not None else self.vib_block.quantity

    @property
    def is_plain(self) -> bool:
        """Whether it is the quantity's present value, total of all tariffs and subunits."""
        dib = self.dib_block
        plain = (dib.function, dib.storage_number, dib.tariff, dib.subunit) == (Function.INSTANTANEOUS, 0, 0, 0)
        return plain and not self.vib_block.modifiers and not self.vib_block.manufacturer

    @property
    def per_unit(self) -> Fraction:
        """Steps of the register in one unit of the file's value."""
        return Fraction(1) if self.dib is not None else Fraction(10) ** -self.scale

    @property
    def step_worth(self) -> Fraction:
        """What one step of the register is worth in the quantity's common unit (`vib_block.unit`)."""
        return Fraction(self.vib_block.numerator, self.vib_block.denominator)

    @property
    def capacity(self) -> tuple[int, int] | None:
        """The register's least and greatest number; None where it is no whole number."""
        if self.data_field in BINARY_SIZES:
            bits = 8 * BINARY_SIZES[self.data_field]
            return (-(1 << bits - 1), (1 << bits - 1) - 1) if self.is_signed else (0, (1 << bits) - 1)
        if self.data_field in BCD_DIGITS:
            digits = BCD_DIGITS[self.data_field]
            return 1 - 10 ** (digits - 1), 10**digits - 1
        return None

    @property
    def is_signed(self) -> bool:
        return self.vib_block.datatype == "B"

    @property
    def size(self) -> int:
        """Bytes in the telegram."""
        if self.raw is not None:
            return len(self.raw)
        length = self.dib_block.data_length
        return len(self.head) + (len(self.fixed_data) if length is None else length)

    @cached_property
    def fixed_data(self) -> bytes:
        """The data bytes of a value that never changes."""
        assert not isinstance(self.value, Generator)
        if self.data_field in (0x0, 0x8) and self.value is not None:
            raise mistake("a record without data has no value", ["value"])
        try:
            return self.as_sent(encode_value(self.dib_block, self.vib_block, self._register(self.value)))
        except MBusUsageError as error:
            raise mistake(str(error), ["value"]) from None

    def as_sent(self, data: bytes) -> bytes:
        """The data bytes, without the hundreds of a date's year where the meter does not send them."""
        if self.year_hundreds:
            return data
        return data[:1] + bytes([data[1] & ~_YEAR_HUNDREDS]) + data[2:]

    def _register(self, value: Fraction | str | None) -> int | float | str | bytes | date | datetime | time | None:
        if value is None:
            return None
        if self.vib_block.kind in ("date", "datetime"):
            return self._date(value)
        if isinstance(value, str):
            if self.data_field != _TEXT and self.data_field not in BCD_DIGITS:
                raise mistake(f"{shown(value)} is not a number{_number_hint(value)}", ["value"])
            return value
        steps = value * self.per_unit
        if self.data_field == REAL32:
            return float(steps)
        if steps.denominator != 1:
            raise mistake(
                f"{float(value):g} is no multiple of {float(1 / self.per_unit):g}, the register's step", ["value"]
            )
        return int(steps)

    def _date(self, value: Fraction | str) -> bytes | date | datetime | time:
        kinds: dict[int, tuple[Any, str]] = {
            2: (date, "a date such as 2026-12-31"),
            3: (time, "a time such as 12:30:00"),
            4: (datetime, "a date and time such as 2026-12-31T23:59"),
            6: (datetime, "a date and time such as 2026-12-31T23:59:00"),
        }
        found = kinds.get(self.dib_block.data_length or 0)
        if found is None or self.data_field in BCD_DIGITS:
            raise mistake("a date needs code int16, int24, int32 or int48", ["code"])
        try:
            if not isinstance(value, str):
                raise ValueError
            moment: date | datetime | time = found[0].fromisoformat(value)
        except ValueError:
            raise mistake(
                f"{shown(value) if isinstance(value, str) else f'{float(value):g}'} is not {found[1]}", ["value"]
            ) from None
        return moment

    def _check_blocks(self) -> None:
        if "vib_block" in self.__dict__:
            return  # checked when it was made; a device with other values has this record, too
        if self.dib is not None:
            self._check_raw_blocks()
            return
        if self.code is None:
            raise mistake("'code' is missing")
        assert self.vif is not None
        known = quantities()
        if self.vif not in known:
            raise mistake(f"there is no quantity {self.vif!r}{did_you_mean(self.vif, known)}", ["vif"])
        try:
            ValueInformationBlock.find(self.vif, self.unit, self.scale)
        except LookupError as error:
            key, text = unit_mistake(self.vif, self.unit, self.scale) or ("vif", str(error))
            raise mistake(text, [key]) from None
        try:
            self.vib_block  # noqa: B018
        except LookupError:
            raise mistakes(list(self._modifier_mistakes())) from None
        except DecodeError as error:
            raise mistake(str(error), ["manufacturer_vifes" if self.manufacturer_vifes else "modifiers"]) from None

    def _modifier_mistakes(self) -> Iterator[tuple[Path_, str]]:
        assert self.vif is not None
        for index, name in enumerate(self.modifiers):
            try:
                ValueInformationBlock.find(self.vif, self.unit, self.scale, (name,))
            except LookupError as error:
                known = str(error).partition("; there are ")[2].split(", ")
                yield ("modifiers", index), f"there is no modifier {name!r}{did_you_mean(name, known)}"

    def _check_raw(self) -> None:
        assert self.raw is not None
        raw = self.raw
        if raw.strip(bytes([IDLE_FILLER])) == b"":
            return
        try:
            dib = DataInformationBlock.decode(raw)
            start = len(dib.raw) + len(ValueInformationBlock.decode(raw, len(dib.raw)).raw)
        except DecodeError as error:
            raise mistake(f"no whole record: {error}", ["raw"]) from None
        length = dib.data_length
        if length is None:
            length = 1 + (lvar_length(raw[start]) or 0) if start < len(raw) else 1
        surplus = len(raw) - start - length
        if surplus:
            what = "too many" if surplus > 0 else "missing"
            text = f"{abs(surplus)} byte{'s' * (abs(surplus) > 1)} {what}"
            raise mistake(f"not exactly one record: {text}", ["raw"])

    def _check_raw_blocks(self) -> None:
        assert self.dib is not None
        if self.vib is None:
            raise mistake("'vib' is missing: dib and vib go together")
        for name, raw, decode in (
            ("dib", self.dib, DataInformationBlock.decode),
            ("vib", self.vib, ValueInformationBlock.decode),
        ):
            try:
                whole = decode(raw).raw == raw
            except DecodeError:
                text = f"{raw.hex(' ').upper()} ends with a byte that has the extension bit: another one must follow"
                raise mistake(text, [name]) from None
            if not whole:
                raise mistake(f"{raw.hex(' ')} has bytes too many: an extension bit is missing", [name])
        if self.dib_block.data_field == 0xF:
            raise mistake("DIF 0F and 1F are written as manufacturer_data and more_records_follow", ["dib"])

    def _check_generator(self, generator: Generator) -> None:
        if self.data_field in (0x0, 0x8):
            raise mistake("a record without data has no value", ["value"])
        dated = self.vib_block.kind in ("date", "datetime")
        if generator.is_date != dated:
            kind = "a clock or a due date" if dated else "a number"
            raise mistake(f"{self.vib_block.quantity} needs {kind}", ["value"])
        if dated and self.dib_block.data_length not in (2, 3, 4, 6):
            raise mistake("a date needs code int16, int24, int32 or int48", ["code"])
        if generator.device is not None:
            if BCD_DIGITS.get(self.data_field) not in (8, 12) and BINARY_SIZES.get(self.data_field, 0) < 4:
                raise mistake("the identification number has 8 digits: it needs bcd8 or int32", ["code"])
            return
        if not dated and self.capacity is None and self.data_field != REAL32:
            raise mistake("a value that changes needs a number's code", ["code"])
