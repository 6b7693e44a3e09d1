"""Faults that need to know more than bytes: what an acknowledge is, when a master gives up, what was sent before.

Noise is here too: characters of nobody, beside the answer or without any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mbusbench.line.effect import Burst, Bursts, Effect, Sender
from mbusbench.timing import response_window

ACKNOWLEDGE = 0xE5


@dataclass(frozen=True, slots=True)
class Late(Effect):
    """The answer starts `by` ns after the longest time that a slave may take: the master has given up."""

    name = "late"
    by: int = 50_000_000

    def apply(self, bursts: Bursts, sender: Sender) -> Bursts:
        if not bursts:
            return bursts
        start = response_window(sender.baud)[1] + self.by - sender.waited
        shift = max(0, start - bursts[0].offset)
        return tuple(burst._replace(offset=burst.offset + shift) for burst in bursts)


@dataclass(frozen=True, slots=True)
class Stale(Effect):
    """An old telegram instead of the new one: the one that the slave sent `back` telegrams ago."""

    name = "stale"
    back: int = 1

    def fits(self, data: bytes, earlier: Sequence[bytes]) -> bool:
        return len(earlier) >= self.back and data[:1] != bytes([ACKNOWLEDGE])

    def apply(self, bursts: Bursts, sender: Sender) -> Bursts:
        if not bursts or len(sender.earlier) < self.back:
            return bursts
        return (Burst(bursts[0].offset, sender.earlier[-self.back]),)


class _AcknowledgeFault(Effect):
    __slots__ = ()

    def fits(self, data: bytes, earlier: Sequence[bytes]) -> bool:
        return data == bytes([ACKNOWLEDGE])


@dataclass(frozen=True, slots=True)
class CorruptedAcknowledge(_AcknowledgeFault):
    """The acknowledge E5 arrives as another character, `value`."""

    name = "corrupted_acknowledge"
    value: int = 0xA5

    def apply(self, bursts: Bursts, sender: Sender) -> Bursts:
        if b"".join(burst.data for burst in bursts) != bytes([ACKNOWLEDGE]):
            return bursts
        return tuple(burst._replace(data=bytes([self.value]) if burst.data else b"") for burst in bursts)


@dataclass(frozen=True, slots=True)
class DoubledAcknowledge(_AcknowledgeFault):
    """The acknowledge E5 comes twice, the second one `pause` ns behind the end of the first."""

    name = "doubled_acknowledge"
    pause: int = 0

    def apply(self, bursts: Bursts, sender: Sender) -> Bursts:
        if not bursts:
            return bursts
        return (*bursts, Burst(sender.end(bursts) + self.pause, bytes([ACKNOWLEDGE])))


@dataclass(frozen=True, slots=True)
class Noise(Effect):
    """Characters that nobody sent: `data`, or `count` random ones, `delay` ns after the answer would have been due.

    They superpose with an answer that is on the line at that time.
    """

    name = "noise"
    data: bytes = b""
    count: int = 1
    delay: int = 0

    def apply(self, bursts: Bursts, sender: Sender) -> Bursts:
        # Of the module's methods only random() is promised to be the same on every Python.
        data = self.data or bytes(int(sender.random.random() * 256) for _ in range(self.count))
        return (*bursts, Burst(self.delay, data))
