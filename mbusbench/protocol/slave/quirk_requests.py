"""Quirks of slaves that do not hear what they should, or do something else with it: resets, selections, commands."""

from __future__ import annotations

from mbusbench.codec.address import BROADCAST_REPLY, SELECTED
from mbusbench.codec.control_field import FCB
from mbusbench.codec.frame import Frame, LongFrame, ShortFrame
from mbusbench.protocol.fcb import Service
from mbusbench.protocol.slave.quirk import (
    Following,
    QuirkedLink,
    SlaveQuirk,
    is_command,
    is_request,
    is_reset,
    is_selection,
)
from mbusbench.protocol.slave.selection import SELECTION, selection_mask

_DATA_SEND = 0x51
_LONGEST_PAUSE = 10**9
"""ns between two characters of a wake-up."""


class ResetsNeeded(SlaveQuirk):
    """Silent after power-up until the `count`th SND_NKE, which is answered."""

    __slots__ = ("_count", "_missing")

    def __init__(self, count: int) -> None:
        self._count = count
        self._missing = count

    def receive(self, link: QuirkedLink, frame: Frame, now: int, following: Following) -> Frame | None:
        if self._missing and is_reset(frame):
            self._missing -= 1
        return None if self._missing else following(frame, now)

    def power_up(self, now: int) -> None:
        self._missing = self._count


class MuteUntilAddressed(SlaveQuirk):
    """Silent after power-up until a frame to its own address, which is answered."""

    __slots__ = ("_is_mute",)

    def __init__(self) -> None:
        self._is_mute = True

    def receive(self, link: QuirkedLink, frame: Frame, now: int, following: Following) -> Frame | None:
        if self._is_mute and isinstance(frame, ShortFrame | LongFrame):
            self._is_mute = frame.address != link.address
        return None if self._is_mute else following(frame, now)

    def power_up(self, now: int) -> None:
        self._is_mute = True


class FirstFramesMissed(SlaveQuirk):
    """The first `count` frames to it after power-up are not heard."""

    __slots__ = ("_count", "_left")

    def __init__(self, count: int) -> None:
        self._count = count
        self._left = count

    def receive(self, link: QuirkedLink, frame: Frame, now: int, following: Following) -> Frame | None:
        if self._left and (link.concerns(frame) or is_selection(frame)):
            self._left -= 1
            return None
        return following(frame, now)

    def power_up(self, now: int) -> None:
        self._left = self._count


class SilentAfterPowerUp(SlaveQuirk):
    """Nothing is heard for `duration` ns after power-up."""

    __slots__ = ("_duration", "_until")

    def __init__(self, duration: int) -> None:
        self._duration = duration
        self._until = duration

    def receive(self, link: QuirkedLink, frame: Frame, now: int, following: Following) -> Frame | None:
        return None if now < self._until else following(frame, now)

    def power_up(self, now: int) -> None:
        self._until = now + self._duration


class WakeUpNeeded(SlaveQuirk):
    """Asleep until `count` characters that are no frame; awake until nothing came for `awake` ns."""

    __slots__ = ("_awake", "_awake_until", "_count", "_heard", "_heard_at")

    listens = True

    def __init__(self, count: int, awake: int) -> None:
        self._count = count
        self._awake = awake
        self._heard = 0
        self._heard_at = 0
        self._awake_until = 0

    def characters(self, count: int, now: int) -> None:
        if now - self._heard_at > _LONGEST_PAUSE:
            self._heard = 0
        self._heard += count
        self._heard_at = now
        if self._heard >= self._count or now < self._awake_until:
            self._awake_until = now + self._awake

    def receive(self, link: QuirkedLink, frame: Frame, now: int, following: Following) -> Frame | None:
        if now >= self._awake_until:
            return None
        self._awake_until = now + self._awake
        return following(frame, now)

    def power_up(self, now: int) -> None:
        self._heard = self._awake_until = 0


class PauseNeeded(SlaveQuirk):
    """A request that comes less than `pause` ns after the one before is not heard."""

    __slots__ = ("_last", "_pause")

    def __init__(self, pause: int) -> None:
        self._pause = pause
        self._last: int | None = None

    def receive(self, link: QuirkedLink, frame: Frame, now: int, following: Following) -> Frame | None:
        if is_request(frame) and link.concerns(frame):
            if self._last is not None and now - self._last < self._pause:
                return None
            self._last = now
        return following(frame, now)

    def power_up(self, now: int) -> None:
        self._last = None


class ResetUnanswered(SlaveQuirk):
    """SND_NKE is done, and not acknowledged."""

    __slots__ = ()

    def receive(self, link: QuirkedLink, frame: Frame, now: int, following: Following) -> Frame | None:
        reply = following(frame, now)
        return None if is_reset(frame) else reply


