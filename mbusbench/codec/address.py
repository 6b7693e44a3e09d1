"""Primary addresses, secondary addresses with wildcards, and the letters of a manufacturer code (EN 13757-7).

A selection mask and an address of a meter are the same type: `mask.matches(address)`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mbusbench.errors import MBusDecodeError, MBusUsageError

UNCONFIGURED = 0
SELECTED = 253
BROADCAST_REPLY = 254
BROADCAST = 255
PRIMARY_RANGE = range(251)
"""Addresses that one slave can have: 0 (unconfigured) to 250."""

SECONDARY_ADDRESS_SIZE = 8
WILDCARD = 0xFF
WILDCARD_MANUFACTURER = 0xFFFF

_IDENTIFICATION = re.compile(r"[0-9A-F]{8}")
_PACKED = re.compile(r"[0-9A-F]{16}")
_PARTS = re.compile(r"([A-Z]{3}|[0-9A-F]{4}|\*)-([0-9A-F]{8}|\*)-([0-9A-F]{2}|\*)-([0-9A-F]{2}|\*)")


def manufacturer_code(letters: str) -> int:
    """The 15-bit code of three letters A to Z: KAM is 2C2D. MBusUsageError for anything else."""
    if not re.fullmatch(r"[A-Za-z]{3}", letters):
        raise MBusUsageError(f"manufacturer {letters!r} is not three letters")
    code = 0
    for letter in letters.upper():
        code = code << 5 | (ord(letter) - 64)
    return code


def manufacturer_letters(code: int) -> str:
    """Three letters; "" for 0 (none given), four hex digits where the code stands for no letters."""
    if not code:
        return ""
    values = (code >> 10, code >> 5 & 31, code & 31)
    if all(1 <= value <= 26 for value in values):
        return "".join(chr(64 + value) for value in values)
    return f"{code:04X}"


@dataclass(frozen=True, slots=True)
class SecondaryAddress:
    """Identification number, manufacturer, version and device type of a meter, or a mask over them.

    `identification` has the eight hex digits as printed on the meter, F being the wildcard of a digit; `manufacturer`
    is the code (KAM is 0x2C2D), each byte FF a wildcard; FF is the wildcard of `version` and `device_type`.
    """

    identification: str
    manufacturer: int = WILDCARD_MANUFACTURER
    version: int = WILDCARD
    device_type: int = WILDCARD

    def __post_init__(self) -> None:
        if not _IDENTIFICATION.fullmatch(self.identification):
            if not _IDENTIFICATION.fullmatch(self.identification.upper()):
                raise MBusUsageError(f"identification {self.identification!r} is not eight hex digits")
            object.__setattr__(self, "identification", self.identification.upper())
        if not 0 <= self.manufacturer <= 0xFFFF:
            raise MBusUsageError(f"manufacturer code {self.manufacturer!r} is not in 0..65535")
        if not 0 <= self.version <= 255:
            raise MBusUsageError(f"version {self.version!r} is not in 0..255")
        if not 0 <= self.device_type <= 255:
            raise MBusUsageError(f"device type {self.device_type!r} is not in 0..255")

    @staticmethod
    def parse(text: str) -> SecondaryAddress:
        """Read "1234567824232807" (manufacturer as on the wire) or "HYD-12345678-28-07".

        F is the wildcard of a hex digit. In the second form a part may be "*", and the manufacturer three letters or
        the four hex digits of the first form. MBusUsageError for anything else.
        """
        folded = text.strip().upper()
        if _PACKED.fullmatch(folded):
            return _from_parts(folded[:8], folded[8:12], folded[12:14], folded[14:])
        parts = _PARTS.fullmatch(folded)
        if parts is None:
            raise MBusUsageError(
                f"{text!r} is no secondary address: 16 hex digits, or like HYD-12345678-28-07, F and * being wildcards"
            )
        manufacturer, identification, version, device_type = parts.groups()
        return _from_parts(identification, manufacturer, version, device_type)

    @staticmethod
    def decode(data: bytes) -> SecondaryAddress:
        """The eight bytes of a header or a selection, least significant byte first."""
        if len(data) != SECONDARY_ADDRESS_SIZE:
            raise MBusDecodeError(f"a secondary address has 8 bytes, not {len(data)}", offset=min(len(data), 8))
        identification = bytes(data[3::-1]).hex().upper()
        return SecondaryAddress(identification, data[4] | data[5] << 8, data[6], data[7])

    def encode(self) -> bytes:
        """The eight bytes on the wire."""
        rest = self.manufacturer.to_bytes(2, "little") + bytes((self.version, self.device_type))
        return bytes.fromhex(self.identification)[::-1] + rest

    def matches(self, other: SecondaryAddress) -> bool:
        """Whether `other` fits this mask. Hex digits A to E of the mask stand for themselves."""
        return (
            all(mask in ("F", digit) for mask, digit in zip(self.identification, other.identification, strict=True))
            and (self.manufacturer & 0xFF) in (WILDCARD, other.manufacturer & 0xFF)
            and (self.manufacturer >> 8) in (WILDCARD, other.manufacturer >> 8)
            and self.version in (WILDCARD, other.version)
            and self.device_type in (WILDCARD, other.device_type)
        )

    @property
    def is_wildcard(self) -> bool:
        """Whether more than one address may fit."""
        return (
            "F" in self.identification
            or self.manufacturer & 0xFF == WILDCARD
            or self.manufacturer >> 8 == WILDCARD
            or WILDCARD in (self.version, self.device_type)
        )

    def __str__(self) -> str:
        rest = self.manufacturer.to_bytes(2, "little") + bytes((self.version, self.device_type))
        return self.identification + rest.hex().upper()


def _from_parts(identification: str, manufacturer: str, version: str, device_type: str) -> SecondaryAddress:
    if manufacturer == "*":
        code = WILDCARD_MANUFACTURER
    elif len(manufacturer) == 3:
        code = manufacturer_code(manufacturer)
    else:
        code = int.from_bytes(bytes.fromhex(manufacturer), "little")
    return SecondaryAddress(
        "F" * 8 if identification == "*" else identification,
        code,
        WILDCARD if version == "*" else int(version, 16),
        WILDCARD if device_type == "*" else int(device_type, 16),
    )
