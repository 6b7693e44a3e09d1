from __future__ import annotations

from datetime import datetime

import pytest

from mbusbench.codec.frame import ACK, Frame, LongFrame, ShortFrame
from mbusbench.protocol.fcb import FcbMode, Service
from mbusbench.protocol.slave.event import Event, State
from mbusbench.protocol.slave.link import TRANSITIONS
from mbusbench.protocol.slave.settings import AfterLast
from tests.protocol.slave_bench import FIRST, THIRD, WIRE_ADDRESS, Bench


def test_worked_example_of_a_multi_telegram_readout() -> None:
    bench = Bench(telegrams=(FIRST, THIRD))
    bench.device.applications = {0x10: (0, 1)}
    header = "08 05 72 78 56 34 12 2D 2C 35 04 {access} 00 00 00 "
    first = LongFrame(0x08, 5, 0x72, WIRE_ADDRESS + b"\x55\x00\x00\x00" + FIRST).encode().hex(" ").upper()
    second = LongFrame(0x08, 5, 0x72, WIRE_ADDRESS + b"\x56\x00\x00\x00" + THIRD).encode().hex(" ").upper()
    assert first.startswith("68 16 16 68 " + header.format(access="55"))
    assert first.endswith("1F 31 16")
    assert bench.send("10 40 05 45 16") == "E5"
    assert bench.send("10 7B 05 80 16") == first
    assert bench.send("10 7B 05 80 16") == first
    assert bench.send("10 5B 05 60 16") == second
    assert bench.send("10 5B 05 60 16") == second
    third = bench.send("10 7B 05 80 16")
    assert third is not None
    assert third[12:].startswith(header.format(access="57") + "0C 78")
    assert bench.send("68 04 04 68 73 05 50 10 D8 16") == "E5"
    assert bench.application.selected_application == 0x10
    bench.application.selected_application = None
    assert bench.send("68 04 04 68 73 05 50 10 D8 16") == "E5"
    assert bench.application.selected_application is None
    assert bench.send("68 04 04 68 53 05 50 10 B8 16") == "E5"
    assert bench.application.selected_application == 0x10


def test_reply_is_repeated_when_fcb_does_not_toggle() -> None:
    bench = Bench()
    bench.short(0x40)
    assert [bench.telegram(control) for control in (0x7B, 0x7B, 0x5B, 0x5B, 0x5B, 0x7B)] == [1, 1, 2, 2, 2, 3]


def test_repeat_is_the_same_bytes_and_keeps_the_access_number() -> None:
    bench = Bench()
    bench.short(0x40)
    assert bench.short(0x7B) == bench.short(0x7B)
    following = bench.short(0x5B)
    assert isinstance(following, LongFrame)
    assert following.data[8] == 0x56


@pytest.mark.parametrize(
    ("after_last", "expected"),
    [
        (AfterLast.WRAP, [1, 2, 3, 1, 2]),
        (AfterLast.REPEAT, [1, 2, 3, 3, 3]),
        (AfterLast.ACKNOWLEDGE, [1, 2, 3, None, None]),
    ],
)
def test_after_the_last_telegram(after_last: AfterLast, expected: list[int | None]) -> None:
    bench = Bench(after_last=after_last)
    assert [bench.telegram(control) for control in (0x7B, 0x5B, 0x7B, 0x5B, 0x7B)] == expected
    bench.short(0x40)
    assert bench.telegram(0x7B) == 1


def test_no_more_data_is_acknowledged_and_counts_as_an_answer() -> None:
    bench = Bench(after_last=AfterLast.ACKNOWLEDGE, telegrams=(THIRD,))
    assert bench.telegram(0x7B) == 1
    assert bench.short(0x5B) == ACK
    assert bench.link.fcb(Service.REQ_UD2).last == 0


