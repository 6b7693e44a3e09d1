"""From the failure of a procedure to the exception that a caller sees, with a message that a person understands."""

from __future__ import annotations

from mbusbench.codec.address import SecondaryAddress
from mbusbench.errors import (
    MBusApplicationError,
    MBusCollisionError,
    MBusDecodeError,
    MBusEncryptedError,
    MBusError,
    MBusGarbledError,
    MBusNoDataError,
    MBusRefusedError,
    MBusStaleError,
    MBusTimeoutError,
    MBusTooManyTelegramsError,
    MBusWrongAddressError,
)
from mbusbench.master.results import slave_info
from mbusbench.protocol.outcome import Failure, FailureKind

_CLASSES: dict[FailureKind, type[MBusError]] = {
    FailureKind.NO_ANSWER: MBusTimeoutError,
    FailureKind.GARBLED: MBusGarbledError,
    FailureKind.COLLISION: MBusCollisionError,
    FailureKind.WRONG_ADDRESS: MBusWrongAddressError,
    FailureKind.STALE: MBusStaleError,
    FailureKind.NO_DATA: MBusNoDataError,
    FailureKind.APPLICATION_ERROR: MBusApplicationError,
    FailureKind.DECODE: MBusDecodeError,
    FailureKind.TOO_MANY_TELEGRAMS: MBusTooManyTelegramsError,
    FailureKind.REFUSED: MBusRefusedError,
}

_TEXTS = {
    FailureKind.NO_ANSWER: "{slave} did not answer ({attempts} at {baudrate} baud, {window} ms each)",
    FailureKind.GARBLED: "{slave} gave no valid answer to {doing} ({attempts}); received: {detail}",
    FailureKind.COLLISION: "more than one slave answered to {doing} for {slave} ({attempts}); received: {detail}",
    FailureKind.WRONG_ADDRESS: "{slave} did not answer to {doing}: {detail} instead ({attempts})",
    FailureKind.STALE: "{slave} sent an old telegram again: {detail}",
    FailureKind.NO_DATA: "{slave} has no data: it answers E5 instead",
    FailureKind.APPLICATION_ERROR: "{slave} reports application error {code}: {error}",
    FailureKind.ENCRYPTED: "{slave} sends encrypted telegrams: {detail}",
    FailureKind.DECODE: "{slave} sent a telegram that cannot be decoded: {detail}",
    FailureKind.TOO_MANY_TELEGRAMS: "the readout of {slave} has no end: {detail}",
    FailureKind.REFUSED: "{slave}: {doing} refused: {detail}",
}


def to_error(failure: Failure, target: int | SecondaryAddress, baudrate: int, window: int) -> MBusError:
    """The exception for `failure` at `target`; `window` is how long an answer was waited for, in ns."""
    text = _TEXTS[failure.kind].format(
        slave=f"slave {target}",
        doing=failure.doing,
        detail=failure.detail,
        attempts=f"{failure.attempts} attempt{'' if failure.attempts == 1 else 's'}",
        baudrate=baudrate,
        window=window // 1_000_000,
        code=failure.code,
        error=_describe_code(failure),
    )
    error: MBusError
    if failure.kind is FailureKind.APPLICATION_ERROR:
        error = MBusApplicationError(text, code=failure.code)
    elif failure.kind is FailureKind.ENCRYPTED:
        error = MBusEncryptedError(text)
        if failure.telegram is not None:
            error.slave = slave_info(failure.telegram, failure.sender)
    else:
        error = _CLASSES[failure.kind](text)
    error.address = str(target)
    return error


def _describe_code(failure: Failure) -> str:
    if failure.kind is not FailureKind.APPLICATION_ERROR:
        return ""
    from mbusbench.codec import application_errors

    return application_errors.describe(failure.code)
