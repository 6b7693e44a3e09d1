"""Both halves of the frame count bit (EN 13757-2): the image that a master keeps and the memory that a slave keeps.

The bit distinguishes a repeated frame from a new one. Each address on the line has bits of its own, and so has each of
the services that carry a bit; nothing here knows frames, time or retries.
"""

from __future__ import annotations

from enum import Enum


class Service(Enum):
    """A service with a frame count bit of its own."""

    # The name's hash, which Enum takes, costs more than the table that it opens.
    __hash__ = object.__hash__

    REQ_UD2 = "REQ_UD2"
    SND_UD = "SND_UD"
    REQ_UD1 = "REQ_UD1"


class MasterFcb:
    """The frame count bits that a master sends next, for each address (1 to 250, 253, 254) and service.

    An address is unknown until `reset` was called for it: nobody knows what the slave remembers, the master owes it a
    SND_NKE. The bits of an unknown address count from 1 as after a reset.
    """

    def __init__(self) -> None:
        self._next: dict[int, dict[Service, int]] = {}

    def is_known(self, address: int) -> bool:
        """Whether the link to `address` was reset since start or the last `forget`."""
        return address in self._next

    def reset(self, address: int) -> None:
        """SND_NKE was acknowledged, or a selection made for 253: every service goes on with 1."""
        self._next[address] = {}

    def request_bit(self, address: int, service: Service = Service.REQ_UD2) -> int:
        """The bit of the next frame of `service`, 0 or 1. The same until `success`, so that a repeat is identical."""
        return self._next.get(address, {}).get(service, 1)

    def success(self, address: int, service: Service = Service.REQ_UD2) -> None:
        """An error-free answer came: the next frame of `service` carries the other bit."""
        self._next.setdefault(address, {})[service] = 1 - self.request_bit(address, service)

    def forget(self, address: int | None = None) -> None:
        """The state of `address` (None: of every address) is lost: no bus power, no connection, retries used up."""
        if address is None:
            self._next.clear()
        else:
            self._next.pop(address, None)


class FcbMode(Enum):
    """What a slave remembers after a link reset, a selection or power-up. Slaves of both kinds are met."""

    STRICT = "strict"  # 0 (IEC 60870-5-2): a first frame with FCB 0 is taken for a repeat
    LENIENT = "lenient"  # nothing: any first frame is new
    IGNORE = "ignore"  # nothing ever: every frame is new


class Sequence(Enum):
    """What a received frame count bit says about its frame."""

    FIRST = "first"  # new, and the first one since the reset
    NEW = "new"  # the answer before was received
    REPEAT = "repeat"  # the answer before was lost


class SlaveFcb:
    """The memory of one slave for one addressing path and one service."""

    __slots__ = ("_after_reset", "_ignores", "fresh", "last")

    def __init__(self, mode: FcbMode = FcbMode.STRICT) -> None:
        self._ignores = mode is FcbMode.IGNORE
        self._after_reset = 0 if mode is FcbMode.STRICT else None
        self.last: int | None = self._after_reset
        self.fresh = True

    def reset(self) -> None:
        """SND_NKE, selection or power-up."""
        self.last = self._after_reset
        self.fresh = True

    def judge(self, fcb: int) -> Sequence:
        """What a frame with FCV = 1 and this bit is. Changes nothing."""
        if fcb == self.last and not self._ignores:
            return Sequence.REPEAT
        return Sequence.FIRST if self.fresh else Sequence.NEW

    def store(self, fcb: int) -> None:
        """The frame with this bit was executed or answered."""
        self.last = fcb
        self.fresh = False
