from __future__ import annotations

import struct
from datetime import datetime
from math import isclose

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mbusbench.codec.data_field import encode_value, lvar_length, raw_value
from mbusbench.codec.dib import DataInformationBlock
from mbusbench.codec.record import DataRecord, RecordHeader
from mbusbench.codec.vib import ValueInformationBlock
from mbusbench.errors import MBusUsageError


def header(text: str) -> tuple[DataInformationBlock, ValueInformationBlock, bytes]:
    raw = bytes.fromhex(text)
    dib = DataInformationBlock.decode(raw)
    vib = ValueInformationBlock.decode(raw, len(dib.raw))
    return dib, vib, raw[len(dib.raw) + len(vib.raw) :]


def value(text: str) -> object:
    dib, vib, data = header(text)
    return RecordHeader(dib, vib).value(data)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ("03 13 15 31 00", 12.565),
        ("da 02 3b 13 01", 0.113),
        ("8b 60 04 37 18 02", 218.37),
        ("0c 14 27 04 85 02", 28504.27),
        ("04 06 93 00 00 00", 147),
        ("04 2d 25 00 00 00", 3700),
        ("02 fd c8 73 2a 00", 0.0042),
        ("04 ad 7d 25 00 00 00", 3700000),
        ("82 40 ac ff 01 fd ff", -30),
        ("0b 61 18 00 f0", -0.18),
        ("0b 62 02 00 f0", -0.2),
        ("0b 3b 00 00 00", 0.0),
        ("06 fd 0c 0a 00 01 00 fa 01", 2173253517322),
        ("0d fd 0b 05 31 32 48 46 57", "WFH21"),
        ("0d 78 11 34 31 38 35 30 32 38 30 32 31 39 35 37 31 30 30 47", "G0017591208205814"),
        ("0c 78 82 13 02 08", "08021382"),
        ("04 78 2a 63 9e 00", 10380074),
        ("0d 13 c2 78 56", 5.678),
        ("0d 13 d2 78 56", -5.678),
        ("0d 13 e3 78 56 00", 22.136),
        ("0d 13 c0", 0.0),
        ("01 fd 1b 02", 2),
        ("01 fd 17 ff", 255),
        ("01 fb 1b ff", None),
        ("01 fb 1b 37", 55),
        ("02 fd fd 02 0c 00", 12),
        ("05 5b 2b 4b ac 41", 21.536703),
        ("05 3b 84 00 35 3f", 0.0007070391),
        ("05 2b d3 9f 90 46", 18511.912),
        ("04 6d 32 37 1f 15", datetime(2008, 5, 31, 23, 50)),
        ("94 10 da 6f 32 14 7a 18", datetime(2011, 8, 26, 20, 50)),
        ("04 be 58 f4 02 00 00", 756),
        ("04 90 28 a0 86 01 00", 0.1),
        # "no value" in all its codings
        ("c4 84 00 06 00 00 00 80", None),
        ("01 5b 80", None),
        ("02 5a 00 80", None),
        ("03 13 00 00 80", None),
        ("06 04 00 00 00 00 00 80", None),
        ("07 03 00 00 00 00 00 00 00 80", None),
        ("3c 2a dd b4 eb dd", None),
        ("0c 13 ff ff ff ff", None),
        ("0c 78 ff ff ff ff", None),
        ("0a 13 1f 20", None),
        ("05 5b 00 00 c0 ff", None),
        ("05 5b 00 00 80 7f", None),
        ("42 6c ff ff", None),
        ("32 6c 00 00", None),
        ("0d 13 c2 7a 56", None),
        ("02 86 15 34 12", None),
        ("00 13", None),
        ("08 13", None),
        ("01 6d 12", None),
        # letters in an identification are its digits
        ("0c 78 3e 02 00 05", "0500023E"),
        ("0e ed eb 00 00 15 00 16 08 14", "140816001500"),
        ("0d fd 3b 03 01 02 03", "010203"),
    ],
)
def test_value_is_exact_in_the_unit_of_the_quantity(record: str, expected: object) -> None:
    found = value(record)
    assert found == expected
    assert type(found) is type(expected)


@given(st.integers(-(2**31) + 1, 2**31 - 1))
@example(1234)
def test_scaled_number_is_the_nearest_float(register: int) -> None:
    dib, vib = DataInformationBlock.build(4), ValueInformationBlock.find("volume", "l")
    assert DataRecord.build(dib, vib, register).value == float(f"{register}e-3")


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
@example(3.4028234663852886e38)
@example(1e-45)
@example(0.1)
def test_real_reads_as_the_shortest_decimal_of_the_same_single(number: float) -> None:
    dib, vib = DataInformationBlock.build(5), ValueInformationBlock.find("voltage", "V")
    found = DataRecord.build(dib, vib, number).value
    assert isinstance(found, float)
    assert struct.pack("<f", found) == struct.pack("<f", number) or found == number == 0
    assert len(f"{found!r}".partition("e")[0].replace(".", "").strip("-0")) <= 9


