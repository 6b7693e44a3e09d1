"""Faults of the meter, of the bus's power and of the connection: what no change of an answer's bytes can do.

Each says what it does to the answer under way; what else happens is the schedule's part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mbusbench.line.effect import Bursts, Effect, Sender
from mbusbench.line.faults import Truncate


@dataclass(frozen=True, slots=True)
class StuckFcb(Effect):
    """The meter takes every frame with a frame count bit for a repeat: it sends its last answer again."""

    name = "stuck_fcb"

    def apply(self, bursts: Bursts, sender: Sender) -> Bursts:
        return bursts


@dataclass(frozen=True, slots=True)
class _InMidTelegram(Effect):
    after: int | None = None

    def apply(self, bursts: Bursts, sender: Sender) -> Bursts:
        return bursts if self.after is None else Truncate(self.after).apply(bursts, sender)


@dataclass(frozen=True, slots=True)
class PowerCycle(_InMidTelegram):
    """The power fails after so many characters of the answer (None: at its end), and comes back `off` ns later.

    Until then nobody concerned hears or says anything, and what a meter does not keep is forgotten: of all meters, or
    of the one that answers where `scope` is "meter".
    """

    name = "power_cycle"
    off: int = 1_000_000_000
    scope: Literal["bus", "meter"] = "bus"


@dataclass(frozen=True, slots=True)
class Disconnect(_InMidTelegram):
    """The connection ends after so many characters of the answer (None: at its end)."""

    name = "disconnect"
