from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbusbench.codec.address import PRIMARY_RANGE, SecondaryAddress, manufacturer_code, manufacturer_letters
from mbusbench.errors import MBusDecodeError, MBusUsageError

OCTET = st.integers(0, 255)
IDENTIFICATION = st.text("0123456789ABCDEF", min_size=8, max_size=8)
ADDRESSES = st.builds(SecondaryAddress, IDENTIFICATION, st.integers(0, 0xFFFF), OCTET, OCTET)
METER = SecondaryAddress("12345678", 0x2324, 0x28, 0x07)


def test_primary_addresses_are_0_to_250() -> None:
    assert (PRIMARY_RANGE[0], PRIMARY_RANGE[-1]) == (0, 250)


@pytest.mark.parametrize(
    "text",
    ["1234567824232807", "HYD-12345678-28-07", "hyd-12345678-28-07", " 2423-12345678-28-07 "],
)
def test_both_text_forms_give_the_same_address(text: str) -> None:
    assert SecondaryAddress.parse(text) == METER


def test_wire_bytes_are_least_significant_first() -> None:
    assert METER.encode().hex() == "7856341224232807"
    assert str(METER) == "1234567824232807"


@pytest.mark.parametrize(
    ("text", "packed"),
    [
        ("FFFFFFFFFFFFFFFF", "FFFFFFFFFFFFFFFF"),
        ("*-*-*-*", "FFFFFFFFFFFFFFFF"),
        ("*-1234FFFF-FF-07", "1234FFFFFFFFFF07"),
        ("FFFF-1234567F-*-ff", "1234567FFFFFFFFF"),
        ("KAM-*-1b-04", "FFFFFFFF2D2C1B04"),
        ("1234abcd2d2c1b04", "1234ABCD2D2C1B04"),
    ],
)
def test_wildcards_in_text(text: str, packed: str) -> None:
    assert str(SecondaryAddress.parse(text)) == packed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "123456782423280",
        "12345678242328071",
        "HYD-1234567-28-07",
        "HY-12345678-28-07",
        "HYD-12345678-28",
        "HYD-12345678-28-0G",
        "G234567824232807",
        "HY1-12345678-28-07",
        "１234567824232807",
    ],
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(MBusUsageError, match="secondary address"):
        SecondaryAddress.parse(text)


@given(ADDRESSES)
def test_round_trips(address: SecondaryAddress) -> None:
    assert SecondaryAddress.decode(address.encode()) == address
    assert SecondaryAddress.parse(str(address)) == address


@pytest.mark.parametrize("size", [0, 7, 9])
def test_decoding_takes_eight_bytes(size: int) -> None:
    with pytest.raises(MBusDecodeError, match=f"not {size}"):
        SecondaryAddress.decode(bytes(size))


@pytest.mark.parametrize(
    "fields",
    [
        ("1234567", 0, 0, 0),
        ("1234567G", 0, 0, 0),
        ("12345678", 0x10000, 0, 0),
        ("12345678", -1, 0, 0),
        ("12345678", 0, 256, 0),
        ("12345678", 0, 0, -1),
    ],
)
def test_fields_out_of_range_are_refused(fields: tuple[str, int, int, int]) -> None:
    with pytest.raises(MBusUsageError):
        SecondaryAddress(*fields)


def test_identification_is_kept_in_upper_case() -> None:
    assert SecondaryAddress("1234abcd") == SecondaryAddress("1234ABCD")


@pytest.mark.parametrize(
    ("mask", "matches"),
    [
        ("1234567824232807", True),
        ("FFFFFFFFFFFFFFFF", True),
        ("F2345678FFFFFFFF", True),
        ("1234567FFFFFFFFF", True),
        ("12345679FFFFFFFF", False),
        ("1234567AFFFFFFFF", False),
        ("FFFFFFFF2423FFFF", True),
        ("FFFFFFFF24FFFFFF", True),
        ("FFFFFFFFFF23FFFF", True),
        ("FFFFFFFF25FFFFFF", False),
        ("FFFFFFFFFF24FFFF", False),
        ("FFFFFFFFFFFF28FF", True),
        ("FFFFFFFFFFFF29FF", False),
        ("FFFFFFFFFFFFFF07", True),
        ("FFFFFFFFFFFFFF06", False),
    ],
)
def test_a_mask_matches_field_by_field(mask: str, matches: bool) -> None:
    assert SecondaryAddress.parse(mask).matches(METER) is matches


def test_hex_digits_of_a_mask_stand_for_themselves() -> None:
    meter = SecondaryAddress("1234567A", 0x2324, 0x28, 0x07)
    assert SecondaryAddress("1234567A").matches(meter)
    assert not SecondaryAddress("1234567B").matches(meter)
    assert not SecondaryAddress("12345670").matches(meter)


@given(ADDRESSES)
def test_an_address_matches_itself_and_is_found_by_the_open_mask(address: SecondaryAddress) -> None:
    assert address.matches(address)
    assert SecondaryAddress("FFFFFFFF").matches(address)


@pytest.mark.parametrize(
    ("text", "wildcard"),
    [
        ("1234567824232807", False),
        ("1234567F24232807", True),
        ("12345678FF232807", True),
        ("1234567824FF2807", True),
        ("123456782423FF07", True),
        ("12345678242328FF", True),
    ],
)
def test_is_wildcard(text: str, wildcard: bool) -> None:
    assert SecondaryAddress.parse(text).is_wildcard is wildcard


@pytest.mark.parametrize(
    ("letters", "code"), [("KAM", 0x2C2D), ("LSE", 0x3265), ("AAA", 0x0421), ("ZZZ", 0x6B5A), ("PAD", 0x4024)]
)
def test_manufacturer_letters_and_code(letters: str, code: int) -> None:
    assert manufacturer_code(letters) == code
    assert manufacturer_letters(code) == letters


@pytest.mark.parametrize(("code", "text"), [(0, ""), (0xFFFF, "FFFF"), (0x0001, "0001"), (0x2C20, "2C20")])
def test_codes_without_letters(code: int, text: str) -> None:
    assert manufacturer_letters(code) == text


@pytest.mark.parametrize("letters", ["", "KA", "KAMS", "K1M", "KÄM", "KAM\n"])
def test_only_three_letters_have_a_code(letters: str) -> None:
    with pytest.raises(MBusUsageError, match="three letters"):
        manufacturer_code(letters)


@given(st.integers(1, 0xFFFF))
def test_every_code_has_a_text_that_leads_back(code: int) -> None:
    text = manufacturer_letters(code)
    assert (manufacturer_code(text) if len(text) == 3 else int(text, 16)) == code
