"""Baud rate switching, power, start-up and slaves that sleep (EN 13757-2; The M-Bus 4.8)."""

from __future__ import annotations

import pytest

from mbusbench.codec.frame import ACK
from tests.protocol.slave_bench import MINUTE, SECOND_NS, Bench


def test_published_switch_to_9600_is_acknowledged_and_made() -> None:
    bench = Bench(baud=2400)
    assert bench.send("68 03 03 68 53 FE BD 0E 16") == "E5"
    assert bench.link.baud == 9600
    assert bench.link.hears(9600, 0)
    assert not bench.link.hears(2400, 0)


@pytest.mark.parametrize(("ci", "baud"), [(0xB8, 300), (0xB9, None), (0xBB, 2400), (0xBD, 9600), (0xBF, None)])
def test_rate_that_the_slave_cannot_do_is_acknowledged_and_ignored(ci: int, baud: int | None) -> None:
    bench = Bench(baud=2400)
    bench.command(ci)
    assert bench.link.baud == (baud or 2400)
    assert bench.error() is None


def test_rate_is_switched_by_a_record_too() -> None:
    bench = Bench(baud=2400)
    bench.command(0x51, "03 FD 1C 80 25 00")
    assert bench.link.baud == 9600


def test_slave_without_a_rate_of_its_own_hears_those_that_it_knows() -> None:
    bench = Bench()
    assert [rate for rate in (300, 600, 1200, 2400, 4800, 9600) if bench.link.hears(rate, 0)] == [300, 2400, 9600]
    bench.command(0xBD)
    assert [rate for rate in (300, 2400, 9600) if bench.link.hears(rate, 0)] == [9600]


def test_slave_that_detects_the_rate_ignores_the_switch() -> None:
    bench = Bench(baud_detection=True)
    bench.command(0xBD)
    assert bench.link.baud is None
    assert bench.link.next_wakeup() is None


def test_slave_goes_back_to_the_old_rate_when_nothing_valid_comes_at_the_new_one() -> None:
    bench = Bench(baud=2400)
    bench.now = SECOND_NS
    bench.command(0xBD)
    assert bench.link.next_wakeup() == SECOND_NS + 2 * MINUTE
    bench.link.poll(2 * MINUTE)
    assert bench.link.baud == 9600
    bench.link.poll(SECOND_NS + 2 * MINUTE)
    assert bench.link.baud == 2400
    assert bench.link.next_wakeup() is None


def test_asking_what_the_slave_hears_is_enough_for_the_fallback() -> None:
    bench = Bench(baud=2400, baud_fallback=10 * MINUTE)
    bench.command(0xBD)
    assert not bench.link.hears(2400, 10 * MINUTE - 1)
    assert bench.link.hears(2400, 10 * MINUTE)


def test_valid_frame_at_the_new_rate_confirms_it() -> None:
    bench = Bench(baud=2400)
    bench.command(0xBD)
    bench.now = MINUTE
    assert bench.short(0x40) == ACK
    assert bench.link.next_wakeup() is None
    assert bench.link.hears(9600, 60 * MINUTE)


def test_second_switch_falls_back_to_the_rate_that_was_confirmed_last() -> None:
    bench = Bench(baud=2400)
    bench.command(0xBD)
    bench.command(0xB8)
    bench.link.poll(10 * MINUTE)
    assert bench.link.baud == 9600


def test_slave_that_never_falls_back() -> None:
    bench = Bench(baud=2400, baud_fallback=None)
    bench.command(0xBD)
    assert bench.link.next_wakeup() is None
    assert bench.link.hears(9600, 1000 * MINUTE)


def test_repeated_switch_is_not_made_again() -> None:
    bench = Bench(baud=2400)
    bench.short(0x40)
    assert bench.long(0x73, 5, 0xBD) == ACK
    bench.link.baud = 2400
    assert bench.long(0x73, 5, 0xBD) == ACK
    assert bench.link.baud == 2400


@pytest.mark.parametrize("kept", [True, False])
def test_power_failure_and_the_rate(kept: bool) -> None:
    bench = Bench(baud=2400, baud_kept=kept)
    bench.command(0xBD)
    bench.short(0x40)
    bench.link.power_up(0)
    assert bench.link.baud == (9600 if kept else 2400)


def test_power_failure_keeps_address_identification_access_number_and_clock() -> None:
    bench = Bench()
    bench.command(0x51, "04 6D 2D 2D 11 35 0C 79 01 00 00 00 01 7A 09")
    number = bench.request().data[8]
    bench.link.power_up(0)
    answer = bench.request()
    assert (answer.address, answer.data[:4], answer.data[8]) == (9, b"\x01\x00\x00\x00", number + 1)
    assert bench.device.shown is not None


def test_power_failure_forgets_bits_selection_and_place() -> None:
    bench = Bench()
    bench.select()
    assert bench.long(0x73, 5, 0xA0) == ACK
    bench.application.pending_error = None
    assert [bench.telegram(control) for control in (0x7B, 0x5B)] == [1, 2]
    assert bench.telegram(0x7B, 253) == 1
    bench.link.power_up(0)
    assert bench.telegram(0x7B, 253) is None
    assert bench.telegram(0x5B) == 1
    assert bench.long(0x53, 5, 0x51, "046D2D2D1135") == ACK
    assert bench.device.shown is not None


def test_slave_is_ready_after_its_start_up_time() -> None:
    bench = Bench(start_up=3 * SECOND_NS)
    assert bench.short(0x40) == ACK
    bench.link.power_up(10 * SECOND_NS)
    answers = []
    for second in (10, 12, 13, 14):
        bench.now = second * SECOND_NS
        answers.append(bench.short(0x40))
    assert answers == [None, None, ACK, ACK]


def test_slave_misses_the_first_frames_after_power_up() -> None:
    bench = Bench(missed_after_power_up=2)
    assert bench.short(0x40) == ACK
    bench.link.power_up(0)
    assert [bench.short(0x40) for _ in range(3)] == [None, None, ACK]


def test_sleeping_slave_misses_the_frame_that_wakes_it() -> None:
    bench = Bench(missed_after_idle=MINUTE)
    answers = []
    for second in (0, 59, 118, 178, 179, 240):
        bench.now = second * SECOND_NS
        answers.append(bench.short(0x40))
    assert answers == [ACK, ACK, ACK, None, ACK, None]
