from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from hypothesis import given
from hypothesis import strategies as st

from mbusbench.codec.frame import LongFrame
from mbusbench.codec.header import LongHeader, ShortHeader
from mbusbench.codec.security import (
    ConfigurationExtension,
    SecurityMode,
    decrypt,
    encrypt,
    encrypted_length,
    extension_length,
    pad,
    security_mode,
)
from mbusbench.errors import MBusEncryptedError, MBusUsageError

# OMS specification, Annex N, wired heat cost allocator.
ALLOCATOR = LongFrame.decode(
    bytes.fromhex(
        "682c2c6808fd7288776655934455080004100500dfe2a782146d1513581cd2f83f39040cfd10785634120c78443322112616"
    )
)
HEADER = LongHeader.decode(ALLOCATOR.data)
BODY = ALLOCATOR.data[12:]
KEY = bytes(range(16))
PLAIN = bytes.fromhex("2f2f0b6e341200426cfe044b6e563402" + "0cfd10785634120c7844332211")

MODE_7 = 0x0700
MODE_7_COUNTER = 0x2700
CONFIGURATIONS = st.sampled_from(
    [0x0000, 0x0500, 0x0510, 0x05F0, 0x8520, 0x0710, 0x2720, 0xE7F0, 0xFFFF, 0xB627, 0x0200]
)


def header_of(configuration: int, access_number: int = 0) -> LongHeader:
    return LongHeader("55667788", 0x4493, 0x55, 8, access_number, 0, configuration)


def cmac_by_hand(key: bytes, message: bytes) -> bytes:
    """RFC 4493 for a message of exactly one block, from the block cipher alone."""
    encryptor = Cipher(AES(key), ECB()).encryptor()
    subkey = int.from_bytes(encryptor.update(bytes(16)), "big") << 1
    if subkey >> 128:
        subkey = subkey & (1 << 128) - 1 ^ 0x87
    return encryptor.update((int.from_bytes(message, "big") ^ subkey).to_bytes(16, "big"))


def test_cmac_by_hand_gives_the_published_value() -> None:
    key = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
    message = bytes.fromhex("6bc1bee22e409f96e93d7e117393172a")
    assert cmac_by_hand(key, message).hex() == "070a16b46b4d4144f79bdd9dd04a287c"


def test_published_telegram_opens() -> None:
    assert encrypted_length(HEADER.configuration, BODY) == 16
    assert decrypt(HEADER, BODY, KEY) == PLAIN


def test_published_telegram_is_made() -> None:
    assert encrypt(HEADER, PLAIN, KEY) == BODY


def test_without_a_key_it_says_that_it_is_encrypted() -> None:
    with pytest.raises(MBusEncryptedError, match="there is no key"):
        decrypt(HEADER, BODY, None)


def test_the_wrong_key_is_noticed() -> None:
    with pytest.raises(MBusEncryptedError, match="the key is wrong"):
        decrypt(HEADER, BODY, bytes(16))


@pytest.mark.parametrize("size", [0, 1, 15])
def test_an_encrypted_part_that_is_cut_off(size: int) -> None:
    assert encrypted_length(HEADER.configuration, BODY[:size]) == size
    with pytest.raises(MBusEncryptedError, match=f"{size} of 16"):
        decrypt(HEADER, BODY[:size], KEY)


@pytest.mark.parametrize("size", [0, 15, 17, 32])
def test_a_key_has_16_bytes(size: int) -> None:
    with pytest.raises(MBusUsageError, match="16 bytes"):
        decrypt(HEADER, BODY, bytes(size))
    with pytest.raises(MBusUsageError, match="16 bytes"):
        encrypt(HEADER, PLAIN, bytes(size))


def test_the_vector_of_mode_5_has_the_access_number() -> None:
    vector = bytes.fromhex("9344887766555508" + "07" * 8)
    encryptor = Cipher(AES(KEY), CBC(vector)).encryptor()
    hidden = encryptor.update(PLAIN[:16])
    assert encrypt(header_of(0x0510, access_number=7), PLAIN, KEY) == hidden + PLAIN[16:]


