"""Commands of a master: built as (CI, data), and read back for a slave (EN 13757-3, EN 13757-7, The M-Bus 4.8).

The control field and the address are the caller's, and so is what a command does. Records in a data send are not
decoded here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mbusbench.codec.address import PRIMARY_RANGE, SECONDARY_ADDRESS_SIZE, SecondaryAddress
from mbusbench.codec.date_time import encode_f
from mbusbench.codec.frame import DATA_MAXIMUM
from mbusbench.codec.header import LONG_HEADER_SIZE, SHORT_HEADER_SIZE, LongHeader, ShortHeader
from mbusbench.errors import MBusUsageError
from mbusbench.timing import BAUD_RATES

CI_APPLICATION_RESET: Final = 0x50
CI_DATA_SEND: Final = 0x51
CI_SELECTION: Final = 0x52
CI_APPLICATION_RESET_LONG: Final = 0x53
CI_SYNCHRONISE_LEGACY: Final = 0x54
CI_DATA_SEND_REVERSED: Final = 0x55
CI_SELECTION_REVERSED: Final = 0x56
CI_DATA_SEND_SHORT: Final = 0x5A
CI_DATA_SEND_LONG: Final = 0x5B
CI_SYNCHRONISE: Final = 0x5C
CI_BAUD_RATE: Final = 0xB8

SUBCODES_MAXIMUM = 10
GLOBAL_READOUT = b"\x7f"

_FABRICATION_NUMBER = b"\x0c\x78"
_PRIMARY_ADDRESS = b"\x01\x7a"
_IDENTIFICATION = b"\x0c\x79"
_FULL_IDENTIFICATION = b"\x07\x79"
_CLOCK = b"\x04\x6d"

Payload = tuple[int, bytes]
"""CI field and data of the long frame that carries a command."""


def select(address: SecondaryAddress, fabrication: str | None = None) -> Payload:
    """Selection by a secondary address or mask, and optionally by a fabrication number (8 digits, F a wildcard)."""
    data = address.encode()
    if fabrication is not None:
        data += _FABRICATION_NUMBER + _digits(fabrication, "fabrication number")
    return CI_SELECTION, data


def application_reset(subcode: int | bytes | None = None) -> Payload:
    """Application reset, or with a sub-code (application in the upper, block in the lower four bits) its selection."""
    if subcode is None:
        return CI_APPLICATION_RESET, b""
    if isinstance(subcode, int):
        if not 0 <= subcode <= 255:
            raise MBusUsageError(f"sub-code {subcode} is not in 0..255")
        subcode = bytes((subcode,))
    if len(subcode) > SUBCODES_MAXIMUM:
        raise MBusUsageError(f"{len(subcode)} sub-codes; at most {SUBCODES_MAXIMUM} are allowed")
    return CI_APPLICATION_RESET, bytes(subcode)


def set_baud_rate(baud: int) -> Payload:
    """Switch to one of the standard's rates, 300 to 38400."""
    if baud not in BAUD_RATES:
        raise MBusUsageError(f"baud rate {baud} is none of {', '.join(map(str, BAUD_RATES))}")
    return CI_BAUD_RATE + BAUD_RATES.index(baud), b""


def synchronise(*, edition_2018: bool = False) -> Payload:
    """Synchronise action, usually broadcast. EN 13757-7:2018 has given it another CI than the older editions."""
    return CI_SYNCHRONISE if edition_2018 else CI_SYNCHRONISE_LEGACY, b""


def data_send(records: bytes) -> Payload:
    """Records that are ready, 0 to 252 bytes."""
    if len(records) > DATA_MAXIMUM:
        raise MBusUsageError(f"{len(records)} bytes of records; a frame holds at most {DATA_MAXIMUM}")
    return CI_DATA_SEND, bytes(records)


def set_primary_address(address: int) -> Payload:
    """Give the slave another primary address, 0 to 250. The answer still comes under the old one."""
    if address not in PRIMARY_RANGE:
        raise MBusUsageError(f"address {address!r} is not in 0..250")
    return data_send(_PRIMARY_ADDRESS + bytes((address,)))


def set_identification(identification: str | SecondaryAddress) -> Payload:
    """Set the identification number (8 digits), or with a SecondaryAddress all of it. No wildcards."""
    if isinstance(identification, SecondaryAddress):
        if identification.is_wildcard:
            raise MBusUsageError(f"{identification} has wildcards; a meter cannot be called so")
        return data_send(_FULL_IDENTIFICATION + identification.encode())
    number = _digits(identification, "identification number")
    if "F" in identification.upper():
        raise MBusUsageError(f"identification number {identification!r} has wildcards; a meter cannot be called so")
    return data_send(_IDENTIFICATION + number)


def set_clock(when: datetime) -> Payload:
    """Set date and time, to the minute, by a record of type F. A time zone is not sent: give the meter's local time."""
    return data_send(_CLOCK + encode_f(when))


