"""Traces beside each other: what counts as the same, and what is told of a difference."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mbusbench.codec.frame import LongFrame
from mbusbench.trace import TraceEvent
from mbusbench.trace.comparison import compare, without_values
from mbusbench.trace.header import TraceHeader
from mbusbench.trace.recorder import Trace
from tests.trace.sample import RESET, TELEGRAM, WATER, answered, received, sample, sent

LATER_READING = LongFrame(0x08, 5, 0x72, WATER[:8] + b"\x2b" + WATER[9:14] + b"\x28\x04\x85\x02").encode()
OTHER_RECORD = LongFrame(0x08, 5, 0x72, WATER[:13] + b"\x14" + WATER[14:]).encode()


def _trace(*events: TraceEvent) -> Trace:
    return Trace(TraceHeader(), events)


def test_trace_is_the_same_as_itself() -> None:
    found = compare(sample(), sample())
    assert (found.same, found.difference, found.counts) == (True, None, (16, 16))


def test_first_difference_is_told_with_the_fields_that_differ() -> None:
    other = replace(sample(), events=(*sample().events[:5], *(event._replace(lag=1) for event in sample().events[5:])))
    found = compare(sample(), other)
    assert found.difference is not None
    assert (found.difference.index, found.difference.fields) == (5, ("lag",))
    assert (found.difference.first, found.difference.second) == (sample().events[5], other.events[5])


def test_event_too_many_counts_as_one_difference() -> None:
    events = list(sample().events)
    events.insert(3, sent(3_000_000, RESET))
    found = compare(sample(), _trace(*events))
    assert (found.only_in_first, found.only_in_second, found.counts) == (0, 1, (16, 17))


def test_trace_that_goes_on_is_different_at_the_end_of_the_other() -> None:
    found = compare(_trace(), _trace(sent(0, RESET)))
    assert found.difference is not None
    assert (found.difference.first, found.difference.second) == (None, sent(0, RESET))


def test_other_seed_is_a_difference() -> None:
    found = compare(sample(), replace(sample(), header=replace(sample().header, seed=8)))
    assert (found.same, found.header, found.difference) == (False, ("seed",), None)


def test_times_count_unless_they_are_left_out() -> None:
    first = _trace(sent(0, RESET), answered(10**8, TELEGRAM, delay=5), received(10**8, TELEGRAM, lag=5))
    second = _trace(sent(3, RESET), answered(10**9, TELEGRAM, delay=6), received(10**9, TELEGRAM, lag=None))
    assert not compare(first, second).same
    assert compare(first, second, ignore_times=True).same


def test_pieces_count_unless_times_are_left_out() -> None:
    head, whole = answered(0, TELEGRAM[:9]), answered(0, TELEGRAM)
    pieces = _trace(head, answered(head.end, TELEGRAM[9:]))
    assert not compare(pieces, _trace(whole)).same
    assert compare(pieces, _trace(whole), ignore_times=True).same


def test_bytes_count_where_times_are_left_out() -> None:
    found = compare(_trace(answered(0, TELEGRAM)), _trace(answered(0, LATER_READING)), ignore_times=True)
    assert found.difference is not None
    assert found.difference.fields == ("data",)


def test_values_count_unless_they_are_left_out() -> None:
    first, second = _trace(answered(0, TELEGRAM)), _trace(answered(0, LATER_READING))
    assert not compare(first, second).same
    assert compare(first, second, ignore_values=True).same
    assert not compare(first, _trace(answered(1, LATER_READING)), ignore_values=True).same


def test_other_record_is_a_difference_whatever_its_value() -> None:
    assert not compare(_trace(answered(0, TELEGRAM)), _trace(answered(0, OTHER_RECORD)), ignore_values=True).same


def test_telegram_without_values_is_a_telegram() -> None:
    assert without_values(TELEGRAM) == without_values(LATER_READING)
    assert without_values(TELEGRAM)[13:15] == TELEGRAM[13:15]
    assert without_values(without_values(TELEGRAM)) == without_values(TELEGRAM)


@pytest.mark.parametrize(
    "raw",
    [
        RESET,
        b"\xe5",
        b"",
        TELEGRAM[:-1],
        TELEGRAM[:-2] + b"\x00\x16",
        LongFrame(0x08, 5, 0x72, b"\x01").encode(),
        LongFrame(0x73, 5, 0x51, bytes.fromhex("017A07")).encode(),
    ],
)
def test_what_is_no_telegram_of_a_slave_keeps_its_bytes(raw: bytes) -> None:
    assert without_values(raw) == raw


def test_encrypted_records_are_values() -> None:
    header = WATER[:10] + b"\x20\x05"
    first, second = (LongFrame(0x08, 5, 0x72, header + bytes([byte] * 32)).encode() for byte in (0x11, 0x77))
    assert without_values(first) == without_values(second)
