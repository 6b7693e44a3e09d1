"""What a UART receives: the published collision vectors, parity, wrong formats, breaks, flipped bits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbusbench.line import Parity, Received, Receiver, Space, Transmission, receive, uart
from mbusbench.timing import bit_time, character_time

ACK = b"\xe5"


def show(received: list[Received]) -> str:
    """Hex of every character, with P and F for parity and framing errors."""
    return " ".join(
        f"{character.value:02X}{'P' * character.parity_error}{'F' * character.framing_error}"
        for piece in received
        for character in piece.characters()
    )


@pytest.mark.parametrize("baud", [300, 2400, 9600, 38400])
@pytest.mark.parametrize(
    ("late", "expected"),
    [
        (0, "E5"),
        (1, "C0P"),
        (2, "85"),
        (3, "21P"),
        (4, "45P"),
        (5, "A5F"),
        (6, "45F"),
        (7, "A5 FE"),
        (8, "65PF FE"),
        (9, "E5P F9P"),
        (10, "E5F F9P"),
        (11, "E5 E5"),
        (12, "E5 E5"),
    ],
)
def test_two_acknowledgements_superpose_as_on_copper(late: int, expected: str, baud: int) -> None:
    first, second = Transmission(0, ACK, baud), Transmission(bit_time(baud, late), ACK, baud)
    assert show(receive([first, second], baud)) == expected
    assert show(receive([second, first], baud)) == expected


def test_an_aligned_rsp_ud_collision_gives_the_and_of_the_bytes_and_of_their_parity() -> None:
    first = bytes.fromhex("68 14 14 68 08 01 72 78 56 34 12 24 40 01 07 01 00 00 00 03 13 15 31 00 58 16")
    second = bytes.fromhex("68 14 14 68 08 01 72 90 78 36 12 24 40 01 07 01 00 00 00 03 13 15 31 00 94 16")
    assert len(first) == len(second) == 26
    assert show(receive([Transmission(77, first, 2400), Transmission(77, second, 2400)], 2400)) == (
        "68 14 14 68 08 01 72 10P 50 34P 12 24 40 01 07 01 00 00 00 03 13 15 31 00 10 16"
    )


def test_a_lone_transmission_comes_as_one_piece_with_exact_times() -> None:
    (received,) = receive([Transmission(1000, bytes.fromhex("10 40 01 41 16"), 2400)], 2400)
    assert received == Received(1000, bytes.fromhex("10 40 01 41 16"), 2400)
    assert received.is_clean
    assert received.end == 1000 + 22_916_667
    assert received.times() == [1000 + character_time(2400, count) for count in (1, 2, 3, 4, 5)]


@given(
    st.binary(min_size=1, max_size=30),
    st.sampled_from([300, 2400, 9600, 19200, 38400]),
    st.sampled_from(Parity),
    st.integers(0, 10**12),
)
def test_bit_by_bit_a_lone_transmission_is_what_was_sent(data: bytes, baud: int, parity: Parity, start: int) -> None:
    plain = Transmission(start, data, baud, parity)
    flipped_twice = Transmission(start, data, baud, parity, (3, 3))
    assert (
        receive([flipped_twice], baud, parity)
        == receive([plain], baud, parity)
        == [Received(start, data, baud, parity)]
    )


def test_frames_apart_are_received_apart() -> None:
    first, second = Transmission(0, b"\x10\x40", 2400), Transmission(20_000_000, b"\xe5", 2400)
    assert [(piece.start, piece.data) for piece in receive([second, first], 2400)] == [
        (0, b"\x10\x40"),
        (20_000_000, b"\xe5"),
    ]


def test_a_transmission_right_behind_another_is_no_collision() -> None:
    first = Transmission(0, b"\x68\x03", 2400)
    assert show(receive([first, Transmission(first.end, ACK, 2400)], 2400)) == "68 03 E5"


@pytest.mark.parametrize(
    ("sent", "expected_by", "value", "wrong"),
    [
        (Parity.EVEN, Parity.EVEN, 0xE5, "E5"),
        (Parity.EVEN, Parity.ODD, 0xE5, "E5P"),
        (Parity.ODD, Parity.ODD, 0xE5, "E5"),
        (Parity.ODD, Parity.EVEN, 0xE5, "E5P"),
        (Parity.NONE, Parity.NONE, 0xE5, "E5"),
        # 10 bits read as 11: the stop bit serves as parity bit, which suits bytes with an odd number of ones.
        (Parity.NONE, Parity.EVEN, 0xE5, "E5"),
        (Parity.NONE, Parity.EVEN, 0x0F, "0FP"),
        # 11 bits read as 10: a parity bit of 0 stands where the stop bit should be.
        (Parity.EVEN, Parity.NONE, 0xE5, "E5"),
        (Parity.EVEN, Parity.NONE, 0x0F, "0FF"),
    ],
)
def test_parity_of_sender_and_receiver(sent: Parity, expected_by: Parity, value: int, wrong: str) -> None:
    assert show(receive([Transmission(0, bytes([value]), 2400, sent)], 2400, expected_by)) == wrong


def test_back_to_back_characters_without_parity_break_the_framing_of_an_even_receiver() -> None:
    frame = Transmission(0, bytes.fromhex("10 5B 01 5C 16"), 2400, Parity.NONE)
    received = receive([frame], 2400, Parity.EVEN)
    assert "F" in show(received)
    assert show(received) != "10 5B 01 5C 16"


def test_a_slow_receiver_gets_garbage_from_a_fast_sender() -> None:
    frame = Transmission(0, bytes.fromhex("10 5B 01 5C 16"), 9600)
    received = receive([frame], 2400)
    assert 1 <= len(show(received).split()) <= 3
    assert not any(piece.data == frame.data for piece in received)


def test_a_fast_receiver_gets_garbage_from_a_slow_sender() -> None:
    # One bit at 300 baud lasts for eight at 2400: E5 has two single spaces and one of two bits.
    assert show(receive([Transmission(0, ACK, 300)], 2400)) == "80 80 00F"


def test_a_very_fast_sender_can_be_missed_altogether() -> None:
    # The whole start bit of 38400 baud is over before the middle of a start bit at 300.
    assert receive([Transmission(0, b"\xff", 38400)], 300) == []


def test_baud_rates_that_nearly_agree_still_communicate() -> None:
    frame = bytes.fromhex("10 5B 01 5C 16")
    assert show(receive([Transmission(0, frame, 2400)], 2430)) == "10 5B 01 5C 16"
    assert show(receive([Transmission(0, frame, 2400)], 2800)) != "10 5B 01 5C 16"


def test_a_break_is_one_zero_with_a_framing_error_however_long_it_lasts() -> None:
    assert show(receive([Space(0, 50_000_000)], 2400)) == "00F"
    assert show(receive([Space(0, 5_000_000_000)], 2400)) == "00F"


def test_after_a_break_the_next_character_is_received() -> None:
    assert show(receive([Space(0, 50_000_000), Transmission(60_000_000, ACK, 2400)], 2400)) == "00F E5"


def test_a_break_kills_the_characters_under_it() -> None:
    frame = Transmission(0, bytes.fromhex("68 03 03 68"), 2400)
    assert show(receive([frame, Space(character_time(2400), 50_000_000)], 2400)) == "68 00F"


def test_a_pulse_shorter_than_half_a_bit_is_no_character() -> None:
    assert receive([Space(0, bit_time(2400) // 3)], 2400) == []
    assert show(receive([Space(0, bit_time(2400))], 2400)) == "FFP"


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        ((), "E5 16"),
        ((1,), "E4P 16"),
        ((8,), "65P 16"),
        ((9,), "E5P 16"),
        ((10,), "E5F F1"),
        ((2, 3), "E3 16"),
        ((11 + 1,), "E5 17P"),
    ],
)
def test_flipped_bits_show_as_a_uart_shows_them(bits: tuple[int, ...], expected: str) -> None:
    assert show(receive([Transmission(0, b"\xe5\x16", 2400, flipped=bits)], 2400)) == expected


def test_a_flipped_start_bit_moves_the_character_to_the_next_falling_edge() -> None:
    assert show(receive([Transmission(0, ACK, 2400, flipped=(0,))], 2400)) == "F9P"


def test_noise_hits_only_the_characters_it_overlaps() -> None:
    frame = Transmission(0, bytes.fromhex("FF FF FF FF"), 2400)
    noise = Space(character_time(2400, 2) + bit_time(2400, 3), bit_time(2400))
    assert show(receive([frame, noise], 2400)) == "FF FF FBP FF"


signals = st.lists(
    st.builds(
        Transmission,
        start=st.integers(0, 40_000_000),
        data=st.binary(min_size=1, max_size=4),
        baud=st.sampled_from([2400, 2400, 2400, 1200, 4800]),
        parity=st.sampled_from([Parity.EVEN, Parity.EVEN, Parity.NONE]),
    )
    | st.builds(Space, start=st.integers(0, 40_000_000), duration=st.integers(1, 20_000_000)),
    max_size=4,
)


@given(signals, st.booleans())
def test_a_receiver_that_is_polled_as_time_passes_gets_the_same_characters(
    sent: list[Transmission | Space], by_character: bool
) -> None:
    receiver = Receiver(2400, by_character=by_character)
    waiting = sorted(sent, key=lambda signal: signal.start)
    characters = []
    while True:
        wakeup = receiver.next_wakeup()
        if waiting and (wakeup is None or waiting[0].start <= wakeup):
            now = waiting[0].start
            received = receiver.poll(now)
            receiver.transmit(waiting.pop(0))
        elif wakeup is not None:
            now = wakeup
            received = receiver.poll(now)
            assert received or receiver.next_wakeup() != wakeup
        else:
            break
        for piece in received:
            assert piece.end <= now
            characters += piece.characters()
    values = [(character.value, character.parity_error, character.framing_error) for character in characters]
    expected = [character for piece in receive(sent, 2400) for character in piece.characters()]
    assert values == [(character.value, character.parity_error, character.framing_error) for character in expected]
    assert all(abs(got.time - want.time) <= 2 for got, want in zip(characters, expected, strict=True))


def test_a_receiver_delivers_a_frame_at_its_end_or_character_by_character() -> None:
    frame = Transmission(0, bytes.fromhex("10 40 01 41 16"), 2400)
    whole, single = Receiver(2400), Receiver(2400, by_character=True)
    whole.transmit(frame)
    single.transmit(frame)
    assert whole.next_wakeup() == frame.end
    assert single.next_wakeup() == character_time(2400)
    assert whole.poll(frame.end - 1) == []
    assert [piece.data for piece in whole.poll(frame.end)] == [frame.data]
    seen = [b"".join(piece.data for piece in single.poll(character_time(2400, count))) for count in range(1, 6)]
    assert seen == [b"\x10", b"\x40", b"\x01", b"\x41", b"\x16"]
    assert whole.next_wakeup() is None
    assert single.next_wakeup() is None


def test_a_lone_frame_costs_no_bit_work(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = Transmission(0, bytes(range(250)), 2400)
    monkeypatch.setattr(uart, "_sample", None)
    assert [piece.data for piece in receive([frame], 2400)] == [frame.data]
    with pytest.raises(TypeError):
        receive([frame, Transmission(1, b"\x00", 2400)], 2400)
