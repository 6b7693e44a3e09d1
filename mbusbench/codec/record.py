"""Data records of the variable data structure (EN 13757-3): header (DIB and VIB), data, and the value they mean.

A record keeps the telegram's bytes and where it stands in them; everything else is a view on these.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from struct import Struct
from typing import Any, NamedTuple

from mbusbench.codec.data_field import Coding, Value, coding, encode_value, lvar_length, raw_value
from mbusbench.codec.dib import DataInformationBlock, Function
from mbusbench.codec.vib import ValueInformationBlock
from mbusbench.errors import DecodeError

_VARIABLE = -1
_INVALID_TIME_BYTES = {4: 0, 6: 1}


@cache
def _unpacker(code: str) -> Callable[[bytes, int], tuple[Any, ...]] | None:
    return Struct("<" + code).unpack_from if code else None


class RecordHeader:
    """The data record header: what every record with the same DIB and VIB shares."""

    __slots__ = ("coding", "data_length", "dib", "invalid_time_byte", "raw", "unpack", "vib")

    def __init__(self, dib: DataInformationBlock, vib: ValueInformationBlock) -> None:
        self.raw = dib.raw + vib.raw
        self.dib = dib
        self.vib = vib
        self.coding: Coding = coding(dib.data_field, vib)
        length = dib.data_length
        self.data_length = _VARIABLE if length is None else length
        self.unpack = _unpacker(self.coding.format)
        self.invalid_time_byte = -1  # where the IV bit (time invalid) of types F and I stands
        if dib.data_field in _INVALID_TIME_BYTES and vib.kind in ("date", "datetime"):
            self.invalid_time_byte = _INVALID_TIME_BYTES[dib.data_field]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RecordHeader) and self.dib == other.dib and self.vib == other.vib

    def __hash__(self) -> int:
        return hash(self.raw)

    def data_end(self, data: bytes, position: int) -> int:
        """Where the record's data that starts at `position` ends; DecodeError where nothing says so."""
        if self.data_length >= 0:
            return position + self.data_length
        if position >= len(data):
            return position + 1
        length = lvar_length(data[position])
        if length is None:
            raise DecodeError(f"reserved LVAR {data[position]:02X}", offset=position)
        return position + 1 + length

    def least_significant_first(self, data: bytes) -> bytes:
        """Data sent most significant byte first (mode 2), turned round; the length byte of LVAR stays in front."""
        return data[:1] + data[:0:-1] if self.unpack is None else data[::-1]

    def value(self, data: bytes) -> Value:
        """The value of the record's data bytes, least significant first."""
        read = self.coding.checked
        if self.unpack is None:
            return read(data)
        return read(self.unpack(data, 0)[0])


class RecordField(NamedTuple):
    """Where a record stands in its datagram: header at `start`, data from `data_start` to `stop`."""

    header: RecordHeader
    start: int
    data_start: int
    stop: int
    most_significant_first: bool = False

    @property
    def invalid_time_position(self) -> int:
        """Where the byte with the IV bit (time invalid) of types F and I stands, -1 for any other record."""
        index = self.header.invalid_time_byte
        if index < 0:
            return -1
        return self.stop - 1 - index if self.most_significant_first else self.data_start + index


class DataRecord(NamedTuple):
    """One record. `value` is in `unit`: a number, text, a date type, or None where the meter sent no value."""

    field: RecordField
    value: Value
    datagram: bytes

    @property
    def dib(self) -> DataInformationBlock:
        return self.field.header.dib

    @property
    def vib(self) -> ValueInformationBlock:
        return self.field.header.vib

    @property
    def quantity(self) -> str:
        return self.field.header.vib.quantity

    @property
    def unit(self) -> str | None:
        return self.field.header.vib.unit

    @property
    def function(self) -> Function:
        return self.field.header.dib.function

    @property
    def storage_number(self) -> int:
        return self.field.header.dib.storage_number

    @property
    def tariff(self) -> int:
        return self.field.header.dib.tariff

    @property
    def subunit(self) -> int:
        return self.field.header.dib.subunit

    @property
    def data(self) -> bytes:
        """The data bytes as sent."""
        return self.datagram[self.field.data_start : self.field.stop]

    @property
    def raw(self) -> bytes:
        """Header and data as sent."""
        return self.datagram[self.field.start : self.field.stop]

    @property
    def exponent(self) -> int | None:
        """The power of ten by which the meter scales, None where there is none."""
        return self.field.header.vib.exponent

    @property
    def raw_value(self) -> Value:
        """What the meter sent before scaling: the register's number, digits that are no number, or text."""
        header = self.field.header
        return raw_value(header.dib, header.vib, self._ordered_data())

    @property
    def valid(self) -> bool:
        """Whether the value can be used: there is one, and the meter does not call its own time invalid."""
        if self.value is None:
            return False
        position = self.field.invalid_time_position
        return position < 0 or not self.datagram[position] & 0x80

    def _ordered_data(self) -> bytes:
        data = self.data
        return self.field.header.least_significant_first(data) if self.field.most_significant_first else data

    def encode(self) -> bytes:
        header = self.field.header
        return header.dib.encode() + header.vib.encode() + self.data

    @staticmethod
    def build(dib: DataInformationBlock, vib: ValueInformationBlock, raw: Value | bytes) -> DataRecord:
        """A record of its own, from a register as the meter counts it (`codec.data_field.encode_value`)."""
        header = RecordHeader(dib, vib)
        data = encode_value(dib, vib, raw)
        start = len(header.raw)
        return DataRecord(RecordField(header, 0, start, start + len(data)), header.value(data), header.raw + data)
