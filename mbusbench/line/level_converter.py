"""The level converter between the bus and the master's port: local echo, and a break where slaves send at once.

It sees the bus current: each slave in space adds its share, so it counts them. What it puts on the port is received by
the master's UART, breaks included. It takes no part in what the slaves hear.
"""

from __future__ import annotations

from mbusbench.line.uart import OVERSAMPLING, Received, Receiver
from mbusbench.line.wire import Parity, Space, Transmission, WireSignal, simultaneous_spaces
from mbusbench.timing import bit_time

COLLISION_BREAK = 50_000_000
"""Shortest break (ns) by which a converter signals that several slaves send at once."""

OVERLOAD_BREAK = 100_000_000
"""Shortest break (ns) by which a converter signals too much current."""


class LevelConverter:
    """The master's port of a bus. `baud` and `parity` are those that the master has set.

    With `echo` the master receives each character that it sends. With `collision_break` (ns) the port goes into break
    for so long as soon as `collision_slaves` slaves are in space at once; with `overload_break`, `overload_slaves`.
    """

    def __init__(
        self,
        baud: int,
        parity: Parity = Parity.EVEN,
        *,
        echo: bool = False,
        collision_break: int | None = None,
        collision_slaves: int = 2,
        overload_break: int | None = None,
        overload_slaves: int = 10,
        by_character: bool = False,
    ) -> None:
        self.receiver = Receiver(baud, parity, by_character=by_character)
        self._echo = echo
        self._limits = [
            (count, duration)
            for count, duration in ((collision_slaves, collision_break), (overload_slaves, overload_break))
            if duration is not None
        ]
        self._breaks: list[list[Space]] = [[] for _ in self._limits]
        self._slaves: list[WireSignal] = []

    def send(self, transmission: Transmission) -> None:
        """Take what the master sends; the bus hears it as it is."""
        if self._echo:
            self.receiver.transmit(transmission)

    def transmit(self, signal: WireSignal) -> None:
        """Take what a slave sends, at the latest when it starts."""
        self.receiver.transmit(signal)
        if self._limits:
            self._slaves.append(signal)
            if len(self._slaves) > 1:
                self._set_breaks(signal.start)

    def withdraw(self, signal: WireSignal) -> bool:
        """Take back what a slave was to send, or to send on: it lost its power. Whether it was there."""
        if signal in self._slaves:
            self._slaves.remove(signal)
        return self.receiver.withdraw(signal)

    def short_circuit(self, start: int, duration: int) -> None:
        """Hold the port in break because the bus is overloaded, for `duration` ns but at least OVERLOAD_BREAK."""
        self.receiver.transmit(Space(start, max(duration, OVERLOAD_BREAK)))

    def poll(self, now: int) -> list[Received]:
        """Return what the master's UART has received until `now` and was not returned before."""
        if self._slaves:
            self._slaves = [signal for signal in self._slaves if signal.end > now]
        return self.receiver.poll(now)

    def next_wakeup(self) -> int | None:
        """Return when the next `poll` has something to do, None while the line is idle."""
        return self.receiver.next_wakeup()

    def _set_breaks(self, since: int) -> None:
        """Announce the breaks that begin at `since` or later anew; those before it stand."""
        shortest = bit_time(self.receiver.baud) // OVERSAMPLING
        for announced, (count, duration) in zip(self._breaks, self._limits, strict=True):
            while announced and announced[-1].start >= since:
                self.receiver.withdraw(announced.pop())
            del announced[:-1]
            for begin, _ in simultaneous_spaces(self._slaves, count, shortest):
                if begin >= since and (not announced or begin >= announced[-1].end):
                    announced.append(Space(begin, duration))
                    self.receiver.transmit(announced[-1])