def test_strict_slave_repeats_the_telegram_from_before_the_reset_for_fcb_0() -> None:
    bench = Bench()
    assert [bench.telegram(control) for control in (0x7B, 0x5B)] == [1, 2]
    bench.short(0x40)
    assert bench.telegram(0x5B) == 2
    assert bench.telegram(0x7B) == 1


def test_lenient_slave_sends_the_first_telegram_after_a_reset_whatever_the_fcb() -> None:
    for first in (0x5B, 0x7B):
        bench = Bench(fcb=FcbMode.LENIENT)
        assert [bench.telegram(control) for control in (0x7B, 0x5B)] == [1, 2]
        bench.short(0x40)
        assert bench.telegram(first) == 1


@pytest.mark.parametrize("mode", [FcbMode.STRICT, FcbMode.LENIENT])
def test_slave_that_never_sent_anything_sends_the_first_telegram_whatever_the_fcb(mode: FcbMode) -> None:
    bench = Bench(fcb=mode)
    assert [bench.telegram(control) for control in (0x5B, 0x7B, 0x5B)] == [1, 2, 3]


def test_reset_of_253_alone_leaves_the_memory_of_the_own_address() -> None:
    bench = Bench()
    assert [bench.telegram(control) for control in (0x7B, 0x5B)] == [1, 2]
    assert bench.short(0x40, 253) is None
    assert bench.telegram(0x5B) == 2


@pytest.mark.parametrize("control", [0x4B, 0x6B])
def test_request_without_valid_fcb_is_always_new(control: int) -> None:
    bench = Bench()
    assert [bench.telegram(control) for _ in range(4)] == [1, 2, 3, 1]


def test_254_shares_the_memory_of_the_own_address_and_253_has_its_own() -> None:
    bench = Bench()
    assert bench.telegram(0x7B) == 1
    assert bench.telegram(0x7B, 254) == 1
    assert bench.telegram(0x5B, 254) == 2
    assert bench.telegram(0x5B) == 2
    bench.select()
    assert bench.telegram(0x7B, 253) == 1
    assert bench.telegram(0x5B, 253) == 2


def test_answers_carry_the_primary_address_whatever_was_asked() -> None:
    bench = Bench()
    bench.select()
    for address in (5, 253, 254):
        reply = bench.short(0x4B, address)
        assert isinstance(reply, LongFrame)
        assert reply.address == 5


def test_repeated_send_is_acknowledged_and_not_executed_again() -> None:
    bench = Bench()
    bench.short(0x40)
    assert bench.long(0x73, 5, 0x51, "046D2D2D1135") == ACK
    assert bench.device.shown == datetime(2024, 5, 17, 13, 45)
    bench.device.shown = None
    assert bench.long(0x73, 5, 0x51, "046D2D2D1135") == ACK
    assert bench.device.shown is None
    assert bench.long(0x53, 5, 0x51, "046D2D2D1135") == ACK
    assert bench.device.shown is not None


def test_send_and_request_have_frame_count_bits_of_their_own() -> None:
    bench = Bench()
    bench.short(0x40)
    assert bench.telegram(0x7B) == 1
    assert bench.long(0x73, 5, 0x51, "046D2D2D1135") == ACK
    assert bench.device.shown is not None
    assert bench.short(0x7A) == ACK
    assert bench.telegram(0x5B) == 2


@pytest.mark.parametrize("control", [0x53, 0x73])
def test_first_send_after_power_up_is_executed_whatever_the_fcb(control: int) -> None:
    bench = Bench()
    assert bench.long(control, 5, 0x51, "017A08") == ACK
    assert bench.device.address == 8


