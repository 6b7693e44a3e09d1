"""Quirks of slaves that answer something else than they should: other fields, other telegrams, other records."""

from __future__ import annotations

from mbusbench.codec.address import BROADCAST, SELECTED
from mbusbench.codec.control_field import ACD, FCB, FCV
from mbusbench.codec.frame import ACK, Frame, LongFrame, ShortFrame
from mbusbench.codec.record import RecordField
from mbusbench.codec.telegram import Telegram
from mbusbench.protocol.fcb import Sequence, Service
from mbusbench.protocol.slave.application import VARIABLE_DATA
from mbusbench.protocol.slave.quirk import (
    Following,
    QuirkedLink,
    Records,
    SlaveQuirk,
    is_command,
    is_request,
    is_reset,
)
from mbusbench.protocol.slave.quirk_requests import without_effect

_APPLICATION_RESET = 0x50
_HEADER = bytes(12)
_ACCESS_NUMBER = 8
_IV = 0x80
DAY = 86_400 * 10**9


class ControlField(SlaveQuirk):
    """RSP_UD has C `value` (None: its own), with the bits in `bits` set."""

    __slots__ = ("_bits", "_value")

    def __init__(self, value: int | None = None, bits: int = ACD) -> None:
        self._value = value
        self._bits = bits

    def receive(self, link: QuirkedLink, frame: Frame, now: int, following: Following) -> Frame | None:
        reply = following(frame, now)
        if not isinstance(reply, LongFrame):
            return reply
        control = reply.control | self._bits if self._value is None else self._value
        return LongFrame(control, reply.address, reply.ci, reply.data)


class CiUntilReset(SlaveQuirk):
    """Telegrams have another CI until a SND_NKE to the slave's own address."""

    __slots__ = ("_ci", "_was_reset")

    def __init__(self, ci: int) -> None:
        self._ci = ci
        self._was_reset = False

    def receive(self, link: QuirkedLink, frame: Frame, now: int, following: Following) -> Frame | None:
        if is_reset(frame) and isinstance(frame, ShortFrame) and frame.address == link.address:
            self._was_reset = True
        reply = following(frame, now)
        if self._was_reset or not isinstance(reply, LongFrame) or reply.ci != VARIABLE_DATA:
            return reply
        return LongFrame(reply.control, reply.address, self._ci, reply.data)

    def power_up(self, now: int) -> None:
        self._was_reset = False


class StuckTelegram(SlaveQuirk):
    """After `after` telegrams the last of them again and again, whatever the frame count bit.

    `until_reset`: SND_NKE ends it. `renumbered`: each time with the next access number, as far as that is in clear.
    """

    __slots__ = ("_after", "_renumbered", "_reply", "_sent", "_until_reset")

    def __init__(self, after: int, *, until_reset: bool = False, renumbered: bool = False) -> None:
        self._after = after
        self._until_reset = until_reset
        self._renumbered = renumbered
        self._sent = 0
        self._reply: LongFrame | None = None

    def receive(self, link: QuirkedLink, frame: Frame, now: int, following: Following) -> Frame | None:
        if is_reset(frame) and self._until_reset:
            self._sent, self._reply = 0, None
        if not is_request(frame) or not link.concerns(frame):
            return following(frame, now)
        if self._reply is not None and self._sent >= self._after:
            if self._renumbered and link.application.security is None:
                self._reply = _renumbered(self._reply)
            return self._reply
        repeated = is_repeat(link, frame)
        reply = following(frame, now)
        if isinstance(reply, LongFrame) and reply.ci == VARIABLE_DATA:
            self._sent += not repeated
            self._reply = reply
        return reply

    def power_up(self, now: int) -> None:
        self._sent, self._reply = 0, None


class NothingToSay(SlaveQuirk):
    """REQ_UD2 gets E5."""

    __slots__ = ()

    def receive(self, link: QuirkedLink, frame: Frame, now: int, following: Following) -> Frame | None:
        reply = following(frame, now)
        return ACK if reply is not None and is_request(frame) else reply


class ApplicationResetNeeded(SlaveQuirk):
    """REQ_UD2 gets E5 until an application reset (with sub-code `subcode` where that is given) came since power-up."""

    __slots__ = ("_subcode", "_was_reset")

    def __init__(self, subcode: int | None) -> None:
        self._subcode = subcode
        self._was_reset = False

    def receive(self, link: QuirkedLink, frame: Frame, now: int, following: Following) -> Frame | None:
        if is_command(frame) and isinstance(frame, LongFrame) and frame.ci == _APPLICATION_RESET:
            subcode = frame.data[0] if frame.data else None
            self._was_reset = self._subcode is None or subcode == self._subcode
        reply = following(frame, now)
        return ACK if reply is not None and is_request(frame) and not self._was_reset else reply

    def power_up(self, now: int) -> None:
        self._was_reset = False


