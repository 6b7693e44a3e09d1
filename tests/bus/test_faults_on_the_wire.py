"""Each kind of fault as a master sees it at its port, in virtual time: exact bytes, exact times.

Every kind has one observation; a second test takes the kind away and demands that its observation fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mbusbench.bus import VirtualBus, fault_kinds
from mbusbench.bus.fault import Fault
from mbusbench.bus.fault_kinds import KINDS, Kind
from mbusbench.line.effect import Bursts, Effect, Sender
from mbusbench.timing import MILLISECOND, SECOND, bit_time, character_time
from tests.bus.wire import (
    ACK,
    BAUD,
    DELAY,
    OTHER_REQUEST,
    REQUEST,
    RESET,
    TWO_TELEGRAMS,
    Run,
    Wire,
    meter,
    telegram,
)

Observation = Callable[[Path], None]
OBSERVATIONS: dict[str, Observation] = {}
ANSWER = telegram()
FIRST, SECOND_ONE = "27 04 85 02 1F", "09 00 00 00"
"""Values of the two telegrams; 1F: more records follow."""


def observes(name: str) -> Callable[[Observation], Observation]:
    def register(observation: Observation) -> Observation:
        OBSERVATIONS[name] = observation
        return observation

    return register


def wire(directory: Path, do: object, *, device: str | None = None, **keys: object) -> Wire:
    """A bus with one meter at address 5 and one fault."""
    options = {} if device is None else {"text": device}
    bus = VirtualBus([meter(directory, **options)], speed=1)
    bus.faults.arm(Fault("fault", do=do, **keys))
    return Wire(bus)


def after(count: int) -> int:
    """When the character with this index begins, in an answer without a fault."""
    return DELAY + character_time(BAUD, count)


def altered(index: int, value: str, text: str = ANSWER) -> list[Run]:
    """One byte of an answer is another; an index may count from the end."""
    parts = text.split()
    parts[index] = value
    return [(DELAY, " ".join(parts))]


@observes("drop")
def no_answer(path: Path) -> None:
    """The standard has every valid frame to a meter's address answered."""
    line = wire(path, "drop", exactly=1)
    assert line.ask(RESET) == []
    assert line.ask(RESET) == [(DELAY, ACK)]


@observes("delay")
def answer_comes_later(path: Path) -> None:
    """Response time: 11 bit times to 330 bit times and 50 ms."""
    line = wire(path, {"delay": "600ms"})
    assert line.ask(RESET) == [(DELAY + 600 * MILLISECOND, ACK)]


@observes("late")
def answer_comes_when_the_master_gave_up(path: Path) -> None:
    """Response time: 330 bit times and 50 ms are over, by 30 ms, whatever the meter's own delay."""
    line = wire(path, {"late": "30ms"}, frame="REQ_UD2")
    limit = bit_time(BAUD, 330) + 50 * MILLISECOND
    assert line.ask(RESET) == [(DELAY, ACK)]
    assert line.ask(REQUEST) == [(limit + 30 * MILLISECOND, ANSWER)]


@observes("truncate")
def answer_ends_early(path: Path) -> None:
    """Frame formats: L says how many characters a frame has."""
    line = wire(path, {"truncate": 12})
    assert line.ask(REQUEST) == [(DELAY, ANSWER[: 12 * 3 - 1])]


@observes("checksum")
def checksum_is_wrong(path: Path) -> None:
    """Frame formats: the checksum is the sum of all bytes from C on."""
    right = int(ANSWER.split()[-2], 16)
    for do, value in (({"checksum": {"xor": 1}}, right ^ 1), ({"checksum": {"set": 7}}, 7), ({"checksum": "zero"}, 0)):
        assert wire(path, do).ask(REQUEST) == altered(-2, f"{value:02X}")


@observes("length")
def length_fields_are_wrong(path: Path) -> None:
    """Frame formats: both L count the bytes from C to the last of the data."""
    assert ANSWER.startswith("68 15 15 68")
    assert wire(path, {"length": 1}).ask(REQUEST) == [(DELAY, "68 16 16 68" + ANSWER[11:])]
    assert wire(path, {"length": {"difference": -1, "which": "second"}}).ask(REQUEST) == altered(2, "14")


@observes("start")
def start_byte_is_wrong(path: Path) -> None:
    """Frame formats: a long frame has 68 in its first and in its fourth place."""
    assert wire(path, {"start": 0x60}).ask(REQUEST) == altered(0, "60")
    assert wire(path, {"start": {"value": 0x10, "which": "second"}}).ask(REQUEST) == altered(3, "10")


@observes("stop")
def stop_byte_is_wrong(path: Path) -> None:
    """Frame formats: a frame ends with 16."""
    assert wire(path, "stop").ask(REQUEST) == altered(-1, "17")