# The rows of the answer matrix: frame, then the answer on the own address, 254, 253 selected, 253 not selected, 255.
SILENCE, DATA = None, "RSP_UD"
MATRIX: list[tuple[str, ShortFrame | LongFrame, tuple[object, ...]]] = [
    ("SND_NKE", ShortFrame(0x40, 0), (ACK, ACK, ACK, SILENCE, SILENCE)),
    ("SND_UD", LongFrame(0x73, 0, 0x51, b"\x04\x6d\x2d\x2d\x11\x35"), (ACK, ACK, ACK, SILENCE, SILENCE)),
    ("SND_UD FCV 0", LongFrame(0x43, 0, 0x50), (ACK, ACK, ACK, SILENCE, SILENCE)),
    ("SND_UD unknown CI", LongFrame(0x73, 0, 0xA0), (ACK, ACK, ACK, SILENCE, SILENCE)),
    ("selection elsewhere", LongFrame(0x73, 0, 0x52, WIRE_ADDRESS), (SILENCE, SILENCE, ACK, ACK, SILENCE)),
    ("REQ_UD2", ShortFrame(0x7B, 0), (DATA, DATA, DATA, SILENCE, SILENCE)),
    ("REQ_UD1", ShortFrame(0x7A, 0), (ACK, ACK, ACK, SILENCE, SILENCE)),
    ("unknown function", ShortFrame(0x49, 0), (SILENCE,) * 5),
    ("wireless function", ShortFrame(0x44, 0), (SILENCE,) * 5),
    ("reserved bit 7", ShortFrame(0xFB, 0), (SILENCE,) * 5),
    ("answer of a slave", ShortFrame(0x08, 0), (SILENCE,) * 5),
    ("SND_UD as short frame", ShortFrame(0x73, 0), (SILENCE,) * 5),
    ("REQ_UD2 as long frame", LongFrame(0x7B, 0, 0x50), (SILENCE,) * 5),
]


@pytest.mark.parametrize(("name", "frame", "answers"), MATRIX, ids=[row[0] for row in MATRIX])
def test_answer_matrix(name: str, frame: ShortFrame | LongFrame, answers: tuple[object, ...]) -> None:
    for (address, selected), expected in zip(
        [(5, False), (254, False), (253, True), (253, False), (255, False)], answers, strict=True
    ):
        bench = Bench()
        if selected:
            bench.select()
        if isinstance(frame, ShortFrame):
            reply = bench.short(frame.control, address)
        else:
            reply = bench.long(frame.control, address, frame.ci, frame.data.hex())
        if expected == DATA:
            assert isinstance(reply, LongFrame), (name, address)
            assert reply.ci == 0x72
        else:
            assert reply == expected, (name, address, selected)


@pytest.mark.parametrize("address", [0, 4, 6, 250, 251, 252])
def test_frames_for_others_are_not_answered(address: int) -> None:
    bench = Bench()
    assert bench.short(0x40, address) is None
    assert bench.short(0x7B, address) is None
    assert bench.long(0x73, address, 0x50) is None


def test_unconfigured_slave_answers_to_0() -> None:
    bench = Bench(address=0)
    reply = bench.short(0x7B, 0)
    assert isinstance(reply, LongFrame)
    assert reply.address == 0


def test_single_character_is_no_request() -> None:
    assert Bench().link.receive(ACK, 0) is None


def test_broadcast_acts_in_silence() -> None:
    bench = Bench()
    bench.select()
    assert [bench.telegram(control) for control in (0x7B, 0x5B)] == [1, 2]
    assert bench.short(0x40, 255) is None
    assert not bench.link.is_selected
    assert bench.telegram(0x7B) == 1
    for _ in range(2):
        bench.device.shown = None
        assert bench.long(0x53, 255, 0x51, "046D2D2D1135") is None
        assert bench.device.shown is not None


