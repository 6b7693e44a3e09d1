"""Date and time types F, G, I, J and K of EN 13757-3, both directions.

A full date is a `datetime.date`, a full date and time a `datetime.datetime` (without zone: meters send local time), a
time of day a `datetime.time`. What recurs ("every year", "every day") is text with `*`: "*-01-01T00:00". None is "no
valid date".
"""

from __future__ import annotations

from datetime import date, datetime, time
from functools import lru_cache

from mbusbench.errors import MBusUsageError

DateValue = date | datetime | time | str | None

_EVERY_YEAR = 127
_EVERY_MONTH = 15


def _text(value: int, every: int, width: int = 2) -> str:
    return "*" if value == every else f"{value:0{width}d}"


def _build(year: int, month: int, day: int, clock: tuple[int, ...] | None) -> DateValue:
    """Full fields become a date type; recurring ones (year, month, day None as their `every` codes) become text."""
    recurring = year == _EVERY_YEAR or month == _EVERY_MONTH or day == 0 or (clock is not None and _recurs(clock))
    if not recurring:
        try:
            if clock is None:
                return date(year, month, day)
            return datetime.combine(date(year, month, day), _time(clock))
        except ValueError:
            return None
    if not (month == _EVERY_MONTH or 1 <= month <= 12) or not 0 <= day <= 31:
        return None
    text = f"{_text(year, _EVERY_YEAR, 4)}-{_text(month, _EVERY_MONTH)}-{_text(day, 0)}"
    if clock is None:
        return text
    if not _legal(clock):
        return None
    return text + "T" + _clock_text(clock)


def _recurs(clock: tuple[int, ...]) -> bool:
    return clock[0] == 31 or 63 in clock[1:]


def _legal(clock: tuple[int, ...]) -> bool:
    return (clock[0] == 31 or clock[0] < 24) and all(part == 63 or part < 60 for part in clock[1:])


def _clock_text(clock: tuple[int, ...]) -> str:
    return ":".join([_text(clock[0], 31), *(_text(part, 63) for part in clock[1:])])


def _time(clock: tuple[int, ...]) -> time:
    hour, minute, *second = clock
    return time(hour, minute, second[0] if second else 0)


def _full_year(year: int, hundreds: int = 0) -> int:
    if year == _EVERY_YEAR:
        return year
    if hundreds == 0 and year <= 80:
        return 2000 + year
    return 1900 + 100 * hundreds + year


@lru_cache(maxsize=4096)
def decode_g(raw: int) -> DateValue:
    """Type G, 16 bits: a date. 0000 and FFFF are "no valid date"."""
    if raw in (0, 0xFFFF):
        return None
    year = raw >> 9 & 0x78 | raw >> 5 & 7
    if 99 < year < _EVERY_YEAR:
        return None
    return _build(_full_year(year), raw >> 8 & 0xF, raw & 0x1F, None)


@lru_cache(maxsize=4096)
def decode_f(raw: int) -> DateValue:
    """Type F, 32 bits: date and time to the minute. The fields are read whatever the IV bit (7) says."""
    if raw & 0xFFFFFF7F in (0, 0xFFFFFF7F):
        return None
    year = raw >> 25 & 0x78 | raw >> 21 & 7
    if 99 < year < _EVERY_YEAR:
        return None
    clock = (raw >> 8 & 0x1F, raw & 0x3F)
    return _build(_full_year(year, raw >> 13 & 3), raw >> 24 & 0xF, raw >> 16 & 0x1F, clock)


@lru_cache(maxsize=4096)
def decode_i(raw: bytes) -> DateValue:
    """Type I, 6 bytes: date and time to the second. Day of week, week and daylight saving are not shown."""
    if raw[3] & 0x1F == 0 and raw[4] & 0xF == 0 and raw[3] >> 5 == 0 and raw[4] >> 4 == 0:
        return None
    if raw == b"\xff" * 6:
        return None
    year = raw[4] >> 1 & 0x78 | raw[3] >> 5
    if 99 < year < _EVERY_YEAR:
        return None
    clock = (raw[2] & 0x1F, raw[1] & 0x3F, raw[0] & 0x3F)
    month = raw[4] & 0xF
    return _build(_full_year(year), month or _EVERY_MONTH, raw[3] & 0x1F, clock)


@lru_cache(maxsize=4096)
def decode_j(raw: bytes) -> DateValue:
    """Type J, 3 bytes: time of day."""
    clock = (raw[2] & 0x1F, raw[1] & 0x3F, raw[0] & 0x3F)
    if raw == b"\xff\xff\xff" or not _legal(clock):
        return None
    return _clock_text(clock) if _recurs(clock) else _time(clock)


def decode_k(raw: bytes) -> str | None:
    """Type K, 4 bytes: daylight saving rule, as text; None where it is not enabled."""
    if not raw[1] & 0x80:
        return None
    begin = f"{raw[3] & 0xF:02d}-{raw[1] & 0x1F:02d}T{raw[0] & 0x1F:02d}"
    end = f"{raw[3] >> 4:02d}-{raw[2] & 0x1F:02d}"
    sign = "+" if raw[2] & 0x80 else "-"
    return f"{begin} to {end}, {sign}{raw[2] >> 5 & 3} h"


def _year_bits(year: int) -> tuple[int, int]:
    """(low 3 bits, high 4 bits) of a two-digit year."""
    return year % 100 & 7, year % 100 >> 3


def _check_year(year: int) -> None:
    if not 1981 <= year <= 2080:
        raise MBusUsageError(f"year {year} has no coding in a two-digit year (1981 to 2080)")


def encode_g(value: date | None) -> bytes:
    """Type G; None is FFFF."""
    if value is None:
        return b"\xff\xff"
    _check_year(value.year)
    low, high = _year_bits(value.year)
    return bytes([value.day | low << 5, value.month | high << 4])


def encode_f(value: datetime | None) -> bytes:
    """Type F with the hundred year bits of 1900 or 2000 (the standard's form); None is all zeros."""
    if value is None:
        return bytes(4)
    if not 1900 <= value.year <= 2299:
        raise MBusUsageError(f"year {value.year} has no coding in type F (1900 to 2299)")
    low, high = _year_bits(value.year)
    hundreds = (value.year - 1900) // 100
    return bytes(
        [value.minute, value.hour | hundreds << 5, value.day | low << 5, value.month | high << 4],
    )


def encode_i(value: datetime | None) -> bytes:
    """Type I, with day of week and week left open; None is all FF."""
    if value is None:
        return b"\xff" * 6
    _check_year(value.year)
    low, high = _year_bits(value.year)
    return bytes([value.second, value.minute, value.hour, value.day | low << 5, value.month | high << 4, 0])


def encode_j(value: time | None) -> bytes:
    """Type J; None is FFFFFF."""
    if value is None:
        return b"\xff\xff\xff"
    return bytes([value.second, value.minute, value.hour])
