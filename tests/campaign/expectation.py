"""How many damaged telegrams an 8-bit checksum cannot see, with parity and without: what a master may accept wrongly.

Each of the nine bits of a character behind its start bit and before its stop bit (eight of data, one of parity) is
inverted by itself with probability p. A frame is accepted where the sum of the characters from C to the checksum still
agrees and nothing that says what the frame is has changed (start and stop bytes, both L, C and A). Where the receiver
checks parity, no character may have an odd number of inverted bits. With d(c) the distribution, over the residues of
256, of what a character c adds to the sum when it arrives damaged, the part of all frames that is accepted but not
right is

    P = P(the characters from CI on add up to 0) - P(they are as they were), times P(all others are as they were)

where the distribution of the sum is the convolution of all d(c), the checksum's own subtracted. It is computed as such,
for frames as they are sent. For small p two inverted bits of equal weight and opposite direction decide it:
P ~ N p^2 without parity, N such pairs; four of them, two in each of two characters, with parity: P ~ p^4.
"""

from __future__ import annotations

import cmath
import math
from functools import lru_cache

_RESIDUES = 256
_HEAD = 6  # start, L, L, start, C, A
_ALWAYS_RIGHT = _HEAD + 1  # and the stop byte


_ROOTS = [cmath.exp(2j * cmath.pi * number / _RESIDUES) for number in range(_RESIDUES)]


@lru_cache(maxsize=4096)
def _spectrum(character: int, rate: float, parity: bool) -> tuple[complex, ...]:
    """The Fourier transform of what a damaged character adds to the sum; what is seen by parity is left out."""
    added = [0.0] * _RESIDUES
    for mask in range(256):
        data_bits = mask.bit_count()
        weight = rate**data_bits * (1 - rate) ** (8 - data_bits)
        if parity:
            # The parity bit is inverted too where that makes the number even, else it must not be.
            weight *= rate if data_bits % 2 else 1 - rate
        added[((character ^ mask) - character) % _RESIDUES] += weight
    return tuple(
        sum(weight * _ROOTS[residue * frequency % _RESIDUES] for residue, weight in enumerate(added) if weight)
        for frequency in range(_RESIDUES)
    )


def unseen(frame: bytes, rate: float, *, parity: bool) -> float:
    """The probability that a long frame arrives damaged and is accepted."""
    *covered, checksum = frame[_HEAD:-1]
    # A convolution of distributions is the product of their transforms; the value at 0 is the mean of it.
    product = [value.conjugate() for value in _spectrum(checksum, rate, parity)]
    for character in covered:
        product = [one * other for one, other in zip(product, _spectrum(character, rate, parity), strict=True)]
    adds_up = sum(product).real / _RESIDUES
    bits = 9 if parity else 8
    as_they_were = (1 - rate) ** (bits * (len(covered) + 1))
    return (adds_up - as_they_were) * (1 - rate) ** (bits * _ALWAYS_RIGHT)


def tail(observed: int, expected: float) -> float:
    """The probability of a Poisson number at least as far from `expected` as `observed` is, on the same side."""
    if observed >= expected:
        return 1 - sum(_poisson(count, expected) for count in range(observed))
    return sum(_poisson(count, expected) for count in range(observed + 1))


def _poisson(count: int, expected: float) -> float:
    return math.exp(count * math.log(expected) - expected - math.lgamma(count + 1)) if expected else float(not count)
