"""What is unexpected and what is unfired, of a bus that is fed by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from mbusbench.bus import Fault, VirtualBus
from mbusbench.errors import MBusUsageError
from mbusbench.testing.watch import MASTER_RULES, Check, Watch
from mbusbench.trace import TraceEvent
from mbusbench.trace.exchange import RULES
from mbusbench.trace.files import load

SECOND = 1_000_000_000


def short(control: int, address: int) -> bytes:
    return bytes([0x10, control, address, (control + address) & 0xFF, 0x16])


class Desk:
    """A bus of one water meter at 5, and masters that ask once a second."""

    def __init__(self, speed: float | None = None, **keywords: object) -> None:
        self.bus = VirtualBus.from_devices(["generic/water"], speed=speed)
        self.bus.meters[0].address = 5
        self.bus = VirtualBus(self.bus.meters, speed=speed)
        self.watch = Watch(self.bus, "desk", **keywords)  # type: ignore[arg-type]
        self.now = 0

    def open(self) -> int:
        return self.bus.open_port(now=self.now)

    def ask(self, port: int, *requests: bytes, every: int = SECOND) -> None:
        for request in requests:
            self.bus.receive(port, request, self.now)
            self.now += every
            self.bus.poll(self.now)

    def rules(self) -> list[str]:
        return [line.split(": ")[1] for line in self.watch.unexpected()]


def test_rules_of_a_master_are_rules_of_the_analyzer() -> None:
    assert set(RULES) > MASTER_RULES
    assert not {rule for rule in MASTER_RULES if "answer" in rule.split("-")[0]}


def test_right_master_is_not_accused() -> None:
    desk = Desk(speed=1)
    desk.ask(desk.open(), short(0x40, 5), short(0x7B, 5), short(0x5B, 5), short(0x7B, 5))
    assert len(desk.watch.exchanges()) == 4
    assert desk.watch.problems() == ""
    desk.watch.verify()


def test_master_that_connects_anew_is_the_same_one() -> None:
    desk = Desk()
    for _ in range(2):
        port = desk.open()
        desk.ask(port, short(0x7B, 5))
        desk.bus.close_port(port, desk.now)
    assert desk.rules() == ["fcb-not-toggled"]


@pytest.mark.parametrize("speed", [None, 1])
def test_connection_that_is_left_open_does_not_confuse_the_next(speed: float | None) -> None:
    desk = Desk(speed)
    for control in (0x7B, 0x5B, 0x7B):
        desk.ask(desk.open(), short(control, 5))
    assert desk.watch.problems() == ""
    desk.ask(desk.open(), short(0x7B, 5))
    assert desk.rules() == ["fcb-not-toggled"]


def test_two_masters_at_once_are_two() -> None:
    desk = Desk()
    one, other = desk.open(), desk.open()
    desk.ask(one, short(0x40, 5), short(0x7B, 5))
    desk.ask(other, short(0x40, 5), short(0x7B, 5))
    desk.ask(one, short(0x5B, 5))
    desk.ask(other, short(0x5B, 5))
    assert len(desk.watch.exchanges()) == 6
    assert desk.watch.problems() == ""


def test_answer_that_a_fault_took_has_not_arrived() -> None:
    desk = Desk()
    desk.bus.faults.arm(Fault("lost", frame="RSP_UD", exactly=1, do="drop"))
    desk.ask(desk.open(), short(0x40, 5), short(0x7B, 5), short(0x5B, 5))
    assert desk.rules() == ["fcb-toggled-without-answer"]


def test_request_to_nobody_is_unexpected_unless_a_meter_was_there() -> None:
    desk = Desk(allow=["fcb-*"])
    port = desk.open()
    desk.ask(port, short(0x40, 9), short(0x40, 253), short(0x40, 255))
    assert desk.rules() == ["nobody-there"]
    assert "(SND_NKE, address 9): nobody-there: no meter of the bus has address 9. " in desk.watch.problems()
    gone = Desk()
    gone.bus.remove_meter(5)
    gone.ask(gone.open(), short(0x40, 5))
    assert gone.rules() == []
    assert Desk(allow=["nobody-*"]).rules() == []


def test_lag_of_the_host_widens_the_limits() -> None:
    desk = Desk(speed=1)
    desk.bus.faults.arm(Fault("lost", do="drop"))
    desk.ask(desk.open(), short(0x40, 5), short(0x40, 5), every=SECOND // 10)
    assert desk.rules() == ["request-before-timeout"]
    desk.watch.lag = 50_000_000
    assert desk.rules() == []


def test_fault_that_never_fired_is_told_with_what_it_waited_for() -> None:
    desk = Desk()
    desk.bus.faults.arm(Fault("late", on=6, do={"delay": "1ms"}))
    desk.bus.faults.arm(Fault("lost", do="drop"))
    desk.ask(desk.open(), short(0x40, 5))
    with pytest.raises(AssertionError, match=r"^desk: 1 of 2 faults never fired:\n  late \(on 6; delay\): 1 answers"):
        desk.watch.verify()
    desk.watch.check = Check.UNEXPECTED
    desk.watch.verify()


def test_check_is_a_name_or_a_boolean() -> None:
    assert [Check.of(each) for each in (True, False, "unfired")] == [Check.ALL, Check.NONE, Check.UNFIRED]
    with pytest.raises(MBusUsageError, match="'some' is nothing that can be checked: all, unexpected, unfired, none"):
        Check.of("some")


def test_text_keeps_the_heading_and_the_end() -> None:
    desk = Desk()
    desk.ask(desk.open(), *[short(0x40, 5)] * 20)
    whole = desk.watch.text().splitlines()
    cut = desk.watch.text(5).splitlines()
    assert cut == [whole[0], f"({len(whole) - 6} lines before)", *whole[-5:]]


def test_trace_goes_to_whoever_had_it_too_and_to_a_file(tmp_path: Path) -> None:
    bus = VirtualBus.from_devices(["generic/water"])
    events: list[TraceEvent] = []
    bus.trace = events.append
    watch = Watch(bus, "desk")
    bus.receive(bus.open_port(), short(0x40, 0), SECOND)
    bus.poll(SECOND)
    assert events == watch.events != []
    watch.save(tmp_path / "new" / "trace.jsonl")
    assert list(load(tmp_path / "new" / "trace.jsonl")) == sorted(events, key=lambda event: event.time)
