"""Recorded telegrams without who they are of: numbers that name a meter or its owner become other ones.

The same number becomes the same other number everywhere, by a key. What it changes: the identification number in
headers, records that hold an identification or a text about a customer, and, wherever else they stand, the bytes and
digits of the identification and fabrication numbers found so. Encrypted parts cannot be looked into.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Iterator

from mbusbench.codec.frame import LongFrame
from mbusbench.codec.header import LongHeader
from mbusbench.codec.record import DataRecord
from mbusbench.codec.telegram import Telegram
from mbusbench.errors import DecodeError

_LONG_HEADERS = (0x6F, 0x72, 0x75)
_REVERSED_HEADERS = (0x76,)
_FIXED = (0x73, 0x77)
_NAMING = re.compile(r"fabrication|identification|customer|location|access_code|password|owner|supplier|contract")
_SHORTEST = 4
"""Digits: shorter numbers are found everywhere by chance."""


class Anonymity:
    """Replaces digits by others, the same ones each time, by `key`."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._known: dict[str, str] = {}

    def digits(self, text: str) -> str:
        """Other digits of the same length; letters A to F stay, so that what is no decimal number stays none."""
        found = self._known.get(text)
        if found is None:
            found = self._known[text] = self._replaced(text)
        return found

    def _replaced(self, text: str) -> str:
        mark = hmac.digest(self._key, text.encode("ascii"), "sha256") * (len(text) // 32 + 1)
        changed = "".join(str(mark[index] % 10) if each.isdigit() else each for index, each in enumerate(text))
        return changed if text.strip("0") else text

    def text(self, raw: bytes) -> bytes:
        """Text of the same length without its letters and digits."""
        mark = hmac.digest(self._key, raw, "sha256") * (len(raw) // 32 + 1)
        return bytes(
            0x30 + mark[index] % 10
            if 0x30 <= byte <= 0x39
            else 0x41 + mark[index] % 26
            if chr(byte).isalpha()
            else byte
            for index, byte in enumerate(raw)
        )

    def frames(self, frames: Iterable[LongFrame]) -> list[LongFrame]:
        """The telegrams of one recording, all at once: a number found in one is replaced in all of its meter's."""
        given = list(frames)
        numbers = sorted({number for frame in given for number in _numbers(frame)}, key=len, reverse=True)
        return [self._frame(frame, numbers) for frame in given]

    def _frame(self, frame: LongFrame, numbers: list[str]) -> LongFrame:
        data = bytearray(frame.data)
        protected: set[int] = set()
        for start, stop, least_first in _identifications(frame):
            order = -1 if least_first else 1
            digits = data[start:stop][::order].hex().upper()
            data[start:stop] = bytes.fromhex(self.digits(digits))[::order]
            protected |= set(range(start, stop))
        for record in _naming_records(frame):
            self._record(data, record)
            protected |= set(range(record.field.start, record.field.stop))
        self._elsewhere(data, numbers, protected)
        return LongFrame(frame.control, frame.address, frame.ci, bytes(data))

    def _record(self, data: bytearray, record: DataRecord) -> None:
        start, stop = record.field.data_start, record.field.stop
        if record.dib.data_field == 0xD:
            data[start + 1 : stop] = self.text(bytes(data[start + 1 : stop]))
        elif record.dib.data_field in (0x9, 0xA, 0xB, 0xC, 0xE):
            digits = data[start:stop][::-1].hex().upper()
            data[start:stop] = bytes.fromhex(self.digits(digits))[::-1]
        elif record.dib.data_field in (0x1, 0x2, 0x3, 0x4, 0x6, 0x7):
            size = stop - start
            number = str(int.from_bytes(data[start:stop], "little"))
            data[start:stop] = (int(self.digits(number)) % (1 << 8 * size)).to_bytes(size, "little")

    def _elsewhere(self, data: bytearray, numbers: list[str], protected: set[int]) -> None:
        for number in numbers:
            for old, new in zip(_codings(number), _codings(self.digits(number)), strict=True):
                at = data.find(old)
                while at >= 0:
                    place = set(range(at, at + len(old)))
                    if not place & protected:
                        data[at : at + len(old)] = new
                        protected |= place
                    at = data.find(old, at + 1)


def _codings(number: str) -> list[bytes]:
    """How a number may stand in bytes: BCD and text, either way round, and binary."""
    even = number if len(number) % 2 == 0 else f"0{number}"
    bcd, text = bytes.fromhex(even), number.encode("ascii")
    found = [bcd, bcd[::-1], text, text[::-1]]
    size = 4 if len(number) <= 9 else 6
    value = int(number) if number.isdigit() else int(number, 16)
    return [*found, value.to_bytes(8, "little")[:size], value.to_bytes(8, "little")[:size][::-1]]


def _identifications(frame: LongFrame) -> Iterator[tuple[int, int, bool]]:
    """Where headers have it: (start, stop, least significant byte first)."""
    if frame.ci in (*_LONG_HEADERS, *_REVERSED_HEADERS) and len(frame.data) >= 12:
        yield 0, 4, frame.ci in _LONG_HEADERS
    elif frame.ci in _FIXED and len(frame.data) == 16:
        yield 0, 4, frame.ci == 0x73


def _naming_records(frame: LongFrame) -> Iterator[DataRecord]:
    try:
        telegram = Telegram.decode(frame.ci, frame.data)
    except DecodeError:
        return
    for record in telegram.records:
        if record.field.header.raw and record.data and _NAMING.search(record.quantity):
            yield record


def _numbers(frame: LongFrame) -> Iterator[str]:
    """Numbers that name the meter, to be looked for elsewhere."""
    for start, stop, least_first in _identifications(frame):
        yield frame.data[start:stop][:: -1 if least_first else 1].hex().upper()
    for record in _naming_records(frame):
        if record.dib.data_field in (0xC, 0xE):
            number = record.data[::-1].hex().upper()
            if len(number.strip("0")) >= _SHORTEST:
                yield number


def is_encrypted(frame: LongFrame) -> bool:
    """Whether a part of the telegram cannot be looked into."""
    try:
        telegram = Telegram.decode(frame.ci, frame.data)
    except DecodeError:
        return False
    return telegram.encrypted and isinstance(telegram.header, LongHeader)
