"""Whether a slave is there, and who it is: what a ping and a scan of primary addresses do for one address."""

from __future__ import annotations

from dataclasses import dataclass

from mbusbench.codec.telegram import Telegram
from mbusbench.protocol.fcb import MasterFcb
from mbusbench.protocol.outcome import Failure, FailureKind
from mbusbench.protocol.procedures import Procedure
from mbusbench.protocol.procedures.readout import Decode, Source, next_telegram
from mbusbench.protocol.procedures.reset import link_reset

SCAN_ATTEMPTS = 2  # an empty address costs a whole window for each


def ping(address: int, fcb: MasterFcb) -> Procedure[Failure | None]:
    """None where exactly one slave acknowledges a link reset."""
    return (yield from link_reset(address, fcb, alone=True))


@dataclass(frozen=True, slots=True)
class Identification:
    """What a scan found at an address: a slave, `telegram` its first one where it sent any; or why there is none."""

    telegram: Telegram | None = None
    failure: Failure | None = None


def identify(address: int, fcb: MasterFcb, decode: Decode) -> Procedure[Identification]:
    """Ask for a slave at `address`, and for its first telegram."""
    absent = yield from link_reset(address, fcb, alone=True, attempts=SCAN_ATTEMPTS)
    if absent is not None:
        return Identification(failure=absent)
    found = yield from next_telegram(Source(address, fcb, decode))
    if isinstance(found, tuple):
        return Identification(found[0])
    if found is None or found.kind in (FailureKind.APPLICATION_ERROR, FailureKind.ENCRYPTED, FailureKind.DECODE):
        return Identification()
    if found.kind is FailureKind.GARBLED:
        # Two acknowledges at the same moment look like one; the data of two slaves do not.
        return Identification(failure=Failure(FailureKind.COLLISION, found.doing, found.detail, found.attempts))
    if found.kind is FailureKind.NO_ANSWER:
        # Mute about its data (a battery meter, perhaps), or the acknowledge was somebody else's late one.
        return Identification(failure=(yield from link_reset(address, fcb, alone=True, attempts=SCAN_ATTEMPTS)))
    return Identification(failure=found)
