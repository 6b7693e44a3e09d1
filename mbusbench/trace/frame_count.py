"""The frame count bits that a master sends, judged from outside: per address and service, with what was answered."""

from __future__ import annotations

from mbusbench.codec import control_field
from mbusbench.codec.address import SELECTED
from mbusbench.codec.commands import CI_SELECTION, CI_SELECTION_REVERSED
from mbusbench.codec.frame import Frame, LongFrame, ShortFrame, SingleCharacter
from mbusbench.codec.frame_reader import Reject
from mbusbench.protocol.fcb import Service
from mbusbench.trace.exchange import Sequence

_SERVICES = {0x3: Service.SND_UD, 0xA: Service.REQ_UD1, 0xB: Service.REQ_UD2}


class FrameCounts:
    """Memory of the last bit for each address and service, and whether its frame was answered.

    None is for E5 instead of data: whether the bit changes then, masters see differently. A command may also go on from
    one bit that all services of its address share, selections included.
    """

    def __init__(self) -> None:
        self._last: dict[tuple[int, Service], tuple[int, bool | None]] = {}
        self._reset: set[int] = set()
        self._used_since_reset: set[tuple[int, Service]] = set()
        self._shared: dict[int, int] = {}

    def judge(self, frame: ShortFrame | LongFrame) -> tuple[Sequence | None, str | None]:
        """What the request is, and the rule that it breaks. The request counts as unanswered from now on."""
        service = _SERVICES.get(control_field.function_code(frame.control))
        if service is None or not frame.control & control_field.FCV or is_selection(frame):
            return None, None
        fcb = frame.control >> 5 & 1
        key = (frame.address, service)
        sequence, rule = self._sequence(key, fcb)
        if service is Service.SND_UD and self._shared.get(frame.address) == 1 - fcb:
            rule = None
        return sequence, rule

    def _sequence(self, key: tuple[int, Service], fcb: int) -> tuple[Sequence, str | None]:
        last = self._last.get(key)
        self._last[key] = (fcb, False)
        if key[0] in self._reset and key not in self._used_since_reset:
            self._used_since_reset.add(key)
            return Sequence.FIRST, None if fcb else "fcb-after-reset"
        if last is None:
            return Sequence.FIRST, None
        if fcb == last[0]:
            return Sequence.REPEAT, "fcb-not-toggled" if last[1] else None
        return Sequence.NEW, "fcb-toggled-without-answer" if last[1] is False else None

    def answered(self, frame: ShortFrame | LongFrame, acknowledged: bool = False) -> None:
        """A good answer to the request was on the line, `acknowledged`: E5."""
        if frame.control == control_field.SND_NKE or is_selection(frame):
            self.reset(frame.address)
        if not frame.control & control_field.FCV:
            return
        self._shared[frame.address] = frame.control >> 5 & 1
        if is_selection(frame):
            return
        service = _SERVICES.get(control_field.function_code(frame.control))
        if service is not None:
            is_empty = acknowledged and service is not Service.SND_UD
            self._last[(frame.address, service)] = (frame.control >> 5 & 1, None if is_empty else True)

    def unanswered(self, item: Frame | Reject) -> None:
        """What seemed to be the answer was none that a master could use."""
        if isinstance(item, Reject | SingleCharacter):
            return
        key = (item.address, _SERVICES.get(control_field.function_code(item.control), Service.REQ_UD2))
        if key in self._last:
            self._last[key] = (self._last[key][0], False)

    def reset(self, address: int) -> None:
        """The link to `address` begins anew."""
        self._reset.add(address)
        self._shared.pop(address, None)
        self._used_since_reset -= {key for key in self._used_since_reset if key[0] == address}


def is_selection(frame: ShortFrame | LongFrame) -> bool:
    """Whether the frame selects by secondary address; which FCB it carries is left to the master."""
    if not isinstance(frame, LongFrame) or frame.address != SELECTED:
        return False
    return frame.ci in (CI_SELECTION, CI_SELECTION_REVERSED)
