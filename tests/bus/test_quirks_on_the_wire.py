"""Each named quirk as a master sees it at its port, in virtual time.

Every quirk has one observation; a second test takes what the quirk does away and demands that its observation fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mbusbench.bus import VirtualBus
from mbusbench.codec.frame import LongFrame, ShortFrame
from mbusbench.meter.quirk.quirk import Change
from mbusbench.meter.quirk.table import QUIRKS
from mbusbench.timing import MILLISECOND, SECOND, character_time
from tests.bus.wire import ACK, BAUD, DELAY, DEVICE, OTHER_REQUEST, REQUEST, RESET, TWO_TELEGRAMS, Run, Wire, meter

Observation = Callable[[Path], None]
OBSERVATIONS: dict[str, Observation] = {}
MINUTE = 60 * SECOND
DAY = 86_400 * SECOND

COUNTING = """\
format: 1
device: {manufacturer: ABC, version: 2, medium: gas, id: 12345678, access_number: 7}
telegrams:
  - records:
      - {vif: volume, unit: m3, code: bcd8, value: {counter: {start: 5000, rate: 1, per: day}}}
      - {vif: datetime, code: int32, value: {clock: now}}
"""
"""A counter that counts days, and a clock."""


def observes(name: str) -> Callable[[Observation], Observation]:
    def register(observation: Observation) -> Observation:
        OBSERVATIONS[name] = observation
        return observation

    return register


class Line(Wire):
    """A bus with one meter at address 5 that has one quirk, or several."""

    def __init__(self, directory: Path, *quirks: object, device: str = DEVICE, **options: object) -> None:
        super().__init__(VirtualBus([meter(directory, text=device, quirks=quirks, **options)], speed=1))

    def say(self, frame: str | LongFrame | ShortFrame, wait: int = 2 * SECOND) -> str:
        """What comes back, without its times."""
        request = frame if isinstance(frame, str) else frame.encode().hex(" ")
        return " ".join(text for _, text in self.ask(request, wait))

    def data(self, frame: str | ShortFrame = REQUEST) -> bytes:
        """The data behind CI 72 of the answer; b"" where there is no telegram."""
        answer = bytes(int(character[:2], 16) for character in self.say(frame).split())
        return answer[7:-2] if len(answer) > 9 and answer[6] == 0x72 else b""

    def records(self, frame: str | ShortFrame = REQUEST) -> str:
        return self.data(frame)[12:].hex(" ").upper()

    def access_number(self, frame: str = REQUEST) -> int:
        return self.data(frame)[8]

    def command(self, ci: int, data: str = "", address: int = 5, control: int = 0x53) -> str:
        return self.say(LongFrame(control, address, ci, bytes.fromhex(data)))

    def select(self, mask: str = "78 56 34 12 43 04 02 03", control: int = 0x53) -> str:
        return self.command(0x52, mask, 253, control)

    def pause(self, duration: int) -> None:
        self.listen(duration)

    def lose_power(self) -> None:
        self.bus.lose_power(self.now)
        self.pause(SECOND)


FIRST, SECOND_ONE, ONLY = "0C 13 27 04 85 02 1F", "0C 13 09 00 00 00", "0C 13 27 04 85 02"
TO_253, TO_254, RESET_253, RESET_255 = (
    ShortFrame(0x7B, 253),
    ShortFrame(0x7B, 254),
    ShortFrame(0x40, 253),
    "10 40 FF 3F 16",
)


@observes("fcb_ignored")
def repeat_gets_the_next_telegram(path: Path) -> None:
    line = Line(path, "fcb_ignored", device=TWO_TELEGRAMS)
    assert [line.records(), line.records()] == [FIRST, SECOND_ONE]


@observes("fcb_stuck")
def one_telegram_for_ever(path: Path) -> None:
    line = Line(path, {"fcb_stuck": 1}, device=TWO_TELEGRAMS)
    answer = line.say(REQUEST)
    line.say(RESET)
    assert line.say(REQUEST) == answer
    assert line.say(OTHER_REQUEST) == answer


@observes("fcb_shared")
def bit_of_the_own_address_counts_for_253(path: Path) -> None:
    line = Line(path, "fcb_shared", device=TWO_TELEGRAMS)
    line.select()
    assert line.records(TO_253) == FIRST
    assert line.records(OTHER_REQUEST) == SECOND_ONE


@observes("repeats_second_telegram")
def second_telegram_for_ever(path: Path) -> None:
    line = Line(path, "repeats_second_telegram", device=TWO_TELEGRAMS)
    assert [line.records(OTHER_REQUEST), line.records(REQUEST)] == [FIRST, SECOND_ONE]
    assert [line.records(REQUEST), line.records(OTHER_REQUEST)] == [SECOND_ONE, SECOND_ONE]
    assert line.access_number() - line.access_number() == -1
    line.say(RESET)
    assert line.records() == FIRST


@observes("repeat_renumbered")
def repeat_has_another_access_number(path: Path) -> None:
    line = Line(path, "repeat_renumbered")
    assert [line.access_number(), line.access_number()] == [0, 1]


@observes("repeat_refreshed")
def repeat_has_newer_values(path: Path) -> None:
    line = Line(path, "repeat_refreshed", device=COUNTING)
    first = line.data()
    line.pause(DAY)
    assert line.records() != first[12:].hex(" ").upper()


@observes("repeats_last_telegram")
def last_telegram_again(path: Path) -> None:
    line = Line(path, "repeats_last_telegram", device=TWO_TELEGRAMS)
    assert [line.records(each) for each in (REQUEST, OTHER_REQUEST, REQUEST)] == [FIRST, SECOND_ONE, SECOND_ONE]


@observes("acknowledges_after_last")
def e5_behind_the_last_telegram(path: Path) -> None:
    line = Line(path, "acknowledges_after_last")
    assert line.records() == ONLY
    assert line.say(OTHER_REQUEST) == ACK


@observes("access_number_constant")
def access_number_stays(path: Path) -> None:
    line = Line(path, "access_number_constant")
    assert [line.access_number(), line.access_number(OTHER_REQUEST)] == [0, 0]


@observes("access_number_per_readout")
def one_access_number_for_a_readout(path: Path) -> None:
    line = Line(path, "access_number_per_readout", device=TWO_TELEGRAMS)
    assert [line.access_number(each) for each in (REQUEST, OTHER_REQUEST, REQUEST)] == [0, 0, 1]


@observes("two_resets_needed")
def second_reset_is_the_first_answered(path: Path) -> None:
    line = Line(path, "two_resets_needed")
    assert [line.say(each) for each in (REQUEST, RESET, REQUEST, RESET)] == ["", "", "", ACK]
    assert line.records() == ONLY
    line.lose_power()
    assert line.say(RESET) == ""


@observes("mute_until_addressed")
def silent_until_its_own_address(path: Path) -> None:
    line = Line(path, "mute_until_addressed")
    assert [line.select(), line.say(TO_254), line.say(RESET), line.select()] == ["", "", ACK, ACK]
    line.lose_power()
    assert line.say(TO_254) == ""


@observes("first_frame_missed")
def first_frame_gets_nothing(path: Path) -> None:
    line = Line(path, {"first_frame_missed": 2})
    assert [line.say(RESET) for _ in range(3)] == ["", "", ACK]
    line.lose_power()
    assert line.say(RESET) == ""


@observes("long_start_up")
def nothing_for_a_while(path: Path) -> None:
    line = Line(path, {"long_start_up": "10s"})
    assert line.say(RESET) == ""
    line.pause(10 * SECOND)
    assert line.say(RESET) == ACK


@observes("missed_after_idle")
def first_frame_after_a_pause_gets_nothing(path: Path) -> None:
    line = Line(path, {"missed_after_idle": {"idle": "30s"}})
    assert line.say(RESET) == ACK
    line.pause(30 * SECOND)
    assert [line.say(RESET), line.say(RESET)] == ["", ACK]


@observes("wake_up_needed")
def asleep_until_many_characters_came(path: Path) -> None:
    line = Line(path, {"wake_up_needed": {"count": 100, "awake": "4s"}})
    assert line.say(RESET) == ""
    line.say("00 " * 90)
    assert line.say(RESET) == ""
    line.pause(MINUTE)
    line.say("00 " * 100, wait=100 * MILLISECOND)
    assert [line.say(RESET), line.records()] == [ACK, ONLY]
    line.pause(5 * SECOND)
    assert line.say(RESET) == ""


@observes("silent_after_reads")
def silence_when_the_credit_is_spent(path: Path) -> None:
    line = Line(path, {"silent_after_reads": {"readouts": 2, "per": "1h"}})
    assert [line.records(each) for each in (REQUEST, OTHER_REQUEST, REQUEST)] == [ONLY, ONLY, ""]
    line.pause(3600 * SECOND)
    assert line.records(REQUEST) == ONLY


@observes("error_after_reads")
def error_when_the_credit_is_spent(path: Path) -> None:
    line = Line(path, {"error_after_reads": 1})
    assert line.records() == ONLY
    assert line.say(OTHER_REQUEST) == "68 04 04 68 08 05 70 09 86 16"


@observes("slow")
def answer_starts_late(path: Path) -> None:
    line = Line(path, {"slow": "1.5s"}, response_delay=None)
    assert line.ask(RESET) == [(1500 * MILLISECOND, ACK)]


@observes("slow_after_idle")
def first_answer_starts_late(path: Path) -> None:
    line = Line(path, {"slow_after_idle": {"delay": "1s", "idle": "20s"}})
    assert [line.ask(RESET), line.ask(RESET)] == [[(DELAY + SECOND, ACK)], [(DELAY, ACK)]]
    line.pause(20 * SECOND)
    assert line.ask(RESET) == [(DELAY + SECOND, ACK)]


@observes("late")
def telegram_starts_after_the_last_legal_moment(path: Path) -> None:
    line = Line(path, {"late": "50ms"})
    ((start, _),) = line.ask(REQUEST)
    assert start == 330 * 10**9 // BAUD + 100 * MILLISECOND


@observes("pause_needed")
def quick_request_gets_nothing(path: Path) -> None:
    line = Line(path, {"pause_needed": "500ms"})
    assert line.say(REQUEST, wait=200 * MILLISECOND)
    assert line.say(OTHER_REQUEST, wait=600 * MILLISECOND) == ""
    assert line.records(OTHER_REQUEST) == ONLY


@observes("no_test_address")
def nobody_at_254(path: Path) -> None:
    line = Line(path, "no_test_address")
    assert [line.say(ShortFrame(0x40, 254)), line.say(RESET)] == ["", ACK]


@observes("no_primary_addressing")
def heard_at_253_only(path: Path) -> None:
    line = Line(path, "no_primary_addressing")
    assert [line.say(RESET), line.say(TO_254), line.select()] == ["", "", ACK]
    assert line.records(TO_253) == ONLY


@observes("address_fixed")
def new_address_is_not_taken(path: Path) -> None:
    line = Line(path, "address_fixed")
    assert line.command(0x51, "01 7A 09") == ACK
    assert [line.say("10 40 09 49 16"), line.say(RESET)] == ["", ACK]


@observes("answers_as_253")
def answer_to_253_has_fd(path: Path) -> None:
    line = Line(path, "answers_as_253")
    line.select()
    assert line.say(TO_253).split()[5] == "FD"
    assert line.say(REQUEST).split()[5] == "05"


@observes("answers_as_0")
def answer_to_253_has_00(path: Path) -> None:
    line = Line(path, "answers_as_0")
    line.select()
    assert line.say(TO_253).split()[5] == "00"


@observes("answers_always_as")
def answer_has_another_address(path: Path) -> None:
    line = Line(path, {"answers_always_as": 8})
    assert line.say(REQUEST).split()[5] == "08"


@observes("hex_id")
def id_ends_with_a_letter(path: Path) -> None:
    line = Line(path, "hex_id")
    assert line.data()[:4].hex() == "7e563412"
    assert line.select("7E 56 34 12 FF FF FF FF") == ACK


@observes("id_reversed")
def id_is_read_backwards(path: Path) -> None:
    line = Line(path, "id_reversed")
    assert line.data()[:4].hex() == "12345678"
    assert line.select("12 34 56 78 FF FF FF FF") == ACK


@observes("manufacturer_empty")
def manufacturer_is_nobody(path: Path) -> None:
    assert Line(path, "manufacturer_empty").data()[4:6] == b"\0\0"


@observes("two_in_one_housing")
def two_meters_answer_at_once(path: Path) -> None:
    line = Line(path, "two_in_one_housing")
    assert len(line.bus.meters) == 2
    assert "P" in line.say(REQUEST)
    assert line.select() == ACK
    assert line.data(TO_253)[:4].hex() == "78563412"
    assert line.select("79 56 34 12 FF FF FF FF") == ACK
    assert line.data(TO_253)[:4].hex() == "79563412"


@observes("two_in_turn")
def two_meters_take_turns(path: Path) -> None:
    line = Line(path, "two_in_turn", device=TWO_TELEGRAMS)
    requests = [REQUEST, REQUEST, OTHER_REQUEST, REQUEST, OTHER_REQUEST, REQUEST]
    assert [line.data(each)[0] for each in requests] == [0x78, 0x78, 0x78, 0x79, 0x79, 0x78]


@observes("reset_to_253_unanswered")
def reset_to_253_is_done_in_silence(path: Path) -> None:
    line = Line(path, "reset_to_253_unanswered")
    assert [line.select(), line.say(RESET_253), line.say(TO_253)] == [ACK, "", ""]
    assert line.select() == ACK


@observes("selection_leads_nowhere")
def selected_meter_has_nothing_to_say(path: Path) -> None:
    line = Line(path, "selection_leads_nowhere")
    assert [line.select(), line.say(TO_253)] == [ACK, ""]
    assert line.records() == ONLY


@observes("wildcards_unknown")
def wildcard_selects_nobody(path: Path) -> None:
    line = Line(path, "wildcards_unknown")
    assert [line.select(), line.select("78 56 34 12 FF FF FF FF"), line.say(TO_253)] == [ACK, "", ""]


@observes("exact_selection_unanswered")
def whole_address_selects_nobody(path: Path) -> None:
    line = Line(path, "exact_selection_unanswered")
    assert [line.select(), line.select("78 56 34 12 FF FF FF FF")] == ["", ACK]


@observes("one_selection_code")
def other_control_field_selects_nobody(path: Path) -> None:
    assert [Line(path, "one_selection_code").select(control=each) for each in (0x53, 0x73)] == [ACK, ""]
    assert [Line(path, {"one_selection_code": 0x73}).select(control=each) for each in (0x53, 0x73)] == ["", ACK]


@observes("short_masks")
def short_mask_selects(path: Path) -> None:
    assert Line(path, "short_masks").select("78 56 34 12") == ACK


@observes("reset_unanswered")
def reset_is_done_in_silence(path: Path) -> None:
    line = Line(path, "reset_unanswered", device=TWO_TELEGRAMS)
    assert [line.records(), line.say(RESET), line.records()] == [FIRST, "", FIRST]


@observes("reset_keeps_place")
def reset_goes_on(path: Path) -> None:
    line = Line(path, "reset_keeps_place", device=TWO_TELEGRAMS)
    assert [line.records(), line.say(RESET), line.records()] == [FIRST, ACK, SECOND_ONE]


@observes("requests_unanswered")
def reset_is_all_that_it_answers(path: Path) -> None:
    line = Line(path, "requests_unanswered")
    assert [line.say(RESET), line.say(REQUEST)] == [ACK, ""]


@observes("commands_unanswered")
def command_gets_nothing(path: Path) -> None:
    line = Line(path, "commands_unanswered")
    assert [line.command(0x51, "01 7A 09"), line.say("10 40 09 49 16"), line.select()] == ["", "", ACK]


@observes("commands_ignored")
def command_is_acknowledged_only(path: Path) -> None:
    line = Line(path, "commands_ignored")
    assert [line.command(0x51, "01 7A 09"), line.say("10 40 09 49 16"), line.say(RESET)] == [ACK, "", ACK]


@observes("acknowledges_with_frame")
def short_frame_instead_of_e5(path: Path) -> None:
    assert Line(path, "acknowledges_with_frame").say(RESET) == "10 00 05 05 16"


@observes("application_reset_needed")
def e5_until_the_application_reset(path: Path) -> None:
    line = Line(path, {"application_reset_needed": 0x50})
    assert [line.say(REQUEST), line.command(0x50), line.say(OTHER_REQUEST)] == [ACK, ACK, ACK]
    assert line.command(0x50, "50") == ACK
    assert line.records() == ONLY


@observes("switched_by_ci_b1")
def other_records_after_b1(path: Path) -> None:
    line = Line(path, "switched_by_ci_b1", device=COUNTING)
    assert line.records() == "0C 16 00 50 00 00"
    assert line.command(0xB1) == ACK
    assert line.records(OTHER_REQUEST).startswith("04 6D")
    line.command(0x50)
    assert line.records() == "0C 16 00 50 00 00"


@observes("day_archive")
def new_bit_is_a_day_earlier(path: Path) -> None:
    line = Line(path, "day_archive", device=COUNTING)
    line.pause(10 * DAY)
    assert line.command(0x50, "30") == ACK
    volumes = [line.records(each)[6:11] for each in (REQUEST, OTHER_REQUEST, OTHER_REQUEST, REQUEST)]
    assert volumes == ["10 50", "09 50", "09 50", "08 50"]
    line.say(RESET)
    assert line.records()[6:11] == "10 50"


@observes("automatic_baud")
def command_to_switch_changes_nothing(path: Path) -> None:
    line = Line(path, "automatic_baud", baud=2400)
    assert [line.command(0xB8), line.say(RESET)] == [ACK, ACK]


@observes("baud_lost_with_power")
def old_rate_after_a_loss_of_power(path: Path) -> None:
    line = Line(path, "baud_lost_with_power", baud=2400)
    assert [line.command(0xB8), line.say(RESET)] == [ACK, ""]
    line.lose_power()
    assert line.say(RESET) == ACK


@observes("nothing_to_say")
def e5_to_requests(path: Path) -> None:
    assert Line(path, "nothing_to_say").say(REQUEST) == ACK


@observes("acd_always")
def control_field_28(path: Path) -> None:
    line = Line(path, "acd_always")
    assert line.say(REQUEST).split()[4] == "28"
    assert line.say("10 7A 05 7F 16") == ACK


@observes("wrong_control")
def control_field_of_its_own(path: Path) -> None:
    assert Line(path, {"wrong_control": 0x18}).say(REQUEST).split()[4] == "18"


@observes("ci_b7_until_reset")
def private_ci_until_the_reset(path: Path) -> None:
    line = Line(path, "ci_b7_until_reset")
    line.say(RESET_255)
    assert line.say(REQUEST).split()[6] == "B7"
    line.say(RESET)
    assert line.say(REQUEST).split()[6] == "72"


@observes("shorter_after_first")
def half_of_the_records_from_then_on(path: Path) -> None:
    line = Line(path, "shorter_after_first", device=COUNTING)
    assert "04 6D" in line.records()
    line.say(RESET)
    assert line.records() == "0C 16 00 50 00 00"
    line.say(RESET_255)
    assert "04 6D" in line.records()


@observes("more_for_nothing")
def last_telegram_ends_with_1f(path: Path) -> None:
    line = Line(path, "more_for_nothing", device=TWO_TELEGRAMS)
    assert [line.records(), line.records(OTHER_REQUEST)] == [FIRST, f"{SECOND_ONE} 1F"]


@observes("empty_telegram_last")
def telegram_without_records(path: Path) -> None:
    line = Line(path, "empty_telegram_last")
    assert line.records() == f"{ONLY} 1F"
    assert len(line.data(OTHER_REQUEST)) == 12


@observes("plain_text_unit")
def unit_in_plain_text(path: Path) -> None:
    before = Line(path, "plain_text_unit").records()
    assert before == f"{ONLY} 02 FC 03 48 52 25 74 D4 11"
    behind = Line(path, {"plain_text_unit": {"place": "behind", "letters": "first_first"}}).records()
    assert behind == f"{ONLY} 02 FC 74 03 25 52 48 D4 11"


@observes("times_invalid_until_set")
def invalid_bit_until_the_clock_is_set(path: Path) -> None:
    line = Line(path, "times_invalid_until_set", device=COUNTING)
    assert line.data()[-4] & 0x80
    assert line.command(0x51, "04 6D 00 0C 21 36") == ACK
    assert not line.data(OTHER_REQUEST)[-4] & 0x80


@observes("junk_before")
def character_before_the_telegram(path: Path) -> None:
    line = Line(path, {"junk_before": "FE"})
    assert line.say(REQUEST).startswith("FE 68")
    assert line.say(RESET) == ACK


@observes("junk_behind")
def character_behind_the_telegram(path: Path) -> None:
    assert Line(path, "junk_behind").say(REQUEST).endswith("16 00")


@observes("stops_in_the_middle")
def half_of_every_second_telegram(path: Path) -> None:
    line = Line(path, {"stops_in_the_middle": 12})
    assert [len(line.say(each).split()) for each in (REQUEST, OTHER_REQUEST)] == [27, 12]


@observes("pause_in_telegrams")
def hole_in_the_telegram(path: Path) -> None:
    line = Line(path, {"pause_in_telegrams": {"pause": "300ms", "characters": 10}})
    runs: list[Run] = line.ask(REQUEST)
    assert [len(text.split()) for _, text in runs] == [10, 17]
    assert runs[1][0] - runs[0][0] == pytest.approx(300 * MILLISECOND + character_time(BAUD, 10), abs=2)


@observes("length_fields_differ")
def second_length_is_one_less(path: Path) -> None:
    assert Line(path, "length_fields_differ").say(REQUEST).startswith("68 15 14 68")


def test_every_quirk_is_observed() -> None:
    assert sorted(OBSERVATIONS) == sorted(QUIRKS)


@pytest.mark.parametrize("name", QUIRKS)
def test_quirk_is_seen_on_the_wire(name: str, tmp_path: Path) -> None:
    OBSERVATIONS[name](tmp_path)


@pytest.mark.parametrize("name", QUIRKS)
def test_observation_fails_where_the_quirk_does_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(QUIRKS, name, replace(QUIRKS[name], build=lambda **_: Change()))
    with pytest.raises((AssertionError, ValueError, IndexError)):
        OBSERVATIONS[name](tmp_path)
