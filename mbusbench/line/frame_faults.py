"""Faults in the fields of the frame that an answer begins with: start, L, C, A, CI, checksum, stop.

They know where a frame keeps these, and nothing else of the protocol. An answer that begins with no whole frame stays
as it is; so they belong before effects that add or remove bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from mbusbench.line.effect import Bursts, Effect, Sender, edited

LONG_START, SHORT_START = 0x68, 0x10


class _FrameFault(Effect):
    """Only a frame has what this changes."""

    __slots__ = ()

    def fits(self, data: bytes, earlier: Sequence[bytes]) -> bool:
        return _frame_end(data) is not None


class _LongFrameFault(Effect):
    """Only a long frame has what this changes."""

    __slots__ = ()

    def fits(self, data: bytes, earlier: Sequence[bytes]) -> bool:
        return _is_long(data) and _frame_end(data) is not None


@dataclass(frozen=True, slots=True)
class WrongChecksum(_FrameFault):
    """The checksum is XORed with `value`, or set to it."""

    name = "checksum"
    value: int = 0xFF
    mode: Literal["xor", "set"] = "xor"

    def apply(self, bursts: Bursts, sender: Sender) -> Bursts:
        def edit(data: bytearray) -> None:
            end = _frame_end(data)
            if end is not None:
                data[end - 2] = data[end - 2] ^ self.value if self.mode == "xor" else self.value

        return edited(bursts, edit)


@dataclass(frozen=True, slots=True)
class WrongLength(_LongFrameFault):
    """The L fields are off by `difference`: both of them, the first or the second. The checksum does not cover them."""

    name = "length"
    difference: int = 1
    which: Literal["both", "first", "second"] = "both"

    def apply(self, bursts: Bursts, sender: Sender) -> Bursts:
        def edit(data: bytearray) -> None:
            if _is_long(data):
                for index, spared in ((1, "second"), (2, "first")):
                    if self.which != spared:
                        data[index] = (data[index] + self.difference) & 0xFF

        return edited(bursts, edit)


@dataclass(frozen=True, slots=True)
class WrongStart(_FrameFault):
    """The start byte is `value`: the first one, or the second one of a long frame."""

    name = "start"
    value: int = 0x69
    which: Literal["first", "second"] = "first"

    def apply(self, bursts: Bursts, sender: Sender) -> Bursts:
        def edit(data: bytearray) -> None:
            if self.which == "first" and _frame_end(data) is not None:
                data[0] = self.value
            elif self.which == "second" and _is_long(data):
                data[3] = self.value

        return edited(bursts, edit)


@dataclass(frozen=True, slots=True)
class WrongStop(_FrameFault):
    """The stop byte is `value`."""

    name = "stop"
    value: int = 0x17

    def apply(self, bursts: Bursts, sender: Sender) -> Bursts:
        def edit(data: bytearray) -> None:
            end = _frame_end(data)
            if end is not None:
                data[end - 1] = self.value

        return edited(bursts, edit)


class _WrongField(_FrameFault):
    """A field of the user data is `value`; the checksum is right for it."""

    __slots__ = ()

    short_index: ClassVar[int | None]
    long_index: ClassVar[int]
    value: int

    def apply(self, bursts: Bursts, sender: Sender) -> Bursts:
        def edit(data: bytearray) -> None:
            end = _frame_end(data)
            index = self.long_index if _is_long(data) else self.short_index
            if end is None or index is None or index >= end - 2:
                return
            data[index] = self.value
            data[end - 2] = sum(data[4 if _is_long(data) else 1 : end - 2]) & 0xFF

        return edited(bursts, edit)


@dataclass(frozen=True, slots=True)
class WrongControl(_WrongField):
    """The C field is `value`; the checksum is right for it."""

    name = "control"
    short_index = 1
    long_index = 4
    value: int


@dataclass(frozen=True, slots=True)
class WrongAddress(_WrongField):
    """The A field is `value`; the checksum is right for it."""

    name = "address"
    short_index = 2
    long_index = 5
    value: int


@dataclass(frozen=True, slots=True)
class WrongCi(_WrongField):
    """The CI field is `value`; the checksum is right for it."""

    name = "ci"
    short_index = None
    long_index = 6
    value: int

    def fits(self, data: bytes, earlier: Sequence[bytes]) -> bool:
        return _is_long(data) and _frame_end(data) is not None


def _is_long(data: bytes | bytearray) -> bool:
    return len(data) >= 9 and data[0] == LONG_START


def _frame_end(data: bytes | bytearray) -> int | None:
    """Return the index behind the frame that `data` begins with; None without a whole one."""
    if _is_long(data):
        end = data[1] + 6
    elif data and data[0] == SHORT_START:
        end = 5
    else:
        return None
    return end if end <= len(data) else None
