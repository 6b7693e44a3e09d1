"""A telegram: one application datagram, what stands behind the CI field (EN 13757-3, EN 13757-7).

`Telegram.decode` reads every CI that a wired bus carries; what it cannot read is a diagnostic, and the bytes stay. It
raises only where not even the header is there.
"""

from __future__ import annotations

from collections.abc import Iterable

from mbusbench.codec import ci_field, layout, security
from mbusbench.codec.data_field import Value
from mbusbench.codec.date_time import decode_f
from mbusbench.codec.diagnostic import DATAGRAM_OFFSET, Diagnostic
from mbusbench.codec.dib import MANUFACTURER_DATA, MORE_RECORDS_FOLLOW
from mbusbench.codec.fixed_data import SIZE as FIXED_SIZE
from mbusbench.codec.fixed_data import FixedHeader
from mbusbench.codec.frame import LongFrame, decode_frame, is_long_frame
from mbusbench.codec.header import LongHeader, ShortHeader
from mbusbench.codec.layout import Structure
from mbusbench.codec.record import DataRecord
from mbusbench.errors import DecodeError, MBusEncryptedError

RESPONSE_LONG = 0x72

_VARIABLE = {0x72: 12, 0x76: 12, 0x78: 0, 0x7A: 4}
_COMMAND = {0x51: 0, 0x55: 0, 0x5A: 4, 0x5B: 12}
_FIXED = (0x73, 0x77)
_ERROR = {0x70: 0, 0x6E: 4, 0x6F: 12}
_ALARM = {0x71: 0, 0x74: 4, 0x75: 12}
_MOST_SIGNIFICANT_FIRST = (0x55, 0x76, 0x77)
_CONFIGURATION = slice(10, 12)  # in a long header
_PLAIN = b"\x00\x00"

Header = LongHeader | ShortHeader | FixedHeader


