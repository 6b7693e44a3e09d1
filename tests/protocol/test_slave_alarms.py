"""REQ_UD1, alarms and the ACD bit (The M-Bus 4.8, alarm protocol; EN 13757-2, control field)."""

from __future__ import annotations

import pytest

from mbusbench.codec.frame import ACK, Frame, LongFrame
from mbusbench.protocol.fcb import FcbMode
from mbusbench.protocol.slave.alarms import Alarm
from mbusbench.protocol.slave.settings import FcbPaths, FcbServices
from tests.protocol.slave_bench import SECOND_NS, Bench

ONCE = Alarm(0x04)
STANDING = Alarm(0x81, once=False)


def state(reply: Frame | None) -> int | None:
    """The alarm's state byte, None for E5."""
    if reply == ACK:
        return None
    assert isinstance(reply, LongFrame)
    assert reply.ci == 0x71
    return reply.data[0]


def test_published_answer_to_an_alarm_request() -> None:
    bench = Bench(address=1, alarms=[ONCE], alarm_acd=False)
    assert bench.send("10 7A 01 7B 16") == "68 04 04 68 08 01 71 04 7E 16"


def test_request_without_an_alarm_is_acknowledged() -> None:
    bench = Bench()
    assert [bench.short(control) for control in (0x5A, 0x7A, 0x4A, 0x6A)] == [ACK] * 4


def test_same_fcb_repeats_the_alarm_and_the_toggled_one_clears_it() -> None:
    bench = Bench(alarms=[ONCE])
    bench.short(0x40)
    assert [state(bench.short(control)) for control in (0x7A, 0x7A, 0x7A, 0x5A, 0x5A)] == [4, 4, 4, None, None]


def test_repeat_is_the_alarm_as_it_was_sent_even_when_another_has_come_since() -> None:
    bench = Bench(alarms=[ONCE, Alarm(0x10, start=SECOND_NS)])
    assert state(bench.short(0x7A)) == 4
    bench.now = 2 * SECOND_NS
    assert state(bench.short(0x7A)) == 4
    assert state(bench.short(0x5A)) == 0x10
    assert state(bench.short(0x7A)) is None


def test_requests_without_valid_fcb_deliver_an_alarm_once() -> None:
    bench = Bench(alarms=[ONCE])
    assert [state(bench.short(0x4A)) for _ in range(2)] == [4, None]


def test_alarm_that_was_not_confirmed_survives_a_link_reset() -> None:
    bench = Bench(alarms=[ONCE])
    assert state(bench.short(0x7A)) == 4
    bench.short(0x40)
    assert state(bench.short(0x7A)) == 4
    assert state(bench.short(0x5A)) is None


def test_standing_alarm_stays_until_its_cause_is_gone() -> None:
    bench = Bench(alarms=[Alarm(0x81, start=SECOND_NS, stop=3 * SECOND_NS, once=False)])
    seen = []
    for second, control in enumerate((0x7A, 0x5A, 0x7A, 0x5A)):
        bench.now = second * SECOND_NS
        seen.append(state(bench.short(control)))
    assert seen == [None, 0x81, 0x81, None]


def test_several_alarms_share_the_state_byte() -> None:
    bench = Bench(alarms=[ONCE, STANDING])
    assert [state(bench.short(control)) for control in (0x7A, 0x5A)] == [0x85, 0x81]


def test_first_alarm_request_of_a_strict_slave_is_answered_whatever_its_fcb() -> None:
    assert state(Bench(alarms=[ONCE]).short(0x5A)) == 4


def test_acd_bit_is_set_while_an_alarm_waits() -> None:
    bench = Bench(alarms=[ONCE])
    assert bench.request().control == 0x28
    assert bench.short(0x7A) == LongFrame(0x28, 5, 0x71, b"\x04")
    assert bench.request().control == 0x28
    assert bench.short(0x5A) == ACK
    assert bench.request().control == 0x08


def test_acd_bit_can_be_left_out() -> None:
    assert Bench(alarms=[ONCE], alarm_acd=False).request().control == 0x08


def test_alarm_request_on_253_is_for_the_selected_slave_and_has_a_memory_of_its_own() -> None:
    bench = Bench(alarms=[STANDING])
    assert bench.short(0x7A, 253) is None
    bench.select()
    assert state(bench.short(0x7A, 253)) == 0x81
    assert state(bench.short(0x7A, 254)) == 0x81


def test_alarms_and_requests_with_a_common_frame_count_bit() -> None:
    bench = Bench(alarms=[ONCE], fcb_services=FcbServices.REQUESTS)
    assert bench.telegram(0x7B) == 1
    repeated = bench.short(0x7A)
    assert isinstance(repeated, LongFrame)
    assert repeated.ci == 0x72
    alarm = bench.short(0x5A)
    assert state(alarm) == 4
    assert bench.short(0x5B) == alarm


def test_alarms_over_two_ways_with_shared_frame_count_bits() -> None:
    bench = Bench(alarms=[ONCE], fcb_paths=FcbPaths.SHARED)
    bench.select()
    assert state(bench.short(0x7A)) == 4
    assert state(bench.short(0x5A, 253)) is None


def test_alarm_that_was_cleared_is_gone() -> None:
    bench = Bench(alarms=[STANDING])
    assert bench.application.alarms is not None
    bench.application.alarms.clear()
    assert state(bench.short(0x7A)) is None


@pytest.mark.parametrize("mode", list(FcbMode))
def test_alarm_of_one_time_is_never_lost_without_having_been_sent(mode: FcbMode) -> None:
    bench = Bench(fcb=mode)
    bench.short(0x7A)
    bench = Bench(fcb=mode, alarms=[Alarm(0x04, start=SECOND_NS)])
    assert state(bench.short(0x7A)) is None
    bench.now = SECOND_NS
    assert state(bench.short(0x5A)) == 4
