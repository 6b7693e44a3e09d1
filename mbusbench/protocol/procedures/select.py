"""Selection of one slave by its secondary address (EN 13757-3): after it, the slave answers at 253."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mbusbench.codec.address import SELECTED, SecondaryAddress
from mbusbench.codec.control_field import SND_NKE, SND_UD, with_fcb
from mbusbench.codec.fixed_data import FixedHeader
from mbusbench.codec.frame import LongFrame, ShortFrame
from mbusbench.codec.header import LongHeader
from mbusbench.errors import MBusDecodeError
from mbusbench.protocol.exchange import Exchange, Expect
from mbusbench.protocol.fcb import MasterFcb
from mbusbench.protocol.outcome import Failure, Reply, Silence, failure
from mbusbench.protocol.procedures import Procedure

DOING = "selection"

_SELECTION = 0x52
_ATTEMPTS = 2  # for each of the two C fields
_LONG_HEADER = (0x6F, 0x72, 0x75, 0x76)
_FIXED = (0x73, 0x77)
_MOST_SIGNIFICANT_FIRST = (0x76, 0x77)


def select(mask: SecondaryAddress, fcb: MasterFcb) -> Procedure[Failure | None]:
    """Select the slave that `mask` names, and deselect all others; None when one slave acknowledged.

    Who it was shows only in what it sends: two slaves that acknowledge at the same moment sound like one.
    """
    # Some slaves deselect silently, so the answer says nothing; several may give one, one after the other.
    yield Exchange(ShortFrame(SND_NKE, SELECTED), Expect.ACKNOWLEDGE, alone=True, attempts=1)
    fcb.reset(SELECTED)
    for bit in (1, 0):  # slaves are met that take only one of the two
        request = LongFrame(with_fcb(SND_UD, bit), SELECTED, _SELECTION, mask.encode())
        outcome = yield Exchange(request, Expect.ACKNOWLEDGE, alone=True, attempts=_ATTEMPTS)
        if type(outcome) is Reply:
            return None
        if type(outcome) is not Silence and mask.is_wildcard:
            break  # several, most likely; where only one can be meant, it was the line
    fcb.forget(SELECTED)
    return failure(outcome, DOING)


def sent_by(mask: SecondaryAddress) -> Callable[[LongFrame], bool]:
    """Whether a frame may come from the slave that `mask` names: false only where its header says another."""

    def accepts(frame: LongFrame) -> bool:
        try:
            if frame.ci in _LONG_HEADER:
                header = LongHeader.decode(frame.data, frame.ci in _MOST_SIGNIFICANT_FIRST)
                return mask.matches(header.secondary_address)
            if frame.ci in _FIXED:
                fixed = FixedHeader.decode(frame.data, frame.ci in _MOST_SIGNIFICANT_FIRST)
                return mask.matches(replace(mask, identification=fixed.identification))
        except (MBusDecodeError, IndexError):
            return True  # for the decoder to complain about
        return True

    return accepts
