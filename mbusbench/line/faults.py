"""Every fault of one answer by its name: drop, delay, truncate, gaps, babble, flipped bits and the rest.

They are applied from left to right. What concerns the meter or the connection (stuck FCB, power cycle, disconnect) is
not here, as the line has neither.
"""

from __future__ import annotations

from dataclasses import dataclass

from mbusbench.line.answer_faults import CorruptedAcknowledge, DoubledAcknowledge, Late, Noise, Stale
from mbusbench.line.effect import Burst, Bursts, Effect, Sender, edited, part_of, with_flipped
from mbusbench.line.frame_faults import (
    WrongAddress,
    WrongChecksum,
    WrongCi,
    WrongControl,
    WrongLength,
    WrongStart,
    WrongStop,
)
from mbusbench.line.wire import CHARACTER_BITS, Parity


@dataclass(frozen=True, slots=True)
class Drop(Effect):
    """No answer at all."""

    name = "drop"

    def apply(self, bursts: Bursts, sender: Sender) -> Bursts:
        return ()


@dataclass(frozen=True, slots=True)
class Delay(Effect):
    """The answer comes `duration` ns later, perhaps after the master gave up."""

    name = "delay"
    duration: int

    def apply(self, bursts: Bursts, sender: Sender) -> Bursts:
        return tuple(burst._replace(offset=burst.offset + self.duration) for burst in bursts)


@dataclass(frozen=True, slots=True)
class Truncate(Effect):
    """Only the first `keep` characters are sent; where `keep` is negative, all but so many."""

    name = "truncate"
    keep: int = -1

    def apply(self, bursts: Bursts, sender: Sender) -> Bursts:
        total = sum(len(burst.data) for burst in bursts)
        remaining = self.keep if self.keep >= 0 else max(0, total + self.keep)
        kept: list[Burst] = []
        for burst in bursts:
            part = part_of(burst, 0, min(remaining, len(burst.data)), sender)
            remaining -= len(part.data)
            if part.data:
                kept.append(part)
        return tuple(kept)


@dataclass(frozen=True, slots=True)
class Replace(Effect):
    """Other bytes: `data` instead of the whole answer, or over it from index `at` on, which may count from the end.

    Nothing is computed anew. A stale telegram is another telegram's bytes, a corrupted acknowledge one byte.
    """

    name = "replace"
    data: bytes
    at: int | None = None

    def apply(self, bursts: Bursts, sender: Sender) -> Bursts:
        if not bursts:
            return bursts
        if self.at is None:
            return (Burst(bursts[0].offset, self.data),)
        at = self.at

        def edit(data: bytearray) -> None:
            first = at if at >= 0 else len(data) + at
            for index, value in enumerate(self.data, first):
                if 0 <= index < len(data):
                    data[index] = value

        return edited(bursts, edit)


@dataclass(frozen=True, slots=True)
class Leading(Effect):
    """`data` comes right before the answer, which is so much later."""

    name = "leading"
    data: bytes

    def apply(self, bursts: Bursts, sender: Sender) -> Bursts:
        if not bursts:
            return bursts
        later = Delay(sender.duration(len(self.data))).apply(bursts, sender)
        return (Burst(bursts[0].offset, self.data), *later)


@dataclass(frozen=True, slots=True)
class Trailing(Effect):
    """`data` comes after the answer, `pause` ns behind its end."""

    name = "trailing"
    data: bytes
    pause: int = 0

    def apply(self, bursts: Bursts, sender: Sender) -> Bursts:
        return (*bursts, Burst(sender.end(bursts) + self.pause, self.data)) if bursts else bursts


@dataclass(frozen=True, slots=True)
class Duplicate(Effect):
    """The answer is sent `times` times more, each `pause` ns behind the end of the one before."""

    name = "duplicate"
    times: int = 1
    pause: int = 0

    def apply(self, bursts: Bursts, sender: Sender) -> Bursts:
        if not bursts:
            return bursts
        period = sender.end(bursts) - bursts[0].offset + self.pause
        return tuple(
            burst._replace(offset=burst.offset + number * period)
            for number in range(self.times + 1)
            for burst in bursts
        )


