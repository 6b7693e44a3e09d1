"""Bytes in, frames and rejects out (EN 13757-2, format class FT 1.2).

Reads a stream in whatever pieces it arrives. Behind a faulty frame it looks for the next start byte whose frame is
valid: gateways lose the idle time that the standard resynchronises by. Where idle time is known, the owner calls
`idle()`; this module has no clock. Doubtful finds (an acknowledgement in the middle of junk) are its to judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from mbusbench.codec.frame import (
    LENGTH_MINIMUM,
    LONG_OVERHEAD,
    SHORT_LENGTH,
    SINGLE_CHARACTERS,
    START_LONG,
    START_SHORT,
    STOP,
    Frame,
    LongFrame,
    ShortFrame,
    checksum,
    is_long_frame,
)


class RejectReason(Enum):
    """Why bytes are no frame."""

    START = "start"
    LENGTH = "length"
    CHECKSUM = "checksum"
    STOP = "stop"
    TRUNCATED = "truncated"
    PARITY = "parity"


# How much of a frame was there before it failed. Of several failures in one run of rejected bytes the first of the
# highest rank names the run: a damaged frame says more than the stray bytes around it.
_RANK = {
    RejectReason.START: 0,
    RejectReason.LENGTH: 1,
    RejectReason.CHECKSUM: 2,
    RejectReason.STOP: 2,
    RejectReason.TRUNCATED: 2,
    RejectReason.PARITY: 2,
}


@dataclass(frozen=True, slots=True)
class Reject:
    """A run of received bytes that belong to no frame."""

    raw: bytes
    reason: RejectReason


class FrameReader:
    """Incremental reader of one direction of a line.

    Never raises, and holds at most 260 bytes from one call to the next. The frames found do not depend on how the
    stream was cut; where rejected bytes are cut, they come as several rejects. `pending` are received bytes that may
    still become a frame; the first one is its start byte.
    """

    __slots__ = ("_wrong", "pending")

    def __init__(self) -> None:
        self.pending = b""
        self._wrong: Sequence[int] = ()

    def receive(self, data: bytes, wrong: Sequence[int] = ()) -> list[Frame | Reject]:
        """Take the next bytes of the stream. Returns what they complete, in order.

        `wrong` are the indexes in `data` of characters with a parity or framing error: no frame with one is valid.
        """
        if wrong:
            self._wrong = (*self._wrong, *(len(self.pending) + index for index in wrong))
        elif not self.pending:
            frame = whole_frame(data)
            if frame is not None:
                return [frame]
            return self._scan(bytes(data), final=False)
        return self._scan(self.pending + data, final=False)

    def idle(self) -> list[Frame | Reject]:
        """The line went idle: nothing completes what is pending. Returns the frames hidden in it, and the rejects."""
        return self._scan(self.pending, final=True) if self.pending else []

    def clear(self) -> bytes:
        """Forget what is pending, and return it."""
        pending, self.pending, self._wrong = self.pending, b"", ()
        return pending

    def _scan(self, data: bytes, final: bool) -> list[Frame | Reject]:
        found: list[Frame | Reject] = []
        junk_start = position = 0
        junk_reason = RejectReason.START
        end = len(data)
        while position < end:
            verdict = candidate(data, position)
            if verdict is None:
                if not final:
                    break
                verdict = RejectReason.TRUNCATED
            elif self._wrong and not isinstance(verdict, RejectReason) and self._is_wrong(data, position):
                verdict = RejectReason.PARITY
            if isinstance(verdict, RejectReason):
                if _RANK[verdict] > _RANK[junk_reason]:
                    junk_reason = verdict
                position += 1
                continue
            if position > junk_start:
                found.append(Reject(data[junk_start:position], junk_reason))
            found.append(verdict)
            position += frame_size(data, position)
            junk_start, junk_reason = position, RejectReason.START
        if position > junk_start:
            found.append(Reject(data[junk_start:position], junk_reason))
        self.pending = data[position:]
        if self._wrong:
            self._wrong = [index - position for index in self._wrong if index >= position]
        return found

    def _is_wrong(self, data: bytes, start: int) -> bool:
        """Whether the frame that begins at `start` has a character with an error."""
        end = start + frame_size(data, start)
        return any(start <= index < end for index in self._wrong)


def whole_frame(data: bytes) -> Frame | None:
    """The frame that `data` is exactly, in one pass; None for anything else."""
    length = len(data)
    if length == SHORT_LENGTH:
        if data[0] == START_SHORT and data[3] == (data[1] + data[2]) & 0xFF and data[4] == STOP:
            return ShortFrame(data[1], data[2])
        return None
    if length == 1:
        return SINGLE_CHARACTERS.get(data[0])
    if is_long_frame(data):
        return LongFrame(data[4], data[5], data[6], bytes(data[7:-2]))
    return None


def candidate(data: bytes, start: int) -> Frame | RejectReason | None:
    """The frame that begins at `start`, why none does, or None where more bytes have to come."""
    first = data[start]
    if first not in (START_LONG, START_SHORT):
        return SINGLE_CHARACTERS.get(first, RejectReason.START)
    body = start + 1
    available = len(data) - start
    if first == START_LONG:
        if available > 1 and data[start + 1] < LENGTH_MINIMUM:
            return RejectReason.LENGTH
        if available > 2 and data[start + 1] != data[start + 2]:
            return RejectReason.LENGTH
        if available > 3 and data[start + 3] != START_LONG:
            return RejectReason.START
        body = start + 4
    size = frame_size(data, start)
    if available < size:
        return None
    end = start + size
    if checksum(data[body : end - 2]) != data[end - 2]:
        return RejectReason.CHECKSUM
    if data[end - 1] != STOP:
        return RejectReason.STOP
    if first == START_SHORT:
        return ShortFrame(data[body], data[body + 1])
    return LongFrame(data[body], data[body + 1], data[body + 2], data[body + 3 : end - 2])


def frame_size(data: bytes, start: int) -> int:
    """Characters of the frame whose start byte is at `start`; the least possible where L is not there yet."""
    first = data[start]
    if first == START_SHORT:
        return SHORT_LENGTH
    if first != START_LONG:
        return 1
    return LONG_OVERHEAD + (data[start + 1] if len(data) > start + 1 else LENGTH_MINIMUM)
