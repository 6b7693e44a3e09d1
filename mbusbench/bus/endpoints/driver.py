"""Moves bytes between one bus and its ports, and wakes the bus when it is time: on the wall clock or in virtual time.

All ports of one bus share one driver, and with it one time. What is due is due at absolute times: a late wake-up makes
the characters since the last one leave together and shifts nothing. How late the host was is measured.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from mbusbench.bus.engine import VirtualBus
from mbusbench.bus.port import PortOptions, Send
from mbusbench.line.wire import Parity
from mbusbench.timing import BAUD_RATES


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
        # For the trace, of each port: until when it was told how late characters were, and the worst since then.
        self._late: dict[int, tuple[int, int]] = {}
        self._unplugged: set[int] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due: int | None = None
        # A loop in virtual time knows it exactly, and nobody is late there.
        self._loop_ns: Callable[[], int] | None = getattr(loop, "now_ns", None)
        self._call_at_ns: Callable[..., asyncio.TimerHandle] | None = getattr(loop, "call_at_ns", None)
        bus.lag_of = None if self._loop_ns is not None else self._lag_of

    @property
    def now(self) -> int:
        """ns since the bus's epoch; never goes back."""
        exactly = self._loop_ns
        now = (round(self.loop.time() * 1e9) if exactly is None else exactly()) + self._offset
        if now > self.last:  # noqa: PLR1730 (max() costs three times as much, with every byte)
            self.last = now
        return self.last

    def wake(self) -> None:
        """What is due next may have changed."""
        self._wake(self.bus.next_wakeup())

    def attach(self, outlet: Outlet, options: PortOptions | None = None) -> int:
        """A new port of the bus, whose bytes go to `outlet`."""
        port = self.bus.open_port(options, self.now)
        self._outlets[port] = outlet
        self._wake(self.bus.next_wakeup())
        return port

    def detach(self, port: int) -> None:
        self._unplugged.discard(port)
        self._late.pop(port, None)
        if self._outlets.pop(port, None) is not None:
            self.bus.close_port(port, self.now)
            self._wake(self.bus.next_wakeup())

    def feed(self, port: int, data: bytes) -> None:
        """What the master at `port` sent."""
        if port in self._outlets and port not in self._unplugged:
            now = self.now
            self.bus.receive(port, data, now)
            self._step(now)

    def write(self, port: int, data: bytes) -> None:
        """As `feed`, but nothing is delivered before the event loop's next round."""
        if self.bus.speed is None:
            self.loop.call_soon(self.feed, port, data)
        elif port in self._outlets and port not in self._unplugged:
            self.bus.receive(port, data, self.now)
            self._wake(self.bus.next_wakeup())

    def set_format(self, port: int, baud: int, parity: Parity) -> None:
        """The master at `port` has set this rate and parity; for what comes from now on, either way.

        At a rate that no meter has nothing is understood by anybody: the port is as good as unplugged.
        """
        if port not in self._outlets:
            return
        if baud in BAUD_RATES:
            self._unplugged.discard(port)
            now = self.now
            self.bus.set_port_format(port, baud, parity, now)
            self._step(now)
        else:
            self._unplugged.add(port)

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

    def _lag_of(self, port: int, due: int) -> int:
        """How late, at worst, a run of characters reached `port` of which the last was due at `due`."""
        late = self._late.get(port, (0, 0))[1]
        self._late[port] = (due, 0)
        return max(late, self.now - due)

    def _step(self, now: int, late: int = 0) -> None:
        """Do what is due by now; `late` is by how much the first of it is overdue."""
        sends = self.bus.poll(now)
        if sends:
            if self._loop_ns is None and self.bus.speed is not None:
                self._note_lag(sends, now, late)
            for send in sends if len(sends) == 1 else together(sends):
                outlet = self._outlets.get(send.port)
                if outlet is None:
                    continue
                if send.data and send.port not in self._unplugged:
                    outlet.deliver(send)
                if send.closes:
                    self._unplugged.discard(send.port)
                    del self._outlets[send.port]
                    outlet.disconnect()
        due = self.bus.next_wakeup()
        if due != self._timer_due:
            self._wake(due)

    def _note_lag(self, sends: Iterable[Send], now: int, late: int) -> None:
        for send in sends:
            if send.data and send.port in self._outlets and send.port not in self._unplugged:
                lag = max(now - send.time, late)
                self.lag.note(lag)
                if self.bus.trace is not None:
                    reported, worst = self._late.get(send.port, (0, 0))
                    if send.time > reported:
                        self._late[send.port] = (reported, max(lag, worst))

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
            if self._call_at_ns is not None:
                self._timer = self._call_at_ns(due - self._offset, self._on_timer, due)
            else:
                self._timer = self.loop.call_at((due - self._offset) / 1e9, self._on_timer, due)

    def _on_timer(self, due: int) -> None:
        self._timer = self._timer_due = None
        # A loop may call a little early, by its clock's resolution: to the bus it is on time.
        self.last = max(self.last, due)
        now = self.now
        self._step(now, now - due)


def together(sends: Iterable[Send]) -> list[Send]:
    """What goes to the same port at once as one; nothing goes to a port behind what closes it."""
    found: dict[int, Send] = {}
    for send in sends:
        first = found.get(send.port)
        if first is None:
            found[send.port] = send
        else:
            count = len(first.data)
            found[send.port] = Send(
                send.port,
                first.data + send.data,
                send.time,
                first.parity_errors + tuple(count + index for index in send.parity_errors),
                first.framing_errors + tuple(count + index for index in send.framing_errors),
                send.closes,
            )
    return list(found.values())


def driver_of(bus: VirtualBus) -> Driver:
    """The bus's driver in the running loop; time goes on where an earlier loop left it."""
    loop = asyncio.get_running_loop()
    driver = bus.driver
    if isinstance(driver, Driver) and driver.loop is loop:
        return driver
    bus.driver = Driver(bus, loop, driver.last if isinstance(driver, Driver) else 0)
    return bus.driver
