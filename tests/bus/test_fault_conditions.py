"""When a fault acts: on which frames, how often, in which time, after which other; each seen at a master's port."""

from __future__ import annotations

from pathlib import Path

import pytest

from mbusbench.bus import Fault, VirtualBus
from mbusbench.bus.fault import BytePattern
from mbusbench.line.faults import Delay
from mbusbench.timing import MILLISECOND, SECOND
from mbusbench.trace.event import FAULT, Kind, TraceEvent
from mbusbench.trace.jsonl import encode_trace
from mbusbench.trace.recorder import Recorder
from tests.bus.wire import ACK, CHARACTER, DELAY, OTHER_REQUEST, REQUEST, RESET, Wire, meter, telegram

RESET_6, REQUEST_6 = "10 40 06 46 16", "10 7B 06 81 16"
SELECTION = "68 0B 0B 68 73 FD 52 78 56 34 12 FF FF FF FF D2 16"
REQUEST_SELECTED = "10 7B FD 78 16"
ACKNOWLEDGED = [(DELAY, ACK)]


def bus_of(path: Path, *faults: Fault, seed: int = 0, speed: float | None = 1) -> Wire:
    """Meters at 5 and 6, and these faults."""
    meters = [meter(path), meter(path, 6, identification="87654321")]
    return Wire(VirtualBus(meters, speed=speed, seed=seed, faults=faults))


def lost(line: Wire, count: int, request: str = RESET) -> list[int]:
    """Which of so many requests, counted from 1, are not answered."""
    return [number for number in range(1, count + 1) if not line.ask(request, wait=100 * MILLISECOND)]


