"""Selection by secondary address (EN 13757-3, The M-Bus 4.8): what a mask names and whom it matches.

Wildcards are the digit F in the identification and fabrication number and the byte FF elsewhere.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from mbusbench.codec.address import SECONDARY_ADDRESS_SIZE
from mbusbench.protocol.slave.settings import SlaveSettings

SELECTION = 0x52
SELECTION_MODE_2 = 0x56

_FABRICATION_NUMBER = b"\x0c\x78"
_ALL = (1 << 8 * SECONDARY_ADDRESS_SIZE) - 1
# Five bytes would end inside the manufacturer.
_SHORT_LENGTHS = (0, 1, 2, 3, 4, 6, 7)


class SelectionMask(NamedTuple):
    """What a selection names: `value` in the bits of `care`, of the 8 bytes of the secondary address."""

    value: int
    care: int
    fabrication: tuple[int, int] | None

    def matches(self, wire_address: bytes, fabrication_number: bytes | None) -> bool:
        if (int.from_bytes(wire_address, "little") ^ self.value) & self.care:
            return False
        if self.fabrication is None:
            return True
        value, care = self.fabrication
        return fabrication_number is not None and (int.from_bytes(fabrication_number, "little") ^ value) & care == 0

    @property
    def is_exact(self) -> bool:
        return self.care == _ALL


@lru_cache(maxsize=256)
def selection_mask(data: bytes) -> SelectionMask | None:
    """The mask in a selection's data, or None where it has neither 8 bytes nor a fabrication number behind them."""
    if len(data) == 8:
        fabrication = None
    elif len(data) == 14 and data[8:10] == _FABRICATION_NUMBER:
        fabrication = (int.from_bytes(data[10:], "little"), _care_digits(data[10:]))
    else:
        return None
    care = _care_digits(data[:4])
    for index in range(4, 8):
        if data[index] != 0xFF:
            care |= 0xFF << 8 * index
    return SelectionMask(int.from_bytes(data[:8], "little"), care, fabrication)


def _care_digits(digits: bytes) -> int:
    """Digit F is the wildcard."""
    care = 0
    for index, byte in enumerate(digits):
        care |= (0x0F * (byte & 0x0F != 0x0F) | 0xF0 * (byte & 0xF0 != 0xF0)) << 8 * index
    return care


def _least_significant_first(data: bytes) -> bytes:
    """A mask of mode 2 as one of mode 1; the bytes behind it are those of a fabrication number record."""
    return data[3::-1] + data[5:3:-1] + data[6:10] + data[:9:-1]


def is_selected(
    ci: int, data: bytes, settings: SlaveSettings, wire_address: bytes, fabrication_number: bytes | None
) -> bool:
    """Whether a selection (CI 52 or 56) names the slave with these addresses."""
    if ci == SELECTION_MODE_2:
        if not settings.mode_2_selection or len(data) not in (8, 14):
            return False
        data = _least_significant_first(data)
    if settings.short_masks and len(data) in _SHORT_LENGTHS:
        data = data.ljust(SECONDARY_ADDRESS_SIZE, b"\xff")
    mask = selection_mask(data)
    if mask is None or (mask.fabrication is not None and not settings.enhanced_selection):
        return False
    if mask.is_exact and not settings.exact_selection:
        return False
    return mask.matches(wire_address, fabrication_number)
