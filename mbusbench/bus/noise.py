"""What goes wrong on the copper by itself: characters that nobody sent, and single bits that arrive inverted.

Each has its own named random stream, so that the same seed disturbs the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from random import Random


@dataclass(frozen=True, slots=True)
class Noise:
    """Characters on the idle line: every `interval` ns on average, `shortest` to `longest` of them, heard by whom."""

    interval: int
    shortest: int = 1
    longest: int = 1
    to_masters: bool = True
    to_slaves: bool = False


class NoiseSource:
    """When noise comes, and which characters."""

    def __init__(self, noise: Noise, seed: int) -> None:
        self.noise = noise
        self._random = Random(f"{seed}/line/noise").random

    def pause(self) -> int:
        """ns until the next of it."""
        return max(1, int(-log(1 - self._random()) * self.noise.interval))

    def characters(self) -> bytes:
        """What it sounds like."""
        noise = self.noise
        count = noise.shortest + int(self._random() * (noise.longest - noise.shortest + 1))
        return bytes(int(self._random() * 256) for _ in range(count))


class BitErrors:
    """Each bit is inverted with probability `rate`; `stream` names the random numbers."""

    def __init__(self, rate: float, stream: str) -> None:
        self._random = Random(stream).random
        self._scale = log(1 - rate) if rate < 1 else 0.0
        self._ahead = self._pause()

    def next(self, bits: int) -> tuple[int, ...]:
        """The numbers of the inverted ones among the next `bits` bits."""
        flipped: list[int] = []
        position = self._ahead
        while position < bits:
            flipped.append(position)
            position += 1 + self._pause()
        self._ahead = position - bits
        return tuple(flipped)

    def _pause(self) -> int:
        """Bits that are right before the next wrong one."""
        return int(log(1 - self._random()) / self._scale) if self._scale else 0
