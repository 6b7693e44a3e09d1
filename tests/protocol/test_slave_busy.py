"""Busy slaves, DFC, and the credit of battery meters (EN 13757-2 control field, EN 13757-3 application errors)."""

from __future__ import annotations

import pytest

from mbusbench.codec.frame import ACK, LongFrame
from mbusbench.protocol.slave.settings import BusyAnswer, ReadoutCredit, Spent
from tests.protocol.slave_bench import MINUTE, SECOND_NS, Bench

CLOCK = "046D2D2D1135"


def test_published_answer_of_a_busy_slave() -> None:
    assert Bench(address=1, busy=[(0, 1)]).send("10 7B 01 7C 16") == "68 04 04 68 08 01 70 08 81 16"


def test_busy_slave_goes_on_where_it_was() -> None:
    bench = Bench(busy=[(SECOND_NS, 2 * SECOND_NS)])
    assert bench.telegram(0x7B) == 1
    bench.now = SECOND_NS
    assert bench.short(0x5B) == LongFrame(0x08, 5, 0x70, b"\x08")
    bench.now = 2 * SECOND_NS
    assert bench.telegram(0x7B) == 2


def test_busy_slave_that_acknowledges() -> None:
    bench = Bench(busy=[(0, SECOND_NS)], busy_answer=BusyAnswer.ACKNOWLEDGE)
    assert bench.short(0x7B) == ACK
    bench.now = SECOND_NS
    assert bench.telegram(0x5B) == 1


def test_dfc_bit_while_busy() -> None:
    bench = Bench(busy=[(0, SECOND_NS)], busy_dfc=True)
    assert bench.short(0x7B) == LongFrame(0x18, 5, 0x70, b"\x08")
    bench.now = SECOND_NS
    assert bench.request().control == 0x08


def test_busy_slave_acknowledges_a_command_and_reports_that_it_did_nothing() -> None:
    bench = Bench(busy=[(0, SECOND_NS)])
    bench.command(0x51, CLOCK)
    assert bench.device.shown is None
    bench.now = SECOND_NS
    assert bench.error() == 0x08
    assert bench.error() is None


def test_slave_that_is_busy_after_a_command() -> None:
    bench = Bench(busy_after_command=SECOND_NS)
    bench.command(0x51, CLOCK)
    assert bench.device.shown is not None
    assert bench.error() == 0x08
    bench.now = SECOND_NS
    assert bench.error() is None


def test_slave_that_is_made_busy_from_outside() -> None:
    bench = Bench()
    bench.application.make_busy(SECOND_NS)
    assert bench.error() == 0x08
    bench.now = SECOND_NS
    assert bench.error() is None


@pytest.mark.parametrize("spent", list(Spent))
def test_readout_credit_is_used_up_and_comes_back(spent: Spent) -> None:
    bench = Bench(readout_credit=ReadoutCredit(2, 10 * MINUTE, spent), telegrams=(b"\x01\x13\x01",))
    for _ in range(2):
        assert bench.short(0x40) == ACK
        assert bench.telegram(0x7B) == 1
        assert bench.telegram(0x7B) == 1  # a repeat costs nothing
    refused = bench.short(0x5B)
    assert refused == (None if spent is Spent.SILENCE else LongFrame(0x08, 5, 0x70, b"\x09"))
    bench.now = 10 * MINUTE
    assert bench.telegram(0x7B) == 1


def test_readout_credit_counts_readouts_and_not_telegrams() -> None:
    bench = Bench(readout_credit=ReadoutCredit(1, MINUTE))
    assert [bench.telegram(control) for control in (0x7B, 0x5B, 0x7B)] == [1, 2, 3]
    assert bench.error() == 0x09
