"""Moves bytes between one bus and its ports, and wakes the bus when it is time: on the wall clock or in virtual time.

All ports of one bus share one driver, and with it one time. What is due is due at absolute times: a late wake-up makes
the characters since the last one leave together and shifts nothing. How late the host was is measured.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from mbusbench.bus.engine import VirtualBus
from mbusbench.bus.port import PortOptions, Send
from mbusbench.line.wire import Parity


class Outlet(Protocol):
    """Where a port's bytes go."""

    def deliver(self, send: Send) -> None:
        """Write `send.data`, without waiting."""

    def disconnect(self) -> None:
        """The bus has closed the port. What was delivered may still leave."""


@dataclass(slots=True)
class Lag:
    """How late the host wrote, against the times at which the last bits would have arrived. In ns."""

    count: int = 0
    total: int = 0
    worst: int = 0

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0

    def note(self, lag: int) -> None:
        self.count += 1
        self.total += lag
        self.worst = max(self.worst, lag)


class Driver:
    """Made by `driver_of`; there is one for a bus and the event loop that it runs in."""

    def __init__(self, bus: VirtualBus, loop: asyncio.AbstractEventLoop, start: int) -> None:
        self.bus = bus
        self.loop = loop
        self.lag = Lag()
        self._offset = start - round(loop.time() * 1e9)
        self.last = start
        self._outlets: dict[int, Outlet] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due: int | None = None

    @property
    def now(self) -> int:
        """ns since the bus's epoch; never goes back."""
        self.last = max(self.last, round(self.loop.time() * 1e9) + self._offset)
        return self.last

    def attach(self, outlet: Outlet, options: PortOptions | None = None) -> int:
        """A new port of the bus, whose bytes go to `outlet`."""
        port = self.bus.open_port(options, self.now)
        self._outlets[port] = outlet
        self._wake(self.bus.next_wakeup())
        return port

    def detach(self, port: int) -> None:
        if self._outlets.pop(port, None) is not None:
            self.bus.close_port(port, self.now)
            self._wake(self.bus.next_wakeup())

    def feed(self, port: int, data: bytes) -> None:
        """What the master at `port` sent."""
        if port in self._outlets:
            now = self.now
            self.bus.receive(port, data, now)
            self._step(now)

    def set_format(self, port: int, baud: int, parity: Parity) -> None:
        """The master at `port` has set this rate and parity; for what comes from now on, either way."""
        if port in self._outlets:
            self.bus.set_port_format(port, baud, parity, self.now)
            self._wake(self.bus.next_wakeup())

    def set_break(self, port: int, on: bool) -> None:
        """The master at `port` holds the line in space from now on, or lets it go."""
        if port in self._outlets:
            now = self.now
            self.bus.set_break(port, on, now)
            self._step(now)

    def take_whole_answers(self, port: int) -> None:
        """As `VirtualBus.take_whole_answers`."""
        if port in self._outlets:
            self.bus.take_whole_answers(port)

    def busy_until(self, port: int) -> int:
        """As `VirtualBus.busy_until`, in ns of the loop's time."""
        due = self.bus.busy_until(port, self.now) if port in self._outlets else 0
        return due - self._offset if due else 0

    def unfold(self, port: int) -> None:
        """Deliver what has arrived by now of an answer that was to come as a whole; the rest by characters."""
        if port in self._outlets:
            now = self.now
            self.bus.unfold(port, now)
            self._step(now)

    def _step(self, now: int) -> None:
        for send in self.bus.poll(now):
            outlet = self._outlets.get(send.port)
            if outlet is None:
                continue
            if send.data:
                outlet.deliver(send)
                self.lag.note(now - send.time)
            if send.closes:
                del self._outlets[send.port]
                outlet.disconnect()
        self._wake(self.bus.next_wakeup())

    def _wake(self, due: int | None) -> None:
        if not self._outlets:
            due = None
        if due == self._timer_due:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_due = due
        if due is not None:
            self._timer = self.loop.call_at((due - self._offset) / 1e9, self._on_timer, due)

    def _on_timer(self, due: int) -> None:
        self._timer = self._timer_due = None
        # A loop may call a little early, by its clock's resolution: to the bus it is on time.
        self.last = max(self.last, due)
        self._step(self.now)


def driver_of(bus: VirtualBus) -> Driver:
    """The bus's driver in the running loop; time goes on where an earlier loop left it."""
    loop = asyncio.get_running_loop()
    driver = bus.driver
    if isinstance(driver, Driver) and driver.loop is loop:
        return driver
    bus.driver = Driver(bus, loop, driver.last if isinstance(driver, Driver) else 0)
    return bus.driver
