"""Value information block: the VIF and its VIFEs (EN 13757-3), read into quantity, unit, scale and modifiers.

Every byte has a meaning here, if only "reserved" or "manufacturer specific". Numbers are scaled by the caller:
value = raw * numerator / denominator + offset, in `unit`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache, lru_cache
from math import gcd

from mbusbench.codec.tables.units import UNITS
from mbusbench.codec.tables.vif import EXTENSION_FB, EXTENSION_FD, EXTENSION_FD_FD, PRIMARY, VifRow
from mbusbench.codec.tables.vife import COMBINABLE, EXTENSION_FC, OBJECT_ACTION, RECORD_ERROR, VifeRow
from mbusbench.errors import DecodeError, MBusUsageError

MAXIMUM_EXTENSIONS = 10

_RESERVED = VifRow(0, 0, "reserved", None, None, "reserved")
_RESERVED_VIFE = VifeRow(0, 0, "reserved", "reserved")
_NO_ERROR = 0x00
_ZERO = Fraction(0)


def _spread(rows: Iterable[VifRow]) -> tuple[VifRow, ...]:
    codes = [_RESERVED] * 128
    for row in rows:
        if row.kind == "extension":
            continue  # without its extension bit, such a code names no table
        for code in range(row.first, row.last + 1):
            exponent = None if row.exponent is None else row.exponent + code - row.first
            codes[code] = row._replace(first=code, last=code, exponent=exponent)
    return tuple(codes)


def _spread_vife(*tables: Iterable[VifeRow]) -> tuple[VifeRow, ...]:
    codes = [_RESERVED_VIFE] * 128
    for row in (row for table in tables for row in table):
        for code in range(row.first, row.last + 1):
            codes[code] = row._replace(first=code, last=code, exponent=row.exponent + code - row.first)
    return tuple(codes)


_PRIMARY, _FB, _FD, _FD_FD = (_spread(rows) for rows in (PRIMARY, EXTENSION_FB, EXTENSION_FD, EXTENSION_FD_FD))
_VIFE_FROM_SLAVE = _spread_vife(COMBINABLE, RECORD_ERROR)
_VIFE_FROM_MASTER = _spread_vife(COMBINABLE, OBJECT_ACTION)
_FC = _spread_vife(EXTENSION_FC)
_UNITS = {row.unit: row for row in UNITS}


@dataclass(frozen=True, slots=True)
class ValueInformationBlock:
    """`raw` is the truth; the rest is read from it.

    `unit` is the API's unit, None where there is none; `meter_unit` and `exponent` say what the meter uses. `kind` is
    one of numeric, duration, date, datetime, identification, version, flags, text, dimensionless, container, special,
    reserved. `record_error` is the slave's own error for the record; `action` what a master asks for; `manufacturer`
    the VIFEs behind FF.
    """

    raw: bytes
    quantity: str = field(hash=False)
    kind: str = field(hash=False)
    unit: str | None = field(hash=False)
    meter_unit: str | None = field(hash=False)
    exponent: int | None = field(hash=False)
    datatype: str = field(hash=False)
    numerator: int = field(hash=False, default=1)
    denominator: int = field(hash=False, default=1)
    offset: Fraction = field(hash=False, default=_ZERO)
    modifiers: tuple[str, ...] = field(hash=False, default=())
    record_error: str | None = field(hash=False, default=None)
    action: str | None = field(hash=False, default=None)
    plain_text: str | None = field(hash=False, default=None)
    manufacturer: bytes = field(hash=False, default=b"")

    def encode(self) -> bytes:
        return self.raw

    @staticmethod
    def decode(
        data: bytes, offset: int = 0, *, from_master: bool = False, text_last: bool = False
    ) -> ValueInformationBlock:
        """Read the block at `offset`; DecodeError (offset into `data`) where it is cut off or has more than 10 VIFEs.

        `text_last` reads a plain-text unit behind the VIFEs (EN 13757-3) instead of right behind the VIF (The M-Bus
        4.8).
        """
        raw, text = _delimit(data, offset, text_last)
        return _decode(raw, text, from_master)

    @staticmethod
    def without_code(quantity: str, unit: str | None, exponent: int | None, kind: str) -> ValueInformationBlock:
        """A block for what is coded elsewhere (the fixed data structure has units, but no VIF): `raw` is empty."""
        return _Meaning(VifRow(0, 0, quantity, unit, exponent, kind), None).block(b"")

    @staticmethod
    def find(
        quantity: str,
        unit: str | None = None,
        scale: int = 0,
        modifiers: Iterable[str] = (),
        manufacturer: bytes = b"",
    ) -> ValueInformationBlock:
        """The block for a quantity counted in units of 10^`scale` `unit`, with VIFEs by name and then those of the
        manufacturer (behind FF); LookupError with what there is.

        Quantity plain_text has its text as `unit`; it stands right behind the VIF.
        """
        return _find(quantity, unit, scale, tuple(modifiers), manufacturer)


def text_positions(data: bytes, offset: int) -> tuple[bool, bool]:
    """For a plain-text VIF with VIFEs (FC): may the text stand first; may it stand last?"""
    return _readable(data, offset, False), _readable(data, offset, True)


def _readable(data: bytes, offset: int, text_last: bool) -> bool:
    try:
        raw, (start, end) = _delimit(data, offset, text_last)
    except DecodeError:
        return False
    return end > start and all(0x20 <= byte < 0x7F or byte >= 0xA0 for byte in raw[start:end])


def _chain_end(data: bytes, position: int, start: int) -> int:
    """The end of a chain of VIFEs whose first byte is at `position`."""
    first = position
    try:
        while data[position] & 0x80:
            position += 1
    except IndexError:
        raise DecodeError("premature end of VIFE", offset=len(data)) from None
    # The byte behind FB and FD is the VIF proper, not one of the ten; so is the one behind FD FD.
    allowed = MAXIMUM_EXTENSIONS + (data[start] in (0xFB, 0xFD)) + (bytes(data[start : start + 2]) == b"\xfd\xfd")
    if position - first + 1 > allowed:
        raise DecodeError("more than 10 VIFEs", offset=first + allowed)
    return position + 1


def _delimit(data: bytes, offset: int, text_last: bool) -> tuple[bytes, tuple[int, int]]:
    """(the block's bytes, where its plain text stands in them)."""
    try:
        vif = data[offset]
    except IndexError:
        raise DecodeError("premature end of record: VIF missing", offset=len(data)) from None
    if vif < 0x80 and vif != 0x7C:
        return bytes(data[offset : offset + 1]), (0, 0)
    if vif & 0x7F != 0x7C:
        end = _chain_end(data, offset + 1, offset)
        return bytes(data[offset:end]), (0, 0)
    position = offset + 1
    if vif & 0x80 and text_last:
        position = _chain_end(data, position, offset)
    if position >= len(data) or position + 1 + data[position] > len(data):
        raise DecodeError("premature end of plain-text unit", offset=len(data))
    text = (position + 1, position + 1 + data[position])
    end = text[1]
    if vif & 0x80 and not text_last:
        end = _chain_end(data, end, offset)
    return bytes(data[offset:end]), (text[0] - offset, text[1] - offset)


@lru_cache(maxsize=4096)
def _decode(raw: bytes, text: tuple[int, int], from_master: bool) -> ValueInformationBlock:
    if text[1]:
        plain_text = raw[text[0] : text[1]][::-1].decode("latin-1")
        row = VifRow(0x7C, 0x7C, "plain_text", None, 0, "numeric")
        vifes = raw[1 : text[0] - 1] + raw[text[1] :]
    else:
        plain_text = None
        row, used = _vif_row(raw)
        vifes = raw[used:]
        if row.quantity == "plain_text":
            row = _PRIMARY[0x7C]
    meaning = _Meaning(row, plain_text)
    meaning.apply(vifes, _VIFE_FROM_MASTER if from_master else _VIFE_FROM_SLAVE)
    return meaning.block(raw)


def _vif_row(raw: bytes) -> tuple[VifRow, int]:
    """(meaning of the VIF proper, bytes it takes)."""
    if raw[0] == 0xFB:
        return _FB[raw[1] & 0x7F], 2
    if raw[0] == 0xFD:
        if raw[1] == 0xFD:
            return _FD_FD[raw[2] & 0x7F], 3
        return _FD[raw[1] & 0x7F], 2
    return _PRIMARY[raw[0] & 0x7F], 1


class _Meaning:
    """What a chain of VIFEs makes of a VIF, one extension after the other."""

    def __init__(self, row: VifRow, plain_text: str | None) -> None:
        self.row = row
        self.kind, self.datatype = row.kind, row.datatype
        self.meter_unit = row.unit if plain_text is None else plain_text
        self.exponent = row.exponent
        self.plain_text = plain_text
        self.modifiers: list[str] = []
        self.record_error: str | None = None
        self.action: str | None = None
        self.manufacturer = b""
        self.unit_suffix = ""
        self.unit: str | None
        self._rescale(row.unit if plain_text is None else None, row.exponent or 0, row.binary_exponent)
        if plain_text is not None:
            self.unit = plain_text

    def _rescale(self, unit: str | None, exponent: int = 0, binary_exponent: int = 0) -> None:
        self.unit, self.numerator, self.denominator, self.shift = _api_unit(self.row.quantity, unit)
        self.added = _ZERO
        self._multiply(exponent)
        if binary_exponent:
            self.denominator <<= -binary_exponent

    def _multiply(self, exponent: int) -> None:
        if exponent > 0:
            self.numerator *= 10**exponent
        elif exponent < 0:
            self.denominator *= 10**-exponent

    def apply(self, vifes: bytes, table: tuple[VifeRow, ...]) -> None:
        if self.row.quantity == "manufacturer_specific":
            self.manufacturer = vifes
            return
        position = 0
        while position < len(vifes):
            code = vifes[position]
            position += 1
            if code == 0xFC and position < len(vifes):
                row = _FC[vifes[position] & 0x7F]
                position += 1
            else:
                row = table[code & 0x7F]
            if row.group == "special":
                self.manufacturer = vifes[position:]
                self.modifiers.append(row.name)
                return
            self._apply(row, code & 0x7F)

    def _apply(self, row: VifeRow, code: int) -> None:
        group = row.group
        if group == "record_error":
            if code != _NO_ERROR:
                self.record_error = row.name
            return
        if group == "object_action":
            self.action = row.name
            return
        if group == "reserved":
            if code in range(0x20):
                self.record_error = f"reserved_{code:02x}"
            else:
                self.modifiers.append(f"reserved_{code:02x}")
            return
        if row.datatype is not None:
            self.datatype = row.datatype
        if group == "scale":
            self._multiply(row.exponent)
            self.added *= Fraction(10) ** row.exponent
            self.exponent = None if self.exponent is None else self.exponent + row.exponent
            return
        if group == "offset":
            _, numerator, denominator, _ = _api_unit(
                self.row.quantity, self.meter_unit if self.plain_text is None else None
            )
            self.added += Fraction(numerator, denominator) * Fraction(10) ** row.exponent
            return
        self.modifiers.append(row.name)
        if group in ("divide", "multiply_unit"):
            self.unit_suffix += ("/" if group == "divide" else "*") + str(row.unit)
        elif group == "date_of":
            self.kind, self.datatype, self.meter_unit, self.exponent = "datetime", "T", None, None
            self._rescale(None)
        elif group == "duration_of":
            self.kind, self.datatype, self.meter_unit, self.exponent = "duration", "B", row.unit, 0
            self._rescale(row.unit)
        elif group == "profile":
            self.kind = "container"
        elif row.name.startswith("limit_exceed_count"):
            self.kind, self.datatype, self.meter_unit, self.exponent = "dimensionless", "C", None, 0
            self._rescale(None)
        elif row.name in ("non_metric", "alternate_non_metric"):
            # The unit is another one that no table here names: the bare number is the truth.
            self.meter_unit, self.exponent = None, None
            self._rescale(None)

    def block(self, raw: bytes) -> ValueInformationBlock:
        unit = (self.unit or "") + self.unit_suffix if self.unit_suffix else self.unit
        divisor = gcd(self.numerator, self.denominator)
        return ValueInformationBlock(
            raw,
            self.row.quantity,
            self.kind,
            unit,
            self.meter_unit,
            self.exponent,
            self.datatype,
            self.numerator // divisor,
            self.denominator // divisor,
            self.added + self.shift if self.added or self.shift else _ZERO,
            tuple(self.modifiers),
            self.record_error,
            self.action,
            self.plain_text,
            self.manufacturer,
        )


def _api_unit(quantity: str, unit: str | None) -> tuple[str | None, int, int, Fraction]:
    """(unit at the API, numerator and denominator of what one `unit` is worth in it, what its zero is in it)."""
    if unit is None:
        return None, 1, 1, _ZERO
    row = _UNITS[unit]
    if not row.shift:
        return row.api_unit, row.numerator, row.denominator, _ZERO
    if quantity == "temperature_difference":
        return "K", row.numerator, row.denominator, _ZERO
    return row.api_unit, row.numerator, row.denominator, Fraction(row.shift * row.numerator, row.denominator)


_TABLES = ((b"", _PRIMARY), (b"\xfb", _FB), (b"\xfd", _FD), (b"\xfd\xfd", _FD_FD))
_VIFE_CODES = {
    row.name: bytes([row.first]) for row in (*COMBINABLE, *RECORD_ERROR) if row.group not in ("scale", "offset")
}
_VIFE_CODES.update({row.name: bytes([0xFC, row.first]) for row in EXTENSION_FC})


@lru_cache(maxsize=1024)
def _find(
    quantity: str, unit: str | None, scale: int, modifiers: tuple[str, ...], manufacturer: bytes
) -> ValueInformationBlock:
    own = manufacturer
    if manufacturer and quantity != "manufacturer_specific":
        own = b"\x7f" + manufacturer
    tail = b"".join(_vife_code(name) for name in modifiers) + own
    if quantity == "plain_text":
        return _find_plain_text(unit, scale, tail)
    if unit is not None and unit not in _UNITS:
        raise LookupError(f"no unit {unit!r}; there are {', '.join(_UNITS)}")
    wanted = _worth(quantity, unit, scale)
    known: list[str] = []
    for prefix, table in _TABLES:
        for code, row in enumerate(table):
            if row.quantity != quantity:
                continue
            if row.exponent is None or _worth(quantity, row.unit, row.exponent) == wanted:
                return ValueInformationBlock.decode(_chained(prefix + bytes([code]) + tail))
            known.append(f"10^{row.exponent} {row.unit or ''}".strip())
    if not known:
        raise LookupError(f"no quantity {quantity!r}")
    raise LookupError(
        f"no VIF counts {quantity} in units of 10^{scale} {unit or 'nothing'}; there are {', '.join(known)}"
    )


def _find_plain_text(text: str | None, scale: int, tail: bytes) -> ValueInformationBlock:
    if text is None:
        raise LookupError("plain_text needs its text as unit")
    if scale:
        tail = _scale_code(scale) + tail
    try:
        vif = _chained(b"\x7c" + tail)
        return ValueInformationBlock.decode(vif[:1] + check_plain_text(text) + vif[1:])
    except MBusUsageError as error:
        raise LookupError(str(error)) from None


def _scale_code(scale: int) -> bytes:
    row = next(row for row in COMBINABLE if row.group == "scale")
    code = row.first + scale - row.exponent
    if not row.first <= code <= row.last:
        raise LookupError(f"no VIFE counts in units of 10^{scale}")
    return bytes([code])


def _worth(quantity: str, unit: str | None, exponent: int) -> tuple[str | None, Fraction]:
    api_unit, numerator, denominator, _ = _api_unit(quantity, unit)
    return api_unit, Fraction(numerator, denominator) * Fraction(10) ** exponent


def _vife_code(name: str) -> bytes:
    try:
        return _VIFE_CODES[name]
    except KeyError:
        raise LookupError(f"no modifier {name!r}; there are {', '.join(sorted(_VIFE_CODES))}") from None


def _chained(codes: bytes) -> bytes:
    """Set the extension bit of all bytes but the last."""
    return bytes([*(code | 0x80 for code in codes[:-1]), codes[-1] & 0x7F])


@cache
def quantities() -> tuple[str, ...]:
    """Every quantity that a VIF can name, in the tables' order."""
    rows = (row for _, table in _TABLES for row in table)
    return tuple(dict.fromkeys(row.quantity for row in rows if row.kind not in ("extension", "reserved")))


def check_plain_text(text: str) -> bytes:
    """The bytes of a plain-text unit, length first; MBusUsageError where it cannot be sent."""
    try:
        raw = text.encode("latin-1")
    except UnicodeEncodeError:
        raise MBusUsageError(f"unit {text!r} has characters outside ISO 8859-1") from None
    if not 1 <= len(raw) <= 0x3F:
        raise MBusUsageError(f"unit {text!r} must have 1 to 63 characters")
    return bytes([len(raw)]) + raw[::-1]
