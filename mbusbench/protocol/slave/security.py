"""Encrypted telegrams of one slave (EN 13757-7, security modes 5 and 7): what it sends, and commands in CI 5A and 5B.

All records are encrypted. Idle fillers stand before them and, up to whole blocks, behind them; DIF 0F or 1F stays last.
"""

from __future__ import annotations

from mbusbench.codec import security
from mbusbench.codec.header import LONG_HEADER_SIZE, LongHeader, ShortHeader
from mbusbench.codec.security import BLOCK, FILLERS, ConfigurationExtension, SecurityMode

_MAXIMUM_BLOCKS = 15
_COUNTER_PRESENT = 0x2000
_EXTENSION = 5
MODES = {5: SecurityMode.AES_PERSISTENT_KEY, 7: SecurityMode.AES_DERIVED_KEY}


def record_space(mode: int) -> int:
    """Bytes of records, ending included, that an encrypted telegram of 240 bytes holds."""
    space = _MAXIMUM_BLOCKS * BLOCK - (_EXTENSION if mode == 7 else 0)
    return space // BLOCK * BLOCK - len(FILLERS)


class SlaveSecurity:
    """One slave's key. `mode` is 5 or 7; mode 7 counts its messages."""

    __slots__ = ("key", "message_counter", "mode")

    def __init__(self, mode: int, key: bytes, message_counter: int = 1) -> None:
        self.mode = mode
        self.key = key
        self.message_counter = message_counter

    def seal(self, header: bytes, area: bytes, ending: bytes) -> bytes:
        """The datagram of a plain one: `header` without the configuration field (10 bytes), records, their ending."""
        fill = -(len(FILLERS) + len(area) + len(ending)) % BLOCK
        plain = FILLERS + area + b"\x2f" * fill + ending
        configuration = self.mode << 8 | len(plain) // BLOCK << 4
        extension = None
        if self.mode == 7:
            configuration |= _COUNTER_PRESENT
            extension = ConfigurationExtension(message_counter=self.message_counter)
            self.message_counter = self.message_counter + 1 & 0xFFFFFFFF
        sent = header + configuration.to_bytes(2, "little")
        assert len(sent) == LONG_HEADER_SIZE
        return sent + security.encrypt(LongHeader.decode(sent), plain, self.key, extension=extension)

    def open(self, header: LongHeader | ShortHeader, data: bytes, wire_address: bytes) -> bytes:
        """The records of a command. MBusEncryptedError where this key does not open them."""
        if isinstance(header, ShortHeader):
            header = LongHeader.decode(wire_address + header.encode())
        return security.decrypt(header, data, self.key, to_meter=True)
