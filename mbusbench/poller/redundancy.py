"""Which of two channels to one bus is used: a machine that is told what worked and what failed, and when.

Over to the other channel after so many errors in a row; back to the main one once it is well again, which is tried from
time to time. There is always exactly one channel that may be open. Times are ns and come in as arguments.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Channel(StrEnum):
    """Two ways to the same bus."""

    MAIN = "main"
    BACKUP = "backup"


class State(StrEnum):
    """What is done, and over which channel."""

    MAIN = "main"
    BACKUP = "backup"
    PROBE = "probe"
    """The main channel is tried; until it has proved to be well, the backup is what counts."""


class Event(StrEnum):
    """What moves the machine."""

    TOO_MANY_ERRORS = "too many errors"
    PROBE = "probe"
    WELL = "well"
    NOT_WELL = "not well"


TRANSITIONS: dict[State, dict[Event, State]] = {
    State.MAIN: {Event.TOO_MANY_ERRORS: State.BACKUP},
    State.BACKUP: {Event.TOO_MANY_ERRORS: State.MAIN, Event.PROBE: State.PROBE},
    State.PROBE: {Event.WELL: State.MAIN, Event.NOT_WELL: State.BACKUP},
}

CHANNELS = {State.MAIN: Channel.MAIN, State.BACKUP: Channel.BACKUP, State.PROBE: Channel.MAIN}


@dataclass(slots=True)
class Redundancy:
    """The machine. `limit` errors in a row end the use of a channel; `probe` is the time between two trials of
    the main one. Without a backup it stays where it is.
    """

    has_backup: bool
    limit: int = 3
    probe: int = 60_000_000_000
    state: State = State.MAIN
    errors: int = 0
    """In a row, on the channel in use."""
    changes: int = 0
    """How often the channel in use was exchanged for the other."""
    since: int = 0
    """When the state was entered, or the main channel was last tried."""
    log: list[tuple[int, State, int]] = field(default_factory=list)
    """The last changes: when, to what, and after how many errors."""

    @property
    def channel(self) -> Channel:
        """The only one that may be open now."""
        return CHANNELS[self.state]

    @property
    def is_down(self) -> bool:
        """Whether the channel in use has failed as often as it may. With a backup, that is never for long."""
        return self.errors >= self.limit

    def succeeded(self) -> None:
        """Something was read over the channel."""
        self.errors = 0

    def failed(self, now: int) -> bool:
        """An error that may be the channel's; whether the other channel is to be used from now on."""
        self.errors += 1
        if self.errors < self.limit or not self.has_backup or self.state is State.PROBE:
            return False
        self._move(Event.TOO_MANY_ERRORS, now)
        return True

    def probe_is_due(self, now: int) -> bool:
        return self.state is State.BACKUP and now - self.since >= self.probe

    def begin_probe(self, now: int) -> None:
        """From now on the main channel is tried. `end_probe` says how it went."""
        self._move(Event.PROBE, now)

    def end_probe(self, well: bool, now: int) -> None:
        self._move(Event.WELL if well else Event.NOT_WELL, now)

    def _move(self, event: Event, now: int) -> None:
        before = self.state
        self.state = TRANSITIONS[before][event]
        if event in (Event.TOO_MANY_ERRORS, Event.WELL):
            self.changes += 1
            self.log = [*self.log[-9:], (now, self.state, self.errors)]
        self.errors = 0
        self.since = now
