from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbusbench.codec.frame import ACK, NACK, Frame, LongFrame, ShortFrame, SingleCharacter, checksum, decode_frame
from mbusbench.errors import MBusDecodeError, MBusUsageError
from tests.telegrams import READOUTS

OCTET = st.integers(0, 255)
FRAMES: st.SearchStrategy[Frame] = st.one_of(
    st.sampled_from([ACK, NACK]),
    st.builds(ShortFrame, OCTET, OCTET),
    st.builds(LongFrame, OCTET, OCTET, OCTET, st.binary(max_size=252)),
)

WORKED = [
    ("e5", ACK),
    ("a2", NACK),
    ("1040014116", ShortFrame(0x40, 1)),
    ("1040ff3f16", ShortFrame(0x40, 0xFF)),
    ("105bfe5916", ShortFrame(0x5B, 0xFE)),
    ("107bfd7816", ShortFrame(0x7B, 0xFD)),
    ("6803036853fdbd0d16", LongFrame(0x53, 0xFD, 0xBD)),
    ("6803036853febd0e16", LongFrame(0x53, 0xFE, 0xBD)),
    ("68040468080170088116", LongFrame(8, 1, 0x70, b"\x08")),
    ("68040468730550" + "10d816", LongFrame(0x73, 5, 0x50, b"\x10")),
    ("680b0b6873fd52ffffffffffffffffba16", LongFrame(0x73, 0xFD, 0x52, b"\xff" * 8)),
]


@pytest.mark.parametrize(("raw", "frame"), WORKED)
def test_worked_frames(raw: str, frame: Frame) -> None:
    assert decode_frame(bytes.fromhex(raw)) == frame
    assert frame.encode().hex() == raw


@pytest.mark.parametrize("raw", READOUTS.values(), ids=READOUTS)
def test_recorded_readouts_come_back_as_they_were(raw: str) -> None:
    assert decode_frame(bytes.fromhex(raw)).encode().hex() == raw


@given(FRAMES)
def test_round_trip(frame: Frame) -> None:
    assert decode_frame(frame.encode()) == frame


@given(st.binary(max_size=255))
def test_checksum_is_the_sum_modulo_256(data: bytes) -> None:
    assert checksum(data) == sum(data) % 256


def test_checksum_of_the_largest_sum() -> None:
    assert checksum(b"\xff" * 255) == 255 * 255 % 256


def test_longest_frame_has_261_bytes() -> None:
    raw = LongFrame(8, 1, 0x72, b"\xff" * 252).encode()
    assert len(raw) == 261
    assert raw[:4] == b"\x68\xff\xff\x68"
    assert decode_frame(raw) == LongFrame(8, 1, 0x72, b"\xff" * 252)


@pytest.mark.parametrize(
    ("raw", "offset", "reason"),
    [
        ("", 0, "truncated"),
        ("00", 0, "start"),
        ("e5e5", 1, "length"),
        ("10", 1, "truncated"),
        ("10400141", 4, "truncated"),
        ("1040014216", 3, "checksum"),
        ("1040014117", 4, "stop"),
        ("104001411600", 5, "length"),
        ("6803", 2, "truncated"),
        ("6803046853febd0e16", 2, "length"),
        ("6802026853fe5116", 1, "length"),
        ("6800006800", 1, "length"),
        ("6803036753febd0e16", 3, "start"),
        ("6803036853febd0e", 8, "truncated"),
        ("6803036853febd0f16", 7, "checksum"),
        ("6803036853febd0e15", 8, "stop"),
        ("6803036853febd0e16e5", 9, "length"),
    ],
)
def test_what_is_wrong_and_where(raw: str, offset: int, reason: str) -> None:
    with pytest.raises(MBusDecodeError, match=f"^{reason}") as caught:
        decode_frame(bytes.fromhex(raw))
    assert (caught.value.layer, caught.value.offset) == ("link", offset)


def test_a_class_decodes_only_its_own_frames() -> None:
    with pytest.raises(MBusDecodeError, match="short frame begins with 10"):
        ShortFrame.decode(bytes.fromhex("6803036853febd0e16"))
    with pytest.raises(MBusDecodeError, match="long frame begins with 68"):
        LongFrame.decode(b"")


@given(st.binary(max_size=300))
def test_decoding_raises_nothing_but_decode_errors(data: bytes) -> None:
    try:
        frame = decode_frame(data)
    except MBusDecodeError:
        return
    assert frame.encode() == data


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (SingleCharacter, (0x16,)),
        (ShortFrame, (256, 1)),
        (ShortFrame, (0x40, -1)),
        (LongFrame, (-1, 1, 0x72)),
        (LongFrame, (8, 256, 0x72)),
        (LongFrame, (8, 1, 256)),
        (LongFrame, (8, 1, 0x72, bytes(253))),
    ],
)
def test_an_illegal_frame_cannot_be_made(kind: type, arguments: tuple[object, ...]) -> None:
    with pytest.raises(MBusUsageError):
        kind(*arguments)
