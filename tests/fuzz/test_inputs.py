"""Whatever comes in: `decode` raises only DecodeError, the reader raises nothing, a layout reads like a walk."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbusbench import decode
from mbusbench.codec import layout
from mbusbench.codec.telegram import Telegram
from mbusbench.errors import DecodeError
from tests.fuzz.campaign import run, seeds
from tests.fuzz.checks import (
    LONG_HEADER_SIZE,
    check_decode,
    check_other_values,
    check_round_trip,
    check_stream,
    check_warm_as_cold,
)
from tests.fuzz.inputs import ODD_VALUES, Inputs
from tests.outside.corpus import recorded_telegrams
from tests.telegrams import BROKEN, LONG_HEADER, READOUTS, every_frame, long_frame

FRAMES = list(every_frame().values()) + [bytes.fromhex(telegram["hex"]) for telegram in recorded_telegrams()]
KNOWN = sorted({frame[7:-2] for frame in FRAMES if frame[6:7] == b"\x72" and len(frame) > 21})

octets = st.integers(0, 255)
frames = st.sampled_from(FRAMES)


@st.composite
def damaged_data(draw: st.DrawFn) -> bytes:
    """A good frame around a telegram in which some octets were changed, lost or added."""
    data = bytearray(draw(st.sampled_from(KNOWN)))
    for _ in range(draw(st.integers(1, 5))):
        place = draw(st.integers(0, len(data)))
        size = draw(st.integers(0, 3))
        data[place : place + size] = draw(st.binary(max_size=4))
    return long_frame(bytes(data)[:252], ci=draw(st.sampled_from((0x72, 0x76, 0x78, 0x7A, 0x51, 0x5B, 0x73))))


@given(st.binary(max_size=300))
def test_decode_of_any_bytes_raises_only_decode_error(data: bytes) -> None:
    check_decode(data)


@given(st.text(max_size=80))
def test_decode_of_any_text_raises_only_decode_error(text: str) -> None:
    check_decode(text)


@given(st.text(alphabet="0123456789abcdefABCDEF \n:", max_size=200))
def test_decode_of_anything_like_hex_raises_only_decode_error(text: str) -> None:
    check_decode(text)


@given(octets, octets, octets, st.binary(max_size=252))
def test_decode_of_any_data_in_a_good_frame_raises_only_decode_error(
    control: int, address: int, ci: int, data: bytes
) -> None:
    frame = long_frame(data, ci=ci, control=control, address=address)
    assert not check_decode(frame).startswith("refused, link")
    check_round_trip(frame)


@given(octets, octets, st.binary(max_size=120), st.binary(min_size=16, max_size=16))
def test_decode_of_anything_that_says_it_is_encrypted_raises_only_decode_error(
    low: int, high: int, data: bytes, key: bytes
) -> None:
    frame = long_frame(LONG_HEADER[:10] + bytes((low, high)) + data)
    check_decode(frame)
    check_decode(frame, key)
    check_round_trip(frame)


@given(st.binary(max_size=200))
def test_any_records_behind_a_good_header_are_read_or_diagnosed(records: bytes) -> None:
    frame = long_frame(LONG_HEADER + records)
    assert check_decode(frame).startswith("read")
    check_round_trip(frame)


@given(damaged_data())
def test_damaged_telegram_raises_only_decode_error_and_comes_back_as_it_was(frame: bytes) -> None:
    check_decode(frame)
    check_round_trip(frame)


@given(st.lists(st.one_of(frames, st.binary(max_size=20)), max_size=6), st.integers(0, 2**32))
def test_frame_reader_raises_nothing_and_loses_nothing(parts: list[bytes], seed: int) -> None:
    check_stream(b"".join(parts), random.Random(seed))


@given(st.sampled_from(KNOWN), st.integers(0, 2**32))
def test_known_layout_reads_other_values_as_a_walk_does(data: bytes, seed: int) -> None:
    check_other_values(data, random.Random(seed), ODD_VALUES)


@given(st.sampled_from(KNOWN), st.data())
def test_known_layout_is_not_used_for_another_structure(data: bytes, draws: st.DataObject) -> None:
    for _ in range(3):
        layout.read(data, LONG_HEADER_SIZE, data[4:8])
    changed = bytearray(data)
    changed[draws.draw(st.integers(LONG_HEADER_SIZE, len(data) - 1))] = draws.draw(octets)
    check_warm_as_cold(bytes(changed))


@pytest.mark.parametrize("others", [(0, 4), (4, 0), (0, 12), (12, 0), (12, 28), (28, 12), (4, 12), (12, 4)])
def test_layout_of_one_start_is_not_used_for_another(others: tuple[int, int]) -> None:
    """The same octets are something else behind another header, or behind encrypted blocks."""
    known, asked = others
    for data in KNOWN:
        if len(data) <= max(others):
            continue
        layout.forget()
        sizes = {0: 0, 4: 4}
        for start in (known, known, known, asked):
            read, records = layout.read(data, start, data[: sizes.get(start, 12)][4:8])
        walked, cold = layout.parse(data, asked)
        assert [record.raw for record in records] == [record.raw for record in cold]
        assert read.manufacturer_start == walked.manufacturer_start


def test_telegram_with_a_short_header_is_not_read_as_one_without() -> None:
    layout.forget()
    data = bytes.fromhex("0203000002030304")  # a record of two bytes, or a header whose configuration says plain
    for _ in range(3):
        assert len(Telegram.decode(0x78, data).records) == 2
    assert [record.raw.hex() for record in Telegram.decode(0x7A, data).records] == ["02030304"]


def test_layouts_are_judged_at_all() -> None:
    judged = [check_other_values(data, random.Random(1), ODD_VALUES) for data in KNOWN]
    assert sum(judged) >= len(judged) // 2


def test_judge_notices_a_layout_that_reads_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytes.fromhex(READOUTS["water_three_records"])[7:-2]
    for _ in range(3):
        layout.read(data, LONG_HEADER_SIZE, data[4:8])
    monkeypatch.setattr(layout.Layout, "values", lambda _self, _data: [1, 2, 3])
    with pytest.raises(AssertionError, match="warm"):
        check_warm_as_cold(data)


def test_same_seed_gives_the_same_inputs() -> None:
    first, second = (iter(Inputs(5, FRAMES)) for _ in range(2))
    assert [next(first) for _ in range(200)] == [next(second) for _ in range(200)]


def test_broken_frames_are_refused_with_the_layer_that_is_wrong() -> None:
    with pytest.raises(DecodeError) as link:
        decode(BROKEN["wrong_checksum"])
    with pytest.raises(DecodeError) as application:
        decode(BROKEN["header_too_short"])
    assert (link.value.layer, application.value.layer) == ("link", "application")


@pytest.mark.campaign
def test_campaign_finds_nothing() -> None:
    summary = run(20_000, 3, seeds())
    assert summary.failures == []
    assert summary.layouts > 100
