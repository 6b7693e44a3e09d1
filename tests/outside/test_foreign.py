"""Frames are found however a source file writes them."""

from __future__ import annotations

import pytest

from tests.outside.foreign import frames_in
from tests.telegrams import READOUTS

FRAME = bytes.fromhex(READOUTS["water_three_records"])
OTHER = bytes.fromhex(READOUTS["gas_oms"])


@pytest.mark.parametrize(
    "content",
    [
        FRAME,
        b"junk\x68" + FRAME + b"\x16",
        FRAME.hex().encode(),
        FRAME.hex(" ").upper().encode(),
        ("x = b'" + "".join(f"\\x{octet:02x}" for octet in FRAME[:20]) + "' \\\n    b'").encode()
        + ("".join(f"\\x{octet:02x}" for octet in FRAME[20:]) + "'").encode(),
        ("{" + ", ".join(f"0x{octet:02X}" for octet in FRAME) + "}").encode(),
    ],
    ids=["octets", "octets in junk", "hex", "spaced hex", "escapes over two lines", "list of numbers"],
)
def test_frame_is_found(content: bytes) -> None:
    assert set(frames_in(content)) == {FRAME}


def test_two_frames_in_a_row_are_both_found() -> None:
    assert set(frames_in(FRAME + OTHER)) == {FRAME, OTHER}


def test_frame_with_a_wrong_checksum_is_none() -> None:
    assert list(frames_in(FRAME[:-2] + bytes((FRAME[-2] ^ 1, 0x16)))) == []
