"""Masks over secondary addresses as the search works with them: two integers of 64 bits, fields fixed one by one.

A field is a digit of the identification number, a byte of the manufacturer, the version or the device type: what a
selection can leave open. The 16 hex digits are those of `str(SecondaryAddress)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from mbusbench.codec.address import SecondaryAddress

DIGITS = 8


@dataclass(frozen=True, slots=True)
class Field:
    """A part of the address that one wildcard stands for: `ones`, its highest value, is the wildcard."""

    index: int
    shift: int
    ones: int

    def of(self, value: int) -> int:
        return value >> self.shift & self.ones


FIELDS = (
    *(Field(index, 60 - 4 * index, 0xF) for index in range(DIGITS)),
    Field(8, 24, 0xFF),
    Field(9, 16, 0xFF),
    Field(10, 8, 0xFF),
    Field(11, 0, 0xFF),
)
ID_FIELDS = FIELDS[:DIGITS]
MANUFACTURER_LOW, MANUFACTURER_HIGH, VERSION, DEVICE_TYPE = FIELDS[DIGITS:]
_MANUFACTURER = 0xFFFF << 16
_IDENTIFICATION = 0xFFFFFFFF << 32
ALL = (1 << 64) - 1


class Mask(NamedTuple):
    """The addresses that have `value` in the bits of `care`; everywhere else `value` is all ones."""

    value: int
    care: int

    @staticmethod
    def of(address: SecondaryAddress) -> Mask:
        value = int(str(address), 16)
        return Mask(value, sum(field.ones << field.shift for field in FIELDS if field.of(value) != field.ones))

    @staticmethod
    def parse(text: str) -> Mask:
        return Mask.of(SecondaryAddress.parse(text))

    def address(self) -> SecondaryAddress:
        return SecondaryAddress.parse(f"{self.value:016X}")

    def fix(self, field: Field, value: int) -> Mask:
        """The part of this mask with `value` in a field that was open."""
        ones = field.ones << field.shift
        return Mask(self.value & ~ones | value << field.shift, self.care | ones)

    def open(self, field: Field) -> Mask:
        """This mask with any value in a field."""
        ones = field.ones << field.shift
        return Mask(self.value | ones, self.care & ~ones)

    def fix_manufacturer(self, code: int) -> Mask:
        """The same for the whole manufacturer, its code as on the wire (HYD = 2423)."""
        return Mask(self.value & ~_MANUFACTURER | code << 16, self.care | _MANUFACTURER)

    def with_bytes_of(self, other: Mask) -> Mask:
        """The same digits, and everything behind them as in `other`."""
        return Mask(
            self.value & _IDENTIFICATION | other.value & ~_IDENTIFICATION,
            self.care & _IDENTIFICATION | other.care & ~_IDENTIFICATION,
        )

    def is_open(self, field: Field) -> bool:
        return not self.care >> field.shift & field.ones

    def contains(self, address: int) -> bool:
        return not (address ^ self.value) & self.care

    def covers(self, other: Mask) -> bool:
        """Whether every address of `other` is one of these."""
        return not self.care & ~other.care and not (self.value ^ other.value) & self.care

    def meets(self, other: Mask) -> bool:
        """Whether the two have an address in common."""
        return not (self.value ^ other.value) & self.care & other.care

    @property
    def is_exact(self) -> bool:
        return self.care == ALL

    def open_digits(self) -> Iterator[Field]:
        return (field for field in ID_FIELDS if self.is_open(field))

    @property
    def open_count(self) -> int:
        """How many digits are open."""
        return sum(map(self.is_open, ID_FIELDS))

    def __str__(self) -> str:
        return f"{self.value:016X}"
