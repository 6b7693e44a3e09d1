"""Slaves that differ, each by its setting: frame count bit, repeats, answers, selection (EN 13757-2, The M-Bus 4.8)."""

from __future__ import annotations

import pytest

from mbusbench.codec.frame import ACK, LongFrame, ShortFrame
from mbusbench.protocol.fcb import FcbMode
from mbusbench.protocol.slave.settings import (
    AccessNumber,
    Acknowledgement,
    AfterLast,
    Answer,
    FcbPaths,
    FcbServices,
    Repeat,
)
from tests.protocol.slave_bench import THIRD, Bench

CLOCK = "046D2D2D1135"


def access_numbers(bench: Bench, *controls: int) -> list[int]:
    numbers = []
    for control in controls:
        reply = bench.short(control)
        assert isinstance(reply, LongFrame)
        numbers.append(reply.data[8])
    return numbers


def test_slave_that_ignores_the_fcb_goes_on_and_executes_again() -> None:
    bench = Bench(fcb=FcbMode.IGNORE)
    assert [bench.telegram(0x7B) for _ in range(4)] == [1, 2, 3, 1]
    assert bench.long(0x73, 5, 0x51, CLOCK) == ACK
    bench.device.shown = None
    assert bench.long(0x73, 5, 0x51, CLOCK) == ACK
    assert bench.device.shown is not None


@pytest.mark.parametrize(("paths", "on_253"), [(FcbPaths.SEPARATE, 1), (FcbPaths.SHARED, 2)])
def test_frame_count_bit_of_253_is_its_own_or_shared_with_the_own_address(paths: FcbPaths, on_253: int) -> None:
    bench = Bench(fcb_paths=paths, fcb=FcbMode.LENIENT)
    bench.select()
    assert bench.telegram(0x7B) == 1
    assert bench.telegram(0x5B, 253) == on_253


def test_link_reset_of_the_own_address_resets_shared_bits_for_253_too() -> None:
    bench = Bench(fcb_paths=FcbPaths.SHARED, fcb=FcbMode.LENIENT)
    bench.select()
    assert bench.telegram(0x7B, 253) == 1
    bench.short(0x40)
    assert bench.telegram(0x7B, 253) == 1
    assert bench.telegram(0x5B, 253) == 2


@pytest.mark.parametrize(("paths", "executed"), [(FcbPaths.SEPARATE, True), (FcbPaths.SHARED, False)])
def test_command_over_the_other_way_is_a_repeat_where_the_bits_are_shared(paths: FcbPaths, executed: bool) -> None:
    bench = Bench(fcb_paths=paths)
    bench.select()
    assert bench.long(0x73, 5, 0x51, CLOCK) == ACK
    bench.device.shown = None
    assert bench.long(0x73, 253, 0x51, CLOCK) == ACK
    assert (bench.device.shown is not None) is executed


def test_single_frame_count_bit_takes_a_request_with_the_bit_of_a_command_for_its_repeat() -> None:
    bench = Bench(fcb_services=FcbServices.SINGLE)
    bench.short(0x40)
    assert bench.long(0x73, 5, 0x51, CLOCK) == ACK
    assert bench.short(0x7B) == ACK
    assert bench.telegram(0x5B) == 1
    bench.device.shown = None
    assert bench.long(0x53, 5, 0x51, CLOCK) == ACK
    assert bench.device.shown is None


@pytest.mark.parametrize(("counts", "repeated"), [(True, True), (False, False)])
def test_e5_counts_as_an_answer_or_not(counts: bool, repeated: bool) -> None:
    bench = Bench(after_last=AfterLast.ACKNOWLEDGE, telegrams=(THIRD,), empty_answer_counts=counts)
    assert bench.telegram(0x7B) == 1
    assert bench.short(0x5B) == ACK
    assert bench.telegram(0x7B) == (None if repeated else 1)


@pytest.mark.parametrize(
    ("repeat", "numbers", "values"),
    [
        (Repeat.SAME, [0x55, 0x55, 0x55, 0x56], [1, 1, 1]),
        (Repeat.RENUMBERED, [0x55, 0x56, 0x57, 0x58], [1, 1, 1]),
        (Repeat.REFRESHED, [0x55, 0x56, 0x57, 0x58], [1, 2, 3]),
    ],
)
def test_what_a_repeated_request_gets(repeat: Repeat, numbers: list[int], values: list[int]) -> None:
    bench = Bench(repeat=repeat)
    bench.device.records = lambda telegram, now: bytes([1, 0x13, now])  # type: ignore[method-assign]
    sent, shown = [], []
    for now, control in [(1, 0x7B), (2, 0x7B), (3, 0x7B), (4, 0x5B)]:
        bench.now = now
        reply = bench.short(control)
        assert isinstance(reply, LongFrame)
        sent.append(reply.data[8])
        shown.append(reply.data[14])
    assert sent == numbers
    assert shown == [*values, 4]


def test_refreshed_repeat_does_not_advance() -> None:
    bench = Bench(repeat=Repeat.REFRESHED)
    assert [bench.telegram(control) for control in (0x7B, 0x7B, 0x5B, 0x5B, 0x7B)] == [1, 1, 2, 2, 3]


def test_repeat_of_an_application_error_is_the_same_in_every_mode() -> None:
    for repeat in Repeat:
        bench = Bench(repeat=repeat)
        assert bench.telegram(0x7B) == 1
        bench.command(0xA0)
        assert [bench.short(0x5B) for _ in range(2)] == [LongFrame(0x08, 5, 0x70, b"\x01")] * 2


