"""A gateway's segments, its requests one at a time, and its idle close."""

from __future__ import annotations

from mbusbench.line import Gateway, RequestGate, Segmenter
from mbusbench.line.gateway import BUFFER_LIMIT
from mbusbench.timing import character_time

MS = 1_000_000
FRAME = bytes.fromhex("68 03 03 68 53 FE BD 0E 16")


def drain(machine: Segmenter | RequestGate) -> list[tuple[int, bytes]]:
    sent = []
    while (wakeup := machine.next_wakeup()) is not None:
        sent += machine.poll(wakeup)
    return sent


def by_character(segmenter: Segmenter, data: bytes, start: int = 0) -> None:
    for count, value in enumerate(data, 1):
        segmenter.receive(bytes([value]), start + character_time(2400, count))


def test_without_settings_everything_passes_at_once() -> None:
    segmenter = Segmenter()
    segmenter.receive(FRAME, 7)
    assert segmenter.poll(7) == [(7, FRAME)]
    assert segmenter.next_wakeup() is None


def test_a_segment_ends_when_the_line_has_been_quiet() -> None:
    segmenter = Segmenter(quiet=10 * MS)
    by_character(segmenter, FRAME)
    end = character_time(2400, 9)
    assert segmenter.poll(end + 10 * MS - 1) == []
    assert segmenter.poll(end + 10 * MS) == [(end + 10 * MS, FRAME)]


def test_frames_within_the_quiet_time_are_coalesced() -> None:
    segmenter = Segmenter(quiet=200 * MS)
    segmenter.receive(b"\xe5", 0)
    segmenter.receive(FRAME, 150 * MS)
    segmenter.receive(b"\xe5", 500 * MS)
    assert drain(segmenter) == [(350 * MS, b"\xe5" + FRAME), (700 * MS, b"\xe5")]


def test_a_frame_is_cut_into_pieces_of_the_segment_size() -> None:
    segmenter = Segmenter(size=4)
    segmenter.receive(FRAME, 0)
    assert drain(segmenter) == [(0, FRAME[:4]), (0, FRAME[4:8]), (0, FRAME[8:])]


def test_a_full_segment_leaves_while_the_frame_still_arrives() -> None:
    segmenter = Segmenter(size=4, quiet=10 * MS)
    by_character(segmenter, FRAME)
    assert drain(segmenter) == [
        (character_time(2400, 4), FRAME[:4]),
        (character_time(2400, 8), FRAME[4:8]),
        (character_time(2400, 9) + 10 * MS, FRAME[8:]),
    ]


def test_a_latency_timer_sends_what_is_there_some_time_after_the_first_character() -> None:
    segmenter = Segmenter(longest=16 * MS)
    by_character(segmenter, FRAME)
    assert drain(segmenter) == [
        (character_time(2400, 1) + 16 * MS, FRAME[:4]),
        (character_time(2400, 5) + 16 * MS, FRAME[4:8]),
        (character_time(2400, 9) + 16 * MS, FRAME[8:]),
    ]


def test_latency_delays_and_jitter_never_reorders() -> None:
    delays = iter([30 * MS, 0, 0])
    segmenter = Segmenter(latency=100 * MS, jitter=lambda: next(delays))
    for time in (0, 5 * MS, 60 * MS):
        segmenter.receive(b"\xe5", time)
    assert [time for time, _ in drain(segmenter)] == [130 * MS, 130 * MS, 160 * MS]


def test_segments_keep_their_spacing() -> None:
    segmenter = Segmenter(size=3, spacing=100 * MS)
    segmenter.receive(FRAME, 0)
    assert [time for time, _ in drain(segmenter)] == [0, 100 * MS, 200 * MS]


def test_the_buffer_towards_a_client_that_gets_nothing_is_bounded() -> None:
    segmenter = Segmenter(latency=10**12)
    for _ in range(100):
        segmenter.receive(bytes(10_000), 0)
    assert sum(len(data) for _, data in drain(segmenter)) == BUFFER_LIMIT


def test_the_second_request_waits_until_the_answer_to_the_first_is_over() -> None:
    gate = RequestGate(one_in_flight=True, timeout=500 * MS, quiet=20 * MS)
    gate.receive(b"one", 0)
    gate.receive(b"two", 1 * MS)
    assert gate.poll(100 * MS) == [(0, b"one")]
    gate.heard(120 * MS)
    gate.heard(130 * MS)
    assert gate.next_wakeup() == 150 * MS
    assert gate.poll(150 * MS) == [(150 * MS, b"two")]


def test_the_second_request_passes_after_the_timeout_where_no_answer_comes() -> None:
    gate = RequestGate(one_in_flight=True, timeout=500 * MS)
    gate.receive(b"one", 0)
    gate.receive(b"two", 1 * MS)
    assert drain(gate) == [(0, b"one"), (500 * MS, b"two")]


def test_a_request_during_another_is_lost_where_the_gateway_drops() -> None:
    gate = RequestGate(one_in_flight=True, timeout=500 * MS, drop=True)
    gate.receive(b"one", 0)
    assert gate.poll(0) == [(0, b"one")]
    gate.receive(b"two", 499 * MS)
    gate.receive(b"three", 500 * MS)
    assert drain(gate) == [(500 * MS, b"three")]


def test_requests_pass_together_where_the_gateway_does_not_care() -> None:
    gate = RequestGate(latency=3 * MS)
    gate.receive(b"one", 0)
    gate.receive(b"two", 1 * MS)
    assert gate.poll(4 * MS) == [(3 * MS, b"one"), (4 * MS, b"two")]


def test_requests_that_wait_are_bounded() -> None:
    gate = RequestGate(one_in_flight=True)
    for _ in range(100):
        gate.receive(bytes(10_000), 0)
    assert sum(len(data) for _, data in drain(gate)) <= BUFFER_LIMIT


def test_an_idle_connection_is_closed_and_traffic_keeps_it_open() -> None:
    gateway = Gateway(idle_close=1000 * MS, opened=0)
    assert gateway.next_wakeup() == 1000 * MS
    gateway.request(FRAME, 900 * MS)
    gateway.receive(b"\xe5", 1800 * MS)
    assert not gateway.is_closed(2799 * MS)
    assert gateway.is_closed(2800 * MS)
    assert gateway.poll_bus(1800 * MS) == [(900 * MS, FRAME)]
    assert gateway.poll(1800 * MS) == [(1800 * MS, b"\xe5")]


def test_what_comes_after_the_close_is_lost() -> None:
    gateway = Gateway(idle_close=1000 * MS)
    gateway.request(FRAME, 1000 * MS)
    gateway.receive(FRAME, 1001 * MS)
    assert gateway.poll_bus(2000 * MS) == []
    assert gateway.poll(2000 * MS) == []


def test_the_bus_answer_lets_the_next_request_through() -> None:
    gateway = Gateway(to_bus=RequestGate(one_in_flight=True, timeout=500 * MS, quiet=10 * MS))
    gateway.request(b"one", 0)
    gateway.request(b"two", 0)
    assert gateway.poll_bus(50 * MS) == [(0, b"one")]
    gateway.receive(b"\xe5", 50 * MS)
    assert gateway.poll_bus(60 * MS) == [(60 * MS, b"two")]
