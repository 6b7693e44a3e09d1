"""Alarms of a slave (The M-Bus 4.8): what REQ_UD1 reports, and when an alarm counts as delivered.

An alarm that happens once goes away when the master has it: with the next request whose frame count bit has toggled.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

ALARM = 0x71


@dataclass(frozen=True, slots=True)
class Alarm:
    """Bits of the state byte, from `start` ns on; until `stop`, if that is given, and until delivered, if `once`."""

    state: int
    start: int = 0
    stop: int | None = None
    once: bool = True

    def is_active(self, now: int) -> bool:
        return self.start <= now and (self.stop is None or now < self.stop)


class SlaveAlarms:
    """The alarms that there are or will be."""

    __slots__ = ("_alarms", "_reported")

    def __init__(self, alarms: Iterable[Alarm] = ()) -> None:
        self._alarms = list(alarms)
        self._reported: list[Alarm] = []

    def add(self, alarm: Alarm) -> None:
        self._alarms.append(alarm)

    def clear(self) -> None:
        """No alarm is left."""
        self._alarms.clear()

    def state(self, now: int) -> int:
        """The bits of all alarms that are active, 0 for none."""
        state = 0
        for alarm in self._alarms:
            if alarm.is_active(now):
                state |= alarm.state
        return state

    def report(self, now: int) -> int:
        """The state as it is sent now."""
        self._reported = [alarm for alarm in self._alarms if alarm.once and alarm.is_active(now)]
        return self.state(now)

    def delivered(self) -> None:
        """What was reported last has arrived."""
        # By identity: the same alarm may have come again since.
        gone = {id(alarm) for alarm in self._reported}
        self._alarms = [alarm for alarm in self._alarms if id(alarm) not in gone]
        self._reported = []