@pytest.mark.parametrize(
    ("configuration", "mode"),
    [
        (0x0000, SecurityMode.NONE),
        (0xC00F, SecurityMode.NONE),
        (0x0510, SecurityMode.AES_PERSISTENT_KEY),
        (0x2710, SecurityMode.AES_DERIVED_KEY),
        (0x0210, SecurityMode.DES),
        (0x0310, SecurityMode.DES),
        (0xFFFF, SecurityMode.UNKNOWN),
        (0xB627, SecurityMode.UNKNOWN),
    ],
)
def test_mode_of_a_configuration(configuration: int, mode: SecurityMode) -> None:
    assert security_mode(configuration) is mode


@pytest.mark.parametrize("configuration", [0x0000, 0x000F, 0xFFFF, 0xB627, 0x0500, 0x0200])
def test_what_is_not_encrypted_stays_as_it_is(configuration: int) -> None:
    assert encrypted_length(configuration, PLAIN) == 0
    assert decrypt(header_of(configuration), PLAIN, None) == PLAIN
    assert encrypt(header_of(configuration), PLAIN, KEY) == PLAIN


@pytest.mark.parametrize("configuration", [0x0210, 0x0310])
def test_des_is_told_apart_and_not_decoded_to_garbage(configuration: int) -> None:
    assert encrypted_length(configuration, PLAIN) == len(PLAIN)
    with pytest.raises(MBusEncryptedError, match="DES"):
        decrypt(header_of(configuration), PLAIN, KEY)
    with pytest.raises(MBusUsageError, match="DES"):
        encrypt(header_of(configuration), PLAIN, KEY)


@pytest.mark.parametrize("to_meter", [False, True])
def test_mode_7_derives_its_key_from_counter_and_identification(to_meter: bool) -> None:
    extension = ConfigurationExtension(key_id=1, message_counter=0x01020304)
    header = header_of(MODE_7_COUNTER | 0x10)
    sent = encrypt(header, PLAIN, KEY, to_meter=to_meter, extension=extension)
    assert sent[:5].hex() == "1104030201"
    derivation = ("10" if to_meter else "00") + "04030201" + "88776655" + "07" * 7
    derived = cmac_by_hand(KEY, bytes.fromhex(derivation))
    decryptor = Cipher(AES(derived), CBC(bytes(16))).decryptor()
    assert decryptor.update(sent[5:21]) == PLAIN[:16]
    assert sent[21:] == PLAIN[16:]
    assert encrypted_length(header.configuration, sent) == 21
    assert decrypt(header, sent, KEY, to_meter=to_meter) == PLAIN
    with pytest.raises(MBusEncryptedError, match="the key is wrong"):
        decrypt(header, sent, KEY, to_meter=not to_meter)


def test_mode_7_with_the_persistent_key() -> None:
    header = header_of(MODE_7 | 0x10)
    sent = encrypt(header, PLAIN, KEY, extension=ConfigurationExtension(derived=False, key_version=9))
    assert sent[:2].hex() == "4009"
    encryptor = Cipher(AES(KEY), CBC(bytes(16))).encryptor()
    assert sent[2:18] == encryptor.update(PLAIN[:16])
    assert decrypt(header, sent, KEY) == PLAIN


def test_the_extension_of_mode_7_is_taken_away_where_nothing_is_encrypted() -> None:
    header = header_of(MODE_7_COUNTER)
    sent = encrypt(header, b"\x01\x13\x05", KEY)
    assert sent.hex() == "1000000000" + "011305"
    assert encrypted_length(header.configuration, sent) == 5
    assert decrypt(header, sent, None) == b"\x01\x13\x05"