class Telegram:
    """One datagram. `data` is what was sent; everything else is a view on it.

    `header` is None where the CI has none; `manufacturer_data` what stands behind DIF 0F or 1F; `application_error` the
    code of CI 70, 6E, 6F (0 where none was sent), `alarm` the state of CI 71, 74, 75; `encrypted` whether records could
    not be read for want of the key.
    """

    encrypted = False
    application_error: int | None = None
    alarm: int | None = None
    _header: Header | None = None
    _decrypted: bytes | None = None

    def __init__(
        self, ci: int, data: bytes, structure: Structure, values: list[Value], records: list[DataRecord] | None
    ) -> None:
        self.ci = ci
        self.data = data
        self.structure = structure
        self.values = values  # those of `records`, which are made when they are asked for
        self._records = records

    @staticmethod
    def decode(ci: int, data: bytes, *, key: bytes | None = None) -> Telegram:
        """Read a datagram; DecodeError where its header is cut off. `key` (16 bytes) opens security modes 5 and 7."""
        if ci == RESPONSE_LONG and len(data) >= 12 and data[_CONFIGURATION] == _PLAIN:
            return Telegram(ci, data, *layout.read_values(data, 12, data[4:8]))
        telegram = Telegram(ci, data, Structure(), [], [])
        if ci in _VARIABLE:
            telegram._read_variable(_VARIABLE[ci], key)
        elif ci in _COMMAND:
            telegram._read_variable(_COMMAND[ci], key, from_master=True)
        elif ci in _FIXED:
            telegram._read_fixed()
        elif ci in _ERROR:
            body = telegram._behind_header(_ERROR[ci])
            telegram.application_error = body[0] if body else 0
        elif ci in _ALARM:
            body = telegram._behind_header(_ALARM[ci])
            telegram.alarm = body[0] if body else 0
        elif ci_field.row(ci).direction != ci_field.TO_SLAVE:
            telegram._complain("application", 0, f"CI {ci:02X} ({ci_field.describe(ci)}): no records can be read")
        return telegram

    @property
    def header(self) -> Header | None:
        if self._header is None and self.ci in (RESPONSE_LONG, 0x76):
            self._header = LongHeader.decode(self.data, self.ci == 0x76)
        return self._header

    @property
    def plain(self) -> bytes:
        """`data`, with what was encrypted in it in clear where the key was there."""
        return self._decrypted or self.data

    @property
    def records(self) -> list[DataRecord]:
        if self._records is None:
            self._records = layout.records(self.structure, self.values, self.plain)
        return self._records

    @property
    def more_records_follow(self) -> bool:
        return self.structure.more_records_follow

    @property
    def manufacturer_data(self) -> bytes | None:
        start = self.structure.manufacturer_start
        return None if start is None else self.plain[start:]

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        return tuple(self.structure.diagnostics)

    def encode(self) -> bytes:
        """The datagram put together again from its header, its records and what stands between them."""
        if self.encrypted or self._decrypted is not None:
            return self.data  # putting together again would take the key
        header = self.header
        parts = [] if header is None else [header.encode()]
        position = len(parts[0]) if parts else 0
        for record in self.records:
            parts += (self.data[position : record.field.start], record.encode())
            position = record.field.stop
        return b"".join((*parts, self.data[position:]))

    @staticmethod
    def build(
        header: LongHeader,
        records: Iterable[DataRecord],
        *,
        more_records_follow: bool = False,
        manufacturer_data: bytes | None = None,
    ) -> Telegram:
        """A response with a long header (CI 72)."""
        parts = [header.encode(), *(record.encode() for record in records)]
        if more_records_follow or manufacturer_data is not None:
            dif = MORE_RECORDS_FOLLOW if more_records_follow else MANUFACTURER_DATA
            parts += (bytes([dif]), manufacturer_data or b"")
        return Telegram.decode(RESPONSE_LONG, b"".join(parts))

    def _complain(self, layer: str, position: int, text: str) -> None:
        self.structure.diagnostics.append(Diagnostic(layer, DATAGRAM_OFFSET + position, text))

    def _behind_header(self, size: int) -> bytes:
        data = self.data
        if len(data) < size:
            raise DecodeError(f"header cut off: {len(data)} of {size} bytes", offset=DATAGRAM_OFFSET + len(data))
        if size == 12:
            self._header = LongHeader.decode(data, self.ci in _MOST_SIGNIFICANT_FIRST)
        elif size == 4:
            self._header = ShortHeader.decode(data)
        return data[size:]

    def _read_variable(self, size: int, key: bytes | None, *, from_master: bool = False) -> None:
        body = self._behind_header(size)
        start = size
        header = self._header
        note: str | None = None
        if isinstance(header, LongHeader | ShortHeader):
            hidden = security.encrypted_length(header.configuration, body)
            if hidden and not (key is None and _in_clear(body)):
                try:
                    self._decrypted = self.data[:size] + security.decrypt(header, body, key, to_meter=from_master)
                except MBusEncryptedError as error:
                    self.encrypted = not _in_clear(body)
                    if self.encrypted:
                        start += hidden
                        note = str(error)
        data = self.plain
        most_significant_first = self.ci in _MOST_SIGNIFICANT_FIRST
        if from_master or most_significant_first or note is not None:
            self.structure, found = layout.parse(
                data, start, from_master=from_master, most_significant_first=most_significant_first
            )
            self._keep(found)
        else:
            self.structure, self.values, self._records = layout.read_values(data, start, data[:size][4:8])
        if note is not None:
            self.structure.diagnostics.insert(0, Diagnostic("security", DATAGRAM_OFFSET + size, note))

    def _read_fixed(self) -> None:
        if len(self.data) != FIXED_SIZE:
            if len(self.data) < FIXED_SIZE:
                raise DecodeError(
                    f"fixed data structure of {len(self.data)} bytes, not {FIXED_SIZE}",
                    offset=DATAGRAM_OFFSET + len(self.data),
                )
            self._complain("application", 0, f"CI {self.ci:02X} with {len(self.data)} bytes is no fixed data structure")
            return
        header = FixedHeader.decode(self.data, self.ci in _MOST_SIGNIFICANT_FIRST)
        self._header = header
        self._keep(header.records(self.data))

    def _keep(self, records: list[DataRecord]) -> None:
        self._records = records
        self.values = [record.value for record in records]


def _in_clear(body: bytes) -> bool:
    """Whether what the configuration field calls encrypted is not: gateways decrypt and leave the field as it was.

    Two idle fillers prove it as they prove a key; so does a date and time record that holds a date.
    """
    if body[:2] == b"\x2f\x2f":
        return True
    return body[:2] == b"\x04\x6d" and len(body) >= 6 and decode_f(int.from_bytes(body[2:6], "little")) is not None


def decode_telegram(frame: bytes, *, key: bytes | None = None) -> Telegram:
    """The telegram in one whole long frame; DecodeError where the frame or the header is wrong."""
    if is_long_frame(frame):
        return Telegram.decode(frame[6], frame[7:-2], key=key)
    found = decode_frame(frame)
    if not isinstance(found, LongFrame):
        raise DecodeError("a short frame or single character carries no telegram", layer="link", offset=0)
    return Telegram.decode(found.ci, found.data, key=key)