@pytest.mark.parametrize(
    ("mask", "matches"),
    [
        ("78563412 2D2C 35 04", True),
        ("78563412 FFFF FF FF", True),
        ("FFFFFFFF FFFF FF FF", True),
        ("7856341F FFFF FF FF", True),  # a single wildcard digit
        ("F8563412 FFFF FF FF", True),
        ("FFFFFF1F FFFF FF FF", True),
        ("FFFFFF2F FFFF FF FF", False),
        ("79563412 FFFF FF FF", False),
        ("78563412 2D2C FF FF", True),
        ("78563412 2DFF FF FF", True),  # each byte of the manufacturer is a wildcard of its own
        ("78563412 2E2C FF FF", False),
        ("78563412 FFFF 36 FF", False),
        ("78563412 FFFF FF 07", False),
        ("78563412 FFFF FF 00", False),
        ("A8563412 FFFF FF FF", False),  # hexadecimal digits are no wildcards
        ("", False),
        ("78563412 2D2C 35", False),
        ("78563412 2D2C 35 04 00", False),
        ("78563412 FFFF FF FF 0C78 04030201", True),
        ("FFFFFFFF FFFF FF FF 0C78 FFFFFF0F", True),
        ("78563412 FFFF FF FF 0C78 05030201", False),
        ("79563412 FFFF FF FF 0C78 04030201", False),
        ("78563412 FFFF FF FF 0C79 04030201", False),
    ],
)
def test_selection_mask(mask: str, matches: bool) -> None:
    bench = Bench()
    assert bench.long(0x73, 253, 0x52, mask) == (ACK if matches else None)
    assert bench.link.is_selected is matches


def test_enhanced_selection_does_not_match_a_slave_without_fabrication_number() -> None:
    bench = Bench()
    bench.device.fabrication_number = None
    assert bench.long(0x73, 253, 0x52, "FFFFFFFF FFFF FF FF 0C78 FFFFFFFF") is None


def test_selection_with_hexadecimal_digits_in_the_id() -> None:
    bench = Bench()
    bench.device.wire_address = bytes.fromhex("3E020005 4343 01 02")
    assert bench.long(0x53, 253, 0x52, "3E020005 FFFF FF FF") == ACK
    assert bench.long(0x53, 253, 0x52, "3E02000F FFFF FF FF") == ACK
    assert bench.long(0x53, 253, 0x52, "3D020005 FFFF FF FF") is None


@pytest.mark.parametrize(("ci", "mask"), [(0x52, "99999999 FFFF FF FF"), (0x56, ""), (0x56, "78563412 2D2C 35 04")])
def test_selection_of_others_and_mode_2_deselect(ci: int, mask: str) -> None:
    bench = Bench()
    bench.select()
    assert bench.long(0x53, 253, ci, mask) is None
    assert not bench.link.is_selected
    assert bench.short(0x7B, 253) is None


def test_link_reset_of_253_deselects() -> None:
    bench = Bench()
    bench.select()
    assert bench.short(0x40, 253) == ACK
    assert bench.short(0x40, 253) is None


def test_traffic_for_other_addresses_keeps_the_selection() -> None:
    bench = Bench()
    bench.select()
    bench.short(0x40)
    bench.short(0x7B, 7)
    bench.long(0x73, 5, 0x51, "017A06")
    assert bench.telegram(0x7B, 253) == 1


@pytest.mark.parametrize("control", [0x43, 0x53, 0x63, 0x73])
def test_selection_is_never_taken_for_a_repeat(control: int) -> None:
    bench = Bench()
    for _ in range(2):
        assert bench.long(control, 253, 0x52, "78563412 FFFF FF FF") == ACK


def test_each_selection_begins_a_new_readout() -> None:
    bench = Bench()
    for _ in range(2):
        bench.select()
        assert [bench.telegram(control, 253) for control in (0x7B, 0x5B)] == [1, 2]


@pytest.mark.parametrize(
    ("number", "done"), [(0, True), (8, True), (250, True), (251, False), (253, False), (255, False)]
)
def test_set_primary_address(number: int, done: bool) -> None:
    bench = Bench()
    assert bench.long(0x73, 254, 0x51, f"017A{number:02X}") == ACK
    if done:
        assert bench.device.address == number
        assert bench.short(0x40, number) == ACK
        assert number == 5 or bench.short(0x40, 5) is None
    else:
        assert bench.device.address == 5
        assert bench.send("10 7B 05 80 16") == "68 04 04 68 08 05 70 15 92 16"


