"""What an exchange and a procedure came to, as data: what a slave did is never an exception in here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from mbusbench.codec.frame import Frame, LongFrame, ShortFrame
from mbusbench.codec.frame_reader import Reject
from mbusbench.codec.telegram import Telegram

Received = Frame | Reject


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer. `attempts` counts the transmissions of the request; more than one means that answers were lost."""

    frame: Frame
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing came, or nothing but the own echo."""

    attempts: int = 1


@dataclass(frozen=True, slots=True)
class Garbled:
    """Something came, but no valid answer: rejected bytes, frames of the wrong direction or with an unknown C field."""

    received: tuple[Received, ...]
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class Collision:
    """More came than the one character that was to stand alone."""

    received: tuple[Received, ...]
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class WrongAddress:
    """A valid answer came, but of another slave."""

    frame: ShortFrame | LongFrame
    attempts: int = 1


Outcome = Reply | Silence | Garbled | Collision | WrongAddress


class FailureKind(Enum):
    """Why a procedure has no result. The values are the kinds of mbusbench.errors."""

    NO_ANSWER = "no-answer"
    GARBLED = "garbled"
    COLLISION = "collision"
    WRONG_ADDRESS = "wrong-address"
    STALE = "stale"
    NO_DATA = "no-data"
    APPLICATION_ERROR = "application-error"
    ENCRYPTED = "encrypted"
    DECODE = "decode"
    TOO_MANY_TELEGRAMS = "too-many-telegrams"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a procedure ended without its result: `doing` what was asked for, `detail` what came instead.

    `attempts` are the transmissions of the last request; `code` is the error code where the kind is APPLICATION_ERROR.
    `telegram` is what was received and cannot be used, `sender` the A field that it came with.
    """

    kind: FailureKind
    doing: str
    detail: str = ""
    attempts: int = 1
    code: int = 0
    telegram: Telegram | None = None
    sender: int = 0


_KINDS: dict[type[Outcome], FailureKind] = {
    Silence: FailureKind.NO_ANSWER,
    Garbled: FailureKind.GARBLED,
    Collision: FailureKind.COLLISION,
    WrongAddress: FailureKind.WRONG_ADDRESS,
}


def failure(outcome: Outcome, doing: str) -> Failure:
    """The failure that an outcome without a reply is."""
    return Failure(_KINDS[type(outcome)], doing, _detail(outcome), outcome.attempts)


def _detail(outcome: Outcome) -> str:
    match outcome:
        case Garbled(received) | Collision(received):
            return ", ".join(map(_describe, received)) or "the line does not become idle"
        case WrongAddress(frame):
            return f"slave {frame.address} answered"
        case _:
            return ""


def _describe(received: Received) -> str:
    if isinstance(received, Reject):
        return f"{_shorten(received.raw)} ({received.reason.value})"
    return _shorten(received.encode())


def _shorten(data: bytes) -> str:
    text = data[:16].hex(" ").upper()
    return f"{text} .. ({len(data)} bytes)" if len(data) > 16 else text