@pytest.mark.parametrize(
    ("counting", "numbers"),
    [
        (AccessNumber.TELEGRAM, [0x55, 0x56, 0x57, 0x58]),
        (AccessNumber.READOUT, [0x55, 0x55, 0x55, 0x56]),
        (AccessNumber.NEVER, [0x55] * 4),
    ],
)
def test_when_the_access_number_counts(counting: AccessNumber, numbers: list[int]) -> None:
    assert access_numbers(Bench(access_number=counting), 0x4B, 0x4B, 0x4B, 0x4B) == numbers


def test_acknowledgement_by_a_short_frame_of_ft12() -> None:
    bench = Bench(acknowledgement=Acknowledgement.SHORT_FRAME)
    assert bench.send("10 40 05 45 16") == "10 00 05 05 16"
    assert bench.long(0x73, 5, 0x51, "017A08") == ShortFrame(0x00, 5)
    assert bench.short(0x7A, 8) == ShortFrame(0x00, 8)


@pytest.mark.parametrize(("own", "selected"), [(None, 253), (None, 0), (8, None), (8, 253)])
def test_a_field_of_answers(own: int | None, selected: int | None) -> None:
    bench = Bench(reply_address=own, selected_reply_address=selected)
    bench.select()
    for address, expected in [(5, own or 5), (254, own or 5), (253, 5 if selected is None else selected)]:
        reply = bench.short(0x4B, address)
        assert isinstance(reply, LongFrame)
        assert reply.address == expected


def test_repeat_over_another_way_has_that_ways_a_field() -> None:
    bench = Bench(selected_reply_address=253, fcb_paths=FcbPaths.SHARED)
    bench.select()
    first, again = bench.short(0x7B), bench.short(0x7B, 253)
    assert isinstance(first, LongFrame)
    assert again == LongFrame(0x08, 253, 0x72, first.data)


def test_slave_that_does_not_answer_to_254() -> None:
    bench = Bench(test_address=False)
    assert bench.short(0x40, 254) is None
    assert bench.short(0x7B, 254) is None
    assert bench.short(0x40) == ACK


def test_slave_that_does_not_acknowledge_the_reset_of_253_deselects_all_the_same() -> None:
    bench = Bench(selected_reset=Answer.SILENCE)
    bench.select()
    assert bench.short(0x40, 253) is None
    assert not bench.link.is_selected


@pytest.mark.parametrize("ci", [0x52, 0x56])
@pytest.mark.parametrize("address", [5, 254])
def test_selection_to_the_own_address_is_ignored_or_acknowledged_but_never_made(address: int, ci: int) -> None:
    for setting, expected in [(Answer.SILENCE, None), (Answer.ACKNOWLEDGE, ACK)]:
        bench = Bench(stray_selection=setting)
        assert bench.long(0x73, address, ci, "78563412 2D2C 35 04") == expected
        assert not bench.link.is_selected
        assert bench.error() is None


@pytest.mark.parametrize(
    ("mask", "matches"),
    [
        ("", True),
        ("78", True),
        ("77", False),
        ("7856", True),
        ("785634", True),
        ("78563412", True),
        ("78563413", False),
        ("78563412 2D", False),  # five bytes end inside the manufacturer
        ("78563412 2D2C", True),
        ("78563412 2E2C", False),
        ("78563412 2D2C 35", True),
        ("78563412 2D2C 36", False),
        ("78563412 2D2C 35 04", True),
        ("78563412 2D2C 35 04 00", False),
    ],
)
def test_short_masks_where_the_slave_takes_them(mask: str, matches: bool) -> None:
    assert Bench(short_masks=True).long(0x73, 253, 0x52, mask) == (ACK if matches else None)
    whole = len(bytes.fromhex(mask)) == 8
    assert Bench().long(0x73, 253, 0x52, mask) == (ACK if whole else None)


@pytest.mark.parametrize(
    ("mask", "matches"),
    [("78563412 2D2C 35 04", False), ("7856341F 2D2C 35 04", True), ("78563412 2D2C 35 FF", True)],
)
def test_slave_that_is_found_by_wildcards_only(mask: str, matches: bool) -> None:
    bench = Bench(exact_selection=False)
    assert bench.long(0x73, 253, 0x52, mask) == (ACK if matches else None)


def test_slave_without_enhanced_selection_does_not_match_it() -> None:
    published = "68 11 11 68 73 FD 52 78 56 34 12 FF FF FF FF 0C 78 04 03 02 01 60 16"
    assert Bench().send(published) == "E5"
    bench = Bench(enhanced_selection=False)
    bench.select()
    assert bench.send(published) is None
    assert not bench.link.is_selected


@pytest.mark.parametrize(
    ("mask", "matches"),
    [
        ("12345678 2C2D 35 04", True),
        ("12345678 FFFF FF FF", True),
        ("1234567F 2C2D 35 04", True),
        ("78563412 2D2C 35 04", False),
        ("12345678 2C2D 36 04", False),
        ("12345678 FFFF FF FF 0C78 01020304", True),
        ("12345678 FFFF FF FF 0C78 04030201", False),
        ("12345678", False),
    ],
)
def test_selection_of_mode_2_has_the_most_significant_byte_first(mask: str, matches: bool) -> None:
    assert Bench(mode_2_selection=True).long(0x73, 253, 0x56, mask) == (ACK if matches else None)
    assert Bench().long(0x73, 253, 0x56, mask) is None


def test_other_c_code_for_the_same_selection_breaks_no_rule() -> None:
    bench = Bench()
    for control in (0x73, 0x53, 0x53, 0x73):
        assert bench.long(control, 253, 0x52, "78563412 2D2C 35 04") == ACK
        assert bench.telegram(0x7B, 253) == 1
