"""How a poller is, at one moment: what its sinks are told, and what health, metrics and people are shown."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime

from mbusbench.poller.connection import Connection
from mbusbench.poller.memory import LastError, MeterMemory
from mbusbench.poller.meter import Meter
from mbusbench.poller.poller import Poller
from mbusbench.poller.schedule import to_datetime
from mbusbench.sinks.delivery import SinkStatus
from mbusbench.sinks.sink import ConnectionState, ConnectionStatus, MeterStatus

_COUNTERS = {"cycles": "cycles", "missed": "missed_cycles", "good": "reads", "bad": "read_errors", "writes": "writes"}


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """Where several processes share the connections: this one, how many there are (0: not known), what it holds."""

    name: str
    workers: int
    held: tuple[str, ...]
    changes: int


@dataclass(frozen=True, slots=True)
class PollerStatus:
    """The whole process. `pending` readings were read and are not in the store yet; `kept` ever were put there.

    `total` connections are in the configuration, those of other workers included. `stalled` names what does not get
    on although it has to. `reloads` are the configuration's changes that were carried out, `failed_reloads` those with
    mistakes.
    """

    name: str
    started: datetime
    ready: bool
    connections: tuple[ConnectionStatus, ...]
    total: int
    pending: int
    kept: int
    stalled: tuple[str, ...] = ()
    sinks: tuple[SinkStatus, ...] = ()
    worker: WorkerStatus | None = None
    reloads: int = 0
    failed_reloads: int = 0


StatusOf = Callable[[], PollerStatus]


def connection_statuses(poller: Poller) -> tuple[ConnectionStatus, ...]:
    """The connections that are read here, in the order of the configuration."""
    return tuple(connection_status(each) for each in poller.connections.values())


def connection_status(connection: Connection) -> ConnectionStatus:
    """One connection as it is now."""
    memory = connection.memory
    redundancy = memory.redundancy
    counters = {name: memory.counters[key] for key, name in _COUNTERS.items()}
    for key, count in memory.counters.items():
        if key.startswith("error "):
            counters[f"errors_{key.removeprefix('error ').replace('-', '_')}"] = count
    counters["changeovers"] = redundancy.changes
    error = memory.error
    return ConnectionStatus(
        name=connection.name,
        state=ConnectionState.RUN if connection.running else ConnectionState.STOP,
        actual=str(redundancy.channel) if connection.running else None,
        url=connection.definition.channel(redundancy.channel).source,
        error=None if error is None else error.text,
        error_time=None if error is None else to_datetime(error.time),
        cycle_seconds=None if memory.cycle_duration is None else memory.cycle_duration / 1e9,
        counters=counters,
        meters=tuple(_meter_status(each) for each in connection.meters),
    )


def _meter_status(meter: Meter) -> MeterStatus:
    memory: MeterMemory = meter.memory
    error: LastError | None = memory.error if memory.failures else None
    return MeterStatus(
        meter=meter.identity,
        address=str(meter.definition.address),
        available=memory.read is not None and not memory.failures,
        last_read=None if memory.read is None else to_datetime(memory.read),
        error=None if error is None else error.text,
    )


def mark_of(connection: Connection) -> Hashable:
    """What is another as soon as the connection has done anything."""
    memory = connection.memory
    return memory.counters.total(), memory.cycle_begin, memory.redundancy.since, connection.due
