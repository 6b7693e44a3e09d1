"""Each fault as a receiver sees it on the wire; none of these tests holds when the effect does nothing."""

from __future__ import annotations

from random import Random

import pytest

from mbusbench.line import Parity, receive
from mbusbench.line.effect import Burst, Effect, Sender, apply
from mbusbench.line.faults import (
    EFFECTS,
    Babble,
    BitErrors,
    BitFlips,
    Delay,
    Dribble,
    Drop,
    Duplicate,
    Gaps,
    Leading,
    ParityErrors,
    Replace,
    Trailing,
    Truncate,
)
from mbusbench.line.frame_faults import (
    WrongAddress,
    WrongChecksum,
    WrongCi,
    WrongControl,
    WrongLength,
    WrongStart,
    WrongStop,
)
from mbusbench.timing import character_time

LONG = bytes.fromhex("68 04 04 68 08 01 70 08 81 16")
SHORT = bytes.fromhex("10 40 01 41 16")
ACK = b"\xe5"
MS = 1_000_000
SENDER = Sender(2400)


def on_the_wire(data: bytes, *effects: Effect, start: int = 0, sender: Sender = SENDER) -> list[tuple[int, str]]:
    """What a receiver gets: (start of the piece, characters with P and F for their errors)."""
    signals = sender.transmissions(apply(effects, data, sender), start)
    return [
        (
            piece.start,
            " ".join(
                f"{character.value:02X}{'P' * character.parity_error}{'F' * character.framing_error}"
                for character in piece.characters()
            ),
        )
        for piece in receive(signals, sender.baud, sender.parity)
    ]


def characters(data: bytes, *effects: Effect, sender: Sender = SENDER) -> str:
    return " ".join(text for _, text in on_the_wire(data, *effects, sender=sender))


def test_without_effects_the_answer_is_sent_as_it_is() -> None:
    assert apply((), LONG, SENDER) == (Burst(0, LONG),)
    assert on_the_wire(LONG, start=7) == [(7, LONG.hex(" ").upper())]


def test_drop_sends_nothing() -> None:
    assert on_the_wire(LONG, Drop()) == []


def test_delay_sends_later() -> None:
    assert on_the_wire(ACK, Delay(600 * MS), start=5) == [(5 + 600 * MS, "E5")]


@pytest.mark.parametrize(
    ("keep", "expected"), [(3, "68 04 04"), (-1, "68 04 04 68 08 01 70 08 81"), (0, ""), (-99, "")]
)
def test_truncate_sends_the_beginning_only(keep: int, expected: str) -> None:
    assert characters(LONG, Truncate(keep)) == expected


@pytest.mark.parametrize(
    ("effect", "expected"),
    [
        (WrongChecksum(), "68 04 04 68 08 01 70 08 7E 16"),
        (WrongChecksum(0x01), "68 04 04 68 08 01 70 08 80 16"),
        (WrongChecksum(0x55, "set"), "68 04 04 68 08 01 70 08 55 16"),
        (WrongChecksum(0x00, "set"), "68 04 04 68 08 01 70 08 00 16"),
        (WrongLength(), "68 05 05 68 08 01 70 08 81 16"),
        (WrongLength(-1), "68 03 03 68 08 01 70 08 81 16"),
        (WrongLength(1, "first"), "68 05 04 68 08 01 70 08 81 16"),
        (WrongLength(1, "second"), "68 04 05 68 08 01 70 08 81 16"),
        (WrongStart(), "69 04 04 68 08 01 70 08 81 16"),
        (WrongStart(0x10, "second"), "68 04 04 10 08 01 70 08 81 16"),
        (WrongStop(), "68 04 04 68 08 01 70 08 81 17"),
        (WrongControl(0x18), "68 04 04 68 18 01 70 08 91 16"),
        (WrongAddress(0xFD), "68 04 04 68 08 FD 70 08 7D 16"),
        (WrongCi(0x72), "68 04 04 68 08 01 72 08 83 16"),
    ],
)
def test_wrong_fields_of_a_long_frame(effect: Effect, expected: str) -> None:
    assert characters(LONG, effect) == expected


@pytest.mark.parametrize(
    ("effect", "expected"),
    [
        (WrongChecksum(), "10 40 01 BE 16"),
        (WrongStart(), "69 40 01 41 16"),
        (WrongStop(), "10 40 01 41 17"),
        (WrongControl(0x5B), "10 5B 01 5C 16"),
        (WrongAddress(0x02), "10 40 02 42 16"),
    ],
)
def test_wrong_fields_of_a_short_frame(effect: Effect, expected: str) -> None:
    assert characters(SHORT, effect) == expected


@pytest.mark.parametrize(
    "effect",
    [WrongChecksum(), WrongStart(), WrongStop(), WrongControl(1), WrongAddress(1), WrongCi(1)],
)
@pytest.mark.parametrize("data", [ACK, b"", LONG[:8], b"\x68\xff\xff\x68\x08\x01\x70\x08\x81"])
def test_effects_on_fields_leave_alone_what_is_no_whole_frame(effect: Effect, data: bytes) -> None:
    assert apply([effect], data, SENDER) == (Burst(0, data),)


def test_a_short_frame_has_no_length_and_no_ci() -> None:
    for effect in (WrongLength(), WrongCi(1), WrongStart(1, "second")):
        assert apply([effect], SHORT, SENDER) == (Burst(0, SHORT),)


def test_replace_sends_something_else() -> None:
    assert characters(ACK, Replace(b"\xa5")) == "A5"
    assert characters(LONG, Replace(SHORT)) == "10 40 01 41 16"
    assert characters(SHORT, Replace(b"\xaa\xbb", at=1)) == "10 AA BB 41 16"
    assert characters(SHORT, Replace(b"\xaa\xbb", at=-1)) == "10 40 01 41 AA"


