"""The annotated text: what a person reads, and what is left out."""

from __future__ import annotations

import pytest

from mbusbench.codec.frame import LongFrame
from mbusbench.trace import TraceEvent
from mbusbench.trace.event import COLLISION, ECHO
from mbusbench.trace.header import TraceHeader
from mbusbench.trace.recorder import Trace
from mbusbench.trace.text import Annotator, annotated, bit_times, milliseconds, seconds
from tests.trace.sample import REQUEST, RESET, TELEGRAM, answered, received, sample, sent


def _lines(*events: TraceEvent, **options: bool) -> list[str]:
    """What is shown, without times and gaps."""
    shown = annotated(Trace(TraceHeader(), events), **options)  # type: ignore[arg-type]
    return [line[31:].strip() for line in list(shown)[1:]]


def test_sample_is_shown_as_a_person_reads_it() -> None:
    lines = list(annotated(sample()))
    assert lines[0] == "# Bürohaus, seed 7; time 0 is 2026-01-01 00:00:00"
    assert lines[2] == "      0.001000                 port 1     - format: 2400 baud, parity even"
    assert lines[5] == "      0.100000     +55.417 ms  port 1     > REQ_UD2 fcb=1, address 5"
    assert lines[6] == (
        "      0.132916     +10.000 ms  slave 5    < RSP_UD, address 5, CI 72 (variable data, long header), "
        "HYD 12345678, version 1, water, access 42, 1 record; after 10.000 ms = 24.0 bits"
    )
    assert lines[7].endswith("; host late by 1.500 ms")
    assert lines[8].endswith("slave 5    - fault: weak driver")
    assert lines[9].endswith("= 24.0 bits [repeat]")
    assert lines[10].endswith("(27 bytes); parity error at 10 [weak driver]")
    assert [line[31:] for line in lines[11:]] == [
        "line       ~ noise: 00 F8",
        "port 1     _ break of 50.000 ms",
        "line       - power-cycle",
    ]


def test_records_are_shown_on_request_only() -> None:
    assert not any("volume" in line for line in _lines(answered(0, TELEGRAM)))
    assert "volume = 2850.427 m³" in _lines(answered(0, TELEGRAM), records=True)


def test_bytes_are_shown_on_request_only() -> None:
    assert _lines(sent(0, RESET), data=True)[1] == "10 40 05 45 16"
    assert len(_lines(sent(0, RESET))) == 1


def test_arrival_is_left_out_where_it_is_what_was_sent() -> None:
    pair = (answered(0, TELEGRAM), received(0, TELEGRAM))
    assert len(_lines(*pair)) == 1
    assert len(_lines(*reversed(pair))) == 1
    assert len(_lines(*pair, received=True)) == 2


def test_arrival_is_shown_where_it_differs() -> None:
    assert len(_lines(answered(0, TELEGRAM), received(0, TELEGRAM, framing_errors=(26,)))) == 2
    assert len(_lines(answered(0, TELEGRAM), received(0, TELEGRAM, cause=("doubled",)))) == 2
    assert len(_lines(answered(0, TELEGRAM), received(0, TELEGRAM), received(0, TELEGRAM))) == 2


def test_arrival_at_each_of_two_ports_is_left_out() -> None:
    at_both = (received(0, TELEGRAM), received(0, TELEGRAM, port=2))
    assert len(_lines(answered(0, TELEGRAM), *at_both)) == 1
    assert len(_lines(*at_both, answered(0, TELEGRAM))) == 1


def test_arrival_that_nobody_sent_is_shown_when_the_line_goes_on() -> None:
    annotator = Annotator()
    assert annotator.lines(received(0, b"\xe5")) == []
    first, second = annotator.lines(sent(10**9, RESET))
    assert ("= E5" in first, "> SND_NKE" in second) == (True, True)


def test_echo_is_left_out() -> None:
    assert len(_lines(sent(0, RESET), received(0, RESET, cause=(ECHO,)))) == 1
    assert len(_lines(sent(0, RESET), received(0, RESET[:4], cause=(ECHO,)))) == 2