class ResetKeepsPlace(SlaveQuirk):
    """SND_NKE does not go back to the first telegram."""

    __slots__ = ()

    def receive(self, link: QuirkedLink, frame: Frame, now: int, following: Following) -> Frame | None:
        place = link.application.place
        reply = following(frame, now)
        if is_reset(frame):
            link.application.place = place
            for selected in (False, True):
                # A first request would begin anew.
                link.fcb(Service.REQ_UD2, selected=selected).fresh = False
        return reply


class RequestsUnanswered(SlaveQuirk):
    """REQ_UD2 is not heard."""

    __slots__ = ()

    def receive(self, link: QuirkedLink, frame: Frame, now: int, following: Following) -> Frame | None:
        return None if is_request(frame) else following(frame, now)


class SelectionLeadsNowhere(SlaveQuirk):
    """A selection is acknowledged; requests to 253 are not heard all the same."""

    __slots__ = ()

    def receive(self, link: QuirkedLink, frame: Frame, now: int, following: Following) -> Frame | None:
        if is_request(frame) and isinstance(frame, ShortFrame) and frame.address == SELECTED:
            return None
        return following(frame, now)


class WildcardsUnknown(SlaveQuirk):
    """Only the whole secondary address selects."""

    __slots__ = ()

    def receive(self, link: QuirkedLink, frame: Frame, now: int, following: Following) -> Frame | None:
        if isinstance(frame, LongFrame) and frame.ci == SELECTION:
            mask = selection_mask(frame.data)
            if mask is None or not mask.is_exact:
                # A mask of 9 bytes names nobody: the slave is deselected as by a selection of another.
                frame = LongFrame(frame.control, frame.address, frame.ci, bytes(9))
        return following(frame, now)


class OneSelectionCode(SlaveQuirk):
    """Selections with the other of the C fields 53 and 73 are not heard."""

    __slots__ = ("_fcb",)

    def __init__(self, control: int) -> None:
        self._fcb = control & FCB

    def receive(self, link: QuirkedLink, frame: Frame, now: int, following: Following) -> Frame | None:
        if isinstance(frame, LongFrame) and is_selection(frame) and frame.control & FCB != self._fcb:
            return None
        return following(frame, now)


class NoPrimaryAddressing(SlaveQuirk):
    """Frames to its primary address and to 254 are not heard."""

    __slots__ = ()

    def receive(self, link: QuirkedLink, frame: Frame, now: int, following: Following) -> Frame | None:
        if isinstance(frame, ShortFrame | LongFrame) and frame.address in (link.address, BROADCAST_REPLY):
            return None
        return following(frame, now)


class AddressFixed(SlaveQuirk):
    """A new primary address is acknowledged, and not taken."""

    __slots__ = ()

    def receive(self, link: QuirkedLink, frame: Frame, now: int, following: Following) -> Frame | None:
        address = link.address
        reply = following(frame, now)
        if link.address != address:
            link.application.device.address = address
        return reply


class CommandsUnanswered(SlaveQuirk):
    """SND_UD is neither done nor acknowledged."""

    __slots__ = ()

    def receive(self, link: QuirkedLink, frame: Frame, now: int, following: Following) -> Frame | None:
        return None if is_command(frame) else following(frame, now)


class CommandsIgnored(SlaveQuirk):
    """SND_UD is acknowledged, and not done."""

    __slots__ = ()

    def receive(self, link: QuirkedLink, frame: Frame, now: int, following: Following) -> Frame | None:
        return following(without_effect(frame) if is_command(frame) else frame, now)


class SlowAfterIdle(SlaveQuirk):
    """The first answer after `idle` ns without a frame comes `delay` ns later."""

    __slots__ = ("_delay", "_idle", "_last")

    def __init__(self, delay: int, idle: int) -> None:
        self._delay = delay
        self._idle = idle
        self._last: int | None = None

    def receive(self, link: QuirkedLink, frame: Frame, now: int, following: Following) -> Frame | None:
        slept = self._last is None or now - self._last >= self._idle
        reply = following(frame, now)
        if link.concerns(frame) or reply is not None:
            self._last = now
        if slept and reply is not None:
            link.extra_delay += self._delay
        return reply

    def power_up(self, now: int) -> None:
        self._last = None


def without_effect(frame: Frame) -> Frame:
    """A SND_UD in place of another one: to the link the same, to the application nothing."""
    assert isinstance(frame, LongFrame)
    return LongFrame(frame.control, frame.address, _DATA_SEND)
