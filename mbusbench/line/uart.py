"""What a UART makes of the line: falling edge, start bit checked at its middle, data, parity and stop at bit centres.

After a stop bit, good or bad, it waits for the next falling edge. A transmission that is alone on the line and in the
receiver's own format is taken as it is, without looking at bits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from mbusbench.line.wire import CHARACTER_BITS, Parity, Transmission, WireSignal, superpose
from mbusbench.timing import bit_time

OVERSAMPLING = 16
"""Samples of a UART in one bit; a mark that is shorter than one of them is not seen."""


@dataclass(frozen=True, slots=True)
class Character:
    """One character. `time` is the end of its stop bit, in ns."""

    time: int
    value: int
    parity_error: bool = False
    framing_error: bool = False


@dataclass(frozen=True, slots=True)
class Received:
    """Characters received back to back; `parity_errors` and `framing_errors` are indexes into `data`.

    A break is 00 with a framing error.
    """

    start: int
    data: bytes
    baud: int
    parity: Parity = Parity.EVEN
    parity_errors: tuple[int, ...] = ()
    framing_errors: tuple[int, ...] = ()

    @property
    def end(self) -> int:
        """The end of the last stop bit."""
        return self.start + bit_time(self.baud, CHARACTER_BITS[self.parity] * len(self.data))

    @property
    def is_clean(self) -> bool:
        """No parity and no framing error."""
        return not self.parity_errors and not self.framing_errors

    def times(self) -> list[int]:
        """Return the end of each character's stop bit, in ns."""
        bits = CHARACTER_BITS[self.parity]
        return [self.start + bit_time(self.baud, bits * count) for count in range(1, len(self.data) + 1)]

    def characters(self) -> list[Character]:
        """Return the characters one by one."""
        return [
            Character(time, value, index in self.parity_errors, index in self.framing_errors)
            for index, (time, value) in enumerate(zip(self.times(), self.data, strict=True))
        ]

    def ended_by(self, now: int) -> int:
        """Return how many of the characters have ended at `now`."""
        if now >= self.end:
            return len(self.data)
        bits = CHARACTER_BITS[self.parity]
        count = max(0, (now - self.start) * self.baud // (bits * 1_000_000_000))
        # The end of a character is rounded, so it may lie up to half a nanosecond before its exact time.
        return count + (self.start + bit_time(self.baud, bits * (count + 1)) <= now)

    def part(self, first: int, after: int) -> Received:
        """Return the characters from `first` up to, not including, `after`."""
        if first == 0 and after == len(self.data):
            return self
        return Received(
            self.start + bit_time(self.baud, CHARACTER_BITS[self.parity] * first),
            self.data[first:after],
            self.baud,
            self.parity,
            tuple(index - first for index in self.parity_errors if first <= index < after),
            tuple(index - first for index in self.framing_errors if first <= index < after),
        )


def receive(signals: Iterable[WireSignal], baud: int, parity: Parity = Parity.EVEN) -> list[Received]:
    """Return all that a receiver set to `baud` and `parity` gets from `signals`, in the order of time."""
    return [received for group in _groups(signals, baud, parity) for received in _resolve(group, baud, parity)]


class Receiver:
    """A UART on a line where signals appear while time passes.

    `transmit` announces a signal, at the latest when it starts. `poll` returns what was received: a frame in one piece
    at its end, and signals that touch one another when the last of them is over; with `by_character`, each character
    at its own end.
    """

    def __init__(self, baud: int, parity: Parity = Parity.EVEN, *, by_character: bool = False) -> None:
        self.baud = baud
        self.parity = parity
        self._by_character = by_character
        self._signals: list[WireSignal] = []
        self._pending: list[_Group] | None = []
        self._delivered = 0

    def transmit(self, signal: WireSignal) -> None:
        """Put a signal on the line. It must not start before the last `poll`."""
        self._signals.append(signal)
        self._pending = None

    def withdraw(self, signal: WireSignal) -> bool:
        """Take back a signal that is not over yet. Whether it was there: who came later did not get it."""
        if signal not in self._signals:
            return False
        self._signals.remove(signal)
        self._pending = None
        return True

    def set_format(self, baud: int, parity: Parity = Parity.EVEN) -> None:
        """Change the receiver's format. What is not polled yet is received in the new one."""
        self.baud = baud
        self.parity = parity
        self._pending = None

    def poll(self, now: int) -> list[Received]:
        """Return what has been received until `now` and was not returned before."""
        ready: list[Received] = []
        groups = self._groups()
        while groups and (groups[0].end <= now or (self._by_character and groups[0].start < now)):
            group = groups[0]
            complete = group.end <= now
            position = 0
            for received in self._resolved(group):
                count = len(received.data) if complete else received.ended_by(now)
                first = max(0, self._delivered - position)
                if first < count:
                    ready.append(received.part(first, count))
                position += count
            if not complete:
                self._delivered = position
                break
            self._delivered = 0
            del groups[0]
            for signal in group.signals:
                self._signals.remove(signal)
        return ready

    def next_wakeup(self) -> int | None:
        """Return when the next `poll` has something to do, None while the line is idle."""
        groups = self._groups()
        if not groups:
            return None
        if self._by_character:
            position = 0
            for received in self._resolved(groups[0]):
                count = self._delivered - position + 1
                position += len(received.data)
                if position > self._delivered:
                    return received.start + bit_time(self.baud, CHARACTER_BITS[self.parity] * count)
        return groups[0].end

    def _groups(self) -> list[_Group]:
        if self._pending is None:
            self._pending = _groups(self._signals, self.baud, self.parity)
        return self._pending

    def _resolved(self, group: _Group) -> list[Received]:
        if group.received is None:
            group.received = _resolve(group, self.baud, self.parity)
        return group.received


@dataclass(slots=True)
class _Group:
    """Signals that touch one another. `end` is when the receiver is through with them."""

    start: int
    end: int
    signals: list[WireSignal] = field(default_factory=list)
    received: list[Received] | None = None


def _groups(signals: Iterable[WireSignal], baud: int, parity: Parity) -> list[_Group]:
    groups: list[_Group] = []
    for signal in sorted(signals, key=_start):
        end = signal.end
        if groups and signal.start < groups[-1].end:
            groups[-1].signals.append(signal)
            groups[-1].end = max(end + bit_time(baud, CHARACTER_BITS[parity]), groups[-1].end)
            if len(groups[-1].signals) == 2:
                groups[-1].end = max(groups[-1].end, _tail_end(groups[-1].signals[0], baud, parity))
        else:
            alone = _is_plain(signal, baud, parity)
            groups.append(_Group(signal.start, end if alone else _tail_end(signal, baud, parity), [signal]))
    return groups


def _start(signal: WireSignal) -> int:
    return signal.start


def _is_plain(signal: WireSignal, baud: int, parity: Parity) -> bool:
    """Tell whether a lone `signal` is received exactly as it is sent."""
    return isinstance(signal, Transmission) and signal.baud == baud and signal.parity is parity and not signal.flipped


def _tail_end(signal: WireSignal, baud: int, parity: Parity) -> int:
    """Return when a character that begins in the signal's last bit is over."""
    return signal.end + bit_time(baud, CHARACTER_BITS[parity])


def _resolve(group: _Group, baud: int, parity: Parity) -> list[Received]:
    signal = group.signals[0]
    if len(group.signals) == 1 and isinstance(signal, Transmission) and _is_plain(signal, baud, parity):
        return [Received(signal.start, signal.data, baud, parity)] if signal.data else []
    return _join(_sample(group.signals, baud, parity), baud, parity)


@lru_cache(maxsize=64)
def _sample_times(baud: int, parity: Parity) -> tuple[int, ...]:
    """Return the centres of all bits of a character, in ns after the falling edge."""
    return tuple(((2 * bit + 1) * 1_000_000_000 + baud) // (2 * baud) for bit in range(CHARACTER_BITS[parity]))


def _sample(signals: list[WireSignal], baud: int, parity: Parity) -> list[tuple[int, int, bool, bool]]:
    """Return (falling edge, value, parity error, framing error) of each character."""
    spaces = superpose(signals, max(1, bit_time(baud) // OVERSAMPLING))
    centres = _sample_times(baud, parity)
    characters: list[tuple[int, int, bool, bool]] = []
    index = 0
    while index < len(spaces):
        edge = spaces[index][0]
        levels = []
        for centre in centres:
            time = edge + centre
            while index < len(spaces) and spaces[index][1] <= time:
                index += 1
            levels.append(index == len(spaces) or spaces[index][0] > time)
            if levels[0]:
                break
        # A space under way cannot give a falling edge any more.
        if index < len(spaces) and spaces[index][0] <= time:
            index += 1
        if levels[0]:
            continue
        value = sum(level << position for position, level in enumerate(levels[1:9]))
        odd = bool(sum(levels[1:-1]) & 1)
        wrong_parity = parity is not Parity.NONE and odd is not (parity is Parity.ODD)
        characters.append((edge, value, wrong_parity, not levels[-1]))
    return characters


def _join(characters: list[tuple[int, int, bool, bool]], baud: int, parity: Parity) -> list[Received]:
    """Put characters that follow one another without a gap into one piece."""
    received: list[Received] = []
    first = 0
    bits = CHARACTER_BITS[parity]
    for index in range(1, len(characters) + 1):
        expected = characters[first][0] + bit_time(baud, bits * (index - first))
        if index < len(characters) and abs(characters[index][0] - expected) <= 2:
            continue
        run = characters[first:index]
        received.append(
            Received(
                run[0][0],
                bytes(value for _, value, _, _ in run),
                baud,
                parity,
                tuple(number for number, character in enumerate(run) if character[2]),
                tuple(number for number, character in enumerate(run) if character[3]),
            )
        )
        first = index
    return received
