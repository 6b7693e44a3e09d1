from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mbusbench.codec.frame import ACK, NACK, Frame, LongFrame, ShortFrame, SingleCharacter
from mbusbench.codec.frame_reader import FrameReader, Reject, RejectReason

OCTET = st.integers(0, 255)
FRAMES: st.SearchStrategy[Frame] = st.one_of(
    st.sampled_from([ACK, NACK]),
    st.builds(ShortFrame, OCTET, OCTET),
    st.builds(LongFrame, OCTET, OCTET, OCTET, st.binary(max_size=252)),
)
# Bytes that begin no frame, so that what is found does not depend on luck.
INERT_JUNK = st.lists(OCTET.filter(lambda octet: octet not in (0x10, 0x68, 0xE5, 0xA2)), min_size=1).map(bytes)
TELEGRAM = LongFrame(8, 1, 0x72, bytes(range(40)))
TELEGRAM_BYTES = TELEGRAM.encode()
REQUEST = ShortFrame(0x7B, 1)
STARTS = bytes((0x68, 0x68, 0x10, 0x16, 0xE5, 0xA2, 0x03, 0x04, 0xFF, 0x00))
# Streams of mostly frame-like bytes: random ones would hardly ever come near a frame.
LOOK_ALIKES = st.lists(st.one_of(st.sampled_from(STARTS), OCTET), max_size=400).map(bytes)

Found = list[Frame | Reject]


def read_in_pieces(stream: bytes, cuts: list[int]) -> tuple[Found, FrameReader]:
    reader = FrameReader()
    found: Found = []
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    for first, last in itertools.pairwise(edges):
        found += reader.receive(stream[first:last])
    return found, reader


def frames_in(found: Found) -> list[Frame]:
    return [item for item in found if not isinstance(item, Reject)]


def raw_of(found: Found) -> bytes:
    return b"".join(item.raw if isinstance(item, Reject) else item.encode() for item in found)


@given(frame=FRAMES)
def test_a_whole_frame_in_one_piece(frame: Frame) -> None:
    reader = FrameReader()
    assert reader.receive(frame.encode()) == [frame]
    assert reader.pending == b""


@given(st.lists(FRAMES | INERT_JUNK, max_size=6), st.lists(st.integers(0, 2000), max_size=12))
def test_frames_between_junk_are_found_however_the_stream_is_cut(parts: list[Frame | bytes], cuts: list[int]) -> None:
    stream = b"".join(part if isinstance(part, bytes) else part.encode() for part in parts)
    found, reader = read_in_pieces(stream, cuts)
    assert frames_in(found) == [part for part in parts if not isinstance(part, bytes)]
    assert raw_of(found) == stream
    assert reader.pending == b""


@given(LOOK_ALIKES, st.lists(st.integers(0, 2000), max_size=12))
@example(b"\x68\x03\x03\x68\x10\x40\x01\x41\x16", [5])
def test_cutting_changes_no_frame_and_loses_no_byte(stream: bytes, cuts: list[int]) -> None:
    whole, reader_of_whole = read_in_pieces(stream, [])
    found, reader = read_in_pieces(stream, cuts)
    assert frames_in(found) == frames_in(whole)
    assert reader.pending == reader_of_whole.pending
    assert raw_of(found) + reader.pending == stream
    assert raw_of([*found, *reader.idle()]) == stream
    assert reader.pending == b""


@given(LOOK_ALIKES, FRAMES)
def test_after_idle_the_next_frame_is_read_whatever_came_before(junk: bytes, frame: Frame) -> None:
    reader = FrameReader()
    reader.receive(junk)
    reader.idle()
    assert reader.receive(frame.encode()) == [frame]


@given(LOOK_ALIKES)
def test_no_two_rejects_stand_side_by_side_in_one_call(stream: bytes) -> None:
    reader = FrameReader()
    for found in (reader.receive(stream), reader.idle()):
        kinds = [isinstance(item, Reject) for item in found]
        assert (True, True) not in list(itertools.pairwise(kinds))


@pytest.mark.parametrize("octet", [0x68, 0x10, 0xFF, 0xE5])
def test_memory_is_bounded(octet: int) -> None:
    reader = FrameReader()
    for _ in range(50):
        reader.receive(bytes((octet,)) * 997)
        reader.receive(b"\x68\xff\xff\x68" * 100)
        assert len(reader.pending) <= 260


def test_a_phantom_header_is_survived_at_idle() -> None:
    reader = FrameReader()
    assert reader.receive(b"\x68\xff\xff\x68" + TELEGRAM.encode()) == []
    assert reader.pending
    assert reader.idle() == [Reject(b"\x68\xff\xff\x68", RejectReason.TRUNCATED), TELEGRAM]
    assert reader.pending == b""


def test_a_phantom_header_is_survived_without_idle_when_it_is_filled() -> None:
    reader = FrameReader()
    stream = b"\x68\xff\xff\x68" + TELEGRAM.encode() * 10
    found = reader.receive(stream)
    assert found[0] == Reject(b"\x68\xff\xff\x68", RejectReason.CHECKSUM)
    assert frames_in(found) == [TELEGRAM] * 10


def test_junk_right_before_a_frame_is_one_reject() -> None:
    assert FrameReader().receive(b"\x00\xff" + TELEGRAM.encode()) == [
        Reject(b"\x00\xff", RejectReason.START),
        TELEGRAM,
    ]


def test_a_byte_after_a_frame_is_a_reject_of_its_own() -> None:
    assert FrameReader().receive(TELEGRAM.encode() + b"\x00") == [TELEGRAM, Reject(b"\x00", RejectReason.START)]


