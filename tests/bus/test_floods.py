"""Masters that ask without waiting, on a line with a time: what they do stays bounded, and ends."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from mbusbench.bus import VirtualBus
from mbusbench.bus.port import Send
from mbusbench.bus.timed_line import CROWD
from mbusbench.meter import catalogue
from mbusbench.meter.meter import Meter
from mbusbench.timing import SECOND, character_time
from mbusbench.trace.event import Kind, TraceEvent
from tests.bus.endpoint_clients import ANSWER_SIZE, REQUEST, RESET, water_bus


def flooded(bus: VirtualBus, data: bytes, seconds: int) -> tuple[list[Send], list[TraceEvent]]:
    """What a port gets where `data` is sent over and over, and what is on the line."""
    events: list[TraceEvent] = []
    bus.trace = events.append
    port = bus.open_port()
    sends: list[Send] = []
    for tenth in range(seconds * 10):
        now = tenth * SECOND // 10
        bus.receive(port, data, now)
        sends += bus.poll(now)
    return sends, events


def test_slave_that_sends_takes_no_request(tmp_path: Path) -> None:
    sends, events = flooded(water_bus(tmp_path, speed=1), REQUEST * 50, 10)
    sent = [event for event in events if event.kind is Kind.SLAVE]
    assert all(after.time >= before.end for before, after in pairwise(sent))
    assert len(sent) > 10
    assert not any(send.parity_errors or send.framing_errors for send in sends)
    received = [event.data for event in events if event.kind is Kind.RECEIVED]
    assert all(data.startswith(b"\x68\x15") and len(data) == ANSWER_SIZE for data in received)


def test_answers_of_many_slaves_to_one_flood_overlap_only_so_far() -> None:
    device = catalogue.load("kamstrup/multical-603")
    bus = VirtualBus([Meter(device, address=address) for address in range(1, 51)], speed=1)
    requests = b"".join(bytes((0x10, 0x4B, a, 0x4B + a, 0x16)) for a in range(1, 51))
    _, events = flooded(bus, requests, 10)
    sent = [event for event in events if event.kind is Kind.SLAVE]
    assert len(sent) > 2 * CROWD
    assert max(sum(one.time <= other.time < one.end for one in sent) for other in sent) <= CROWD


def test_line_without_a_pause_is_heard_by_nobody_and_recovers(tmp_path: Path) -> None:
    bus = water_bus(tmp_path, speed=1)
    first, second = bus.open_port(), bus.open_port()
    for tenth in range(100):
        now = tenth * SECOND // 10
        bus.receive(first, b"\x10" * 30, now)
        bus.receive(second, b"\x55" * 30, now + 1_234_567)
        assert bus.poll(now) == []
    end = 10 * SECOND + character_time(2400, 4096 * 2)
    assert bus.poll(end) == []
    bus.receive(first, RESET, end)
    answer = bus.poll(end + SECOND)
    assert [send.data for send in answer if send.port == first] == [b"\xe5"]
