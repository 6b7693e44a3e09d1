"""When a connection is read: every so long, or as cron says; moved by an offset of its own, so that buses do not beat
together.

Instants are ns of UTC since 1970, and come in as arguments. A slot is the instant that a cycle is for; it begins at the
slot plus the offset. Slots do not depend on when the poller was started.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Protocol
from zoneinfo import ZoneInfo

from mbusbench.errors import MBusUsageError

SECOND = 1_000_000_000
MICROSECOND = 1000
MISSING_CRON = "cron needs the library cronsim: pip install 'mbusbench[poller]'"
_ORIGIN = datetime(1970, 1, 1, tzinfo=UTC)


def to_ns(instant: datetime) -> int:
    """An aware date and time as ns of UTC since 1970."""
    return (instant - _ORIGIN) // timedelta(microseconds=1) * MICROSECOND


def to_datetime(instant: int) -> datetime:
    """ns since 1970 as UTC, to the microsecond."""
    return _ORIGIN + timedelta(microseconds=instant // MICROSECOND)


class Rhythm(Protocol):
    """The slots: what is at or before an instant, and what follows one."""

    def at_or_before(self, instant: int) -> int: ...

    def following(self, instant: int) -> int: ...


@dataclass(frozen=True, slots=True)
class Interval:
    """Every `period` ns, at the multiples of it in UTC: 15 min are the quarters of the hour."""

    period: int

    def at_or_before(self, instant: int) -> int:
        return instant - instant % self.period

    def following(self, instant: int) -> int:
        return self.at_or_before(instant) + self.period


@dataclass(frozen=True, slots=True)
class Cron:
    """The instants of a cron expression (five fields, or six with seconds first) in a time zone.

    Raises MBusUsageError where the expression or zone is none, or the library for it is not installed.
    """

    expression: str
    zone: str = "UTC"

    def __post_init__(self) -> None:
        self._instants(_ORIGIN)

    def at_or_before(self, instant: int) -> int:
        # The library finds instants before the one that is given.
        return self._find(to_datetime(instant - instant % SECOND + SECOND), reverse=True)

    def following(self, instant: int) -> int:
        return self._find(to_datetime(instant), reverse=False)

    def least_gap(self, since: int, count: int = 200) -> int:
        """The shortest time between neighbours among so many slots from an instant on, in ns."""
        times = [self.following(since)]
        for _ in range(count):
            times.append(self.following(times[-1]))
        return min(later - earlier for earlier, later in pairwise(times))

    def _find(self, start: datetime, *, reverse: bool) -> int:
        try:
            return to_ns(next(self._instants(start, reverse=reverse)))
        except StopIteration:
            raise MBusUsageError(f"{self.expression!r} never comes") from None

    def _instants(self, start: datetime, *, reverse: bool = False):  # type: ignore[no-untyped-def]
        try:
            from cronsim import CronSim, CronSimError
        except ImportError:
            raise MBusUsageError(MISSING_CRON) from None
        try:
            zone = UTC if self.zone == "UTC" else ZoneInfo(self.zone)
        except (KeyError, ValueError, OSError):
            raise MBusUsageError(f"there is no time zone {self.zone!r}") from None
        try:
            return CronSim(self.expression, start.astimezone(zone), reverse=reverse)
        except CronSimError as error:
            raise MBusUsageError(f"{self.expression!r} is no cron expression: {error}") from None


@dataclass(frozen=True, slots=True)
class Schedule:
    """The slots of one connection, and how long after each of them its cycle begins, in ns."""

    rhythm: Rhythm
    offset: int = 0

    def current(self, now: int) -> int:
        """The slot that has begun last."""
        return self.rhythm.at_or_before(now - self.offset)

    def next(self, slot: int, now: int) -> int:
        """The slot to wait for after the cycle of `slot`: the next one, or the current one where that is over."""
        return max(self.rhythm.following(slot), self.current(now))

    def between(self, slot: int, chosen: int) -> int:
        """How many slots there are from `slot` on, without `chosen` and those after it."""
        count, each = 0, slot
        while each < chosen:
            count, each = count + 1, self.rhythm.following(each)
        return count

    def begin(self, slot: int) -> int:
        return slot + self.offset


def offset_of(name: str, seed: int, jitter: int) -> int:
    """The offset of a connection: the same for the same name and seed, from 0 up to `jitter` ns, in whole ms."""
    return random.Random(f"{seed}/jitter/{name}").randrange(jitter // 1_000_000 + 1) * 1_000_000


def is_due(slot: int, previous: int | None, minimum: int) -> bool:
    """Whether a meter that was last asked for the slot `previous` is to be asked for this one, and may be.

    Slots are compared, not the times of the questions: these move a little, and a meter that may be read each quarter
    of an hour shall not be left out each second time for it.
    """
    return previous is None or slot < previous or (slot > previous and slot - previous >= minimum)


__all__ = ["Cron", "Interval", "Rhythm", "Schedule", "is_due", "offset_of", "to_datetime", "to_ns"]