def test_collision_shows_every_sender_and_what_came_of_it() -> None:
    lines = _lines(
        answered(0, b"\xe5", cause=(COLLISION,)),
        answered(5 * 416_667, b"\xe5", cause=(COLLISION,), source="slave 6"),
        received(0, b"\xa5", framing_errors=(0,), cause=(COLLISION,)),
    )
    assert lines == [
        "slave 5    < E5 (acknowledged) [collision]",
        "port 1     = no frame: A5; framing error at 0 [collision]",
        "slave 6    < E5 (acknowledged) [collision]",
    ]


def test_delay_is_measured_from_the_request_where_the_bus_did_not_say() -> None:
    request = sent(0, REQUEST)
    lines = _lines(request, answered(request.end + 10_000_000, TELEGRAM))
    assert lines[1].endswith("after 10.000 ms = 24.0 bits")


def test_pause_inside_a_frame_is_shown() -> None:
    first = answered(0, TELEGRAM[:9])
    lines = _lines(first, answered(first.end + 5_000_000, TELEGRAM[9:]))
    assert lines[0].endswith("pause of 5.000 ms inside")


def test_half_a_frame_is_shown_at_the_end() -> None:
    assert _lines(sent(0, REQUEST[:3])) == ["port 1     > cut off: 10 7B 05"]


def test_unreadable_header_is_told_in_the_line() -> None:
    (line,) = _lines(answered(0, LongFrame(0x08, 5, 0x72, b"\x00\x01").encode()))
    assert "application: header cut off: 2 of 12 bytes" in line


def test_application_error_is_told_in_words() -> None:
    (line,) = _lines(answered(0, LongFrame(0x08, 5, 0x70, b"\x08").encode()))
    assert "application error 8 (application too busy)" in line


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (LongFrame(0x73, 253, 0x52, bytes.fromhex("78563412 2423 FF FF")), "mask 123456782423FFFF"),
        (LongFrame(0x73, 253, 0x52, bytes.fromhex("7856")), "mask 78 56"),
        (LongFrame(0x53, 5, 0xBB), "2400 baud"),
        (LongFrame(0x53, 5, 0x50, b"\x10"), "sub-code 10"),
        (LongFrame(0x53, 5, 0x51, bytes.fromhex("017A07")), "1 record"),
        (LongFrame(0x53, 5, 0x9F, b"\x01\x02"), "01 02"),
    ],
)
def test_commands_are_told_in_words(command: LongFrame, words: str) -> None:
    (line,) = _lines(sent(0, command.encode()))
    assert line.endswith(words)


def test_what_others_wrote_cannot_steer_a_terminal() -> None:
    event = TraceEvent(0, sample().events[0].kind, source="\x1b[2J", cause=("\r\n", "\x07"))
    trace = Trace(TraceHeader("\x1b]0;x"), (event,))
    assert all(line.isprintable() for line in annotated(trace))


def test_incomplete_trace_says_so() -> None:
    *_, last = annotated(Trace(TraceHeader(), (), incomplete=True))
    assert last == "# the file ends in the middle of an event"


def test_numbers_are_rounded_without_floating_point() -> None:
    assert [seconds(time) for time in (0, 999, 1_999_999_999, -1_500_000_000)] == [
        "0.000000",
        "0.000000",
        "1.999999",
        "-1.500000",
    ]
    assert [milliseconds(time) for time in (499, 500, 1_999_999_999, -500)] == [
        "0.000 ms",
        "0.001 ms",
        "2000.000 ms",
        "-0.001 ms",
    ]
    assert bit_times(4_583_333, 2400) == "11.0 bits"


def test_babble_is_cut_short() -> None:
    lines = _lines(sent(0, b"\xaa" * 700), data=True)
    assert lines[-1] == ".. 636 characters more"
    assert len(lines) == 6