def test_replace_keeps_the_time() -> None:
    assert on_the_wire(ACK, Delay(5 * MS), Replace(b"\xa5")) == [(5 * MS, "A5")]


def test_leading_bytes_come_before_and_trailing_ones_after() -> None:
    assert on_the_wire(ACK, Leading(b"\x00\xff")) == [(0, "00 FF"), (character_time(2400, 2), "E5")]
    assert on_the_wire(ACK, Trailing(b"\x16")) == [(0, "E5"), (character_time(2400), "16")]
    assert on_the_wire(ACK, Trailing(b"\x16", pause=20 * MS)) == [(0, "E5"), (character_time(2400) + 20 * MS, "16")]


def test_duplicate_sends_the_answer_again() -> None:
    assert on_the_wire(ACK, Duplicate()) == [(0, "E5"), (character_time(2400), "E5")]
    assert on_the_wire(ACK, Delay(MS), Duplicate(times=2, pause=30 * MS)) == [
        (MS + number * (character_time(2400) + 30 * MS), "E5") for number in range(3)
    ]


def test_gaps_stand_between_characters() -> None:
    assert on_the_wire(SHORT, Gaps(10 * MS)) == [
        (character_time(2400, number) + 10 * MS * number, f"{value:02X}") for number, value in enumerate(SHORT)
    ]


def test_gaps_may_stand_after_every_few_characters_or_once() -> None:
    assert on_the_wire(SHORT, Gaps(10 * MS, every=2)) == [
        (0, "10 40"),
        (character_time(2400, 2) + 10 * MS, "01 41"),
        (character_time(2400, 4) + 20 * MS, "16"),
    ]
    assert on_the_wire(SHORT, Gaps(200 * MS, after=3)) == [
        (0, "10 40 01"),
        (character_time(2400, 3) + 200 * MS, "41 16"),
    ]


def test_dribble_sends_one_character_at_a_time() -> None:
    assert on_the_wire(SHORT, Dribble(100 * MS)) == [
        (100 * MS * number, f"{value:02X}") for number, value in enumerate(SHORT)
    ]


def test_a_dribble_is_never_faster_than_the_line() -> None:
    assert [burst.offset for burst in apply([Dribble(1)], SHORT, SENDER)] == [
        character_time(2400, number) for number in range(5)
    ]


def test_babble_goes_on_after_the_answer() -> None:
    assert characters(ACK, Babble(5, b"\x55\xaa")) == "E5 55 AA 55 AA 55"
    assert characters(b"", Drop(), Babble(2)) == "55 55"


def test_flipped_bits_reach_the_wire() -> None:
    assert characters(LONG, BitFlips((1,))) == "69P 04 04 68 08 01 70 08 81 16"
    assert characters(LONG, BitFlips((11 * 4 + 4, 11 * 4 + 5))) == "68 04 04 68 10 01 70 08 81 16"
    assert characters(ACK, BitFlips((10,))) == "E5F"
    assert characters(ACK, BitFlips((11, 500, -3))) == "E5"


def test_flips_that_meet_cancel_each_other() -> None:
    assert characters(ACK, BitFlips((1,)), BitFlips((1,))) == "E5"


def test_parity_errors_hit_the_named_characters_or_all() -> None:
    assert characters(SHORT, ParityErrors((0, -1))) == "10P 40 01 41 16P"
    assert characters(SHORT, ParityErrors()) == "10P 40P 01P 41P 16P"


def test_there_are_no_parity_errors_without_parity() -> None:
    assert characters(SHORT, ParityErrors(), sender=Sender(2400, Parity.NONE)) == "10 40 01 41 16"


def test_bit_errors_come_from_the_given_random_numbers() -> None:
    data = bytes(200)

    def flipped(seed: int, rate: float) -> tuple[int, ...]:
        (burst,) = apply([BitErrors(rate)], data, Sender(2400, random=Random(seed)))
        return burst.flipped

    assert flipped(1, 0.01) == flipped(1, 0.01) != flipped(2, 0.01)
    assert 5 <= len(flipped(1, 0.01)) <= 50
    assert flipped(1, 0.0) == ()
    assert len(flipped(1, 1.0)) == 2200


def test_effects_act_one_after_another() -> None:
    assert on_the_wire(LONG, WrongChecksum(), Truncate(9), Leading(b"\xff"), Gaps(20 * MS, after=5), Delay(MS)) == [
        (MS, "FF"),
        (MS + character_time(2400), "68 04 04 68"),
        (MS + character_time(2400) + character_time(2400, 4) + 20 * MS, "08 01 70 08 7E"),
    ]


def test_flips_stay_with_their_characters_when_the_answer_is_cut_up() -> None:
    assert characters(SHORT, ParityErrors((1, 3)), Gaps(10 * MS, every=2)) == "10 40P 01 41P 16"
    assert characters(SHORT, Gaps(10 * MS, every=2), ParityErrors((1, 3))) == "10 40P 01 41P 16"
    assert characters(SHORT, ParityErrors((1, 3)), Truncate(2)) == "10 40P"


def test_a_fault_on_a_dropped_answer_brings_nothing_back() -> None:
    for effect in (Delay(1), Truncate(), Replace(b"x"), Leading(b"x"), Trailing(b"x"), Duplicate(), Gaps(1)):
        assert apply([Drop(), effect], LONG, SENDER) == ()


def test_every_effect_has_its_name() -> None:
    assert EFFECTS["checksum"] is WrongChecksum
    assert all(EFFECTS[effect.name] is effect for effect in EFFECTS.values())
    assert len(EFFECTS) == 25
