"""What an answer of several slaves at once still tells about them.

Where they began at the same moment, each bit that arrives as 1 was sent as 1 by all of them. That narrows down who they
are; and once they are known, their telegrams have to explain what was heard, or somebody else was there too.
"""

from __future__ import annotations

from collections.abc import Iterable

from mbusbench.codec.control_field import RSP_UD
from mbusbench.codec.frame import LongFrame

_ADDRESS = slice(7, 15)
_ACCESS_NUMBER = 15
_RECORDS = 12
_START = 0x68
_LONG_HEADER = 0x72
_SHORTEST = 21  # characters of an answer with a long header and no records
_SURE = 24  # so many bits of a stretch have to be 1: another transmission would clear half of them
_TOLERATED = 8  # of so many bits one may have changed since


def common_bits(raw: bytes) -> int:
    """The bits of the address that all slaves have in common as 1, as in `Mask.value`; 0 where nothing is sure."""
    if len(raw) < _SHORTEST or (raw[0], raw[3], raw[4], raw[6]) != (_START, _START, RSP_UD, _LONG_HEADER):
        return 0
    if raw[1] != raw[2]:
        return 0
    address = raw[_ADDRESS]
    return int.from_bytes(address[3::-1] + address[4:], "big")


def explains(frames: Iterable[LongFrame], raw: bytes) -> bool:
    """Whether these telegrams, sent at the same moment, sound like `raw`, so that nobody else can have sent."""
    telegrams = [frame.encode() for frame in frames]
    length = max(map(len, telegrams), default=0)
    if length != len(raw):
        return False
    expected = (1 << 8 * length) - 1
    for telegram in telegrams:
        expected &= int.from_bytes(telegram.ljust(length, b"\xff"), "big")
    predicted = expected.to_bytes(length, "big")
    if predicted[: _ADDRESS.stop] != raw[: _ADDRESS.stop]:
        return False
    ones = [byte.bit_count() for byte in predicted]
    missing = [(byte & ~heard & 0xFF).bit_count() for byte, heard in zip(predicted, raw, strict=True)]
    for index in (_ACCESS_NUMBER, length - 2):  # the checksum changes with it
        ones[index] = missing[index] = 0
    return all(
        sum(ones[start : start + _SHORTEST]) >= _SURE
        and sum(missing[start : start + _SHORTEST]) * _TOLERATED <= sum(ones[start : start + _SHORTEST])
        for start in range(length - _SHORTEST + 1)
    )


def hides(telegram: LongFrame, other: LongFrame) -> bool:
    """Whether the records of `other`, sent at the same moment as those of `telegram`, would not be noticed."""
    records, others = telegram.data[_RECORDS:], other.data[_RECORDS:]
    return len(records) == len(others) and all(
        first & second == first for first, second in zip(records, others, strict=False)
    )


def resembles_collision(digits: int, count: int, ones: float) -> bool:
    """Whether `count` digits may be what several addresses have in common: those have few ones, real ones 1.5 each."""
    return digits.bit_count() <= ones * count
