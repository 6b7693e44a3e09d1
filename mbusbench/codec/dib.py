"""Data information block: the DIF and its DIFEs (EN 13757-3, variable data structure).

Says how a record's data is coded, and of which storage, tariff, subunit and function it is. The special DIFs 0F, 1F, 2F
and 7F stand alone and are the telegram's matter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache

from mbusbench.errors import DecodeError, MBusUsageError

MAXIMUM_EXTENSIONS = 10
LVAR = 0xD
# Bytes of data by data field; None: the first data byte says, or there is no record (F).
DATA_LENGTHS = (0, 1, 2, 3, 4, 4, 6, 8, 0, 1, 2, 3, 4, None, 6, None)

MANUFACTURER_DATA = 0x0F
MORE_RECORDS_FOLLOW = 0x1F
IDLE_FILLER = 0x2F
GLOBAL_READOUT = 0x7F


class Function(Enum):
    """DIF bits 5..4."""

    INSTANTANEOUS = 0
    MAXIMUM = 1
    MINIMUM = 2
    ERROR = 3


_FUNCTIONS = tuple(Function)


@dataclass(frozen=True, slots=True)
class DataInformationBlock:
    """`raw` is the truth; the rest is read from it. storage_number has up to 41 bits, tariff 20, subunit 10."""

    raw: bytes
    function: Function = field(hash=False)
    data_field: int = field(hash=False)
    storage_number: int = field(hash=False)
    tariff: int = field(hash=False)
    subunit: int = field(hash=False)

    @property
    def data_length(self) -> int | None:
        """Bytes of data that follow the VIB, or None for variable length (LVAR)."""
        return DATA_LENGTHS[self.data_field]

    @staticmethod
    def decode(data: bytes, offset: int = 0) -> DataInformationBlock:
        """Read the block at `offset`; DecodeError (offset into `data`) where it is cut off or has over 10 DIFEs."""
        end = offset
        try:
            while data[end] & 0x80:
                end += 1
        except IndexError:
            raise DecodeError("premature end of DIFE", offset=len(data)) from None
        if end - offset > MAXIMUM_EXTENSIONS:
            raise DecodeError("more than 10 DIFEs", offset=offset + MAXIMUM_EXTENSIONS + 1)
        return _decode(bytes(data[offset : end + 1]))

    def encode(self) -> bytes:
        return self.raw

    @staticmethod
    def build(
        data_field: int,
        function: Function = Function.INSTANTANEOUS,
        storage_number: int = 0,
        tariff: int = 0,
        subunit: int = 0,
        *,
        extensions: int = 0,
    ) -> DataInformationBlock:
        """The shortest block with these numbers and at least so many DIFEs; MBusUsageError where they do not fit."""
        if not (0 <= data_field < 0xF and storage_number >> 41 == 0 and tariff >> 20 == 0 and subunit >> 10 == 0):
            raise MBusUsageError(
                f"no DIB holds data field {data_field}, storage {storage_number}, tariff {tariff}, subunit {subunit}"
            )
        raw = bytearray([data_field | function.value << 4 | (storage_number & 1) << 6])
        storage_number >>= 1
        while storage_number or tariff or subunit or len(raw) <= extensions:
            raw[-1] |= 0x80
            raw.append(storage_number & 0xF | (tariff & 3) << 4 | (subunit & 1) << 6)
            storage_number, tariff, subunit = storage_number >> 4, tariff >> 2, subunit >> 1
        return _decode(bytes(raw))


@lru_cache(maxsize=4096)
def _decode(raw: bytes) -> DataInformationBlock:
    dif = raw[0]
    storage_number, tariff, subunit = dif >> 6 & 1, 0, 0
    for index, dife in enumerate(raw[1:]):
        storage_number |= (dife & 0xF) << (1 + 4 * index)
        tariff |= (dife >> 4 & 3) << (2 * index)
        subunit |= (dife >> 6 & 1) << index
    return DataInformationBlock(raw, _FUNCTIONS[dif >> 4 & 3], dif & 0xF, storage_number, tariff, subunit)
