"""What a search knows so far, and how it splits a mask: by which field, and into which parts that need a question.

Addresses found say which digits vary and which do not: serial numbers in sequence share their first digits, others do
not. A part is settled where nobody answered it, or a mask around it, or where the only one who did is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import prod

from mbusbench.codec.address import manufacturer_code
from mbusbench.codec.tables.device_types import DEVICE_TYPE_ROWS
from mbusbench.codec.tables.manufacturers import MANUFACTURERS
from mbusbench.protocol.procedures.search.mask import (
    DEVICE_TYPE,
    DIGITS,
    FIELDS,
    MANUFACTURER_HIGH,
    MANUFACTURER_LOW,
    VERSION,
    Field,
    Mask,
)

DECIMAL = range(10)
_DIGITS = tuple(range(0xF))
_KNOWN_TYPES = [code for code, _, _ in DEVICE_TYPE_ROWS if code != 0xFF]
_DEVICE_TYPES = tuple(dict.fromkeys((*_KNOWN_TYPES, *range(0xFF))))
_BYTES = tuple(range(0xFF))
_BEHIND_DIGITS = (DEVICE_TYPE, VERSION, MANUFACTURER_LOW, MANUFACTURER_HIGH)
_HEX_DIGIT = 0.1  # how many decimal digits a hex digit counts for: its global question is mostly asked before
_FEW_FOUND = 2  # below that, nothing is known of how the addresses are distributed
_WELL_APART = 0.7  # a digit that varies enough not to be preferred to another one
_SEQUENCE = 4  # digits in which addresses differ, at most, where they follow one another
_REPEATS = 5  # questions that are worth as much as those that a second field takes: silence is asked twice


@dataclass(slots=True)
class Split:
    """The parts of a mask by `field`: those to ask `first`, and those that a collision seems to exclude."""

    field: Field
    first: list[int]
    excluded: list[int]


def values_of(field: Field) -> tuple[int, ...]:
    """The values that can be asked for, likely ones first."""
    if field.index < DIGITS:
        return _DIGITS
    return _DEVICE_TYPES if field is DEVICE_TYPE else _BYTES


def likely_manufacturers(addresses: Iterable[int]) -> list[int]:
    """Codes as in a mask: of the slaves found, then of those that are met on wired buses."""
    known = (manufacturer_code(letters) for letters in MANUFACTURERS)
    swapped = ((code & 0xFF) << 8 | code >> 8 for code in known)
    return list(dict.fromkeys((*(address >> 16 & 0xFFFF for address in addresses), *swapped)))


@dataclass(slots=True)
class Survey:
    """Settled masks and addresses; `hints` are addresses that may be there."""

    root: Mask
    hints: tuple[int, ...] = ()
    empty: list[Mask] = field(default_factory=list)
    single: list[tuple[Mask, int]] = field(default_factory=list)
    found: dict[int, None] = field(default_factory=dict)
    _seen: list[Counter[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._seen = [Counter() for _ in FIELDS]
        for address in self.hints:
            self._count(address)

    def add_empty(self, mask: Mask) -> None:
        """Nobody is behind `mask`."""
        if not self.is_settled(mask):
            self.empty.append(mask)

    def add_single(self, mask: Mask, address: int) -> None:
        """Nobody but the slave with this address is behind `mask`."""
        if (mask, address) not in self.single:
            self.single.append((mask, address))
        if address not in self.found:
            self.found[address] = None
            if address not in self.hints:
                self._count(address)

    def _count(self, address: int) -> None:
        for each, counter in zip(FIELDS, self._seen, strict=True):
            counter[each.of(address)] += 1

    @property
    def sampled(self) -> bool:
        """Whether enough addresses are known to say which digits vary."""
        return self._total >= _FEW_FOUND

    @property
    def _total(self) -> int:
        return self._seen[0].total()

    @property
    def _first_varying(self) -> int:
        """The most significant digit in which addresses differ: those after it vary as well, in serial numbers."""
        return next((index for index, seen in enumerate(self._seen) if len(seen) > 1), 0)

    @property
    def is_sequence(self) -> bool:
        """Whether addresses look like serial numbers in sequence.

        These are split from the first digit on that differs: below the others, every value is taken.
        """
        return sum(len(seen) > 1 for seen in self._seen[:DIGITS]) <= _SEQUENCE

    def is_settled(self, mask: Mask, but: Mask | None = None) -> bool:
        """Whether no question about `mask` is left, as far as other masks than `but` say."""
        return any(empty.covers(mask) for empty in self.empty) or any(
            single.covers(mask) for single, _ in self.single if single != but
        )

    def inside(self, mask: Mask) -> list[int]:
        """The addresses that are known, or hinted at, behind `mask`."""
        return [address for address in {**self.found, **dict.fromkeys(self.hints)} if mask.contains(address)]

    def hinted(self, mask: Mask) -> bool:
        """Whether one of the hints is behind `mask`."""
        return any(mask.contains(hint) for hint in self.hints)

    def found_inside(self, mask: Mask) -> list[int]:
        return [address for address in self.found if mask.contains(address)]

    def is_rare(self, field: Field, value: int) -> bool:
        """Whether the value is likely to be nowhere on the bus, so that one question may save many."""
        return value not in self._seen[field.index] and (field.index >= DIGITS or value not in DECIMAL)

    def choose(self, mask: Mask, bits: int, tried: Iterable[Field] = ()) -> Split | None:
        """How to split `mask`, of whose slaves the `bits` are known to be 1; None where nothing is left to split."""
        fields = [each for each in mask.open_digits() if each not in tried]
        if not fields:
            fields = [each for each in _BEHIND_DIGITS if mask.is_open(each) and each not in tried]
        if not fields:
            return None
        inside = self.inside(mask)
        differing = [each for each in fields if len({each.of(address) for address in inside}) > 1]
        open_parts = self._open_parts(mask)
        if differing:
            in_order = differing if self.is_sequence else differing[::-1]
            best = min(in_order, key=lambda each: _count(each, open_parts(each, each.of(bits))) + _again(each, inside))
        elif not self.sampled and fields[0].index < DIGITS:
            best = fields[-1]
        else:
            varying = [each for each in fields if each.index >= self._first_varying] or fields
            best = min(varying, key=lambda each: self._cost(each, open_parts(each, each.of(bits)), each.of(bits)))
        parts = open_parts(best, 0)
        common = best.of(bits)
        first = [value for value in parts if value & common == common]
        return Split(best, first, [value for value in parts if value & common != common])

    def _open_parts(self, mask: Mask) -> _OpenParts:
        return _OpenParts(
            mask,
            [empty for empty in self.empty if empty.meets(mask)],
            [single for single, _ in self.single if single.meets(mask)],
        )

    def least_open(self, mask: Mask, bits: int) -> float:
        """How many questions the best split of `mask` takes."""
        split = self.choose(mask, bits)
        return 0 if split is None else _count(split.field, split.first)

    def _cost(self, field: Field, parts: list[int], common: int) -> float:
        """Questions until two slaves are told apart by this field."""
        count = _count(field, parts)
        if field.index >= DIGITS:
            return 2 * count
        pairs = {value: weight for value, weight in self._weights(field).items() if value & common == common}
        together = sum(weight * weight for weight in pairs.values())
        possible = sum(pairs.values()) ** 2
        if common:
            together = pairs.get(common, 0.0) ** 2
            possible = sum(
                first * second for a, first in pairs.items() for b, second in pairs.items() if a & b == common
            )
        apart = 1 - together / possible if possible else 0.0
        return (2 * count - 2) / min(max(apart, 0.01), _WELL_APART if self.is_sequence else 1)

    def _weights(self, field: Field) -> dict[int, float]:
        """How likely each value is, by what was found."""
        counter = self._seen[field.index]
        total = self._total + 1
        return {digit: (counter[digit] + 0.1) / total for digit in DECIMAL}

    def commonest(self, split: Split) -> int:
        """The value of a split's field that most addresses found have."""
        seen = self._seen[split.field.index]
        return max(split.first, key=lambda value: seen[value])

    def expected_above(self, mask: Mask, address: int) -> float:
        """How many addresses behind `mask` have every 1 of this one, as the addresses found are distributed."""
        return prod(
            sum(weight for digit, weight in self._weights(each).items() if digit & each.of(address) == each.of(address))
            for each in mask.open_digits()
        )

    def above(self, field: Field, address: int, *, unseen: bool) -> list[int]:
        """The values in this field that have every 1 of the address's own, and more: those found, or all digits."""
        own = field.of(address)
        values = DECIMAL if unseen else self._seen[field.index]
        return [value for value in values if value != own and value & own == own]