def field(index: int, value: int) -> list[Run]:
    """A byte that the checksum covers is another."""
    parts = ANSWER.split()
    parts[-2] = f"{(int(parts[-2], 16) + value - int(parts[index], 16)) & 0xFF:02X}"
    return altered(index, f"{value:02X}", " ".join(parts))


@observes("control")
def control_field_is_wrong(path: Path) -> None:
    """Control field: an answer has the direction bit 0."""
    assert wire(path, {"control": 0x48}).ask(REQUEST) == field(4, 0x48)


@observes("address")
def address_field_is_wrong(path: Path) -> None:
    """Address field: an answer carries the meter's own address."""
    assert wire(path, {"address": 99}).ask(REQUEST) == field(5, 99)


@observes("ci")
def ci_field_is_wrong(path: Path) -> None:
    """CI field: 72 is the variable data structure."""
    assert wire(path, {"ci": 0xB7}).ask(REQUEST) == field(6, 0xB7)


@observes("replace")
def other_bytes_come(path: Path) -> None:
    """Frame formats: anything may come where a frame should."""
    assert wire(path, {"replace": "01 02 03"}).ask(REQUEST) == [(DELAY, "01 02 03")]
    assert wire(path, {"replace": {"data": "AA", "at": -3}}).ask(REQUEST) == altered(-3, "AA")


@observes("leading")
def bytes_come_before_the_answer(path: Path) -> None:
    """Frame formats: a frame begins behind an idle line."""
    assert wire(path, {"leading": "00 FF"}).ask(REQUEST) == [(DELAY, f"00 FF {ANSWER}")]


@observes("trailing")
def bytes_come_after_the_answer(path: Path) -> None:
    """Frame formats: an answer is one frame."""
    line = wire(path, {"trailing": {"data": "00", "pause": "20ms"}})
    assert line.ask(RESET) == [(DELAY, ACK), (after(1) + 20 * MILLISECOND, "00")]


@observes("duplicate")
def answer_comes_again(path: Path) -> None:
    """Transmission: a request is answered once."""
    line = wire(path, {"duplicate": {"pause": "10ms"}})
    assert line.ask(REQUEST) == [(DELAY, ANSWER), (after(27) + 10 * MILLISECOND, ANSWER)]


@observes("gaps")
def pauses_are_between_characters(path: Path) -> None:
    """Timing: the characters of a frame follow one another without a pause."""
    line = wire(path, {"gaps": {"duration": "10ms", "after": 4}})
    assert line.ask(REQUEST) == [(DELAY, ANSWER[:11]), (after(4) + 10 * MILLISECOND, ANSWER[12:])]


@observes("dribble")
def characters_come_one_by_one(path: Path) -> None:
    """Timing: the same."""
    line = wire(path, {"dribble": "50ms"})
    assert line.ask(REQUEST) == [
        (DELAY + number * 50 * MILLISECOND, text) for number, text in enumerate(ANSWER.split())
    ]


@observes("babble")
def meter_does_not_stop(path: Path) -> None:
    """Transmission: after its answer a meter is silent."""
    line = wire(path, {"babble": {"count": 5, "pattern": "AA 55"}})
    assert line.ask(RESET) == [(DELAY, "E5 AA 55 AA 55 AA")]


@observes("bit_flips")
def single_bits_are_inverted(path: Path) -> None:
    """Physical layer: start bit, eight data bits, even parity, stop bit."""
    line = wire(path, {"bit_flips": [1, 4 * 11 + 4, 4 * 11 + 5, 27 * 11 - 1]}, frame="RSP_UD")
    assert ANSWER.startswith("68 15 15 68 08 05")
    assert line.ask(REQUEST) == [(DELAY, f"69P 15 15 68 10 {ANSWER[15:]}F")]


@observes("bit_errors")
def bits_are_inverted_by_chance(path: Path) -> None:
    """Physical layer: parity finds every single error in a character."""
    line = wire(path, {"bit_errors": 0.02})
    (run,) = [line.ask(REQUEST)]
    assert [run] == [wire(path, {"bit_errors": 0.02}).ask(REQUEST)]
    assert run != [(DELAY, ANSWER)]
    assert any("P" in text for _, text in run)


@observes("parity_errors")
def parity_is_wrong(path: Path) -> None:
    """Physical layer: a character has even parity."""
    assert wire(path, {"parity_errors": [0, -1]}).ask(REQUEST) == [(DELAY, f"68P{ANSWER[2:]}P")]
    assert wire(path, "parity_errors").ask(RESET) == [(DELAY, "E5P")]


@observes("stale")
def old_telegram_comes_instead_of_the_new_one(path: Path) -> None:
    """Frame count bit: another one asks for the next telegram."""
    line = wire(path, "stale")
    assert line.ask(REQUEST) == [(DELAY, telegram(0))]
    assert line.ask(OTHER_REQUEST) == [(DELAY, telegram(0))]
    assert line.ask(REQUEST) == [(DELAY, telegram(1))]


