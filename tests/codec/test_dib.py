from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbusbench.codec.dib import DataInformationBlock, Function
from mbusbench.errors import DecodeError, MBusUsageError


@pytest.mark.parametrize(
    ("raw", "function", "storage_number", "tariff", "subunit"),
    [
        ("04", Function.INSTANTANEOUS, 0, 0, 0),
        ("8410", Function.INSTANTANEOUS, 0, 1, 0),
        ("8450", Function.INSTANTANEOUS, 0, 1, 1),
        ("848040", Function.INSTANTANEOUS, 0, 0, 2),
        ("849040", Function.INSTANTANEOUS, 0, 1, 2),
        ("8204", Function.INSTANTANEOUS, 8, 0, 0),
        ("c28400", Function.INSTANTANEOUS, 9, 0, 0),
        ("848f0f", Function.INSTANTANEOUS, 510, 0, 0),
        ("8b60", Function.INSTANTANEOUS, 0, 2, 1),
        ("8e8010", Function.INSTANTANEOUS, 0, 4, 0),
        ("cc9010", Function.INSTANTANEOUS, 1, 5, 0),
        ("da02", Function.MAXIMUM, 5, 0, 0),
        ("22", Function.MINIMUM, 0, 0, 0),
        ("34", Function.ERROR, 0, 0, 0),
    ],
)
def test_numbers_are_read_from_dif_and_difes(
    raw: str, function: Function, storage_number: int, tariff: int, subunit: int
) -> None:
    block = DataInformationBlock.decode(bytes.fromhex(raw) + b"\x13")
    assert block.encode().hex() == raw
    assert (block.function, block.storage_number, block.tariff, block.subunit) == (
        function,
        storage_number,
        tariff,
        subunit,
    )


@given(
    st.integers(0, 14),
    st.sampled_from(Function),
    st.integers(0, 2**41 - 1),
    st.integers(0, 2**20 - 1),
    st.integers(0, 2**10 - 1),
)
def test_what_is_built_is_what_is_decoded(
    data_field: int, function: Function, storage: int, tariff: int, unit: int
) -> None:
    built = DataInformationBlock.build(data_field, function, storage, tariff, unit)
    found = DataInformationBlock.decode(built.raw)
    assert (found.data_field, found.function, found.storage_number, found.tariff, found.subunit) == (
        data_field,
        function,
        storage,
        tariff,
        unit,
    )
    assert len(built.raw) <= 11


def test_built_block_is_the_shortest() -> None:
    assert DataInformationBlock.build(4, storage_number=510).raw == bytes.fromhex("848f0f")
    assert DataInformationBlock.build(2, storage_number=1).raw == b"\x42"


def test_ten_difes_are_legal_and_eleven_are_not() -> None:
    assert len(DataInformationBlock.decode(b"\x84" + b"\x80" * 9 + b"\x00").raw) == 11
    with pytest.raises(DecodeError, match="more than 10 DIFEs"):
        DataInformationBlock.decode(b"\x84" + b"\x80" * 10 + b"\x00")


def test_block_that_is_cut_off_says_where() -> None:
    with pytest.raises(DecodeError, match="premature end of DIFE") as error:
        DataInformationBlock.decode(b"\x00\x84\x80", 1)
    assert error.value.offset == 3


@pytest.mark.parametrize(
    "numbers", [(15, 0, 0, 0), (4, 2**41, 0, 0), (4, 0, 2**20, 0), (4, 0, 0, 2**10), (4, -1, 0, 0)]
)
def test_numbers_that_no_block_holds_are_refused(numbers: tuple[int, int, int, int]) -> None:
    data_field, storage, tariff, subunit = numbers
    with pytest.raises(MBusUsageError):
        DataInformationBlock.build(data_field, Function.INSTANTANEOUS, storage, tariff, subunit)
