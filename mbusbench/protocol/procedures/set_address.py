"""Give a slave another primary address: only one that nobody answers at, and checked by asking there afterwards.

The acknowledge alone counts for nothing: it may be lost although the slave has moved, and come although it has not.
"""

from __future__ import annotations

from mbusbench.codec import commands
from mbusbench.codec.address import SecondaryAddress
from mbusbench.codec.fixed_data import FixedHeader
from mbusbench.codec.header import LongHeader
from mbusbench.codec.telegram import Telegram
from mbusbench.protocol.fcb import MasterFcb
from mbusbench.protocol.outcome import Failure, FailureKind
from mbusbench.protocol.procedures import Procedure
from mbusbench.protocol.procedures.ping import Identification
from mbusbench.protocol.procedures.readout import Decode, Source, next_telegram
from mbusbench.protocol.procedures.reset import link_reset
from mbusbench.protocol.procedures.write import open_link, send_user_data

DOING = "setting of the primary address"


def set_primary_address(
    target: int | SecondaryAddress, address: int, fcb: MasterFcb, decode: Decode
) -> Procedure[Identification]:
    """Move the slave to `address` (0 to 250, MBusUsageError otherwise); who answers there then, or why nobody does."""
    payload = commands.set_primary_address(address)
    taken = yield from refuse_taken(address, fcb)
    if taken is not None:
        return Identification(failure=taken)
    link = yield from open_link(target, fcb, decode, identify=True)
    if link.failure is not None:
        return Identification(failure=link.failure)
    unacknowledged = yield from send_user_data(link.source.address, payload, fcb)
    fcb.forget(link.source.address)
    absent = yield from link_reset(address, fcb, alone=True)
    if absent is None:
        found = yield from next_telegram(Source(address, fcb, decode))
        telegram = found[0] if isinstance(found, tuple) else None
        if _differ(link.telegram, telegram):
            return _refused(f"another slave answers at address {address}")
        return Identification(telegram)
    if unacknowledged is not None:
        return Identification(failure=unacknowledged)
    if absent.kind is not FailureKind.NO_ANSWER:
        return Identification(failure=absent)
    return _refused(f"it was acknowledged, but nobody answers at address {address}")


def refuse_taken(address: int, fcb: MasterFcb) -> Procedure[Failure | None]:
    """None where nothing at all is heard after a link reset of `address`, and its repeats."""
    absent = yield from link_reset(address, fcb, alone=True)
    if absent is not None and absent.kind is FailureKind.NO_ANSWER:
        return None
    heard = "" if absent is None or not absent.detail else f" (received: {absent.detail})"
    return Failure(FailureKind.REFUSED, DOING, f"something answers at address {address} already{heard}")


def _refused(why: str) -> Identification:
    return Identification(failure=Failure(FailureKind.REFUSED, DOING, why))


def _differ(before: Telegram | None, after: Telegram | None) -> bool:
    """Whether two telegrams are certainly of different slaves."""
    if before is None or after is None:
        return False
    one, other = before.header, after.header
    if isinstance(one, LongHeader) and isinstance(other, LongHeader):
        return one.secondary_address != other.secondary_address
    if isinstance(one, FixedHeader) and isinstance(other, FixedHeader):
        return one.identification != other.identification
    return False
