"""TraceEvent: one thing that happened on a bus, and when. The names and texts in here are a stable format.

A run of characters without a gap is one event; characters with pauses between them are several.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from mbusbench.line.wire import Parity


class Kind(StrEnum):
    """What an event is about. The texts are part of the file format."""

    MASTER = "master"
    """A master put characters on the line, through `port`."""
    SLAVE = "slave"
    """A slave put characters on the line: what it sent, before the line made a collision of it."""
    RECEIVED = "received"
    """What arrived at `port`, after everything that the line and the endpoint did to it."""
    NOISE = "noise"
    """Characters on the line that nobody sent."""
    BREAK = "break"
    """A break on the line: longer low than any character. `duration` says how long."""
    NOTE = "note"
    """No characters: `cause` begins with one of the NOTES."""


OPENED = "opened"
CLOSED = "closed"
FORMAT = "format"
FAULT = "fault"
POWER_CYCLE = "power-cycle"
ADDED = "added"
REMOVED = "removed"
REPLACED = "replaced"
NOTES = (OPENED, CLOSED, FORMAT, FAULT, POWER_CYCLE, ADDED, REMOVED, REPLACED)
"""First cause of a NOTE: a port was opened or closed, a port or a slave has another baud rate or parity (in the event's
`baud` and `parity`), a fault fired (its name is the second cause), the power was off (of `source`, or of all),
a meter was put on the line, taken off, or exchanged for another (`source`).
Further causes say more, in words."""

REPEAT = "repeat"
"""Cause: the slave sent its last answer again, because the frame count bit did not change."""
COLLISION = "collision"
"""Cause: several transmissions were on the line at once."""
ECHO = "echo"
"""Cause: a level converter gave the master its own characters back."""
LOST = "lost"
"""Cause: nobody got it (no room in the gateway's buffer, wrong speed, dropped by a fault)."""


class TraceEvent(NamedTuple):
    """One event. Times are ns; a field that does not apply has its default."""

    time: int
    """Start of the first start bit, since the bus's epoch; of a NOTE, when it happened."""
    kind: Kind
    port: int | None = None
    source: str = ""
    """Who: "slave 5", "master 1", "fault late"; empty where the port or the kind says it."""
    data: bytes = b""
    duration: int = 0
    """From the first start bit to the end of the last stop bit; 0 where characters take no time."""
    baud: int = 0
    """0: characters take no time, or the event has none."""
    parity: Parity = Parity.EVEN
    parity_errors: tuple[int, ...] = ()
    """Indexes in `data` of the characters that arrived with a parity error."""
    framing_errors: tuple[int, ...] = ()
    cause: tuple[str, ...] = ()
    """Short reasons: REPEAT, COLLISION, ECHO, LOST, the names of faults; of a NOTE, one of NOTES first."""
    delay: int | None = None
    """Of an answer: from the end of the request's last stop bit to `time`."""
    lag: int | None = None
    """How late the host was, measured; None where no wall clock took part."""

    @property
    def end(self) -> int:
        """When the last stop bit ended."""
        return self.time + self.duration


TraceSink = Callable[[TraceEvent], None]
"""Whoever wants events: a recorder, a writer, a list's `append`."""
