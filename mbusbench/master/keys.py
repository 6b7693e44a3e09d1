"""The keys of encrypted slaves: one for all, or by address."""

from __future__ import annotations

from collections.abc import Mapping

from mbusbench.codec.address import SecondaryAddress
from mbusbench.codec.frame import LongFrame
from mbusbench.codec.header import LongHeader
from mbusbench.codec.telegram import Telegram
from mbusbench.errors import MBusUsageError

Key = bytes | str
Keys = Key | Mapping[int | str | SecondaryAddress, Key]

KEY_SIZE = 16
_LONG_HEADER = (0x72, 0x76)


class KeyRing:
    """Finds the key of the slave that sent a frame. Keys are 16 bytes, or 32 hex digits.

    A mapping goes from primary addresses, secondary addresses or their text, wildcards allowed; the first entry that
    fits the slave counts.
    """

    def __init__(self, keys: Keys | None) -> None:
        self._any = keys is not None
        self._default: bytes | None = None
        self._primary: dict[int, bytes] = {}
        self._secondary: list[tuple[SecondaryAddress, bytes]] = []
        if keys is None:
            return
        if not isinstance(keys, Mapping):
            self._default = _key(keys)
            return
        for address, key in keys.items():
            if isinstance(address, int):
                self._primary[address] = _key(key)
            else:
                mask = SecondaryAddress.parse(address) if isinstance(address, str) else address
                self._secondary.append((mask, _key(key)))

    def decode(self, frame: LongFrame) -> Telegram:
        """The telegram in `frame`, in clear where there is a key for it. MBusDecodeError where there is none in it."""
        key = self._find(frame) if self._any else None
        return Telegram.decode(frame.ci, frame.data, key=key)

    def _find(self, frame: LongFrame) -> bytes | None:
        if self._secondary and frame.ci in _LONG_HEADER and len(frame.data) >= 12:
            sender = LongHeader.decode(frame.data, frame.ci == 0x76).secondary_address
            for mask, key in self._secondary:
                if mask.matches(sender):
                    return key
        return self._primary.get(frame.address, self._default)


def _key(key: Key) -> bytes:
    if isinstance(key, str):
        try:
            key = bytes.fromhex(key)
        except ValueError:
            raise MBusUsageError("a key is 16 bytes, or 32 hex digits") from None
    if not isinstance(key, bytes) or len(key) != KEY_SIZE:
        raise MBusUsageError("a key is 16 bytes, or 32 hex digits")
    return key
