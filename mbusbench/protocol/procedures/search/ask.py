"""One question of a search: whom does a mask select? A selection, and the telegram of whoever took it.

An acknowledge alone proves nothing: those of several slaves may sound like one. Their telegrams do not, and the header
of a good one says whose it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from mbusbench.codec.address import BROADCAST, SELECTED, SecondaryAddress
from mbusbench.codec.commands import select
from mbusbench.codec.control_field import REQ_UD2, SND_NKE, SND_UD, with_fcb
from mbusbench.codec.fixed_data import FixedHeader
from mbusbench.codec.frame import LongFrame, ShortFrame
from mbusbench.codec.frame_reader import Reject
from mbusbench.codec.header import LongHeader
from mbusbench.errors import MBusDecodeError
from mbusbench.protocol.exchange import Exchange, Expect
from mbusbench.protocol.fcb import MasterFcb
from mbusbench.protocol.outcome import Collision, Failure, FailureKind, Garbled, Outcome, Reply, Silence, failure
from mbusbench.protocol.procedures import Procedure
from mbusbench.protocol.procedures.readout import DOING as READING
from mbusbench.protocol.procedures.search.mask import DEVICE_TYPE, VERSION, Mask
from mbusbench.protocol.procedures.select import sent_by

MOST_SELECTIONS = 4
"""Of one mask, repeats included."""
SILENCES = 2
"""As often nobody answers before nobody is there."""
_LONG_HEADER = (0x6F, 0x72, 0x75, 0x76)
_FIXED = (0x73, 0x77)
_MOST_SIGNIFICANT_FIRST = (0x76, 0x77)
_DISTURBED = 2  # acknowledges of one mask are no chance
_LEAST_ANSWER = 6  # bytes of a damaged answer that are more than a disturbance

RESET_ALL = Exchange(ShortFrame(SND_NKE, BROADCAST), Expect.NOTHING)
DESELECT = Exchange(ShortFrame(SND_NKE, SELECTED), Expect.ACKNOWLEDGE, alone=True, attempts=1, patient=True)
REQUEST = Exchange(ShortFrame(with_fcb(REQ_UD2, 1), SELECTED), Expect.DATA, alone=True, attempts=1, patient=True)
NOBODY = SecondaryAddress("EEEEEEEE", 0xEEEE, 0xEE, 0xEE)
"""An address that no slave has."""


class Finding(Enum):
    """Who is behind a mask."""

    NOBODY = "nobody"
    ONE = "one"
    SEVERAL = "several"
    MUTE = "mute"  # somebody who acknowledges the selection, and does not say who it is


@dataclass(frozen=True, slots=True)
class Answer:
    """`frame` is the telegram of the only one; `raw` what came where several sent theirs; `failure` why one is mute."""

    finding: Finding
    frame: LongFrame | None = None
    raw: bytes = b""
    failure: Failure | None = None


NOBODY_ANSWERS = Answer(Finding.NOBODY)
SEVERAL = Answer(Finding.SEVERAL)


def address_of(frame: LongFrame) -> SecondaryAddress | None:
    """Whose telegram it is, None where that is not said; the fixed structure has only the identification."""
    try:
        if frame.ci in _LONG_HEADER:
            return LongHeader.decode(frame.data, frame.ci in _MOST_SIGNIFICANT_FIRST).secondary_address
        if frame.ci in _FIXED:
            return SecondaryAddress(FixedHeader.decode(frame.data, frame.ci in _MOST_SIGNIFICANT_FIRST).identification)
    except MBusDecodeError:
        pass
    return None


def selection(mask: SecondaryAddress, fcb: int, fabrication: str | None = None) -> Exchange:
    request = LongFrame(with_fcb(SND_UD, fcb), SELECTED, *select(mask, fabrication))
    return Exchange(request, Expect.ACKNOWLEDGE, alone=True, attempts=1, patient=True)


def ask(
    mask: Mask, fcb: int, link_fcb: MasterFcb, selections: int, *, confirm: bool, fabrication: str | None = None
) -> Procedure[tuple[Answer, int]]:
    """Find out who `mask` selects, with at most `selections` of them; the answer, and how many it took.

    `fcb` is that of the selections, `fabrication` are digits of the fabrication number for them. Without `confirm`, a
    disturbed acknowledge is taken for that of several slaves; with it, for as much if it comes twice.
    """
    address = mask.address()
    request = replace(REQUEST, accepts=sent_by(address))
    selected_by = selection(address, fcb, fabrication)
    silences = disturbed = used = 0
    mute: Failure | None = None
    while used < selections:
        outcome = yield selected_by
        used += 1
        link_fcb.forget(SELECTED)
        if type(outcome) is Silence:
            silences += 1
            if silences == SILENCES:
                break
            continue
        if type(outcome) is not Reply and not confirm:
            return Answer(Finding.SEVERAL), used
        selected = type(outcome) is Reply
        disturbed += not selected
        answer = yield from _read(request)
        if answer is None:
            if selected:
                mute = Failure(FailureKind.NO_ANSWER, READING)
        elif answer.finding is Finding.ONE and not selected and disturbed < _DISTURBED:
            continue  # somebody may have acknowledged too who sends no data
        elif answer.finding is Finding.ONE and not selected:
            return SEVERAL, used
        elif answer.finding is Finding.SEVERAL and selected and not answer.raw:
            mute = Failure(FailureKind.GARBLED, READING)
        elif answer.finding is not Finding.MUTE:
            return answer, used
        else:
            mute = answer.failure
    if mute is None:
        return (SEVERAL if disturbed >= _DISTURBED else NOBODY_ANSWERS), used
    return Answer(Finding.MUTE, failure=mute), used


def _read(request: Exchange) -> Procedure[Answer | None]:
    """Who sends a telegram, None where nobody does; several without a trace where no more than a disturbance came."""
    disturbed = 0
    for _ in range(2):
        outcome = yield request
        if type(outcome) is Reply:
            frame = outcome.frame
            if not isinstance(frame, LongFrame):
                return Answer(Finding.MUTE, failure=Failure(FailureKind.NO_DATA, READING))
            if address_of(frame) is None:
                return Answer(Finding.MUTE, failure=Failure(FailureKind.DECODE, READING, f"CI {frame.ci:02X}"))
            return Answer(Finding.ONE, frame)
        raw = heard(outcome)
        if type(outcome) in (Garbled, Collision) and len(raw) >= _LEAST_ANSWER:
            return Answer(Finding.SEVERAL, raw=raw)
        if type(outcome) not in (Silence, Garbled, Collision):
            return Answer(Finding.MUTE, failure=failure(outcome, READING))
        disturbed += type(outcome) is not Silence
    return SEVERAL if disturbed == 2 else None


def heard(outcome: Outcome) -> bytes:
    """All bytes of an outcome that is no answer."""
    if not isinstance(outcome, Garbled | Collision):
        return b""
    return b"".join(item.raw if isinstance(item, Reject) else item.encode() for item in outcome.received)


def exists(address: Mask, fcb: int, link_fcb: MasterFcb) -> Procedure[bool]:
    """Whether exactly this address is taken by one slave."""
    for _ in range(SILENCES):
        outcome = yield selection(address.address(), fcb)
        if type(outcome) is not Silence:
            return type(outcome) is Reply
    # Slaves are met that understand no selection without a wildcard. Two others may look like this one again, but not
    # with either wildcard: they differ in more than the version, or in more than the device type.
    for field in (VERSION, DEVICE_TYPE):
        answer, _ = yield from ask(address.open(field), fcb, link_fcb, MOST_SELECTIONS, confirm=True)
        found = None if answer.frame is None else address_of(answer.frame)
        if found is None or Mask.of(found) != address:
            return False
    return True


def is_disturbed(fcb: int) -> Procedure[bool]:
    """Whether something is heard each time even where nobody is asked."""
    for _ in range(2):
        if type((yield selection(NOBODY, fcb))) is Silence:
            return False
    return True


def any_that_know_only(fcb: int, mask: SecondaryAddress) -> Procedure[bool]:
    """Whether a slave behind `mask` takes selections with this frame count bit only.

    All are selected with it, and deselected with the other one, by the selection of nobody: who still answers did not
    understand that.
    """
    yield selection(mask, fcb)
    yield selection(NOBODY, 1 - fcb)
    for _ in range(2):
        outcome = yield REQUEST
        if type(outcome) is not Silence:
            yield DESELECT
            return True
    return False