def test_set_identification() -> None:
    bench = Bench()
    assert bench.send("68 0D 0D 68 53 FE 51 07 79 04 03 02 01 24 40 01 04 95 16") == "E5"
    assert bench.device.wire_address == bytes.fromhex("04030201 2440 01 04")
    bench = Bench()
    assert bench.long(0x73, 5, 0x51, "0C79 78563499") == ACK
    assert bench.device.wire_address == bytes.fromhex("78563499 2D2C 35 04")


@pytest.mark.parametrize(
    ("ci", "data", "error"),
    [
        (0xA0, "", 0x01),
        (0x51, "0C06 07010000", 0x12),  # a record that is not there
        (0x51, "017A", 0x04),
        (0x51, "01", 0x04),
        (0x51, "0D78", 0x04),
        (0x5B, "7856", 0x04),
        (0x55, "017A08", 0x01),
    ],
)
def test_what_cannot_be_executed_is_reported_once_at_the_next_request(ci: int, data: str, error: int) -> None:
    bench = Bench()
    bench.short(0x40)
    assert bench.long(0x73, 5, ci, data) == ACK
    reply = bench.short(0x7B)
    assert reply == LongFrame(0x08, 5, 0x70, bytes([error]))
    assert bench.short(0x7B) == reply
    assert bench.telegram(0x5B) == 1


@pytest.mark.parametrize("ci", [0x54, 0x5C, *range(0xB8, 0xC0)])
def test_commands_that_leave_no_error(ci: int) -> None:
    bench = Bench()
    assert bench.long(0x73, 5, ci, "") == ACK
    assert bench.telegram(0x7B) == 1


@pytest.mark.parametrize("data", ["", "50"])
def test_application_reset_starts_the_readout_again(data: str) -> None:
    bench = Bench()
    assert [bench.telegram(control) for control in (0x7B, 0x5B)] == [1, 2]
    assert bench.long(0x73, 5, 0x50, data) == ACK
    assert bench.telegram(0x7B) == 1


def test_access_number_wraps_from_255_to_0() -> None:
    bench = Bench()
    bench.application.access_number = 255
    numbers = []
    for control in (0x7B, 0x5B):
        reply = bench.short(control)
        assert isinstance(reply, LongFrame)
        numbers.append(reply.data[8])
    assert numbers == [255, 0]


def test_power_up_forgets_selection_bits_cursor_and_last_telegram() -> None:
    bench = Bench()
    bench.select()
    assert [bench.telegram(control) for control in (0x7B, 0x5B)] == [1, 2]
    bench.long(0x73, 5, 0xA0)
    bench.link.power_up(0)
    assert not bench.link.is_selected
    assert bench.telegram(0x5B) == 1


