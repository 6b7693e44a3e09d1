"""What a poller knows of its connections and meters beyond the configuration; it outlives a reload."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from mbusbench.poller.binding import Deadband
from mbusbench.poller.redundancy import Redundancy


@dataclass(slots=True)
class LastError:
    """What went wrong last: the kind of the error, its text, and when (ns of UTC)."""

    kind: str
    text: str
    time: int


@dataclass(slots=True)
class MeterMemory:
    """One meter. Times are ns of UTC; `slot` is that of the last cycle in which it was asked."""

    identity: str | None = None
    medium: str | None = None
    manufacturer: str | None = None
    version: int | None = None
    slot: int | None = None
    read: int | None = None
    """When it was last read well."""
    failures: int = 0
    """Cycles in a row in which it was not."""
    error: LastError | None = None
    deadband: Deadband = field(default_factory=Deadband)


@dataclass(slots=True)
class ConnectionMemory:
    """One connection. `counters`: cycles, missed slots, good and failed reads, errors by kind, writes."""

    redundancy: Redundancy
    meters: dict[int | str, MeterMemory] = field(default_factory=dict)
    counters: Counter[str] = field(default_factory=Counter)
    error: LastError | None = None
    cycle_begin: int | None = None
    cycle_duration: int | None = None
    """Of the last whole cycle, in ns."""
    lag: int = 0
    """How late it began."""

    def meter(self, address: int | str) -> MeterMemory:
        found = self.meters.get(address)
        if found is None:
            found = self.meters[address] = MeterMemory()
        return found
