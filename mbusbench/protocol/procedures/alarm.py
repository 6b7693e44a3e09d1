"""Alarm poll: REQ_UD1, answered by E5 (no alarm) or by a telegram with the alarm state (The M-Bus 4.8, EN 13757-3)."""

from __future__ import annotations

from dataclasses import dataclass

from mbusbench.codec.address import SecondaryAddress
from mbusbench.codec.control_field import REQ_UD1, with_fcb
from mbusbench.codec.frame import ACK, LongFrame, ShortFrame
from mbusbench.errors import MBusDecodeError
from mbusbench.protocol.exchange import Exchange, Expect
from mbusbench.protocol.fcb import MasterFcb, Service
from mbusbench.protocol.outcome import Failure, FailureKind, Reply, failure
from mbusbench.protocol.procedures import Procedure
from mbusbench.protocol.procedures.readout import Decode
from mbusbench.protocol.procedures.write import open_link

DOING = "request for alarms (REQ_UD1)"


@dataclass(frozen=True, slots=True)
class Alarm:
    """`state`: 8 bits that the manufacturer defines, None for no alarm; or why it is not known."""

    state: int | None = None
    failure: Failure | None = None


def poll_alarm(target: int | SecondaryAddress, fcb: MasterFcb, decode: Decode) -> Procedure[Alarm]:
    """Ask one slave for its alarm."""
    link = yield from open_link(target, fcb, decode)
    if link.failure is not None:
        return Alarm(failure=link.failure)
    source = link.source
    request = ShortFrame(with_fcb(REQ_UD1, fcb.request_bit(source.address, Service.REQ_UD1)), source.address)
    outcome = yield Exchange(request, Expect.EITHER, accepts=source.accepts)
    if type(outcome) is not Reply:
        fcb.forget(source.address)
        return Alarm(failure=failure(outcome, DOING))
    frame = outcome.frame
    if isinstance(frame, LongFrame):
        fcb.success(source.address, Service.REQ_UD1)
        return _alarm(frame, decode)
    if frame == ACK or isinstance(frame, ShortFrame):
        fcb.success(source.address, Service.REQ_UD1)
        return Alarm()
    fcb.forget(source.address)
    return Alarm(failure=Failure(FailureKind.GARBLED, DOING, frame.encode().hex().upper(), outcome.attempts))


def _alarm(frame: LongFrame, decode: Decode) -> Alarm:
    try:
        telegram = decode(frame)
    except MBusDecodeError as error:
        return Alarm(failure=Failure(FailureKind.DECODE, DOING, str(error)))
    if telegram.alarm is not None:
        return Alarm(telegram.alarm)
    if telegram.application_error is not None:
        return Alarm(failure=Failure(FailureKind.APPLICATION_ERROR, DOING, code=telegram.application_error))
    return Alarm(failure=Failure(FailureKind.DECODE, DOING, f"CI {telegram.ci:02X} is no alarm"))