@observes("corrupted_acknowledge")
def acknowledge_is_another_character(path: Path) -> None:
    """Frame formats: the acknowledge is E5."""
    line = wire(path, "corrupted_acknowledge", times=1)
    assert line.ask(REQUEST) == [(DELAY, ANSWER)]
    assert line.ask(RESET) == [(DELAY, "A5")]
    assert line.ask(RESET) == [(DELAY, ACK)]


@observes("doubled_acknowledge")
def acknowledge_comes_twice(path: Path) -> None:
    """Frame formats: an acknowledge is one character."""
    assert wire(path, "doubled_acknowledge").ask(RESET) == [(DELAY, "E5 E5")]
    line = wire(path, {"doubled_acknowledge": "3ms"})
    assert line.ask(REQUEST) == [(DELAY, ANSWER)]
    assert line.ask(RESET) == [(DELAY, ACK), (after(1) + 3 * MILLISECOND, ACK)]


@observes("noise")
def characters_of_nobody_are_on_the_line(path: Path) -> None:
    """Physical layer: the idle line is at rest."""
    line = wire(path, {"noise": "00 FF 68"}, at="5s")
    assert line.listen(10 * SECOND) == [(5 * SECOND, "00 FF 68")]
    nobody = wire(path, {"noise": {"data": "FE", "delay": "20ms"}}, direction="request", on=6)
    assert nobody.ask("10 40 06 46 16") == [(20 * MILLISECOND, "FE")]
    assert nobody.ask(RESET) == [(DELAY, ACK)]


@observes("stuck_fcb")
def meter_repeats_itself_whatever_the_frame_count_bit(path: Path) -> None:
    """Frame count bit: a frame with another one is new."""
    line = wire(path, "stuck_fcb", skip=2, times=3, frame="REQ_UD2", device=TWO_TELEGRAMS)
    assert line.ask(REQUEST) == [(DELAY, telegram(0, FIRST))]
    for request in (OTHER_REQUEST, REQUEST, OTHER_REQUEST):
        assert line.ask(request) == [(DELAY, telegram(1, SECOND_ONE))]
    assert line.ask(RESET) == [(DELAY, ACK)]
    assert line.ask(REQUEST) == [(DELAY, telegram(1, SECOND_ONE))]
    assert line.ask(OTHER_REQUEST) == [(DELAY, telegram(2, FIRST))]


@observes("power_cycle")
def power_fails_in_mid_telegram(path: Path) -> None:
    """Power: a meter that was without it sends nothing, hears nothing, and begins anew."""
    line = wire(path, {"power_cycle": {"after": 12, "off": "500ms"}}, exactly=2, frame="RSP_UD", device=TWO_TELEGRAMS)
    assert line.ask(REQUEST) == [(DELAY, telegram(0, FIRST))]
    assert line.ask(OTHER_REQUEST, wait=100 * MILLISECOND) == [(DELAY, telegram(1, SECOND_ONE)[: 12 * 3 - 1])]
    assert line.ask(REQUEST, wait=300 * MILLISECOND) == []
    line.listen(SECOND)
    assert line.ask(REQUEST) == [(DELAY, telegram(2, FIRST))]


@observes("disconnect")
def connection_ends_in_mid_telegram(path: Path) -> None:
    """The standard ends at the line: a gateway may close its connection at any time."""
    line = wire(path, {"disconnect": 12})
    assert line.ask(REQUEST) == [(DELAY, ANSWER[: 12 * 3 - 1])]
    assert line.closed_at == after(12) + 1


class Nothing(Effect):
    """In the place of a kind that is disconnected."""

    name = "nothing"

    def apply(self, bursts: Bursts, sender: Sender) -> Bursts:
        return bursts


@contextmanager
def disconnected(kind: Kind) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        nothing = Kind(kind.name, lambda **_: Nothing(), kind.parameters, kind.main, kind.places)
        patch.setitem(fault_kinds.KINDS, kind.name, nothing)
        yield


@pytest.mark.parametrize("kind", KINDS)
def test_kind_is_seen_on_the_wire(kind: str, tmp_path: Path) -> None:
    OBSERVATIONS[kind](tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_observation_fails_when_the_kind_is_disconnected(kind: str, tmp_path: Path) -> None:
    with disconnected(KINDS[kind]), pytest.raises(AssertionError):
        OBSERVATIONS[kind](tmp_path)


def test_there_is_an_observation_for_each_kind_and_no_other() -> None:
    assert list(OBSERVATIONS) == sorted(KINDS, key=list(OBSERVATIONS).index)
    assert set(OBSERVATIONS) == set(KINDS)
