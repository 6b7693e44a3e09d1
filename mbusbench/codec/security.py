"""STAND-IN, not committed."""

from __future__ import annotations
from mbusbench.errors import MBusEncryptedError


def encrypted_length(configuration: int, body: bytes) -> int:
    return (configuration >> 4 & 15) * 16 if configuration >> 8 & 31 == 5 else 0


def decrypt(header: object, body: bytes, key: bytes | None) -> bytes:
    raise MBusEncryptedError("no key")