@dataclass(frozen=True, slots=True)
class Gaps(Effect):
    """Pauses of `duration` ns between characters: after every `every` of them, or once, after the first `after`."""

    name = "gaps"
    duration: int
    every: int = 1
    after: int | None = None

    def apply(self, bursts: Bursts, sender: Sender) -> Bursts:
        position = 0
        paused = 0
        pieces: list[Burst] = []
        for burst in bursts:
            first = 0
            for index in range(1, len(burst.data) + 1):
                position += 1
                here = position == self.after if self.after is not None else position % self.every == 0
                if here or index == len(burst.data):
                    piece = part_of(burst, first, index, sender)
                    pieces.append(piece._replace(offset=piece.offset + paused))
                    first = index
                    paused += self.duration if here else 0
        return tuple(pieces)


@dataclass(frozen=True, slots=True)
class Dribble(Effect):
    """The characters come one by one, each starting `interval` ns after the one before, or as fast as the line is."""

    name = "dribble"
    interval: int

    def apply(self, bursts: Bursts, sender: Sender) -> Bursts:
        characters = [part_of(burst, index, index + 1, sender) for burst in bursts for index in range(len(burst.data))]
        return tuple(
            character._replace(offset=bursts[0].offset + max(number * self.interval, sender.duration(number)))
            for number, character in enumerate(characters)
        )


@dataclass(frozen=True, slots=True)
class Babble(Effect):
    """The slave does not stop: `count` more characters follow its answer, `pattern` again and again."""

    name = "babble"
    count: int = 1000
    pattern: bytes = b"\x55"

    def apply(self, bursts: Bursts, sender: Sender) -> Bursts:
        repeated = self.pattern * (self.count // len(self.pattern) + 1)
        return (*bursts, Burst(sender.end(bursts), repeated[: self.count]))


@dataclass(frozen=True, slots=True)
class BitFlips(Effect):
    """The bits with these numbers are inverted, counted over all characters, start, parity and stop bits included."""

    name = "bit_flips"
    bits: tuple[int, ...]

    def apply(self, bursts: Bursts, sender: Sender) -> Bursts:
        return with_flipped(bursts, sender, set(self.bits))


@dataclass(frozen=True, slots=True)
class BitErrors(Effect):
    """Each bit is inverted with probability `rate`."""

    name = "bit_errors"
    rate: float

    def apply(self, bursts: Bursts, sender: Sender) -> Bursts:
        total = sum(len(burst.data) for burst in bursts) * CHARACTER_BITS[sender.parity]
        return with_flipped(bursts, sender, {bit for bit in range(total) if sender.random.random() < self.rate})


@dataclass(frozen=True, slots=True)
class ParityErrors(Effect):
    """The parity bits of these characters are wrong, or of all; a negative index counts from the end."""

    name = "parity_errors"
    characters: tuple[int, ...] = ()

    def apply(self, bursts: Bursts, sender: Sender) -> Bursts:
        if sender.parity is Parity.NONE:
            return bursts
        total = sum(len(burst.data) for burst in bursts)
        indexes = {index + total * (index < 0) for index in self.characters} if self.characters else set(range(total))
        return with_flipped(bursts, sender, {index * CHARACTER_BITS[sender.parity] + 9 for index in indexes})


EFFECTS: dict[str, type[Effect]] = {
    effect.name: effect
    for effect in (
        Drop,
        Delay,
        Late,
        Truncate,
        WrongChecksum,
        WrongLength,
        WrongStart,
        WrongStop,
        WrongControl,
        WrongAddress,
        WrongCi,
        Replace,
        Leading,
        Trailing,
        Duplicate,
        Gaps,
        Dribble,
        Babble,
        BitFlips,
        BitErrors,
        ParityErrors,
        Stale,
        CorruptedAcknowledge,
        DoubledAcknowledge,
        Noise,
    )
}
"""Every effect by the name that a bus file gives it."""
