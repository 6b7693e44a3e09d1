from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mbusbench.codec import layout

HEADER = bytes(12)
KEY = HEADER[4:8]


@pytest.fixture(autouse=True)
def _cold() -> Iterator[None]:
    layout.forget()
    yield
    layout.forget()


def parse(records: str) -> tuple[layout.Structure, list[object]]:
    structure, found = layout.parse(HEADER + bytes.fromhex(records), 12)
    return structure, [record.value for record in found]


RECORDS = (
    "0c78 78563412",  # identification
    "0306 151617",  # int24
    "0413 01020304",
    "02fd48 fd08",
    "0606 010203040506",
    "0706 0102030405060708",
    "0b5a 180500",
    "0e84 00 123456789012",
    "055b 2b4bac41",
    "046d 32371f15",
    "466d 000008162700",
    "426c bf1c",
    "0dfd0b 05 3132484657",
    "0d13 c2 7856",
    "0413 00000080",
    "0c2a ddb4ebdd",
    "2f2f",
    "01fd17 00",
    "068615 010203040506",
    "0013",
)


def plain(values: list[object]) -> list[str]:
    return [str(value) for value in values]


def test_known_structure_is_read_as_an_unknown_one() -> None:
    datagram = HEADER + bytes.fromhex("".join(RECORDS)) + b"\x0f\x01\x02"
    cold = layout.read(datagram, 12, KEY)
    layout.read(datagram, 12, KEY)
    warm = layout.read(datagram, 12, KEY)
    assert layout._layouts
    assert [(record.field, record.value) for record in warm[1]] == [(record.field, record.value) for record in cold[1]]
    assert warm[0].manufacturer_start == cold[0].manufacturer_start == len(datagram) - 2


@settings(max_examples=300)
@given(st.lists(st.sampled_from(RECORDS), min_size=1, max_size=12), st.data())
def test_any_values_in_a_known_structure_are_read_as_in_an_unknown_one(records: list[str], data: st.DataObject) -> None:
    layout.forget()
    datagram = bytearray(HEADER + bytes.fromhex("".join(records)))
    for _ in range(3):
        layout.read(bytes(datagram), 12, KEY)
    _, found = layout.parse(bytes(datagram), 12)
    for record in found:
        size = record.field.stop - record.field.data_start
        if record.field.header.coding.format and size:
            new = data.draw(st.one_of(st.binary(min_size=size, max_size=size), st.just(b"\xff" * size)))
            datagram[record.field.data_start : record.field.stop] = new
    changed = bytes(datagram)
    warm = layout.read(changed, 12, KEY)[1]
    cold = layout.parse(changed, 12)[1]
    assert plain([record.value for record in warm]) == plain([record.value for record in cold])
    assert [type(record.value) for record in warm] == [type(record.value) for record in cold]


def test_other_structure_of_the_same_length_is_not_mistaken() -> None:
    for records in ("0413 01000000 0206 0100", "0206 0100 0413 01000000", "0413 01000000 022b 0100"):
        for _ in range(3):
            datagram = HEADER + bytes.fromhex(records)
            found = layout.read(datagram, 12, KEY)[1]
            assert [record.value for record in found] == [record.value for record in layout.parse(datagram, 12)[1]]


@pytest.mark.parametrize(
    ("records", "values", "diagnostic"),
    [
        ("0313153100 da023b1301 8b63", [12.565, 0.113], "byte 31: premature end of record: VIF missing"),
        ("0313153100 da023b1301 8b6004", [12.565, 0.113], "premature end of record: its data is cut off"),
        ("0313153100 da023b", [12.565], "premature end of record: its data is cut off"),
        ("0313153100 0d", [12.565], "premature end of record: VIF missing"),
        ("0313153100 0d13 ca", [12.565], "byte 26: reserved LVAR CA"),
        ("0313153100 0d13", [12.565], "its data is cut off"),
        ("0313153100 3f 0313153100", [12.565], "byte 24: reserved DIF 3F"),
        ("0313153100 7f 0313153100", [12.565], "reserved DIF 7F"),
        ("0313153100 84" + "80" * 10 + "0013 01000000", [12.565], "more than 10 DIFEs"),
        ("0313153100 0493" + "bb" * 10 + "3b 01000000", [12.565], "more than 10 VIFEs"),
    ],
)
def test_records_before_a_mistake_are_kept(records: str, values: list[object], diagnostic: str) -> None:
    structure, found = parse(records)
    assert found == values
    assert len(structure.diagnostics) == 1
    assert diagnostic in str(structure.diagnostics[0])


def test_walk_goes_on_behind_a_record_that_means_nothing() -> None:
    structure, found = parse("02ff07 3412 0a6f 1234 0c7b 02030000 3c2a ddb4ebdd 0c13 99990000")
    assert found == [0x1234, 3412, 302, None, 9.999]
    assert not structure.diagnostics


def test_manufacturer_data_and_fillers_are_no_records() -> None:
    structure, found = parse("2f2f 0c13 01000000 2f 0c78 82130208 0f 37fd170000")
    assert found == [0.001, "08021382"]
    assert structure.manufacturer_start is not None
    assert not structure.more_records_follow
    structure, found = parse("0c13 01000000 1f")
    assert structure.more_records_follow


def test_plain_text_before_or_behind_the_vifes_is_told_by_what_can_be_read() -> None:
    _, before = parse("02fc0348522574d411 0265d008")
    assert before == [45.64, 22.56]
    _, behind = parse("02fc7403485225d411 0265d008")
    assert behind == [45.64, 22.56]


def test_many_doubtful_plain_texts_are_read_in_reasonable_time() -> None:
    # Each of these may be read in two ways; trials within trials would double with every record.
    structure, found = parse("01fc01fc0141" * 38)
    assert len(found) + len(structure.diagnostics) > 0


def test_most_significant_byte_first_turns_every_data_field() -> None:
    _, found = layout.parse(
        HEADER + bytes.fromhex("0413 00000305 0c13 00001234 0dfd0b 03 414243"), 12, most_significant_first=True
    )
    assert [record.value for record in found] == [0.773, 1.234, "ABC"]
    assert found[0].raw_value == 0x305
    assert found[0].encode().hex() == "041300000305"


@given(st.binary(max_size=240))
def test_any_bytes_give_records_and_diagnostics(data: bytes) -> None:
    structure, found = layout.parse(HEADER + data, 12)
    position = 12
    for record in found:
        assert record.field.start >= position
        assert record.encode() == (HEADER + data)[record.field.start : record.field.stop]
        position = record.field.stop
    for diagnostic in structure.diagnostics:
        assert 12 <= diagnostic.offset - 7 <= len(HEADER + data)
