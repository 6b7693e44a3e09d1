"""The fixed data structure (CI 73, and CI 77 with counters sent MSB first): The M-Bus 4.8, 6.2.

Always 16 bytes: identification, access number, status, medium and units, two counters. The counters become data records
as those of the variable structure, with DIB and VIB that were not sent (their `raw` is empty).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from functools import lru_cache

from mbusbench.codec.dib import DataInformationBlock
from mbusbench.codec.record import DataRecord, RecordField, RecordHeader
from mbusbench.codec.tables.fixed_units import DEVICE_TYPES, HISTORIC, UNITS
from mbusbench.codec.vib import ValueInformationBlock
from mbusbench.errors import DecodeError

SIZE = 16
_BINARY = 0x01
_STORED = 0x02
_FIRST_MEDIUM_MOST_SIGNIFICANT_FIRST = 0x0A
_LAST_MEDIUM_MOST_SIGNIFICANT_FIRST = 0x0E
_KINDS = {"time_hms": "identification", "date_dmy": "identification", "dimensionless": "dimensionless"}
_UNITS = {
    code: row._replace(exponent=None if row.exponent is None else row.exponent + code - row.first)
    for row in UNITS
    for code in range(row.first, row.last + 1)
}


@dataclass(frozen=True, slots=True)
class FixedHeader:
    """`medium` is the 4-bit code of the structure, `device_type` what the variable structure calls the same."""

    identification: str
    access_number: int
    status: int
    medium: int
    units: tuple[int, int]
    most_significant_first: bool = False

    @property
    def device_type(self) -> int:
        return DEVICE_TYPES[self.medium]

    @staticmethod
    def decode(data: bytes, most_significant_first: bool = False) -> FixedHeader:
        """The first 8 bytes of the structure; DecodeError where they are not there."""
        if len(data) < SIZE:
            raise DecodeError(f"fixed data structure of {len(data)} bytes, not {SIZE}", offset=len(data))
        identification, access_number, status, first, second = struct.unpack_from("<4s4B", data)
        order = 1 if most_significant_first else -1
        return FixedHeader(
            identification[::order].hex().upper(),
            access_number,
            status,
            first >> 6 | second >> 6 << 2,
            (first & 0x3F, second & 0x3F),
            most_significant_first,
        )

    def encode(self) -> bytes:
        identification = bytes.fromhex(self.identification)
        medium = ((self.medium & 3) << 6 | self.units[0], self.medium >> 2 << 6 | self.units[1])
        if not self.most_significant_first:
            identification = identification[::-1]
        return identification + bytes([self.access_number, self.status, *medium])

    def records(self, data: bytes) -> list[DataRecord]:
        """The two counters of the whole structure `data`."""
        turned = self.most_significant_first or (
            _FIRST_MEDIUM_MOST_SIGNIFICANT_FIRST <= self.medium <= _LAST_MEDIUM_MOST_SIGNIFICANT_FIRST
        )
        records = []
        for index, unit in enumerate(self.units):
            historic = unit == HISTORIC
            code = self.units[1 - index] if historic else unit
            header = _header(code, bool(self.status & _BINARY), historic or bool(self.status & _STORED))
            start = 8 + 4 * index
            counter = data[start : start + 4]
            field = RecordField(header, start, start, start + 4, turned)
            records.append(DataRecord(field, header.value(counter[::-1] if turned else counter), data))
        return records


@lru_cache(maxsize=256)
def _header(unit: int, binary: bool, stored: bool) -> RecordHeader:
    dib = replace(DataInformationBlock.build(4 if binary else 0xC, storage_number=int(stored)), raw=b"")
    row = _UNITS.get(unit)
    if row is None:
        vib = ValueInformationBlock.without_code("reserved", None, None, "reserved")
    else:
        vib = ValueInformationBlock.without_code(
            row.quantity, row.unit, row.exponent, _KINDS.get(row.quantity, "numeric")
        )
    return RecordHeader(dib, vib)
