"""Every time limit of the link layer, in integer nanoseconds.

A character is 11 bits (start, eight data, parity, stop). The limits are those of The M-Bus 4.8, 5.4: a slave starts its
answer 11 to 330 bit times + 50 ms after the request, and a faulty frame is followed by 33 bit times of idle line.
Latencies of adapters and gateways are not in here.
"""

from __future__ import annotations

BAUD_RATES = (300, 600, 1200, 2400, 4800, 9600, 19200, 38400)
BITS_PER_CHARACTER = 11

MILLISECOND = 1_000_000
SECOND = 1_000_000_000

RESPONSE_MINIMUM_BITS = 11
RESPONSE_MAXIMUM_BITS = 330
RESPONSE_MAXIMUM_EXTRA = 50 * MILLISECOND
IDLE_BITS = 33


def bit_time(baud: int, bits: int = 1) -> int:
    """Duration of `bits` bits at `baud` bits per second, in ns. Rounded once, so that long spans do not drift."""
    return (bits * SECOND + baud // 2) // baud


def character_time(baud: int, count: int = 1) -> int:
    """Duration of `count` characters sent without gaps, in ns."""
    return bit_time(baud, BITS_PER_CHARACTER * count)


def response_window(baud: int) -> tuple[int, int]:
    """Earliest and latest start of an answer, in ns from the end of the request to the first start bit."""
    return bit_time(baud, RESPONSE_MINIMUM_BITS), bit_time(baud, RESPONSE_MAXIMUM_BITS) + RESPONSE_MAXIMUM_EXTRA


def first_character_timeout(baud: int) -> int:
    """The same limit for a receiver that sees whole characters: end of request to the end of the first one, in ns."""
    return bit_time(baud, RESPONSE_MAXIMUM_BITS + BITS_PER_CHARACTER) + RESPONSE_MAXIMUM_EXTRA


def idle_time(baud: int) -> int:
    """Idle line that both sides keep after a faulty frame or a timeout, in ns."""
    return bit_time(baud, IDLE_BITS)