def _again(field: Field, addresses: Iterable[int]) -> int:
    """Questions for the parts by `field` in which several of the addresses are."""
    return len(DECIMAL) * sum(count > 1 for count in Counter(map(field.of, addresses)).values())


def _count(field: Field, parts: list[int]) -> float:
    """Questions about parts of a mask by `field`."""
    if field.index >= DIGITS:
        return len(parts)
    decimal = sum(value in DECIMAL for value in parts)
    return decimal + _HEX_DIGIT * (len(parts) - decimal)


@dataclass(slots=True)
class _OpenParts:
    """The parts of a mask that are not settled, with the settled masks that concern it."""

    mask: Mask
    empty: list[Mask]
    single: list[Mask]

    def __call__(self, field: Field, common: int) -> list[int]:
        parts = []
        for value in values_of(field):
            if value & common == common:
                part = self.mask.fix(field, value)
                if not any(each.covers(part) for each in self.empty) and not any(
                    each.covers(part) for each in self.single
                ):
                    parts.append(value)
        return parts


def crossing(survey: Survey, mask: Mask, field: Field, parts: list[tuple[Mask, int]], asked: int) -> Split | None:
    """A split of the whole mask by a second field, where that leaves fewer questions than splitting each of `parts`.

    `parts` are the parts by `field` with several slaves, and the bits common to each; `asked` is how many there are.
    """
    if len(parts) < 2 or asked < 5:
        return None
    split = survey.choose(mask, 0, (field,))
    if split is None or split.field.index >= DIGITS:
        return None
    across = _count(split.field, split.first)
    without = sum(survey.least_open(part, bits) for part, bits in parts)
    crowded = len(parts) / asked
    return split if without > across + len(parts) * across * crowded - _REPEATS else None