SIZES = {1: 1, 2: 2, 3: 3, 4: 4, 6: 6, 7: 8}


@given(st.sampled_from(sorted(SIZES)), st.data())
def test_every_binary_register_survives(data_field: int, data: st.DataObject) -> None:
    bits = 8 * SIZES[data_field]
    register = data.draw(st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1))
    dib, vib = DataInformationBlock.build(data_field), ValueInformationBlock.find("power", "W")
    sent = encode_value(dib, vib, register)
    assert raw_value(dib, vib, sent) == register
    assert RecordHeader(dib, vib).value(sent) == (None if register == -(2 ** (bits - 1)) else register)


BCD = {0x9: 1, 0xA: 2, 0xB: 3, 0xC: 4, 0xE: 6}


@given(st.sampled_from(sorted(BCD)), st.data())
def test_every_bcd_register_survives(data_field: int, data: st.DataObject) -> None:
    digits = 2 * BCD[data_field]
    register = data.draw(st.integers(-(10 ** (digits - 1)) + 1, 10**digits - 1))
    dib, vib = DataInformationBlock.build(data_field), ValueInformationBlock.find("power", "W")
    sent = encode_value(dib, vib, register)
    assert raw_value(dib, vib, sent) == register
    assert RecordHeader(dib, vib).value(sent) == register


@given(st.text(st.characters(max_codepoint=255), max_size=191))
def test_every_text_survives(text: str) -> None:
    dib, vib = DataInformationBlock.build(0xD), ValueInformationBlock.find("customer_location")
    sent = encode_value(dib, vib, text)
    assert len(sent) == 1 + (lvar_length(sent[0]) or 0)
    assert RecordHeader(dib, vib).value(sent) == text


@pytest.mark.parametrize(
    ("record", "raw", "message"),
    [
        ("01 2b", 128, "128 does not fit into 8 bits"),
        ("01 2b", "1", "takes a whole number"),
        ("09 2b", 100, "does not fit into 2 BCD digits"),
        ("09 2b", -10, "does not fit into 2 BCD digits"),
        ("09 2b", 1.5, "takes a whole number or digits"),
        ("09 2b", "xy", "no row of digits"),
        ("05 2b", 1e39, "single precision"),
        ("05 2b", "1", "takes a number"),
        ("0d fd 0b", "€", "outside ISO 8859-1"),
        ("0d fd 0b", "x" * 192, "at most 191"),
        ("0d fd 0b", 1.5, "takes text"),
        ("0d fd 0b", 10**18, "more than 18 digits"),
        ("02 6c", 5, "cannot hold 5"),
        ("01 2b", b"\x00\x01", "takes 1 bytes, not 2"),
        ("0d fd 0b", b"\x02\x01", "takes 3 bytes, not 2"),
    ],
)
def test_what_does_not_fit_is_refused(record: str, raw: object, message: str) -> None:
    dib, vib, _ = header(record)
    with pytest.raises(MBusUsageError, match=message):
        encode_value(dib, vib, raw)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("record", "sent"),
    [
        ("04 2b", "00000080"),
        ("02 fd 1c", "ffff"),
        ("0c 13", "ffffffff"),
        ("05 5b", "0000c07f"),
        ("02 6c", "ffff"),
        ("04 6d", "00000000"),
        ("0d fd 0b", "00"),
    ],
)
def test_no_value_has_a_coding(record: str, sent: str) -> None:
    dib, vib, _ = header(record)
    assert encode_value(dib, vib, None).hex() == sent


def test_variable_lengths_follow_the_first_byte() -> None:
    assert [lvar_length(first) for first in (0x00, 0xBF, 0xC2, 0xD9, 0xE0, 0xEF, 0xF0, 0xF4, 0xF5, 0xF6)] == [
        *(0, 191, 2, 9, 0, 15, 16, 32, 48, 64)
    ]
    assert [first for first in range(256) if lvar_length(first) is None] == [
        *range(0xCA, 0xD0),
        *range(0xDA, 0xE0),
        *range(0xF7, 0x100),
    ]


def test_raw_value_keeps_what_was_sent() -> None:
    assert raw_value(*header("0b 61 18 00 f0")) == -18
    assert raw_value(*header("3c 2a dd b4 eb dd")) == "DDEBB4DD"
    assert raw_value(*header("0d 13 c2 78 56")) == 5678
    assert raw_value(*header("04 6d 32 37 1f 15")) == datetime(2008, 5, 31, 23, 50)
    real = raw_value(*header("05 3b 84 00 35 3f"))
    assert isinstance(real, float)
    assert isclose(real, 0.7070391)


def test_daylight_saving_rule_of_another_size_is_no_date() -> None:
    assert value("04 fd 72 02 9f ba a3") == "03-31T02 to 10-26, +1 h"
    assert value("02 fd 72 d2 04") is None
