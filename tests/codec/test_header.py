from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbusbench.codec.address import SecondaryAddress
from mbusbench.codec.frame import LongFrame
from mbusbench.codec.header import LongHeader, ShortHeader, describe_status, manufacturer_letters
from mbusbench.codec.tables.manufacturers import MANUFACTURERS
from mbusbench.errors import MBusDecodeError, MBusUsageError

WATER = LongFrame.decode(
    bytes.fromhex("681f1f680802727856341224400107550000000313153100da023b13018b60043718021816"),
)


def test_long_header_of_a_worked_telegram() -> None:
    header = LongHeader.decode(WATER.data)
    assert header == LongHeader("12345678", 0x4024, 1, 7, 0x55, 0, 0)
    assert manufacturer_letters(header.manufacturer) == "PAD"
    assert header.secondary_address == SecondaryAddress("12345678", 0x4024, 1, 7)
    assert header.encode() == WATER.data[:12]


def test_mode_2_reverses_each_field_of_several_bytes() -> None:
    header = LongHeader.decode(bytes.fromhex("1234567840240107550005 10".replace(" ", "")), True)
    assert header == LongHeader("12345678", 0x4024, 1, 7, 0x55, 0, 0x0510, most_significant_first=True)
    assert header.encode().hex() == "123456784024010755000510"


def test_hex_digits_in_the_identification_stay() -> None:
    assert LongHeader.decode(bytes.fromhex("efcdab1f2440010755000000")).identification == "1FABCDEF"


@given(st.binary(min_size=12, max_size=20), st.booleans())
def test_long_round_trip(data: bytes, most_significant_first: bool) -> None:
    assert LongHeader.decode(data, most_significant_first).encode() == data[:12]


@given(st.binary(min_size=4, max_size=20))
def test_short_round_trip(data: bytes) -> None:
    assert ShortHeader.decode(data).encode() == data[:4]


def test_short_header() -> None:
    assert ShortHeader.decode(bytes.fromhex("2a041005")) == ShortHeader(42, 4, 0x0510)


def test_a_header_that_is_too_short_is_refused() -> None:
    with pytest.raises(MBusDecodeError, match="5 of 12") as caught:
        LongHeader.decode(LongFrame.decode(bytes.fromhex("680808680802727856341224b416")).data)
    assert caught.value.offset == 5
    with pytest.raises(MBusDecodeError, match="3 of 4"):
        ShortHeader.decode(b"\x00\x00\x00")


@pytest.mark.parametrize(
    "header",
    [
        LongHeader("1234567", 0, 0, 0, 0, 0, 0),
        LongHeader("12345678", 0x10000, 0, 0, 0, 0, 0),
        LongHeader("12345678", 0, 256, 0, 0, 0, 0),
        LongHeader("12345678", 0, 0, -1, 0, 0, 0),
        LongHeader("12345678", 0, 0, 0, 256, 0, 0),
        LongHeader("12345678", 0, 0, 0, 0, 256, 0),
        LongHeader("12345678", 0, 0, 0, 0, 0, 0x10000),
        ShortHeader(256, 0, 0),
        ShortHeader(0, -1, 0),
        ShortHeader(0, 0, 0x10000),
    ],
)
def test_fields_out_of_range_are_not_encoded(header: LongHeader | ShortHeader) -> None:
    with pytest.raises(MBusUsageError):
        header.encode()


@pytest.mark.parametrize(
    ("status", "texts"),
    [
        (0x00, ()),
        (0x01, ("application busy",)),
        (0x02, ("application error",)),
        (0x03, ("abnormal condition",)),
        (0x04, ("power low",)),
        (0x08, ("permanent error",)),
        (0x10, ("temporary error",)),
        (0x0D, ("application busy", "power low", "permanent error")),
        (0x88, ("permanent error", "manufacturer specific 7")),
    ],
)
def test_status(status: int, texts: tuple[str, ...]) -> None:
    assert describe_status(status) == texts


def test_companies_are_listed_under_three_letters() -> None:
    assert MANUFACTURERS["KAM"] == "Kamstrup"
    assert all(len(letters) == 3 and letters.isupper() for letters in MANUFACTURERS)
