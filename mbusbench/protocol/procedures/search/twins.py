"""Meters with one and the same secondary address: looked at until they show it, and told apart by fabrication number.

That takes slaves with the enhanced selection (a record with the fabrication number behind the mask).
"""

from __future__ import annotations

from collections.abc import Generator

from mbusbench.codec.address import SecondaryAddress
from mbusbench.codec.frame import LongFrame
from mbusbench.protocol.exchange import Exchange
from mbusbench.protocol.fcb import MasterFcb
from mbusbench.protocol.outcome import Outcome, Silence
from mbusbench.protocol.procedures import Procedure
from mbusbench.protocol.procedures.search.ask import (
    MOST_SELECTIONS,
    REQUEST,
    Answer,
    Finding,
    ask,
    heard,
    selection,
)
from mbusbench.protocol.procedures.search.collision import common_bits
from mbusbench.protocol.procedures.search.mask import Mask

ANY = "F" * 8
LOOKS = 12
"""Times that slaves are read until they begin at the same moment."""
_CHECK = 2  # selections for one of the answers

Answers = dict[tuple[int, str, int], Answer]
"""By address, digits of the fabrication number, and frame count bit of the selection."""


def look(mask: SecondaryAddress, fcb: int) -> Procedure[bytes]:
    """What the slaves behind `mask` send where they begin at the same moment, b"" where they never do."""
    if type((yield selection(mask, fcb))) is Silence:
        return b""
    for _ in range(LOOKS):
        raw = heard((yield REQUEST))
        if common_bits(raw):
            return raw
    return b""


def ask_again(mask: Mask, fcb: int, link_fcb: MasterFcb, selections: int) -> Procedure[tuple[Answer, int]]:
    """Who answers `mask` as long as it seems to be one slave, and how many selections that took.

    Their telegrams may be equal, too, and now and then sound like one; they do not each time.
    """
    answer, used = yield from ask(mask, fcb, link_fcb, min(_CHECK, selections), confirm=True)
    while used < selections and answer.finding is Finding.ONE:
        answer, count = yield from ask(mask, fcb, link_fcb, min(_CHECK, selections - used), confirm=True)
        used += count
    return answer, used


def by_fabrication_number(
    address: Mask, fcb: int, link_fcb: MasterFcb, answers: Answers
) -> Generator[Exchange, Outcome, dict[str, LongFrame]]:
    """Each slave with this address that alone has its fabrication number, by that. `answers` is filled on the way."""
    found: dict[str, LongFrame] = {}
    masks = [ANY]
    while masks:
        digits = masks.pop()
        key = address.value, digits, fcb
        if key not in answers:
            answers[key], _ = yield from ask(
                address, fcb, link_fcb, MOST_SELECTIONS, confirm="F" not in digits, fabrication=digits
            )
        answer = answers[key]
        if answer.finding is Finding.ONE:
            assert answer.frame is not None
            found[digits] = answer.frame
        elif answer.finding is Finding.SEVERAL and "F" in digits:
            # Serial numbers differ in their last digits first.
            at = digits.rindex("F")
            masks += [f"{digits[:at]}{digit}{digits[at + 1 :]}" for digit in reversed("0123456789")]
    return found
