"""The driver on a wall clock that is late, and that nobody has to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from mbusbench.bus import VirtualBus
from mbusbench.bus.endpoints.driver import Driver
from mbusbench.bus.port import Send
from mbusbench.meter import catalogue
from mbusbench.meter.meter import Meter
from mbusbench.timing import character_time
from mbusbench.trace.event import Kind, TraceEvent

BAUD = 2400
CHARACTER = character_time(BAUD)
DELAY = 20_000_000
REQUEST = bytes.fromhex("10 7B 01 7C 16")
SIZE = 0x68 + 6


class Clock(asyncio.AbstractEventLoop):
    """A loop whose time is set by hand; it remembers what it is to call, and when."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.calls: list[tuple[float, Callable[..., object], tuple[Any, ...], asyncio.TimerHandle]] = []

    def get_debug(self) -> bool:
        return False

    def time(self) -> float:
        return self.seconds

    def call_at(self, when, callback, *args, context=None):  # type: ignore[no-untyped-def,override]
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self.calls.append((when, callback, args, handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self.calls = [call for call in self.calls if call[3] is not handle]

    def run_until(self, late: Callable[[int], float]) -> None:
        """Call everything, each `late(n)` seconds after its time."""
        number = 0
        while self.calls:
            when, callback, args, _ = call = min(self.calls, key=lambda call: call[0])
            self.calls.remove(call)
            self.seconds = max(self.seconds, when + late(number))
            number += 1
            callback(*args)


class Port:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.pieces: list[tuple[int, bytes]] = []

    def deliver(self, send: Send) -> None:
        self.pieces.append((round((self.clock.seconds - 1000) * 1e9), send.data))

    def disconnect(self) -> None:
        raise AssertionError

    def arrivals(self) -> list[int]:
        return [when for when, data in self.pieces for _ in data]


def asked(late: Callable[[int], float]) -> tuple[Port, Driver]:
    """The answer to one request, on a loop that is late by what `late` says."""
    meter = Meter(catalogue.load("kamstrup/flowiq-2101"), address=1, response_delay=(DELAY, DELAY))
    bus = VirtualBus([meter], baud=BAUD, speed=1)
    clock = Clock()
    driver = Driver(bus, clock, 0)
    port = Port(clock)
    driver.feed(driver.attach(port), REQUEST)
    clock.run_until(late)
    return port, driver


FIRST = 5 * CHARACTER + DELAY + CHARACTER


def test_each_character_leaves_when_its_last_bit_would_have_arrived() -> None:
    port, driver = asked(lambda number: 0.0)
    assert len(port.pieces) == SIZE
    for n, when in enumerate(port.arrivals()):
        assert abs(when - (FIRST + n * CHARACTER)) < SIZE
    assert driver.lag.worst < 1000


def test_late_wake_up_delays_nothing_that_comes_after_it() -> None:
    late = 0.012
    port, driver = asked(lambda number: late if number == 10 else 0.0)
    arrivals = port.arrivals()
    assert len(arrivals) == SIZE
    # What was due meanwhile comes at once with it, and the next is on time.
    assert max(len(data) for _, data in port.pieces) >= 2 or len(set(arrivals)) < SIZE
    assert abs(arrivals[-1] - (FIRST + (SIZE - 1) * CHARACTER)) < SIZE
    assert 11_900_000 <= driver.lag.worst <= 12_100_000


def test_each_run_of_characters_has_its_own_lag_in_the_trace() -> None:
    meter = Meter(catalogue.load("kamstrup/flowiq-2101"), address=1, response_delay=(DELAY, DELAY))
    bus = VirtualBus([meter], baud=BAUD, speed=1)
    events: list[TraceEvent] = []
    bus.trace = events.append
    clock = Clock()
    driver = Driver(bus, clock, 0)
    port = driver.attach(Port(clock))
    for late in (0.012, 0.0):
        driver.feed(port, REQUEST)
        clock.run_until(lambda number, late=late: late if number == 10 else 0.0)  # type: ignore[misc]
    first, second = [event.lag for event in events if event.kind is Kind.RECEIVED]
    assert first is not None
    assert 11_900_000 <= first <= 12_100_000
    assert second is not None
    assert 0 <= second < 1000


def test_loop_that_is_always_late_does_not_drift() -> None:
    port, driver = asked(lambda number: 0.001)
    for n, when in enumerate(port.arrivals()):
        assert 0 <= when - (FIRST + n * CHARACTER) < 1_001_000
    assert driver.lag.worst < 1_010_000
    assert driver.lag.count == SIZE


def test_nothing_is_woken_up_for_when_nobody_is_left() -> None:
    meter = Meter(catalogue.load("kamstrup/flowiq-2101"), address=1)
    clock = Clock()
    driver = Driver(VirtualBus([meter], baud=BAUD, speed=1), clock, 0)
    port = driver.attach(Port(clock))
    driver.feed(port, REQUEST)
    assert clock.calls
    driver.detach(port)
    assert not clock.calls
