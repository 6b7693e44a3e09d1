from __future__ import annotations

import pytest

from mbusbench.codec.frame import Frame, decode_frame
from mbusbench.scenario.file.duration import LineDuration
from mbusbench.scenario.file.pattern import FramePattern, Item, match_sequence

RESET, FIRST, SECOND = "10 40 05 45 16", "10 7B 05 80 16", "10 5B 05 60 16"
SELECTION = "68 0B 0B 68 73 FD 52 78 56 34 12 24 23 28 07 4C 16"
WRITE = "68 06 06 68 73 05 51 01 7A 09 4D 16"


def _sent(*texts: str, baud: int = 2400) -> list[tuple[bytes, Frame, int]]:
    return [(bytes.fromhex(text), decode_frame(bytes.fromhex(text)), baud) for text in texts]


@pytest.mark.parametrize(
    ("pattern", "frame", "fits"),
    [
        ("REQ_UD2 5", FIRST, True),
        ("REQ_UD2 6", FIRST, False),
        ("REQ_UD2 5 fcb=1 fcv=1", FIRST, True),
        ("REQ_UD2 5 fcb=1", SECOND, False),
        ("REQ_UD2 *", SECOND, True),
        ("SND_NKE 4,5", RESET, True),
        ("10 ?? 05 *", RESET, True),
        ("10 40 05", RESET, False),
        ("SELECTION 253", SELECTION, True),
        ("SND_UD 253", SELECTION, False),
        ("SND_UD 5 ci=51 data=017A09", WRITE, True),
        ("SND_UD 5 ci=50", WRITE, False),
        ("SND_NKE 5 | REQ_UD2 5", FIRST, True),
        ("ANY 5 c=7?", WRITE, True),
    ],
)
def test_a_pattern_means_these_frames(pattern: str, frame: str, fits: bool) -> None:
    assert FramePattern(pattern).matches(*_sent(frame)[0]) is fits


@pytest.mark.parametrize(
    ("items", "frames", "ok"),
    [
        (["SND_NKE 5", "REQ_UD2 5 x2 same"], [RESET, FIRST, FIRST], True),
        (["SND_NKE 5", "REQ_UD2 5 x2 same"], [RESET, FIRST, SECOND], False),
        (["SND_NKE 5", "REQ_UD2 5 x1-2"], [RESET, FIRST, SECOND, FIRST], False),
        (["..", "REQ_UD2 5 fcb=0"], [RESET, FIRST, SECOND], True),
        (["SND_NKE 5 x0-", "REQ_UD2 5"], [FIRST], True),
        (["ANY 5 x1-2", "ANY 5 x2"], [RESET, FIRST, SECOND], True),
        ([], [RESET], False),
    ],
)
def test_a_sequence_is_all_frames_in_order(items: list[str], frames: list[str], ok: bool) -> None:
    assert match_sequence([Item.parse(item) for item in items], _sent(*frames)).ok is ok


def test_a_pattern_may_name_the_rate() -> None:
    pattern = FramePattern("REQ_UD2 5 baud=9600")
    assert pattern.matches(*_sent(FIRST, baud=9600)[0])
    assert not pattern.matches(*_sent(FIRST, baud=2400)[0])
    with pytest.raises(ValueError, match="'9601' is none of the baud rates"):
        FramePattern("REQ_UD2 5 baud=9601")


def test_a_sequence_says_where_it_ended() -> None:
    match = match_sequence([Item.parse("SND_NKE 5"), Item.parse("REQ_UD2 5 fcb=1")], _sent(RESET, SECOND))
    assert (match.fitted, match.expected) == (1, "REQ_UD2 5 fcb=1")


def test_bit_times_and_times_add_up() -> None:
    assert LineDuration("330bits + 50ms").at(2400) == 187_500_000
    assert LineDuration("33 bits").at(300) == 110_000_000
