"""How many damaged telegrams an 8-bit checksum cannot see, with parity and without: what a master may accept wrongly.

Each of the nine bits of a character behind its start bit and before its stop bit (eight of data, one of parity) is
inverted by itself with probability p. A frame is accepted where the sum of the characters from C to the checksum still
agrees and nothing that says what the frame is has changed (start and stop bytes, both L, C and A). Where the receiver
checks parity, no character may have an odd number of inverted bits. With d(c) the distribution, over the residues of
256, of what a character c adds to the sum when it arrives damaged, the part of all frames that is accepted but not
right is

    P = P(the characters from CI on add up to 0) - P(they are as they were), times P(all others are as they were)

where the distribution of the sum is the convolution of all d(c), the checksum's own subtracted. It is computed as such,
for the frames that were sent. For small p two inverted bits of equal weight and opposite direction decide it:
P ~ N p^2 without parity, N such pairs; four of them, two in each of two characters, with parity: P ~ p^4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

_RESIDUES = 256
_HEAD = 6  # start, L, L, start, C, A
_ALWAYS_RIGHT = _HEAD + 1  # and the stop byte

Distribution = list[float]


@lru_cache(maxsize=4096)
def _added(character: int, rate: float, parity: bool) -> tuple[float, ...]:
    """The distribution of what a damaged character adds to the sum; what is seen by parity is left out."""
    found = [0.0] * _RESIDUES
    for mask in range(256):
        data_bits = mask.bit_count()
        weight = rate**data_bits * (1 - rate) ** (8 - data_bits)
        if parity:
            # The parity bit is inverted too where that makes the number even, else it must not be.
            weight *= rate if data_bits % 2 else 1 - rate
        found[((character ^ mask) - character) % _RESIDUES] += weight
    return tuple(found)


def _convolved(first: Sequence[float], second: Sequence[float], sign: int) -> Distribution:
    result = [0.0] * _RESIDUES
    likely = [(value, weight) for value, weight in enumerate(second) if weight]
    for residue, weight in enumerate(first):
        if weight:
            for value, other in likely:
                result[(residue + sign * value) % _RESIDUES] += weight * other
    return result


def unseen(frame: bytes, rate: float, *, parity: bool) -> float:
    """The probability that a long frame arrives damaged and is accepted."""
    total = [1.0] + [0.0] * (_RESIDUES - 1)
    characters = frame[_HEAD:-1]
    for place, character in enumerate(characters):
        is_checksum = place == len(characters) - 1
        total = _convolved(total, _added(character, rate, parity), -1 if is_checksum else 1)
    bits = 9 if parity else 8
    as_they_were = (1 - rate) ** (bits * len(characters))
    return (total[0] - as_they_were) * (1 - rate) ** (bits * _ALWAYS_RIGHT)


def tail(observed: int, expected: float) -> float:
    """The probability of a Poisson number at least as far from `expected` as `observed` is, on the same side."""
    if observed >= expected:
        return 1 - sum(_poisson(count, expected) for count in range(observed))
    return sum(_poisson(count, expected) for count in range(observed + 1))


def _poisson(count: int, expected: float) -> float:
    return math.exp(count * math.log(expected) - expected - math.lgamma(count + 1)) if expected else float(not count)
