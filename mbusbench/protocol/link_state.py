"""The states of the master's link, and what moves it from one to another."""

from __future__ import annotations

from enum import IntEnum


class LinkState(IntEnum):
    """Where the exchange is."""

    # The name's hash, which Enum takes, costs more than the table that it opens.
    __hash__ = int.__hash__

    IDLE = 0  # no exchange under way
    QUIET = 1  # the request waits for an idle line
    AWAITING = 2  # sent, and no answer yet
    SETTLING = 3  # an answer is held, which counts if nothing refutes it


class LinkEvent(IntEnum):
    """What moves an exchange on."""

    # The name's hash, which Enum takes, costs more than the table that it opens.
    __hash__ = int.__hash__

    BUSY = 0  # started, but the line is not idle
    SEND = 1  # the request goes out
    HOLD = 2  # an answer came that something may still refute
    REFUTE = 3  # it was refuted
    RETRY = 4  # the attempt failed and a repeat is left
    FINISH = 5  # the outcome is known
    CANCEL = 6  # the caller gave up


TRANSITIONS: dict[LinkState, dict[LinkEvent, LinkState]] = {
    LinkState.IDLE: {
        LinkEvent.BUSY: LinkState.QUIET,
        LinkEvent.SEND: LinkState.AWAITING,
    },
    LinkState.QUIET: {
        LinkEvent.SEND: LinkState.AWAITING,
        LinkEvent.FINISH: LinkState.IDLE,
        LinkEvent.CANCEL: LinkState.IDLE,
    },
    LinkState.AWAITING: {
        LinkEvent.HOLD: LinkState.SETTLING,
        LinkEvent.RETRY: LinkState.QUIET,
        LinkEvent.FINISH: LinkState.IDLE,
        LinkEvent.CANCEL: LinkState.IDLE,
    },
    LinkState.SETTLING: {
        LinkEvent.HOLD: LinkState.SETTLING,
        LinkEvent.REFUTE: LinkState.AWAITING,
        LinkEvent.FINISH: LinkState.IDLE,
        LinkEvent.CANCEL: LinkState.IDLE,
    },
}