def test_start_bytes_within_data_are_data() -> None:
    frame = LongFrame(8, 1, 0x72, b"\x68\x03\x03\x68\x08\x01\x72\x7b\x16\x10\x40\x01\x41\x16\xe5\xa2\x68\x16\x10")
    raw = frame.encode()
    assert FrameReader().receive(raw) == [frame]
    found, _ = read_in_pieces(raw, list(range(len(raw))))
    assert found == [frame]


def test_the_longest_frame_in_single_bytes() -> None:
    frame = LongFrame(8, 1, 0x72, bytes(252))
    found, _ = read_in_pieces(frame.encode(), list(range(261)))
    assert found == [frame]


def test_an_acknowledgement_behind_junk_is_reported() -> None:
    assert FrameReader().receive(b"\x00\xe5") == [Reject(b"\x00", RejectReason.START), ACK]


def test_two_acknowledgements_are_two_frames() -> None:
    assert FrameReader().receive(b"\xe5\xe5") == [SingleCharacter(0xE5), SingleCharacter(0xE5)]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("6804036808017208", RejectReason.LENGTH),
        ("68020268080a16", RejectReason.LENGTH),
        ("680000680016", RejectReason.LENGTH),
        ("6803036708017208", RejectReason.START),
        ("6803036808017208" + "16", RejectReason.CHECKSUM),
        ("680303680801727b17", RejectReason.STOP),
        ("1040014216", RejectReason.CHECKSUM),
        ("1040014117", RejectReason.STOP),
        ("00ff", RejectReason.START),
        ("0068030368080172ff1600", RejectReason.CHECKSUM),
        ("6800" + "68030368080172ff16", RejectReason.CHECKSUM),
    ],
)
def test_reason_of_a_reject(raw: str, reason: RejectReason) -> None:
    data = bytes.fromhex(raw)
    assert FrameReader().receive(data) == [Reject(data, reason)]


@pytest.mark.parametrize("size", range(1, len(TELEGRAM.encode())))
def test_a_frame_cut_short_is_truncated(size: int) -> None:
    reader = FrameReader()
    part = TELEGRAM.encode()[:size]
    assert reader.receive(part) == []
    assert reader.idle() == [Reject(part, RejectReason.TRUNCATED)]


def test_a_damaged_frame_costs_only_itself() -> None:
    damaged = bytearray(TELEGRAM.encode())
    damaged[20] ^= 0x04
    assert FrameReader().receive(bytes(damaged) + REQUEST.encode() + TELEGRAM.encode()) == [
        Reject(bytes(damaged), RejectReason.CHECKSUM),
        REQUEST,
        TELEGRAM,
    ]


def test_a_frame_that_begins_within_a_rejected_one_is_found() -> None:
    lost_end = TELEGRAM.encode()[:10]
    filler = LongFrame(8, 2, 0x72, bytes(60))
    assert FrameReader().receive(lost_end + filler.encode()) == [
        Reject(lost_end, RejectReason.CHECKSUM),
        filler,
    ]


def test_a_lost_first_byte_hides_nothing_behind_it() -> None:
    found = FrameReader().receive(TELEGRAM.encode()[1:] + REQUEST.encode())
    assert found[-1] == REQUEST


def test_idle_with_nothing_pending_says_nothing() -> None:
    assert FrameReader().idle() == []


def test_clear_returns_what_was_pending() -> None:
    reader = FrameReader()
    reader.receive(b"\x10\x40")
    assert reader.clear() == b"\x10\x40"
    assert reader.clear() == b""
    assert reader.receive(b"\x01\x41\x16") == [Reject(b"\x01\x41\x16", RejectReason.START)]


def test_no_bytes_are_no_event() -> None:
    assert FrameReader().receive(b"") == []


def test_any_bytes_like_object_is_taken() -> None:
    raw = TELEGRAM.encode()
    for view in (bytearray(raw), memoryview(raw)):
        reader = FrameReader()
        (frame,) = reader.receive(view)  # type: ignore[arg-type]
        assert isinstance(frame, LongFrame)
        assert isinstance(frame.data, bytes)
        assert reader.receive(view[:5]) == []  # type: ignore[arg-type]
        assert reader.receive(view[5:]) == [TELEGRAM]  # type: ignore[arg-type]


@pytest.mark.parametrize("cut", range(1, len(TELEGRAM_BYTES)))
@pytest.mark.parametrize("index", [0, 1, 3, 9, -2, -1])
def test_frame_with_a_parity_error_is_rejected_however_it_was_cut(cut: int, index: int) -> None:
    wrong = index % len(TELEGRAM_BYTES)
    reader = FrameReader()
    first = reader.receive(TELEGRAM_BYTES[:cut], [wrong] if wrong < cut else [])
    second = reader.receive(TELEGRAM_BYTES[cut:], [wrong - cut] if wrong >= cut else [])
    found = [*first, *second, *reader.receive(TELEGRAM_BYTES)]
    assert isinstance(found[0], Reject)
    assert found[0].reason is RejectReason.PARITY
    assert [item for item in found if not isinstance(item, Reject)] == [TELEGRAM]


def test_single_character_with_a_parity_error_is_none() -> None:
    reader = FrameReader()
    assert reader.receive(b"\xe5\xe5", [0]) == [Reject(b"\xe5", RejectReason.PARITY), ACK]


def test_parity_error_before_a_frame_does_not_spoil_it() -> None:
    reader = FrameReader()
    assert reader.receive(b"\x00" + TELEGRAM_BYTES, [0]) == [Reject(b"\x00", RejectReason.START), TELEGRAM]


def test_cleared_reader_forgets_parity_errors() -> None:
    reader = FrameReader()
    reader.receive(TELEGRAM_BYTES[:5], [0, 4])
    reader.clear()
    assert reader.receive(TELEGRAM_BYTES) == [TELEGRAM]
