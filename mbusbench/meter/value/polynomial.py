"""Polynomials with exact coefficients, lowest power first: `(1, 2)` is 1 + 2x. Nothing here knows what x is."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import comb

Polynomial = tuple[Fraction, ...]


def at(coefficients: Polynomial, x: int) -> Fraction:
    value = coefficients[-1]
    for part in coefficients[-2::-1]:
        value = value * x + part
    return value


def antiderivative(coefficients: Polynomial, start: Fraction = Fraction(0)) -> Polynomial:
    """That which is `start` at 0."""
    return (start, *(part / (power + 1) for power, part in enumerate(coefficients)))


def area(coefficients: Polynomial, x: int) -> Fraction:
    """The integral from 0 to `x`."""
    return at(antiderivative(trimmed(coefficients)), x)


def scaled(coefficients: Polynomial, factor: Fraction) -> Polynomial:
    return tuple(part * factor for part in coefficients)


def added(first: Polynomial, second: Polynomial) -> Polynomial:
    size = max(len(first), len(second))
    zero = Fraction(0)
    return tuple(
        (first[index] if index < len(first) else zero) + (second[index] if index < len(second) else zero)
        for index in range(size)
    )


def product(first: Polynomial, second: Polynomial) -> Polynomial:
    found = [Fraction(0)] * (len(first) + len(second) - 1)
    for low, left in enumerate(first):
        if left:
            for high, right in enumerate(second):
                found[low + high] += left * right
    return tuple(found)


def shifted(coefficients: Polynomial, by: int) -> Polynomial:
    """The polynomial in x whose value is that of `coefficients` at x + `by`."""
    if not by or len(coefficients) == 1:
        return coefficients
    return tuple(
        sum(
            (coefficients[high] * comb(high, low) * by ** (high - low) for high in range(low, len(coefficients))),
            Fraction(0),
        )
        for low in range(len(coefficients))
    )


def trimmed(coefficients: Sequence[Fraction]) -> Polynomial:
    """Without zeros at its end."""
    size = len(coefficients)
    while size > 1 and not coefficients[size - 1]:
        size -= 1
    return tuple(coefficients[:size])