@pytest.mark.parametrize(
    ("keys", "numbers"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ({"exactly": 3}, [3]),
        ({"exactly": [1, 2, 8]}, [1, 2, 8]),
        ({"every": 4}, [4, 8]),
        ({"skip": 5}, [6, 7, 8, 9]),
        ({"skip": 2, "every": 3}, [5, 8]),
        ({"skip": 2, "exactly": 1}, [3]),
        ({"times": 2}, [1, 2]),
        ({"every": 3, "times": 2}, [3, 6]),
        ({"probability": 1}, [1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ],
)
def test_counts_choose_frames(tmp_path: Path, keys: dict[str, object], numbers: list[int]) -> None:
    line = bus_of(tmp_path, Fault("lost", do="drop", **keys))
    assert lost(line, 9) == numbers
    assert line.bus.faults["lost"].hits == len(numbers)
    assert line.bus.faults["lost"].seen == 9


def test_time_window_begins_with_from_and_ends_before_until(tmp_path: Path) -> None:
    line = bus_of(tmp_path, Fault("lost", do="drop", from_="5s", until=7 * SECOND))
    answered = []
    for _ in range(10):
        end = line.now + 5 * CHARACTER
        answered.append((end, bool(line.ask(RESET, wait=SECOND))))
    assert [is_answered for _, is_answered in answered] == [not 5 * SECOND <= end < 7 * SECOND for end, _ in answered]
    assert line.bus.faults["lost"].hits == 2


def test_numbers_count_only_the_frames_that_the_fault_is_for(tmp_path: Path) -> None:
    line = bus_of(tmp_path, Fault("lost", do="drop", on=5, frame="REQ_UD2", exactly=2))
    assert line.ask(RESET) == ACKNOWLEDGED
    assert len(line.ask(REQUEST)) == 1
    assert len(line.ask(REQUEST_6)) == 1
    assert line.ask(RESET) == ACKNOWLEDGED
    assert line.ask(OTHER_REQUEST) == []
    assert line.bus.faults["lost"].met == 2
    assert line.bus.faults["lost"].seen == 5


@pytest.mark.parametrize(
    ("frame", "lost_ones"),
    [
        ("SND_NKE", ["reset"]),
        ("REQ_UD2", ["request"]),
        ("REQ_UD1", ["alarm"]),
        ("SND_UD", ["selection", "write"]),
        ("SELECTION", ["selection"]),
        ("E5", ["alarm", "reset", "selection", "write"]),
        ("RSP_UD", ["request"]),
        (["SND_NKE", "REQ_UD1"], ["alarm", "reset"]),
        (["SND_UD", "SND_NKE", "RSP_UD"], []),
        (["REQ_UD1", "REQ_UD2", "RSP_UD"], ["request"]),
    ],
)
def test_frames_are_chosen_by_name(tmp_path: Path, frame: object, lost_ones: list[str]) -> None:
    frames = {
        "reset": RESET,
        "request": REQUEST,
        "alarm": "10 7A 05 7F 16",
        "selection": SELECTION,
        "write": "68 03 03 68 73 05 50 C8 16",
    }
    line = bus_of(tmp_path, Fault("lost", do="drop", frame=frame))
    assert sorted(name for name, text in frames.items() if not line.ask(text)) == lost_ones


def test_meter_is_meant_however_it_is_addressed(tmp_path: Path) -> None:
    line = bus_of(tmp_path, Fault("lost", do="drop", on=5, frame="REQ_UD2"))
    assert line.ask(SELECTION) == ACKNOWLEDGED
    assert line.ask(REQUEST_SELECTED) == []
    assert line.ask(REQUEST) == []


def test_address_of_the_request_may_be_meant(tmp_path: Path) -> None:
    line = bus_of(tmp_path, Fault("lost", do="drop", on=[253, 254], frame="REQ_UD2"))
    assert line.ask(SELECTION) == ACKNOWLEDGED
    assert line.ask(REQUEST_SELECTED) == []
    assert line.ask(REQUEST) == [(DELAY, telegram(1))]
    assert line.ask("10 7B FE 79 16") == []


@pytest.mark.parametrize(
    ("on", "lost_ones"),
    [
        ("1234567843040203", [5]),
        ("FFFFFF78FFFFFFFF", [5]),
        ("ABC-87654321-02-03", [6]),
        ("ABC-*-*-*", [5, 6]),
        (["KAM-*-*-*", 6], [6]),
        ("FFFFFFFFFFFFFF04", []),
    ],
)
def test_meters_are_chosen_by_secondary_address(tmp_path: Path, on: object, lost_ones: list[int]) -> None:
    line = bus_of(tmp_path, Fault("lost", do="drop", on=on))
    assert [address for address, text in ((5, RESET), (6, RESET_6)) if not line.ask(text)] == lost_ones


def test_frames_are_chosen_by_their_bytes(tmp_path: Path) -> None:
    line = bus_of(tmp_path, Fault("lost", do="drop", bytes="68 ?? ?? 68 08 05 72 *"))
    assert line.ask(RESET) == ACKNOWLEDGED
    assert line.ask(REQUEST) == []
    assert len(line.ask(REQUEST_6)) == 1


@pytest.mark.parametrize(
    ("pattern", "data", "expected"),
    [
        ("E5", "E5", True),
        ("E5", "E5 E5", False),
        ("E5 *", "E5 E5", True),
        ("E5 *", "E5", True),
        ("*", "", True),
        ("?5", "E5", True),
        ("e?", "E5", True),
        ("E?", "F5", False),
        ("68????68", "68 15 15 68", True),
        ("68 ?? ?? 68 *", "68 15 15", False),
    ],
)
def test_patterns_of_bytes(pattern: str, data: str, expected: bool) -> None:
    assert BytePattern(pattern).matches(bytes.fromhex(data)) is expected


def test_probability_has_random_numbers_of_its_own(tmp_path: Path) -> None:
    def losses(name: str, seed: int, *others: Fault) -> list[int]:
        return lost(bus_of(tmp_path, *others, Fault(name, do="drop", probability=0.5), seed=seed), 40)

    first = losses("lost", 7)
    assert 8 <= len(first) <= 32
    assert first == losses("lost", 7)
    assert first == losses("lost", 7, Fault("other", do={"delay": "1ms"}, probability=0.5))
    assert first != losses("lost", 8)
    assert first != losses("elsewhere", 7)


def test_fault_may_wait_for_another(tmp_path: Path) -> None:
    faults = [
        Fault("second", do={"delay": "10ms"}, after={"fault": "first", "hits": 2}, times=1),
        Fault("first", do={"corrupted_acknowledge": 0xA5}, every=2),
    ]
    line = bus_of(tmp_path, *faults)
    assert [line.ask(RESET) for _ in range(6)] == [
        ACKNOWLEDGED,
        [(DELAY, "A5")],
        ACKNOWLEDGED,
        [(DELAY, "A5")],
        [(DELAY + 10 * MILLISECOND, ACK)],
        [(DELAY, "A5")],
    ]


def test_steps_act_one_after_another(tmp_path: Path) -> None:
    line = bus_of(tmp_path, Fault("all", do=["checksum", {"leading": "FF"}, {"truncate": 5}, {"delay": "1ms"}]))
    assert line.ask(REQUEST) == [(DELAY + MILLISECOND, "FF 68 15 15 68")]


def test_faults_act_in_the_order_in_which_they_are_given(tmp_path: Path) -> None:
    cut, lead = Fault("cut", do={"truncate": 3}), Fault("lead", do={"leading": "00"})
    assert bus_of(tmp_path, cut, lead).ask(REQUEST) == [(DELAY, "00 68 15 15")]
    assert bus_of(tmp_path, lead, cut).ask(REQUEST) == [(DELAY, "00 68 15")]


def test_fault_lets_pass_what_it_cannot_act_on(tmp_path: Path) -> None:
    line = bus_of(tmp_path, Fault("checksum", do="checksum", exactly=1), Fault("stale", do="stale", exactly=1))
    assert line.ask(RESET) == ACKNOWLEDGED
    assert line.bus.faults["checksum"].met == 0
    line.ask(REQUEST)
    assert line.bus.faults["checksum"].hits == 1
    assert line.bus.faults["stale"].met == 0
    assert line.ask(OTHER_REQUEST) == [(DELAY, telegram(0))]
    assert line.bus.faults["stale"].hits == 1


def test_hit_is_counted_only_where_something_changed(tmp_path: Path) -> None:
    line = bus_of(tmp_path, Fault("rare", do={"bit_errors": 1e-9}, on=5))
    assert line.ask(RESET) == ACKNOWLEDGED
    assert line.bus.faults["rare"].met == 1
    assert line.bus.faults["rare"].hits == 0


@pytest.mark.parametrize(
    "do",
    [
        "drop",
        "checksum",
        "parity_errors",
        "stop",
        {"truncate": 4},
        {"bit_flips": [1]},
        {"gaps": {"duration": "20ms", "after": 2}},
        {"leading": "FF"},
        {"control": 0x08},
        {"length": 1},
    ],
)
def test_meters_say_nothing_to_a_request_that_is_none(tmp_path: Path, do: object) -> None:
    write = "68 03 03 68 73 05 50 C8 16"
    line = bus_of(tmp_path, Fault("request", do=do, direction="request", exactly=2, frame="SND_UD"))
    assert [line.ask(request) for request in (write, RESET, write, RESET)] == [
        ACKNOWLEDGED,
        ACKNOWLEDGED,
        [],
        ACKNOWLEDGED,
    ]
    assert line.bus.faults["request"].hits == 1


def test_request_may_reach_another_meter(tmp_path: Path) -> None:
    line = bus_of(tmp_path, Fault("astray", do={"address": 6}, direction="request", on=5))
    assert line.ask(REQUEST)[0][1].split()[5] == "06"
    assert line.ask(REQUEST_6)[0][1].split()[5] == "06"


def test_selection_may_be_meant_by_the_address_that_it_names(tmp_path: Path) -> None:
    line = bus_of(tmp_path, Fault("lost", do="drop", direction="request", on="12345678FFFFFFFF"))
    assert line.ask(SELECTION) == []
    assert line.ask(RESET) == ACKNOWLEDGED


def test_time_comes_again_after_each_period(tmp_path: Path) -> None:
    line = bus_of(tmp_path, Fault("noise", do={"noise": "00"}, at="1s", period="2s", until="8s"))
    assert line.listen(20 * SECOND) == [(time * SECOND, "00") for time in (1, 3, 5, 7)]
    worn = bus_of(tmp_path, Fault("noise", do={"noise": "00"}, at=["1s", "2s", "9s"], times=2))
    assert worn.listen(20 * SECOND) == [(SECOND, "00"), (2 * SECOND, "00")]


def test_times_hold_when_the_speed_is_set_afterwards(tmp_path: Path) -> None:
    line = Wire(VirtualBus([meter(tmp_path)], faults=[Fault("noise", do={"noise": "00"}, at="1s")]))
    assert line.bus.speed is None
    line = Wire(VirtualBus([meter(tmp_path)], speed=1, faults=[Fault("noise", do={"noise": "00"}, at="1s")]))
    line.bus.close_port(line.port)
    line.bus.set_speed(10)
    again = Wire(line.bus)
    assert [send.data for send in _until(again, SECOND)] == [b"\x00"]
    assert line.bus.faults["noise"].hits == 1


def _until(line: Wire, end: int) -> list[object]:
    sends = []
    while (due := line.bus.next_wakeup()) is not None and due <= end:
        sends += line.bus.poll(due)
    return sends  # type: ignore[return-value]


@pytest.mark.parametrize("speed", [1, None])
def test_what_came_while_nobody_listened_is_over(tmp_path: Path, speed: float | None) -> None:
    noise = Fault("noise", do={"noise": "00"}, at="1s", period="1s")
    bus = VirtualBus([meter(tmp_path)], speed=speed, faults=[noise])
    port = bus.open_port(now=10 * SECOND + 1)
    assert bus.poll(10 * SECOND + 1) == []
    assert bus.faults["noise"].hits == 10
    sends = []
    while (due := bus.next_wakeup()) is not None and due < 12 * SECOND:
        sends += bus.poll(due)
    assert [(send.port, send.data, send.time // SECOND) for send in sends] == [(port, b"\x00", 11)]


def test_fault_that_is_disarmed_acts_no_more_at_its_time(tmp_path: Path) -> None:
    line = bus_of(tmp_path, Fault("noise", do={"noise": "00"}, at="1s", period="1s"))
    assert len(line.listen(1500 * MILLISECOND)) == 1
    line.bus.faults.disarm("noise")
    assert line.listen(5 * SECOND) == []
    assert line.bus.next_wakeup() is None


def test_delay_is_a_delay_even_where_characters_take_no_time(tmp_path: Path) -> None:
    line = bus_of(tmp_path, Fault("late", do={"delay": "600ms"}, exactly=1), speed=None)
    bus, port = line.bus, line.port
    bus.receive(port, bytes.fromhex(RESET), 0)
    assert bus.poll(0) == []
    assert bus.next_wakeup() == 600 * MILLISECOND
    assert [send.data for send in bus.poll(600 * MILLISECOND)] == [b"\xe5"]
    bus.receive(port, bytes.fromhex(RESET), SECOND)
    assert [send.data for send in bus.poll(SECOND)] == [b"\xe5"]


def test_power_of_one_meter_fails_and_the_others_stay(tmp_path: Path) -> None:
    fault = Fault("out", do={"power_cycle": {"after": 3, "off": "10s", "scope": "meter"}}, on=5, exactly=1)
    line = bus_of(tmp_path, fault)
    assert line.ask(REQUEST) == [(DELAY, "68 15 15")]
    assert line.ask(RESET) == []
    assert line.ask(RESET_6) == ACKNOWLEDGED
    line.listen(10 * SECOND)
    assert line.ask(RESET) == ACKNOWLEDGED


def test_power_cycle_of_the_bus_ends_selections(tmp_path: Path) -> None:
    line = bus_of(tmp_path, Fault("out", do={"power_cycle": {"off": "1s"}}, at="3s"))
    assert line.ask(SELECTION) == ACKNOWLEDGED
    assert len(line.ask(REQUEST_SELECTED, wait=500 * MILLISECOND)) == 1
    line.listen(5 * SECOND)
    assert line.ask(REQUEST_SELECTED) == []
    assert line.ask(RESET) == ACKNOWLEDGED


def test_write_to_a_meter_with_a_stuck_fcb_is_acknowledged_and_not_done(tmp_path: Path) -> None:
    first, second = "68 06 06 68 73 05 51 01 7A 05 49 16", "68 06 06 68 53 05 51 01 7A 09 2D 16"
    line = bus_of(tmp_path, Fault("stuck", do="stuck_fcb", frame="SND_UD", exactly=2))
    assert line.ask(first) == ACKNOWLEDGED
    assert line.ask(second) == ACKNOWLEDGED
    assert line.bus.meters[0].address == 5
    line.bus.faults.clear()
    assert line.ask(first) == ACKNOWLEDGED
    assert line.ask(second) == ACKNOWLEDGED
    assert line.bus.meters[0].address == 9


def test_meter_that_has_sent_nothing_has_nothing_to_be_stuck_at(tmp_path: Path) -> None:
    line = bus_of(tmp_path, Fault("stuck", do="stuck_fcb", times=1))
    assert line.ask(RESET) == ACKNOWLEDGED
    assert line.ask(REQUEST) == [(DELAY, telegram(0))]
    assert line.bus.faults["stuck"].hits == 0
    assert line.ask(OTHER_REQUEST) == [(DELAY, telegram(0))]
    assert line.bus.faults["stuck"].hits == 1


def test_engine_asks_nobody_while_no_fault_waits_for_frames(tmp_path: Path) -> None:
    line = bus_of(tmp_path)
    bus = line.bus
    assert bus.interference is None
    bus.faults.arm(Fault("noise", do="noise", at="100h"))
    assert bus.interference is None
    bus.faults.arm(Fault("late", do=Delay(1)))
    assert bus.interference is bus.faults
    bus.faults.disarm("late")
    assert bus.interference is None


def test_trace_names_the_fault(tmp_path: Path) -> None:
    faults = [
        Fault("gone", do="drop", exactly=1),
        Fault("cut", do={"truncate": 3}, frame="REQ_UD2"),
        Fault("spike", do={"noise": "00"}, at="10s"),
    ]
    line = bus_of(tmp_path, *faults)
    events: list[TraceEvent] = []
    line.bus.trace = events.append
    line.ask(RESET)
    line.ask(REQUEST)
    line.listen(20 * SECOND)
    assert [event.cause for event in events if event.kind is Kind.NOTE] == [
        (FAULT, "gone", "drop", "E5 of slave 5 to SND_NKE"),
        (FAULT, "cut", "truncate", "RSP_UD of slave 5 to REQ_UD2"),
        (FAULT, "spike", "noise"),
    ]
    assert [(event.data.hex(), event.cause) for event in events if event.kind is Kind.SLAVE] == [("681515", ("cut",))]
    (noise,) = [event for event in events if event.kind is Kind.NOISE]
    assert (noise.time, noise.source, noise.data, noise.cause) == (10 * SECOND, "fault spike", b"\x00", ("spike",))


def test_same_seed_gives_the_same_trace_byte_for_byte(tmp_path: Path) -> None:
    def trace(seed: int) -> str:
        faults = [
            Fault("lost", do="drop", probability=0.2),
            Fault("bits", do={"bit_errors": 0.01}, probability=0.5),
            Fault("request", do={"bit_errors": 0.005}, direction="request"),
            Fault("noise", do={"noise": {"count": 4}}, at="1s", period="1500ms"),
            Fault("late", do=["late", {"dribble": "7ms"}], every=7),
        ]
        line = bus_of(tmp_path, *faults, seed=seed)
        recorder = Recorder()
        line.bus.trace = recorder.record
        for _ in range(10):
            for request in (RESET, REQUEST, OTHER_REQUEST):
                line.ask(request, wait=300 * MILLISECOND)
        line.bus.faults.assert_all_fired()
        return encode_trace(recorder.header, recorder.events)

    assert trace(7) == trace(7)
    assert trace(7) != trace(8)