@pytest.mark.parametrize(
    ("configuration", "body", "reason"),
    [
        (MODE_7 | 0x10, "", "cut off"),
        (MODE_7_COUNTER | 0x10, "10010203", "cut off"),
        (MODE_7 | 0x10, "20" + "00" * 16, "derivation 2 is unknown"),
        (MODE_7 | 0x10, "10" + "00" * 16, "no message counter"),
    ],
)
def test_an_extension_that_gives_no_key(configuration: int, body: str, reason: str) -> None:
    with pytest.raises(MBusEncryptedError, match=reason):
        decrypt(header_of(configuration), bytes.fromhex(body), KEY)


@given(
    st.builds(
        ConfigurationExtension,
        key_id=st.integers(0, 15),
        derived=st.booleans(),
        message_counter=st.none() | st.integers(0, 2**32 - 1),
        key_version=st.none() | st.integers(0, 255),
    )
)
def test_extension_round_trip(extension: ConfigurationExtension) -> None:
    configuration = MODE_7 if extension.message_counter is None else MODE_7_COUNTER
    raw = extension.encode()
    assert extension_length(configuration, raw) == len(raw)
    assert ConfigurationExtension.decode(configuration, raw + b"\x00") == extension


@pytest.mark.parametrize(
    "extension",
    [
        ConfigurationExtension(key_id=16),
        ConfigurationExtension(key_version=256),
        ConfigurationExtension(message_counter=1 << 32),
    ],
)
def test_an_extension_out_of_range_is_refused(extension: ConfigurationExtension) -> None:
    with pytest.raises(MBusUsageError):
        extension.encode()


def test_the_counter_has_to_be_announced() -> None:
    with pytest.raises(MBusUsageError, match="do not fit"):
        encrypt(header_of(MODE_7 | 0x10), PLAIN, KEY, extension=ConfigurationExtension(message_counter=1))
    with pytest.raises(MBusUsageError, match="no message counter"):
        encrypt(header_of(MODE_7 | 0x10), PLAIN, KEY)


def test_plaintext_has_to_begin_with_fillers_and_fill_its_blocks() -> None:
    with pytest.raises(MBusUsageError, match="2F 2F"):
        encrypt(HEADER, PLAIN[2:], KEY)
    with pytest.raises(MBusUsageError, match="16 bytes are to be encrypted"):
        encrypt(HEADER, PLAIN[:15], KEY)


def test_a_short_header_does_not_say_whose_key_it_is() -> None:
    with pytest.raises(MBusEncryptedError, match="short header"):
        decrypt(ShortHeader(0, 0, 0x0510), BODY, KEY)


@pytest.mark.parametrize(("size", "padded"), [(0, 16), (13, 16), (14, 16), (15, 32)])
def test_padding_fills_whole_blocks(size: int, padded: int) -> None:
    plain = pad(bytes(size))
    assert len(plain) == padded
    assert plain == b"\x2f\x2f" + bytes(size) + b"\x2f" * (padded - size - 2)


@given(
    records=st.binary(max_size=60),
    tail=st.binary(max_size=20),
    key=st.binary(min_size=16, max_size=16),
    access_number=st.integers(0, 255),
    derived=st.booleans(),
)
def test_round_trip(records: bytes, tail: bytes, key: bytes, access_number: int, derived: bool) -> None:
    plain = pad(records)
    configuration = (MODE_7_COUNTER if derived else 0x0500) | len(plain) // 16 << 4
    header = header_of(configuration, access_number)
    assert decrypt(header, encrypt(header, plain + tail, key), key) == plain + tail


@given(CONFIGURATIONS | st.integers(0, 0xFFFF), st.binary(max_size=300), st.none() | st.just(KEY))
def test_whatever_comes_in_is_either_opened_or_called_encrypted(
    configuration: int, body: bytes, key: bytes | None
) -> None:
    assert 0 <= encrypted_length(configuration, body) <= len(body)
    try:
        plain = decrypt(header_of(configuration), body, key)
    except MBusEncryptedError:
        return
    assert plain == body[len(body) - len(plain) :] or plain.startswith(b"\x2f\x2f")
