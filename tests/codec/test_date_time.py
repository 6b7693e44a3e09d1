from __future__ import annotations

from datetime import date, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbusbench.codec import date_time
from mbusbench.errors import MBusUsageError


def number(raw: str) -> int:
    return int.from_bytes(bytes.fromhex(raw), "little")


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("bf1c", date(2013, 12, 31)),
        ("ff0c", date(2007, 12, 31)),
        ("3fe1", None),  # year 113 has no meaning
        ("0000", None),
        ("ffff", None),
        ("fffc", "*-12-31"),
        ("e0ff", "*-*-*"),
        ("1fa1", date(2080, 1, 31)),
        ("3e12", None),  # 30 February
        ("2100", None),  # month 0
    ],
)
def test_type_g(raw: str, value: object) -> None:
    assert date_time.decode_g(number(raw)) == value


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("32371f15", datetime(2008, 5, 31, 23, 50)),
        ("38086e19", datetime(2011, 9, 14, 8, 56)),
        ("0807dc24", datetime(2022, 4, 28, 7, 8)),
        ("2d2d1135", datetime(2024, 5, 17, 13, 45)),
        ("2d0d1135", datetime(2024, 5, 17, 13, 45)),
        ("0000e1f1", "*-01-01T00:00"),
        ("3f1f0115", "2008-05-01T*:*"),
        ("00000000", None),
        ("80000000", None),
        ("ffffffff", None),
        ("3c000101", None),  # minute 60
        ("00180101", None),  # hour 24
    ],
)
def test_type_f(raw: str, value: object) -> None:
    assert date_time.decode_f(number(raw)) == value


def test_fields_of_an_invalid_time_are_still_read() -> None:
    assert date_time.decode_f(number("a115e917")) == datetime(2015, 7, 9, 21, 33)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("000008162700", datetime(2016, 7, 22, 8, 0, 0)),
        ("1e2d0d1f1c00", datetime(2008, 12, 31, 13, 45, 30)),
        ("000000000000", None),
        ("ffffffffffff", None),
        ("3f2d0d1f1c00", "2008-12-31T13:45:*"),
    ],
)
def test_type_i(raw: str, value: object) -> None:
    assert date_time.decode_i(bytes.fromhex(raw)) == value


@pytest.mark.parametrize(
    ("raw", "value"),
    [("1e2d0d", time(13, 45, 30)), ("3f3f1f", "*:*:*"), ("ffffff", None), ("3c0000", None), ("000018", None)],
)
def test_type_j(raw: str, value: object) -> None:
    assert date_time.decode_j(bytes.fromhex(raw)) == value


def test_type_k() -> None:
    assert date_time.decode_k(bytes.fromhex("029fbaa3")) == "03-31T02 to 10-26, +1 h"
    assert date_time.decode_k(bytes.fromhex("021f1aa3")) is None


@given(st.dates(date(1981, 1, 1), date(2080, 12, 31)))
def test_every_date_survives_type_g(value: date) -> None:
    assert date_time.decode_g(int.from_bytes(date_time.encode_g(value), "little")) == value


@given(st.datetimes(datetime(1900, 1, 1), datetime(2199, 12, 31)))
def test_every_minute_survives_type_f(value: datetime) -> None:
    value = value.replace(second=0, microsecond=0)
    if value.year < 1981:
        return  # years 0 to 80 without hundreds are read as 2000 to 2080
    assert date_time.decode_f(int.from_bytes(date_time.encode_f(value), "little")) == value


@given(st.datetimes(datetime(1981, 1, 1), datetime(2080, 12, 31)))
def test_every_second_survives_type_i(value: datetime) -> None:
    value = value.replace(microsecond=0)
    assert date_time.decode_i(date_time.encode_i(value)) == value


@given(st.times())
def test_every_second_survives_type_j(value: time) -> None:
    value = value.replace(microsecond=0)
    assert date_time.decode_j(date_time.encode_j(value)) == value


def test_no_date_has_a_coding_in_every_type() -> None:
    assert date_time.decode_g(int.from_bytes(date_time.encode_g(None), "little")) is None
    assert date_time.decode_f(int.from_bytes(date_time.encode_f(None), "little")) is None
    assert date_time.decode_i(date_time.encode_i(None)) is None
    assert date_time.decode_j(date_time.encode_j(None)) is None


def test_years_without_a_coding_are_refused() -> None:
    with pytest.raises(MBusUsageError, match="year 2081"):
        date_time.encode_g(date(2081, 1, 1))
    with pytest.raises(MBusUsageError, match="year 2300"):
        date_time.encode_f(datetime(2300, 1, 1))


@given(st.integers(0, 2**32 - 1))
def test_any_bits_give_a_date_text_or_none(raw: int) -> None:
    assert isinstance(date_time.decode_f(raw), datetime | str | None)
    assert isinstance(date_time.decode_g(raw & 0xFFFF), date | str | None)
    assert isinstance(date_time.decode_i(raw.to_bytes(4, "little") + b"\x12\x34"), datetime | str | None)
    assert isinstance(date_time.decode_j(raw.to_bytes(4, "little")[:3]), time | str | None)
