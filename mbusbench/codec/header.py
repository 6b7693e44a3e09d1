"""The headers in front of the records: long (12 bytes) and short (4 bytes), and the status byte (EN 13757-7).

The fields are kept as sent, hex digits in the identification number included. Decryption is in security.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from mbusbench.codec.address import SecondaryAddress, manufacturer_code, manufacturer_letters
from mbusbench.errors import MBusDecodeError, MBusUsageError

__all__ = [
    "LONG_HEADER_SIZE",
    "SHORT_HEADER_SIZE",
    "LongHeader",
    "ShortHeader",
    "describe_status",
    "manufacturer_code",
    "manufacturer_letters",
]

LONG_HEADER_SIZE = 12
SHORT_HEADER_SIZE = 4

_AFTER_IDENTIFICATION = Struct("<HBBBBH")
_AFTER_IDENTIFICATION_REVERSED = Struct(">HBBBBH")

_APPLICATION_STATUS = ("", "application busy", "application error", "abnormal condition")
_STATUS_BITS = (
    (0x04, "power low"),
    (0x08, "permanent error"),
    (0x10, "temporary error"),
    (0x20, "manufacturer specific 5"),
    (0x40, "manufacturer specific 6"),
    (0x80, "manufacturer specific 7"),
)


def describe_status(status: int) -> tuple[str, ...]:
    """What the status byte says, lowest bits first; () for a meter that is well."""
    application = _APPLICATION_STATUS[status & 3]
    bits = tuple(text for bit, text in _STATUS_BITS if status & bit)
    return (application, *bits) if application else bits


@dataclass(frozen=True, slots=True)
class LongHeader:
    """Who sends: the header of the normal wired answer.

    `identification` has eight hex digits as printed; `most_significant_first` is the byte order of mode 2 (CI 76).
    Fields are checked when they are encoded (MBusUsageError).
    """

    identification: str
    manufacturer: int
    version: int
    device_type: int
    access_number: int
    status: int
    configuration: int
    most_significant_first: bool = False

    @staticmethod
    def decode(data: bytes, most_significant_first: bool = False) -> LongHeader:
        """The first 12 bytes of `data`; more may follow. MBusDecodeError where there are fewer."""
        if len(data) < LONG_HEADER_SIZE:
            raise MBusDecodeError(f"header too short: {len(data)} of {LONG_HEADER_SIZE} bytes", offset=len(data))
        layout = _AFTER_IDENTIFICATION_REVERSED if most_significant_first else _AFTER_IDENTIFICATION
        identification = (data[:4] if most_significant_first else data[3::-1]).hex().upper()
        manufacturer, version, device_type, access_number, status, configuration = layout.unpack_from(data, 4)
        return LongHeader(
            identification,
            manufacturer,
            version,
            device_type,
            access_number,
            status,
            configuration,
            most_significant_first,
        )

    def encode(self) -> bytes:
        """The 12 bytes."""
        identification = bytes.fromhex(SecondaryAddress(self.identification).identification)
        layout = _AFTER_IDENTIFICATION_REVERSED if self.most_significant_first else _AFTER_IDENTIFICATION
        fields = (self.manufacturer, self.version, self.device_type)
        _check_range(manufacturer=(self.manufacturer, 16), version=(self.version, 8), device_type=(self.device_type, 8))
        _check_state(self)
        rest = layout.pack(*fields, self.access_number, self.status, self.configuration)
        return (identification if self.most_significant_first else identification[::-1]) + rest

    @property
    def secondary_address(self) -> SecondaryAddress:
        return SecondaryAddress(self.identification, self.manufacturer, self.version, self.device_type)


@dataclass(frozen=True, slots=True)
class ShortHeader:
    """Access number, status and configuration field only: the sender is known from elsewhere."""

    access_number: int
    status: int
    configuration: int

    @staticmethod
    def decode(data: bytes) -> ShortHeader:
        """The first 4 bytes of `data`; more may follow. MBusDecodeError where there are fewer."""
        if len(data) < SHORT_HEADER_SIZE:
            raise MBusDecodeError(f"header too short: {len(data)} of {SHORT_HEADER_SIZE} bytes", offset=len(data))
        return ShortHeader(data[0], data[1], data[2] | data[3] << 8)

    def encode(self) -> bytes:
        """The 4 bytes."""
        _check_state(self)
        return bytes((self.access_number, self.status)) + self.configuration.to_bytes(2, "little")


def _check_state(header: LongHeader | ShortHeader) -> None:
    _check_range(
        access_number=(header.access_number, 8), status=(header.status, 8), configuration=(header.configuration, 16)
    )


def _check_range(**fields: tuple[int, int]) -> None:
    for name, (value, bits) in fields.items():
        if not 0 <= value < 1 << bits:
            raise MBusUsageError(f"{name} {value!r} is not in 0..{(1 << bits) - 1}")
