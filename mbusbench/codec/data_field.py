"""Data fields: the bytes behind DIB and VIB as values, both directions (EN 13757-3, types A to K and LVAR).

A `Coding` is how one kind of record is read. `convert` is the fast way for ordinary values and may only be used where
no raw value is in `INVALID_INTEGERS` and no ValueError came (BCD with letters); `checked` is right for every value.
Both take what `struct` unpacks with `format`, or the bytes of a variable length (LVAR) field, first byte included.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, time
from fractions import Fraction
from functools import lru_cache, partial
from math import isfinite
from typing import Any, NamedTuple

from mbusbench.codec import date_time
from mbusbench.codec.dib import LVAR, DataInformationBlock
from mbusbench.codec.vib import ValueInformationBlock
from mbusbench.errors import MBusUsageError

Value = int | float | str | date | datetime | time | None
Convert = Callable[[Any], Value]

_BINARY_SIZES = {1: 1, 2: 2, 3: 3, 4: 4, 6: 6, 7: 8}
_BCD_SIZES = {0x9: 1, 0xA: 2, 0xB: 3, 0xC: 4, 0xE: 6}
_STRUCT_CODES = {1: "b", 2: "h", 4: "i", 8: "q"}
_REAL = 5
_LARGEST_LVAR_NUMBER = 0xEF

# "No value" of a signed field of 1, 2, 3, 4, 6, 8 bytes is the most negative number, of an unsigned one all ones.
INVALID_INTEGERS = frozenset(
    number for size in _BINARY_SIZES.values() for number in (-(1 << 8 * size - 1), (1 << 8 * size) - 1)
)


class Coding(NamedTuple):
    """`format` is a struct code without byte order; "" for a field of variable length."""

    format: str
    convert: Convert
    checked: Convert


@lru_cache(maxsize=4096)
def coding(data_field: int, vib: ValueInformationBlock) -> Coding:
    """How a record with this data field and VIB is read."""
    found = _coding(data_field, vib)
    if vib.record_error is not None:
        return Coding(found.format, _nothing, _nothing)
    return found


def _nothing(_: object) -> None:
    return None


def _coding(data_field: int, vib: ValueInformationBlock) -> Coding:
    if data_field in _BINARY_SIZES:
        size = _BINARY_SIZES[data_field]
        if vib.kind in ("date", "datetime") or vib.datatype in "GTK":
            return _date_coding(size, vib.datatype)
        return _binary_coding(size, vib)
    if data_field in _BCD_SIZES:
        return _bcd_coding(_BCD_SIZES[data_field], vib)
    if data_field == _REAL:
        read = partial(_real, vib.numerator, vib.denominator, vib.offset)
        return Coding("f", read, read)
    if data_field == LVAR:
        read_variable = partial(_variable, vib)
        return Coding("", read_variable, read_variable)
    return Coding("0s", _nothing, _nothing)


def _date_coding(size: int, datatype: str) -> Coding:
    if datatype == "K":
        decode_k = date_time.decode_k if size == 4 else _nothing
        return Coding(f"{size}s", decode_k, decode_k)
    found: dict[int, tuple[str, Convert]] = {
        2: ("H", date_time.decode_g),
        3: ("3s", date_time.decode_j),
        4: ("I", date_time.decode_f),
        6: ("6s", date_time.decode_i),
    }
    code, read = found.get(size, (f"{size}s", _nothing))
    return Coding(code, read, read)


def _binary_coding(size: int, vib: ValueInformationBlock) -> Coding:
    signed = vib.datatype == "B"
    scale = _scaling(vib)
    invalid = -(1 << 8 * size - 1) if signed else (1 << 8 * size) - 1
    if vib.datatype == "D":
        invalid = -1  # a bit array has no "no value": -1 never comes out of an unsigned field
    if size in _STRUCT_CODES:
        code = _STRUCT_CODES[size] if signed else _STRUCT_CODES[size].upper()

        def checked(raw: int) -> Value:
            return None if raw == invalid else scale(raw)

        return Coding(code, scale, checked)

    def checked_bytes(raw: bytes) -> Value:
        number = int.from_bytes(raw, "little", signed=signed)
        return None if number == invalid else scale(number)

    return Coding(f"{size}s", checked_bytes, checked_bytes)


def _scaling(vib: ValueInformationBlock) -> Convert:
    """A function from the number sent to the number meant; exact, an int where the scale is whole, else the nearest
    float.
    """
    numerator, denominator, offset = vib.numerator, vib.denominator, vib.offset
    if offset:
        scale = Fraction(numerator, denominator)
        whole = denominator == 1 and offset.denominator == 1
        return lambda raw: int(raw * scale + offset) if whole else float(raw * scale + offset)
    # Methods bound in C: no Python frame for the common cases. int / int rounds correctly.
    if denominator == 1:
        return int if numerator == 1 else numerator.__mul__
    if numerator == 1:
        return denominator.__rtruediv__
    return lambda raw: raw * numerator / denominator


def _digits(raw: bytes) -> str:
    return raw[::-1].hex()


def _bcd_coding(size: int, vib: ValueInformationBlock) -> Coding:
    code = f"{size}s"
    if vib.kind in ("identification", "date", "datetime"):
        return Coding(code, _identification, _identification)
    scale = _scaling(vib)
    read: Convert
    if scale is int:

        def read(raw: bytes) -> Value:
            return int(raw[::-1].hex())

    elif vib.numerator == 1 and not vib.offset:
        denominator = vib.denominator

        def read(raw: bytes) -> Value:
            return int(raw[::-1].hex()) / denominator

    else:

        def read(raw: bytes) -> Value:
            return scale(int(raw[::-1].hex()))

    def checked(raw: bytes) -> Value:
        number = bcd_number(_digits(raw))
        return None if number is None else scale(number)

    return Coding(code, read, checked)


def _identification(raw: bytes) -> str | None:
    digits = _digits(raw)
    return None if not digits.strip("f") else digits.upper()


def bcd_number(digits: str) -> int | None:
    """The number of BCD digits, most significant first; a leading F is a minus. Other letters: None, no number."""
    negative = digits[:1] == "f"
    body = digits[1:] if negative else digits
    if not body.isdigit():
        return None
    return -int(body) if negative else int(body)


@lru_cache(maxsize=4096)
def _shortest_decimal(number: float) -> tuple[int, int]:
    """(mantissa, power of ten) of the shortest decimal that reads back as the same single precision number."""
    packed = struct.pack("<f", number)
    text = ""
    for digits in range(5, 9):
        text = f"{number:.{digits}e}"
        try:
            if struct.pack("<f", float(text)) == packed:
                break
        except OverflowError:  # rounded up beyond the largest single
            continue
    mantissa, _, power = text.partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = fraction.rstrip("0")
    return int(whole + fraction), int(power) - len(fraction)


def _real(numerator: int, denominator: int, offset: Fraction, number: float) -> float | None:
    if not isfinite(number):
        return None
    mantissa, power = _shortest_decimal(number)
    if offset:
        return float(Fraction(mantissa) * Fraction(10) ** power * Fraction(numerator, denominator) + offset)
    if power < 0:
        return mantissa * numerator / (denominator * int(10**-power))
    return mantissa * numerator * int(10**power) / denominator


def lvar_length(first: int) -> int | None:
    """Bytes that follow the first byte of a variable length field, or None where the value is reserved."""
    if first <= 0xBF:
        return first
    if first <= 0xC9 or 0xD0 <= first <= 0xD9 or 0xE0 <= first <= _LARGEST_LVAR_NUMBER:
        return first & 0xF
    if 0xF0 <= first <= 0xF4:
        return 4 * (first - 0xEC)
    return {0xF5: 48, 0xF6: 64}.get(first)


def _variable(vib: ValueInformationBlock, raw: bytes) -> Value:
    first, body = raw[0], raw[1:]
    if vib.kind in ("container", "date", "datetime"):
        return body.hex()
    if first <= 0xBF:
        return body[::-1].decode("latin-1")
    if first <= 0xDF:
        digits = body[::-1].hex() or "0"
        number = bcd_number(digits) if digits.isdigit() else None
        if number is None:
            return None
        return _scaling(vib)(number if first <= 0xCF else -number)
    if first <= _LARGEST_LVAR_NUMBER and vib.datatype != "L":
        return _scaling(vib)(int.from_bytes(body, "little", signed=vib.datatype == "B"))
    return body[::-1].hex()  # a number too long to be one: most significant digit first


def raw_value(dib: DataInformationBlock, vib: ValueInformationBlock, data: bytes) -> Value:
    """The register as the meter counts it: a whole number, a float, text, a date; digits as text where they are no
    number.
    """
    data_field = dib.data_field
    if data_field in (0, 8):
        return None
    if data_field == LVAR:
        return _variable(replace(vib, numerator=1, denominator=1, offset=Fraction(0)), data)
    if data_field == _REAL:
        number: float = struct.unpack("<f", data)[0]
        return _real(1, 1, Fraction(0), number)
    if data_field in _BCD_SIZES:
        digits = _digits(data)
        number_or_none = bcd_number(digits)
        return digits.upper() if number_or_none is None else number_or_none
    if vib.kind in ("date", "datetime"):
        found = _date_coding(_BINARY_SIZES[data_field], vib.datatype)
        return found.checked(struct.unpack("<" + found.format, data)[0])
    return int.from_bytes(data, "little", signed=vib.datatype == "B")


def encode_value(dib: DataInformationBlock, vib: ValueInformationBlock, raw: Value | bytes) -> bytes:
    """The data bytes of a record.

    `raw` is the register as the meter counts it (not scaled): an int for binary and BCD fields, a float for real32,
    text for LVAR (or hex digits for BCD), a date type where the VIB names one, ready bytes, or None for "no value".
    MBusUsageError where it does not fit.
    """
    if isinstance(raw, bytes):
        return _checked_bytes(dib, raw)
    data_field = dib.data_field
    if data_field in (0, 8):
        return b""
    if data_field == LVAR:
        return _encode_variable(raw)
    if data_field == _REAL:
        return _encode_real(raw)
    if data_field in _BCD_SIZES:
        return _encode_bcd(_BCD_SIZES[data_field], raw)
    size = _BINARY_SIZES[data_field]
    if vib.kind in ("date", "datetime"):
        return _encode_date(size, raw)
    return _encode_binary(size, vib.datatype == "B", raw)


def _checked_bytes(dib: DataInformationBlock, raw: bytes) -> bytes:
    length = dib.data_length
    if length is None:
        length = 1 + (lvar_length(raw[0]) or 0) if raw else 1
    if len(raw) != length:
        raise MBusUsageError(f"data field {dib.data_field:X} takes {length} bytes, not {len(raw)}")
    return raw


def _encode_binary(size: int, signed: bool, raw: Value) -> bytes:
    if raw is None:
        return (1 << 8 * size - 1 if signed else (1 << 8 * size) - 1).to_bytes(size, "little")
    if not isinstance(raw, int):
        raise MBusUsageError(f"a binary field takes a whole number, not {raw!r}")
    try:
        return raw.to_bytes(size, "little", signed=signed)
    except OverflowError:
        raise MBusUsageError(f"{raw} does not fit into {8 * size} bits") from None


def _encode_bcd(size: int, raw: Value) -> bytes:
    if raw is None:
        return b"\xff" * size
    if isinstance(raw, int):
        digits = f"{raw:0{2 * size}d}" if raw >= 0 else f"f{-raw:0{2 * size - 1}d}"
    elif isinstance(raw, str):
        digits = raw.rjust(2 * size, "0")
    else:
        raise MBusUsageError(f"a BCD field takes a whole number or digits, not {raw!r}")
    if len(digits) != 2 * size:
        raise MBusUsageError(f"{raw} does not fit into {2 * size} BCD digits")
    try:
        return bytes.fromhex(digits)[::-1]
    except ValueError:
        raise MBusUsageError(f"{raw!r} is no row of digits") from None


def _encode_real(raw: Value) -> bytes:
    if raw is None:
        return b"\x00\x00\xc0\x7f"
    if not isinstance(raw, int | float):
        raise MBusUsageError(f"a real field takes a number, not {raw!r}")
    try:
        return struct.pack("<f", raw)
    except OverflowError:
        raise MBusUsageError(f"{raw} does not fit into single precision") from None


def _encode_variable(raw: Value) -> bytes:
    if raw is None:
        return b"\x00"
    if isinstance(raw, str):
        try:
            text = raw.encode("latin-1")
        except UnicodeEncodeError:
            raise MBusUsageError(f"text {raw!r} has characters outside ISO 8859-1") from None
        if len(text) > 0xBF:
            raise MBusUsageError(f"text of {len(text)} characters: at most 191 can be sent")
        return bytes([len(text)]) + text[::-1]
    if isinstance(raw, int):
        digits = f"{abs(raw):d}"
        digits = digits.rjust(len(digits) + len(digits) % 2, "0")
        if len(digits) > 18:
            raise MBusUsageError(f"{raw} has more than 18 digits")
        return bytes([(0xD0 if raw < 0 else 0xC0) + len(digits) // 2]) + bytes.fromhex(digits)[::-1]
    raise MBusUsageError(f"a field of variable length takes text or a whole number, not {raw!r}")


def _encode_date(size: int, raw: Value) -> bytes:
    if size == 2 and (raw is None or isinstance(raw, date)):
        return date_time.encode_g(raw)
    if size == 3 and (raw is None or isinstance(raw, time)):
        return date_time.encode_j(raw)
    if size == 4 and (raw is None or isinstance(raw, datetime)):
        return date_time.encode_f(raw)
    if size == 6 and (raw is None or isinstance(raw, datetime)):
        return date_time.encode_i(raw)
    raise MBusUsageError(f"a date field of {size} bytes cannot hold {raw!r}")