class SwitchedByCommand(SlaveQuirk):
    """Of each telegram the first half of the records; after a SND_UD with CI `ci` the others.

    Back with an application reset. A telegram with one record has it after the command only.
    """

    __slots__ = ("_ci", "_is_switched")

    def __init__(self, ci: int) -> None:
        self._ci = ci
        self._is_switched = False

    def receive(self, link: QuirkedLink, frame: Frame, now: int, following: Following) -> Frame | None:
        if is_command(frame) and isinstance(frame, LongFrame):
            if frame.ci == self._ci:
                self._is_switched = True
                link.application.restart()
                return following(without_effect(frame), now)
            if frame.ci == _APPLICATION_RESET:
                self._is_switched = False
        return following(frame, now)

    def records(self, telegram: int, now: int, following: Records) -> bytes:
        area = following(telegram, now)
        found = fields(area)
        middle = found[len(found) // 2].start if found else 0
        end = found[-1].stop if found else 0
        return area[middle:] if self._is_switched else area[:middle] + area[end:]

    def power_up(self, now: int) -> None:
        self._is_switched = False


class ShorterAfterFirst(SlaveQuirk):
    """After the first whole readout the first half of each telegram's records only, until SND_NKE to 255."""

    __slots__ = ("_is_short",)

    def __init__(self) -> None:
        self._is_short = False

    def receive(self, link: QuirkedLink, frame: Frame, now: int, following: Following) -> Frame | None:
        if is_reset(frame) and isinstance(frame, ShortFrame) and frame.address == BROADCAST:
            self._is_short = False
        reply = following(frame, now)
        if is_request(frame) and isinstance(reply, LongFrame) and readout_is_over(link):
            self._is_short = True
        return reply

    def records(self, telegram: int, now: int, following: Records) -> bytes:
        area = following(telegram, now)
        found = fields(area)
        if not self._is_short or len(found) < 2:
            return area
        return area[: found[len(found) // 2].start] + area[found[-1].stop :]

    def power_up(self, now: int) -> None:
        self._is_short = False


class DayArchive(SlaveQuirk):
    """After an application reset with sub-code `subcode` each new request gets the values of a day earlier.

    SND_NKE goes back to today, another application reset ends it.
    """

    __slots__ = ("_days", "_subcode")

    def __init__(self, subcode: int) -> None:
        self._subcode = subcode
        self._days: int | None = None

    def receive(self, link: QuirkedLink, frame: Frame, now: int, following: Following) -> Frame | None:
        if is_command(frame) and isinstance(frame, LongFrame) and frame.ci == _APPLICATION_RESET:
            chosen = frame.data[:1] == bytes([self._subcode])
            self._days = 0 if chosen else None
            if chosen:
                return following(LongFrame(frame.control, frame.address, _APPLICATION_RESET), now)
        if self._days is not None and is_reset(frame):
            self._days = 0
        pages = self._days is not None and is_request(frame) and not is_repeat(link, frame)
        reply = following(frame, now)
        if pages and isinstance(reply, LongFrame):
            assert self._days is not None
            self._days += 1
        return reply

    def records(self, telegram: int, now: int, following: Records) -> bytes:
        return following(telegram, now - (self._days or 0) * DAY)

    def power_up(self, now: int) -> None:
        self._days = None


class TimesInvalid(SlaveQuirk):
    """Times of types F and I have their IV bit (time invalid) until a master sets the clock."""

    __slots__ = ("_is_set",)

    def __init__(self) -> None:
        self._is_set = False

    def records(self, telegram: int, now: int, following: Records) -> bytes:
        area = following(telegram, now)
        if self._is_set:
            return area
        marked = bytearray(area)
        for field in fields(area):
            if field.header.invalid_time_byte >= 0:
                marked[field.data_start + field.header.invalid_time_byte] |= _IV
        return bytes(marked)

    def clock_set(self) -> None:
        self._is_set = True

    def power_up(self, now: int) -> None:
        self._is_set = False


class TwoInTurn(SlaveQuirk):
    """Two meters with one link: whole readouts come from the one and the other in turn.

    Their identification numbers differ in the lowest bit.
    """

    __slots__ = ("_is_other",)

    def __init__(self) -> None:
        self._is_other = False

    def receive(self, link: QuirkedLink, frame: Frame, now: int, following: Following) -> Frame | None:
        repeated = not is_request(frame) or is_repeat(link, frame)
        reply = following(frame, now)
        if not repeated and isinstance(reply, LongFrame) and readout_is_over(link):
            self._turn(link)
        return reply

    def _turn(self, link: QuirkedLink) -> None:
        self._is_other = not self._is_other
        device = link.application.device
        first, rest = device.wire_address[0], device.wire_address[1:]
        device.set_wire_address(bytes([first ^ 0x01]) + rest)


def fields(area: bytes) -> list[RecordField]:
    """Where the records of a record area stand in it."""
    telegram = Telegram.decode(VARIABLE_DATA, _HEADER + area)
    size = len(_HEADER)
    return [
        RecordField(each.header, each.start - size, each.data_start - size, each.stop - size)
        for each in (record.field for record in telegram.records)
    ]


def readout_is_over(link: QuirkedLink) -> bool:
    """Whether the last telegram of the readout was sent."""
    return link.application.place >= link.application.telegram_count


def is_repeat(link: QuirkedLink, frame: Frame) -> bool:
    """Whether the slave is going to take the request for a repeat."""
    if not isinstance(frame, ShortFrame) or not frame.control & FCV:
        return False
    memory = link.fcb(Service.REQ_UD2, selected=frame.address == SELECTED)
    return memory.judge(1 if frame.control & FCB else 0) is Sequence.REPEAT and not memory.fresh


def _renumbered(reply: LongFrame) -> LongFrame:
    data = bytearray(reply.data)
    data[_ACCESS_NUMBER] = (data[_ACCESS_NUMBER] + 1) & 0xFF
    return LongFrame(reply.control, reply.address, reply.ci, bytes(data))
