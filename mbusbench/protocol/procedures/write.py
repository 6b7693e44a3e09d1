"""SND_UD to one slave, and what precedes it: a fresh link, so that no slave takes the write for a repeat (EN 13757-2).

A write is sent once and repeated as the identical frame; it is never begun again, as the slave may have done it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from mbusbench.codec.address import BROADCAST, BROADCAST_REPLY, SELECTED, SecondaryAddress
from mbusbench.codec.commands import Payload
from mbusbench.codec.control_field import DFC, FCV, SND_UD, with_fcb
from mbusbench.codec.frame import NACK, Frame, LongFrame, ShortFrame
from mbusbench.codec.telegram import Telegram
from mbusbench.protocol.exchange import Exchange, Expect
from mbusbench.protocol.fcb import MasterFcb, Service
from mbusbench.protocol.outcome import Failure, FailureKind, Reply, failure
from mbusbench.protocol.procedures import Procedure, Result
from mbusbench.protocol.procedures.readout import Decode, Source, next_telegram
from mbusbench.protocol.procedures.reset import link_reset
from mbusbench.protocol.procedures.select import select, sent_by

DOING = "command (SND_UD)"

_APPLICATION_ERROR = 0x70
_SEVERAL = frozenset((FailureKind.GARBLED, FailureKind.COLLISION, FailureKind.WRONG_ADDRESS))


@dataclass(frozen=True, slots=True)
class Link:
    """A slave that was reset or selected: where it is asked now, and its first telegram where one was asked for.

    `failure` says why there is none.
    """

    source: Source
    telegram: Telegram | None = None
    failure: Failure | None = None


def greet(target: int | SecondaryAddress, fcb: MasterFcb) -> Procedure[Failure | None]:
    """Reset the link to a slave that is alone at its address, or select it; None when it acknowledged."""
    if isinstance(target, int):
        return link_reset(target, fcb, alone=True)
    return select(target, fcb)


def open_link(
    target: int | SecondaryAddress, fcb: MasterFcb, decode: Decode, *, identify: bool = False
) -> Procedure[Link]:
    """Greet the slave, and ask for its first telegram where `identify` or `target` is one that several may fit.

    Two acknowledges at the same moment sound like one, two telegrams do not: so a write that was meant for one slave
    never reaches several. Where `target` names exactly one, a slave without data is as good. It is greeted again after
    that: some slaves have one frame count bit for requests and commands.
    """
    if isinstance(target, int):
        source = Source(target, fcb, decode)
        ambiguous = target == BROADCAST_REPLY
    else:
        source = Source(SELECTED, fcb, decode, sent_by(target))
        ambiguous = target.is_wildcard
    absent = yield from greet(target, fcb)
    if absent is not None or not (ambiguous or identify):
        return Link(source, failure=absent)
    found = yield from next_telegram(source)
    if isinstance(found, Failure) and found.kind in _SEVERAL:
        if found.kind is FailureKind.GARBLED:
            found = replace(found, kind=FailureKind.COLLISION)
        return Link(source, failure=found)
    silent = found is None or (isinstance(found, Failure) and found.kind is FailureKind.NO_ANSWER)
    if ambiguous and silent:
        text = "it sends no data, so there may be more than one"
        return Link(source, failure=Failure(FailureKind.REFUSED, DOING, text))
    telegram = found[0] if isinstance(found, tuple) else None
    return Link(source, telegram, (yield from greet(target, fcb)))


def send_user_data(address: int, payload: Payload, fcb: MasterFcb) -> Procedure[Failure | None]:
    """Send one command to a slave that was greeted; None when it was acknowledged."""
    ci, data = payload
    control = with_fcb(SND_UD, fcb.request_bit(address, Service.SND_UD))
    outcome = yield Exchange(LongFrame(control, address, ci, data), Expect.ACKNOWLEDGE)
    if type(outcome) is not Reply:
        fcb.forget(address)
        return failure(outcome, DOING)
    frame = outcome.frame
    refused = _refusal(frame)
    if refused is None and not isinstance(frame, LongFrame):
        fcb.success(address, Service.SND_UD)
        return None
    fcb.forget(address)
    if refused is not None:
        return Failure(FailureKind.REFUSED, DOING, refused, outcome.attempts)
    assert isinstance(frame, LongFrame)
    if frame.ci == _APPLICATION_ERROR:
        code = frame.data[0] if frame.data else 0
        return Failure(FailureKind.APPLICATION_ERROR, DOING, attempts=outcome.attempts, code=code)
    return Failure(FailureKind.GARBLED, DOING, "data instead of an acknowledge", outcome.attempts)


def _refusal(frame: Frame) -> str | None:
    """What a negative acknowledge says (IEC 60870-5-2), None where it is none."""
    if frame is NACK:
        return "the slave refuses it (A2)"
    if isinstance(frame, ShortFrame) and frame.control & 0x0F:
        return "the slave is busy (DFC)" if frame.control & DFC else "the slave refuses it"
    return None


def write(
    target: int | SecondaryAddress, payloads: Iterable[Payload], fcb: MasterFcb, decode: Decode
) -> Procedure[Failure | None]:
    """Send commands to one slave, one after the other, until one is not acknowledged."""
    link = yield from open_link(target, fcb, decode)
    if link.failure is not None:
        return link.failure
    for payload in payloads:
        failed = yield from send_user_data(link.source.address, payload, fcb)
        if failed is not None:
            return failed
    return None


def broadcast(payloads: Iterable[Payload]) -> Procedure[None]:
    """Send commands to all slaves, each once; nobody answers."""
    for ci, data in payloads:
        yield Exchange(LongFrame(SND_UD & ~FCV, BROADCAST, ci, data), Expect.NOTHING, attempts=1)


def at_baudrate(procedure: Procedure[Result], baudrate: int) -> Procedure[Result]:
    """The same procedure, with the line at another rate while it runs."""
    try:
        exchange = next(procedure)
        while True:
            exchange = procedure.send((yield replace(exchange, baudrate=baudrate)))
    except StopIteration as stop:
        result: Result = stop.value
        return result