# Every (state, event): the state afterwards and what is answered.
PAIRS: dict[State, dict[Event, tuple[State, object]]] = {
    State.DESELECTED: {
        Event.RESET: (State.DESELECTED, ACK),
        Event.RESET_SELECTED: (State.DESELECTED, None),
        Event.RESET_ALL: (State.DESELECTED, None),
        Event.SEND: (State.DESELECTED, ACK),
        Event.SEND_SELECTED: (State.DESELECTED, None),
        Event.SEND_ALL: (State.DESELECTED, None),
        Event.SELECTION_MATCHES: (State.SELECTED, ACK),
        Event.SELECTION_OF_OTHERS: (State.DESELECTED, None),
        Event.SELECTION_ELSEWHERE: (State.DESELECTED, None),
        Event.SELECTION_TO_ALL: (State.DESELECTED, None),
        Event.REQUEST: (State.DESELECTED, DATA),
        Event.REQUEST_SELECTED: (State.DESELECTED, None),
        Event.REQUEST_ALL: (State.DESELECTED, None),
        Event.ALARM_REQUEST: (State.DESELECTED, ACK),
        Event.ALARM_REQUEST_SELECTED: (State.DESELECTED, None),
        Event.ALARM_REQUEST_ALL: (State.DESELECTED, None),
        Event.UNKNOWN: (State.DESELECTED, None),
        Event.POWER_UP: (State.DESELECTED, None),
    },
    State.SELECTED: {
        Event.RESET: (State.SELECTED, ACK),
        Event.RESET_SELECTED: (State.DESELECTED, ACK),
        Event.RESET_ALL: (State.DESELECTED, None),
        Event.SEND: (State.SELECTED, ACK),
        Event.SEND_SELECTED: (State.SELECTED, ACK),
        Event.SEND_ALL: (State.SELECTED, None),
        Event.SELECTION_MATCHES: (State.SELECTED, ACK),
        Event.SELECTION_OF_OTHERS: (State.DESELECTED, None),
        Event.SELECTION_ELSEWHERE: (State.SELECTED, None),
        Event.SELECTION_TO_ALL: (State.SELECTED, None),
        Event.REQUEST: (State.SELECTED, DATA),
        Event.REQUEST_SELECTED: (State.SELECTED, DATA),
        Event.REQUEST_ALL: (State.SELECTED, None),
        Event.ALARM_REQUEST: (State.SELECTED, ACK),
        Event.ALARM_REQUEST_SELECTED: (State.SELECTED, ACK),
        Event.ALARM_REQUEST_ALL: (State.SELECTED, None),
        Event.UNKNOWN: (State.SELECTED, None),
        Event.POWER_UP: (State.DESELECTED, None),
    },
}
FRAMES: dict[Event, Frame] = {
    Event.RESET: ShortFrame(0x40, 5),
    Event.RESET_SELECTED: ShortFrame(0x40, 253),
    Event.RESET_ALL: ShortFrame(0x40, 255),
    Event.SEND: LongFrame(0x73, 5, 0x50),
    Event.SEND_SELECTED: LongFrame(0x73, 253, 0x50),
    Event.SEND_ALL: LongFrame(0x73, 255, 0x50),
    Event.SELECTION_MATCHES: LongFrame(0x73, 253, 0x52, WIRE_ADDRESS),
    Event.SELECTION_OF_OTHERS: LongFrame(0x73, 253, 0x52, b"\x00" * 8),
    Event.SELECTION_ELSEWHERE: LongFrame(0x73, 5, 0x52, WIRE_ADDRESS),
    Event.SELECTION_TO_ALL: LongFrame(0x73, 255, 0x52, WIRE_ADDRESS),
    Event.REQUEST: ShortFrame(0x7B, 5),
    Event.REQUEST_SELECTED: ShortFrame(0x7B, 253),
    Event.REQUEST_ALL: ShortFrame(0x7B, 255),
    Event.ALARM_REQUEST: ShortFrame(0x7A, 5),
    Event.ALARM_REQUEST_SELECTED: ShortFrame(0x7A, 253),
    Event.ALARM_REQUEST_ALL: ShortFrame(0x7A, 255),
    Event.UNKNOWN: ShortFrame(0x49, 5),
}


def test_every_state_has_every_event() -> None:
    assert set(TRANSITIONS) == set(State)
    for row in TRANSITIONS.values():
        assert set(row) == set(Event)


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("event", list(Event))
def test_every_transition(state: State, event: Event) -> None:
    bench = Bench()
    if state is State.SELECTED:
        bench.select()
    reply: Frame | None = None
    if event is Event.POWER_UP:
        bench.link.power_up(0)
    else:
        reply = bench.link.receive(FRAMES[event], 0)
    following, answer = PAIRS[state][event]
    assert bench.link.state is following
    assert (DATA if isinstance(reply, LongFrame) else reply) == answer
