"""The frames of the link layer: single character, short frame, long frame (EN 13757-2, format class FT 1.2).

A control frame is a long frame without data. A frame that exists is legal: wrong lengths and checksums are made further
down, on the wire. Finding frames in a stream is the frame reader's work.
"""

from __future__ import annotations

from dataclasses import dataclass
from zlib import adler32

from mbusbench.errors import MBusDecodeError, MBusUsageError

START_SHORT = 0x10
START_LONG = 0x68
STOP = 0x16
SHORT_LENGTH = 5
LONG_OVERHEAD = 6
"""Characters of a long frame beside those that L counts."""
LENGTH_MINIMUM = 3
DATA_MAXIMUM = 252
FRAME_MAXIMUM = 261


def checksum(data: bytes | bytearray | memoryview) -> int:
    """Sum of at most 255 bytes, modulo 256."""
    # The low half of Adler-32 is 1 + the sum modulo 65521, which 255 bytes never reach: a fifth of the time of sum().
    return (adler32(data) - 1) & 0xFF


def is_long_frame(data: bytes) -> bool:
    """Whether `data` is exactly one valid long or control frame: all checks in one pass."""
    length = len(data)
    return (
        length >= LENGTH_MINIMUM + LONG_OVERHEAD
        and data[0] == START_LONG
        and data[1] == data[2] == length - LONG_OVERHEAD
        and data[3] == START_LONG
        and data[-1] == STOP
        and data[-2] == checksum(data[4:-2])
    )


@dataclass(frozen=True, slots=True)
class SingleCharacter:
    """A frame of one character: E5 (positive acknowledgement) or A2 (negative, EN 13757-2:2018)."""

    code: int

    def __post_init__(self) -> None:
        if self.code not in (0xE5, 0xA2):
            raise MBusUsageError(f"single character {self.code!r} is neither E5 nor A2")

    def encode(self) -> bytes:
        return bytes((self.code,))


@dataclass(frozen=True, slots=True)
class ShortFrame:
    """A frame of control and address field only."""

    control: int
    address: int

    def __post_init__(self) -> None:
        if not (0 <= self.control <= 255 and 0 <= self.address <= 255):
            _check_octets(control=self.control, address=self.address)

    def encode(self) -> bytes:
        """The five bytes of the frame."""
        return bytes((START_SHORT, self.control, self.address, (self.control + self.address) & 0xFF, STOP))

    @staticmethod
    def decode(data: bytes) -> ShortFrame:
        """Exactly one short frame; MBusDecodeError otherwise."""
        if not data or data[0] != START_SHORT:
            raise _fault("start: a short frame begins with 10", 0)
        _check_size(data, SHORT_LENGTH)
        _check_end(data, 1)
        return ShortFrame(data[1], data[2])


@dataclass(frozen=True, slots=True)
class LongFrame:
    """A frame with control, address and CI field and 0 to 252 bytes of data; without data it is a control frame."""

    control: int
    address: int
    ci: int
    data: bytes = b""

    def __post_init__(self) -> None:
        if (
            not (0 <= self.control <= 255 and 0 <= self.address <= 255 and 0 <= self.ci <= 255)
            or len(self.data) > DATA_MAXIMUM
        ):
            _check_octets(control=self.control, address=self.address, ci=self.ci)
            raise MBusUsageError(f"{len(self.data)} bytes of data; a frame holds at most {DATA_MAXIMUM}")

    def encode(self) -> bytes:
        """The whole frame, 9 to 261 bytes."""
        body = bytes((self.control, self.address, self.ci)) + self.data
        length = len(body)
        return b"%c%c%c%c%b%c%c" % (START_LONG, length, length, START_LONG, body, checksum(body), STOP)

    @staticmethod
    def decode(data: bytes) -> LongFrame:
        """Exactly one long or control frame; MBusDecodeError otherwise."""
        if not data or data[0] != START_LONG:
            raise _fault("start: a long frame begins with 68", 0)
        if len(data) < 4:
            raise _fault(f"truncated: {len(data)} bytes are no header of a long frame", len(data))
        length = data[1]
        if data[2] != length:
            raise _fault(f"length: the L fields differ, {length:02X} and {data[2]:02X}", 2)
        if length < LENGTH_MINIMUM:
            raise _fault(f"length: L is {length}, at least {LENGTH_MINIMUM} is needed", 1)
        if data[3] != START_LONG:
            raise _fault(f"start: the fourth byte is {data[3]:02X}, not 68", 3)
        _check_size(data, length + LONG_OVERHEAD)
        _check_end(data, 4)
        return LongFrame(data[4], data[5], data[6], bytes(data[7:-2]))


Frame = SingleCharacter | ShortFrame | LongFrame

ACK = SingleCharacter(0xE5)
NACK = SingleCharacter(0xA2)
SINGLE_CHARACTERS = {ACK.code: ACK, NACK.code: NACK}


def decode_frame(data: bytes) -> Frame:
    """Decode exactly one frame. MBusDecodeError (layer "link") says what is wrong, its `offset` where."""
    if not data:
        raise _fault("truncated: no bytes", 0)
    start = data[0]
    if start == START_LONG:
        return LongFrame.decode(data)
    if start == START_SHORT:
        return ShortFrame.decode(data)
    single = SINGLE_CHARACTERS.get(start)
    if single is None:
        raise _fault(f"start: {start:02X} begins no frame", 0)
    _check_size(data, 1)
    return single


def _fault(message: str, offset: int) -> MBusDecodeError:
    return MBusDecodeError(message, layer="link", offset=offset)


def _check_octets(**fields: int) -> None:
    for name, value in fields.items():
        if not 0 <= value <= 255:
            raise MBusUsageError(f"{name} field {value!r} is not in 0..255")


def _check_size(data: bytes, size: int) -> None:
    if len(data) < size:
        raise _fault(f"truncated: {len(data)} of {size} bytes", len(data))
    if len(data) > size:
        raise _fault(f"length: {len(data) - size} bytes after the end of the frame", size)


def _check_end(data: bytes, first: int) -> None:
    expected = checksum(data[first:-2])
    if data[-2] != expected:
        raise _fault(f"checksum: {data[-2]:02X} received, {expected:02X} computed", len(data) - 2)
    if data[-1] != STOP:
        raise _fault(f"stop: the last byte is {data[-1]:02X}, not 16", len(data) - 1)
