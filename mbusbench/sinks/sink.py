"""What a sink is: opened, given readings in order, closed. And what it may be told besides: the connections' state.

`Delivery` is the only caller. A sink never retries and never buffers: it raises SinkError, and is opened again later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

from mbusbench.errors import SinkError, SinkRefusedError
from mbusbench.sinks.reading import Reading

__all__ = [
    "ConnectionState",
    "ConnectionStatus",
    "MeterStatus",
    "Sink",
    "SinkError",
    "SinkRefusedError",
    "StatusSink",
    "WatchedSink",
]


class ConnectionState(StrEnum):
    """RUN: being polled, or trying to. STOP: switched off."""

    RUN = "RUN"
    STOP = "STOP"


@dataclass(frozen=True, slots=True)
class MeterStatus:
    """A meter as its connection sees it. `available` is False after a read that failed, retries included."""

    meter: str
    address: str
    available: bool
    last_read: datetime | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    """A connection's state. `actual` is the channel in use ("main", "backup"; None: none is open).

    `counters` only ever grow while the process runs; their names are words_with_underscores in the plural ("reads",
    "read_errors", "changeovers"). `cycle_seconds` is how long the last round over all meters took.
    """

    name: str
    state: ConnectionState
    actual: str | None = None
    url: str | None = None
    error: str | None = None
    error_time: datetime | None = None
    cycle_seconds: float | None = None
    counters: Mapping[str, int] = field(default_factory=dict)
    meters: tuple[MeterStatus, ...] = ()


class Sink(Protocol):
    """`name` is unique among the sinks: the store keeps the place in the queue under it."""

    @property
    def name(self) -> str: ...

    async def open(self) -> None:
        """Get ready to write. SinkError where that cannot be done now; opening again must be possible after it."""

    async def write(self, readings: Sequence[Reading]) -> None:
        """Take all of them or none, in this order.

        The same readings may come again after an error or a crash; a key that was taken is not taken twice.
        """

    async def close(self) -> None:
        """Give everything back; never raises; harmless where the sink is not open."""


@runtime_checkable
class StatusSink(Protocol):
    """A sink that is told what the connections do (MQTT)."""

    async def status(self, status: ConnectionStatus) -> None:
        """The state of one connection, whenever it changes, and of all of them after each `open`."""


@runtime_checkable
class WatchedSink(Protocol):
    """A sink that notices the loss of its connection while it has nothing to write."""

    async def watch(self) -> None:
        """Wait, once the sink is open, until its connection is lost; then raise SinkError."""
