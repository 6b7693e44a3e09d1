from __future__ import annotations

import pytest

from mbusbench.codec import control_field


@pytest.mark.parametrize(
    ("control", "text"),
    [
        (0x40, "SND_NKE"),
        (0x53, "SND_UD fcb=0"),
        (0x73, "SND_UD fcb=1"),
        (0x43, "SND_UD2"),
        (0x63, "SND_UD fcb=1 fcv=0"),
        (0x5B, "REQ_UD2 fcb=0"),
        (0x7B, "REQ_UD2 fcb=1"),
        (0x4B, "REQ_UD2 fcb=0 fcv=0"),
        (0x6B, "REQ_UD2 fcb=1 fcv=0"),
        (0x5A, "REQ_UD1 fcb=0"),
        (0x7A, "REQ_UD1 fcb=1"),
        (0x08, "RSP_UD"),
        (0x18, "RSP_UD dfc=1"),
        (0x28, "RSP_UD acd=1"),
        (0x38, "RSP_UD acd=1 dfc=1"),
        (0x00, "ACK"),
        (0x01, "NACK"),
        (0x09, "NO_DATA"),
        (0x0B, "STATUS"),
        (0x44, "SND_NR"),
        (0x4F, "C 4F"),
        (0xC0, "C C0"),
        (0x0F, "C 0F"),
        (0x88, "C 88"),
    ],
)
def test_description(control: int, text: str) -> None:
    assert control_field.describe(control) == text


def test_no_two_codes_are_described_alike() -> None:
    texts = [control_field.describe(control) for control in range(256)]
    assert len(set(texts)) == 256


@pytest.mark.parametrize(
    ("control", "fcb", "result"),
    [(0x5B, 0, 0x5B), (0x5B, 1, 0x7B), (0x7B, 0, 0x5B), (0x4B, 1, 0x7B), (0x43, 0, 0x53), (0x53, 1, 0x73)],
)
def test_with_fcb_sets_both_bits(control: int, fcb: int, result: int) -> None:
    assert control_field.with_fcb(control, fcb) == result


def test_function_code_is_the_low_half() -> None:
    assert control_field.function_code(0x7B) == 0x0B
