"""Set the clock of one slave by a record of type F, and see whether it was taken (EN 13757-3).

What a slave cannot do it acknowledges all the same, and says so at the next request. Most send their clock with it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from mbusbench.codec import commands
from mbusbench.codec.address import SecondaryAddress
from mbusbench.codec.dib import Function
from mbusbench.codec.telegram import Telegram
from mbusbench.protocol.fcb import MasterFcb
from mbusbench.protocol.outcome import Failure, FailureKind
from mbusbench.protocol.procedures import Procedure
from mbusbench.protocol.procedures.readout import Decode, next_telegram
from mbusbench.protocol.procedures.write import greet, open_link, send_user_data

DOING = "setting of the clock"

# Seconds are not sent, and the clock runs on until it is read.
TOLERANCE = timedelta(minutes=2)


def set_clock(
    target: int | SecondaryAddress, when: datetime, fcb: MasterFcb, decode: Decode
) -> Procedure[Failure | None]:
    """Send date and time (the slave's local time); None when it was acknowledged and nothing speaks against it."""
    link = yield from open_link(target, fcb, decode)
    if link.failure is not None:
        return link.failure
    failed = yield from send_user_data(link.source.address, commands.set_clock(when), fcb)
    if failed is not None:
        return failed
    if (yield from greet(target, fcb)) is not None:
        return None
    found = yield from next_telegram(link.source)
    if isinstance(found, Failure) and found.kind is FailureKind.APPLICATION_ERROR:
        return found
    shown = clock_of(found[0]) if isinstance(found, tuple) else None
    if shown is not None and abs(shown - when.replace(tzinfo=None)) > TOLERANCE:
        return Failure(FailureKind.REFUSED, DOING, f"it was acknowledged, but the clock shows {shown:%Y-%m-%d %H:%M}")
    return None


def clock_of(telegram: Telegram) -> datetime | None:
    """Date and time that a telegram carries as the current ones, without a zone; None where it carries none."""
    for record, value in zip(telegram.records, telegram.values, strict=True):
        dib, vib = record.dib, record.vib
        if vib.quantity != "datetime" or vib.modifiers or not isinstance(value, datetime):
            continue
        if dib.storage_number == 0 and dib.function is Function.INSTANTANEOUS:
            return value
    return None