def select_for_readout(*selections: bytes) -> Payload:
    """Choose the records of the next readout, each by its DIF (data field 8), DIFEs, VIF and VIFEs: `b"\\x08\\x13"`.

    Without a selection: everything that the slave has (global readout request).
    """
    for selection in selections:
        if not selection or selection[0] & 0x0F != 8:
            raise MBusUsageError(f"{selection.hex(' ')!r} is no selection: its DIF has not data field 8")
    return data_send(b"".join(selections) or GLOBAL_READOUT)


@dataclass(frozen=True, slots=True)
class SelectDevice:
    """CI 52 or 56. `mask` is None where the data are no mask; `fabrication` has 8 digits, F a wildcard.

    A mask of 1 to 7 bytes is not in the standard; `raw` has the data for a slave that takes it all the same.
    """

    mask: SecondaryAddress | None
    fabrication: str | None
    raw: bytes
    most_significant_first: bool = False


@dataclass(frozen=True, slots=True)
class ApplicationReset:
    """CI 50 or 53; without `subcodes` a reset, with them the choice of an application."""

    subcodes: bytes
    header: LongHeader | None = None

    @property
    def application(self) -> int:
        """Upper four bits of the first sub-code, 0 (all) without one."""
        return self.subcodes[0] >> 4 if self.subcodes else 0

    @property
    def block(self) -> int:
        """Lower four bits of the first sub-code, 0 (all) without one."""
        return self.subcodes[0] & 0x0F if self.subcodes else 0


@dataclass(frozen=True, slots=True)
class SetBaudRate:
    """CI B8 to BF."""

    baud: int


@dataclass(frozen=True, slots=True)
class Synchronise:
    """CI 54 (older editions) or 5C."""


@dataclass(frozen=True, slots=True)
class DataSend:
    """CI 51, 55, 5A or 5B. `records` is all behind the header, which CI 51 and 55 do not have; it may be encrypted."""

    records: bytes
    header: LongHeader | ShortHeader | None = None
    most_significant_first: bool = False


@dataclass(frozen=True, slots=True)
class UnknownCommand:
    """A CI that is no command known here."""

    ci: int
    data: bytes


Command = SelectDevice | ApplicationReset | SetBaudRate | Synchronise | DataSend | UnknownCommand


def decode_command(ci: int, data: bytes) -> Command:
    """What a master asks with a CI (0 to 255) and its data. MBusDecodeError where a header is cut off."""
    if ci in (CI_SELECTION, CI_SELECTION_REVERSED):
        return _decode_selection(data, most_significant_first=ci == CI_SELECTION_REVERSED)
    if ci == CI_APPLICATION_RESET:
        return ApplicationReset(data)
    if ci == CI_APPLICATION_RESET_LONG:
        # Masters are known to send CI 53 with a bare sub-code instead of the long header.
        if len(data) < LONG_HEADER_SIZE:
            return ApplicationReset(data)
        return ApplicationReset(data[LONG_HEADER_SIZE:], LongHeader.decode(data))
    if CI_BAUD_RATE <= ci < CI_BAUD_RATE + len(BAUD_RATES):
        return SetBaudRate(BAUD_RATES[ci - CI_BAUD_RATE])
    if ci == CI_SYNCHRONISE or (ci == CI_SYNCHRONISE_LEGACY and not data):
        return Synchronise()
    if ci in (CI_DATA_SEND, CI_DATA_SEND_REVERSED):
        return DataSend(data, most_significant_first=ci == CI_DATA_SEND_REVERSED)
    if ci == CI_DATA_SEND_SHORT:
        return DataSend(data[SHORT_HEADER_SIZE:], ShortHeader.decode(data))
    if ci == CI_DATA_SEND_LONG:
        return DataSend(data[LONG_HEADER_SIZE:], LongHeader.decode(data))
    return UnknownCommand(ci, data)


def _decode_selection(data: bytes, *, most_significant_first: bool) -> SelectDevice:
    mask_bytes = data[:SECONDARY_ADDRESS_SIZE]
    rest = data[SECONDARY_ADDRESS_SIZE:]
    if len(mask_bytes) < SECONDARY_ADDRESS_SIZE:
        return SelectDevice(None, None, data, most_significant_first)
    number = rest[2:]
    if most_significant_first:
        mask_bytes = mask_bytes[3::-1] + mask_bytes[5:3:-1] + mask_bytes[6:]
        number = number[::-1]
    mask = SecondaryAddress.decode(mask_bytes)
    if not rest:
        return SelectDevice(mask, None, data, most_significant_first)
    if rest[:2] != _FABRICATION_NUMBER or len(number) != 4:
        return SelectDevice(None, None, data, most_significant_first)
    return SelectDevice(mask, number[::-1].hex().upper(), data, most_significant_first)


def _digits(text: str, what: str) -> bytes:
    if not re.fullmatch(r"[0-9A-Fa-f]{8}", text):
        raise MBusUsageError(f"{what} {text!r} is not eight hex digits")
    return bytes.fromhex(text)[::-1]
