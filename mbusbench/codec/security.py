"""Security modes 0, 5 and 7 of EN 13757-7: what the configuration field says, decryption and encryption.

Mode 5 is AES-128-CBC with the meter's own key, mode 7 the same with a key derived for each message. Only the first
blocks of the records may be encrypted. Modes that are not known are taken for plain: real meters put FFFF and other
values there without encrypting anything. The older DES modes 2 and 3 are recognised, not implemented.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from mbusbench.codec.header import LongHeader, ShortHeader
from mbusbench.errors import MBusEncryptedError, MBusUsageError

BLOCK = 16
FILLERS = b"\x2f\x2f"
"""Two idle fillers begin every encrypted plaintext: the sign of the right key."""

_COUNTER_PRESENT = 1 << 13
_DERIVATION_PERSISTENT = 0
_DERIVATION_A = 1


class SecurityMode(Enum):
    """The modes that are told apart."""

    NONE = 0
    DES = 2
    AES_PERSISTENT_KEY = 5
    AES_DERIVED_KEY = 7
    UNKNOWN = -1


_MODES = {
    0: SecurityMode.NONE,
    2: SecurityMode.DES,
    3: SecurityMode.DES,
    5: SecurityMode.AES_PERSISTENT_KEY,
    7: SecurityMode.AES_DERIVED_KEY,
}


@dataclass(frozen=True, slots=True)
class ConfigurationExtension:
    """The bytes that mode 7 puts behind the configuration field.

    `derived` is whether the key is derived (KDF A) or the persistent one; `message_counter` is there when bit 13 of the
    configuration field is set; `key_version` is optional.
    """

    key_id: int = 0
    derived: bool = True
    message_counter: int | None = None
    key_version: int | None = None

    def encode(self) -> bytes:
        """1 to 6 bytes."""
        if not 0 <= self.key_id <= 15 or not 0 <= (self.key_version or 0) <= 255:
            raise MBusUsageError(f"key id {self.key_id} is not in 0..15, or version {self.key_version} not in 0..255")
        if not 0 <= (self.message_counter or 0) < 1 << 32:
            raise MBusUsageError(f"message counter {self.message_counter} has more than four bytes")
        has_version = self.key_version is not None
        first = has_version << 6 | (_DERIVATION_A if self.derived else _DERIVATION_PERSISTENT) << 4 | self.key_id
        counter = b"" if self.message_counter is None else self.message_counter.to_bytes(4, "little")
        return bytes((first,)) + counter + (bytes((self.key_version,)) if self.key_version is not None else b"")

    @staticmethod
    def decode(configuration: int, data: bytes) -> ConfigurationExtension:
        """The extension at the start of `data`. MBusEncryptedError where it is cut off or of an unknown kind."""
        size = extension_length(configuration, data)
        if not size or len(data) < size:
            raise MBusEncryptedError("encrypted: the configuration field of mode 7 is cut off")
        derivation = data[0] >> 4 & 3
        if derivation > _DERIVATION_A:
            raise MBusEncryptedError(f"encrypted: key derivation {derivation} is unknown")
        counter = int.from_bytes(data[1:5], "little") if configuration & _COUNTER_PRESENT else None
        version = data[size - 1] if data[0] & 0x40 else None
        return ConfigurationExtension(data[0] & 0x0F, derivation == _DERIVATION_A, counter, version)


def security_mode(configuration: int) -> SecurityMode:
    """What bits 12 to 8 of the configuration field say."""
    return _MODES.get(configuration >> 8 & 0x1F, SecurityMode.UNKNOWN)


def extension_length(configuration: int, data: bytes) -> int:
    """Bytes that mode 7 has between the configuration field and the records, 0 in other modes and without any data."""
    if security_mode(configuration) is not SecurityMode.AES_DERIVED_KEY or not data:
        return 0
    return 1 + (4 if configuration & _COUNTER_PRESENT else 0) + (1 if data[0] & 0x40 else 0)


def encrypted_length(configuration: int, data: bytes) -> int:
    """How many bytes of `data` come before the first plain record; 0 where all of it is plain.

    `data` is what follows the configuration field. Counted are the encrypted blocks and the extension of mode 7, never
    more than there is. Whatever is not 0 has to go through `decrypt`.
    """
    mode = security_mode(configuration)
    if mode is SecurityMode.DES:
        return len(data) if configuration & 0xFF else 0
    return min(len(data), extension_length(configuration, data) + _blocks(configuration) * BLOCK)


def decrypt(header: LongHeader | ShortHeader, data: bytes, key: bytes | None, *, to_meter: bool = False) -> bytes:
    """Open what follows the configuration field of `header`: the encrypted blocks in clear, then the plain rest.

    Works on plain data too, and takes the extension of mode 7 away. `to_meter` is the direction of the message. Raises
    MBusEncryptedError without a key, with a wrong one, and where the encrypted part is cut off.
    """
    mode = security_mode(header.configuration)
    size = _blocks(header.configuration) * BLOCK
    if mode is SecurityMode.DES and header.configuration & 0xFF:
        raise MBusEncryptedError("encrypted with DES, which is not supported")
    start = extension_length(header.configuration, data)
    if not size:
        return data[start:]
    if key is None:
        raise MBusEncryptedError(f"encrypted in mode {mode.value}, and there is no key")
    _check_key(key)
    secret, vector = _key_and_vector(header, data, key, to_meter)
    hidden = data[start : start + size]
    if len(hidden) < size:
        raise MBusEncryptedError(f"encrypted: {len(hidden)} of {size} encrypted bytes are there")
    plain = _aes_cbc(secret, vector, hidden, encrypting=False)
    if not plain.startswith(FILLERS):
        raise MBusEncryptedError(f"encrypted in mode {mode.value}, and the key is wrong")
    return plain + data[start + size :]


def encrypt(
    header: LongHeader | ShortHeader,
    plaintext: bytes,
    key: bytes,
    *,
    to_meter: bool = False,
    extension: ConfigurationExtension | None = None,
) -> bytes:
    """The inverse of `decrypt`: what follows the configuration field on the wire.

    `header` says how many blocks of `plaintext` are encrypted; they begin with 2F 2F (`pad` makes them). `extension` is
    needed for mode 7. MBusUsageError where the parts do not fit.
    """
    mode = security_mode(header.configuration)
    if mode is SecurityMode.DES and header.configuration & 0xFF:
        raise MBusUsageError("encryption with DES is not supported")
    prefix = b""
    if mode is SecurityMode.AES_DERIVED_KEY:
        extension = extension or ConfigurationExtension(
            message_counter=0 if header.configuration & _COUNTER_PRESENT else None
        )
        if (extension.message_counter is not None) != bool(header.configuration & _COUNTER_PRESENT):
            raise MBusUsageError("bit 13 of the configuration field and the message counter do not fit")
        prefix = extension.encode()
    size = _blocks(header.configuration) * BLOCK
    if not size:
        return prefix + plaintext
    _check_key(key)
    if len(plaintext) < size or not plaintext.startswith(FILLERS):
        raise MBusUsageError(
            f"{size} bytes are to be encrypted: {len(plaintext)} given, which have to begin with 2F 2F"
        )
    try:
        secret, vector = _key_and_vector(header, prefix, key, to_meter)
    except MBusEncryptedError as error:
        raise MBusUsageError(str(error)) from error
    return prefix + _aes_cbc(secret, vector, plaintext[:size], encrypting=True) + plaintext[size:]


def pad(records: bytes) -> bytes:
    """Records made ready for encryption: idle fillers in front, and behind up to a whole number of blocks."""
    plain = FILLERS + records
    return plain + b"\x2f" * (-len(plain) % BLOCK)


def _blocks(configuration: int) -> int:
    """Encrypted blocks of the AES modes, 0 in the others."""
    mode = security_mode(configuration)
    return configuration >> 4 & 0xF if mode in (SecurityMode.AES_PERSISTENT_KEY, SecurityMode.AES_DERIVED_KEY) else 0


def _check_key(key: bytes) -> None:
    if len(key) != BLOCK:
        raise MBusUsageError(f"a key has {BLOCK} bytes, not {len(key)}")


def _key_and_vector(header: LongHeader | ShortHeader, data: bytes, key: bytes, to_meter: bool) -> tuple[bytes, bytes]:
    """The key of the cipher and its initialisation vector; `data` begins with the extension of mode 7, if any."""
    if security_mode(header.configuration) is SecurityMode.AES_PERSISTENT_KEY:
        sent = _address_as_sent(header)
        return key, sent[4:6] + sent[:4] + sent[6:8] + bytes((header.access_number,)) * 8
    extension = ConfigurationExtension.decode(header.configuration, data)
    if not extension.derived:
        return key, bytes(BLOCK)
    if extension.message_counter is None:
        raise MBusEncryptedError("encrypted with a derived key, and there is no message counter to derive it from")
    direction = b"\x10" if to_meter else b"\x00"
    counter = extension.message_counter.to_bytes(4, "little")
    return _cmac(key, direction + counter + _address_as_sent(header)[:4] + b"\x07" * 7), bytes(BLOCK)


def _address_as_sent(header: LongHeader | ShortHeader) -> bytes:
    if isinstance(header, ShortHeader):
        raise MBusEncryptedError("encrypted behind a short header, which does not say whose key it is")
    return header.encode()[:8]


def _aes_cbc(key: bytes, vector: bytes, data: bytes, *, encrypting: bool) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import CBC

    cipher = Cipher(AES(key), CBC(vector))
    context = cipher.encryptor() if encrypting else cipher.decryptor()
    return context.update(data) + context.finalize()


def _cmac(key: bytes, message: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.cmac import CMAC

    mac = CMAC(AES(key))
    mac.update(message)
    return mac.finalize()
