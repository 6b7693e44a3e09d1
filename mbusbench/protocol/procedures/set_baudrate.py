"""Change the baud rate of one slave, and find the rate that one answers at (The M-Bus 4.8).

A slave acknowledges at the old rate whether it knows the new one or not: only an answer at the new rate says that it
was done. Where none comes, the slave is brought back to the old rate.
"""

from __future__ import annotations

from mbusbench.codec import commands
from mbusbench.codec.address import SecondaryAddress
from mbusbench.protocol.fcb import MasterFcb
from mbusbench.protocol.outcome import Failure, FailureKind
from mbusbench.protocol.procedures import Procedure
from mbusbench.protocol.procedures.ping import identify
from mbusbench.protocol.procedures.readout import Decode
from mbusbench.protocol.procedures.select import select
from mbusbench.protocol.procedures.write import at_baudrate, greet, open_link, send_user_data

DOING = "setting of the baud rate"

USUAL_RATES = (2400, 9600, 300, 1200, 600, 4800, 19200, 38400)
"""All rates of the standard, those first that meters are delivered with."""


def set_baud_rate(
    target: int | SecondaryAddress, baudrate: int, old: int, fcb: MasterFcb, decode: Decode
) -> Procedure[Failure | None]:
    """Switch the slave from `old` to `baudrate`; None when it answers there. MBusUsageError for a rate that is none."""
    payload = commands.set_baud_rate(baudrate)
    link = yield from at_baudrate(open_link(target, fcb, decode), old)
    if link.failure is not None:
        return link.failure
    address = link.source.address
    unacknowledged = yield from at_baudrate(send_user_data(address, payload, fcb), old)
    if (yield from at_baudrate(greet(target, fcb), baudrate)) is None:
        return None
    if (yield from at_baudrate(greet(target, fcb), old)) is None:
        return unacknowledged or _refused(f"it was acknowledged, but the slave stays at {old} baud")
    # It may have switched, and its answers are not understood: then it may still understand this.
    yield from at_baudrate(greet(target, fcb), baudrate)
    yield from at_baudrate(send_user_data(address, commands.set_baud_rate(old), fcb), baudrate)
    if (yield from at_baudrate(greet(target, fcb), old)) is None:
        return _refused(f"no answer at {baudrate} baud; the slave is back at {old}")
    return _refused(f"no answer at {baudrate} baud, and none at {old} any more")


def answers_at(
    target: int | SecondaryAddress, baudrate: int, fcb: MasterFcb, decode: Decode
) -> Procedure[Failure | None]:
    """None where the slave answers with the line at `baudrate`."""
    if isinstance(target, int):
        found = yield from at_baudrate(identify(target, fcb, decode), baudrate)
        return found.failure
    return (yield from at_baudrate(select(target, fcb), baudrate))


def _refused(why: str) -> Failure:
    return Failure(FailureKind.REFUSED, DOING, why)
