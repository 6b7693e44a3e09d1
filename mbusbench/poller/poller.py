"""The poller: all connections at once, their readings to a store, and from there to the sinks.

One task for each connection, so that none delays another, and one that writes what all of them read into the store.
The configuration may be exchanged while it runs: connections that stay the same are not touched.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mbusbench.errors import MBusUsageError
from mbusbench.poller.channels import SourceOf, configured_source
from mbusbench.poller.collector import Collector, Keep
from mbusbench.poller.connection import Connection, new_memory
from mbusbench.poller.connection_definition import ConnectionDefinition
from mbusbench.poller.definition import PollerFile
from mbusbench.poller.memory import ConnectionMemory
from mbusbench.poller.meter import slot_of
from mbusbench.poller.redundancy import Redundancy
from mbusbench.poller.schedule import to_ns
from mbusbench.sinks.reading import Quality, Reading, Scalar

STOP_WITHIN = 10.0
"""Seconds that a readout under way gets to end by itself."""

_log = logging.getLogger("mbusbench.poller")


@dataclass(frozen=True, slots=True)
class Changes:
    """What a reload did, by the names of connections."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


class Poller:
    """Reads what `definition` says. `keep` makes readings durable; when it returns they are acknowledged.

    `source_of` gives what the master of a channel is opened on, where that is not what the configuration names.
    `claimed` says which connections are this process's, where several share a configuration.
    """

    def __init__(
        self,
        definition: PollerFile,
        keep: Keep,
        *,
        source_of: SourceOf = configured_source,
        claimed: Callable[[str], bool] | None = None,
    ) -> None:
        self.definition = definition
        self.collector = Collector(keep)
        self.connections: dict[str, Connection] = {}
        self._source_of = source_of
        self._claimed = claimed
        self._memories: dict[str, ConnectionMemory] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ended = asyncio.Event()
        self._failure: BaseException | None = None
        self._changing = asyncio.Lock()

    async def run(self) -> None:
        """Poll until `stop`. What was read is in the store when this returns."""
        collecting = asyncio.create_task(self.collector.run(), name="collector")
        collecting.add_done_callback(self._on_done)
        try:
            for connection in self.definition.complete:
                if self._claimed is None or self._claimed(connection.name):
                    self._start(connection)
            await self._ended.wait()
        finally:
            await self._end(list(self.connections))
            self.collector.finish()
            await asyncio.gather(collecting, return_exceptions=True)
        if self._failure is not None:
            raise self._failure

    async def once(self) -> None:
        """Read each connection that is enabled, once, all at the same time."""
        connections = [self._made(each) for each in self.definition.complete if each.enabled]
        self.connections = {each.name: each for each in connections}

        async def one(connection: Connection) -> None:
            try:
                await connection.cycle(connection.now() // 1_000_000_000 * 1_000_000_000)
            finally:
                await connection.channels.close()

        async with asyncio.TaskGroup() as tasks:
            for connection in connections:
                tasks.create_task(one(connection), name=f"connection {connection.name}")
        await self.collector.flush()

    async def write_once(self, tag: str, value: Scalar) -> Reading:
        """As `write`, without running: what the tag's bus is opened for is over when this returns."""
        self.connections = {each.name: self._made(each) for each in self.definition.complete}
        try:
            return await self.write(tag, value)
        finally:
            for connection in self.connections.values():
                await connection.channels.close()
            await self.collector.flush()

    def remember(self, readings: Iterable[Reading]) -> None:
        """What an earlier process has read: so that no meter is read again in the same slot, or before its time.

        To be called before `run`, with the readings in their order.
        """
        known = {each.name: each for each in self.definition.complete}
        for reading in readings:
            definition = known.get(reading.connection)
            slot = slot_of(reading.key)
            if definition is None or slot is None:
                continue
            memory = self._memories.setdefault(definition.name, new_memory(definition))
            meter = memory.meter(int(reading.address) if len(reading.address) <= 3 else reading.address)
            meter.slot = slot
            if reading.quality is not Quality.BAD:
                meter.read = to_ns(reading.time)
                meter.identity = reading.meter
                meter.medium, meter.manufacturer, meter.version = reading.medium, reading.manufacturer, reading.version

    def stop(self) -> None:
        """Let `run` end."""
        self._ended.set()

    async def reload(self, definition: PollerFile) -> Changes:
        """Go on with another configuration. Connections that are the same in both are not disturbed."""
        async with self._changing:
            before = {each.name: each for each in self.definition.complete}
            after = {each.name: each for each in definition.complete}
            same_seed = self.definition.seed == definition.seed
            changed = [name for name in after if name in before and not (same_seed and after[name] == before[name])]
            removed = [name for name in before if name not in after]
            added = [name for name in after if name not in before]
            self.definition = definition
            await self._end([*removed, *changed])
            for name in removed:
                self._memories.pop(name, None)
            for name in (*changed, *added):
                if self._claimed is None or self._claimed(name):
                    self._start(after[name])
            return Changes(tuple(added), tuple(removed), tuple(changed))

    async def claim(self, name: str) -> None:
        """From now on this connection is read here."""
        async with self._changing:
            if name not in self.connections:
                self._start(self._definition_of(name))

    async def release(self, name: str) -> None:
        """From now on it is not; when this returns, its bus is closed."""
        async with self._changing:
            await self._end([name])

    async def write(self, tag: str, value: Scalar) -> Reading:
        """Set the value of a tag: see `Connection.write`.

        A tag that several meters have is written `CONNECTION/METER/TAG`, with the configured name of the meter or its
        address. MBusUsageError where there is no such tag, several, or one that is only read.
        """
        found = [
            (connection, meter, binding)
            for connection in self.connections.values()
            for meter in connection.meters
            for binding in meter.bindings
            if tag in (binding.tag, f"{connection.name}/{meter.label}/{binding.tag}")
        ]
        if not found:
            raise MBusUsageError(f"there is no tag {tag!r} here")
        connection, meter, binding = found[0]
        if len(found) > 1:
            raise MBusUsageError(
                f"{len(found)} meters have a tag {tag!r}: write {connection.name}/{meter.label}/{tag}, or another"
            )
        if not binding.is_written:
            raise MBusUsageError(f"{tag} is only read: its access is R")
        return await connection.write(meter, binding, value)

    def connection(self, name: str) -> Connection:
        """MBusUsageError where it is not read here."""
        try:
            return self.connections[name]
        except KeyError:
            raise MBusUsageError(f"there is no connection {name!r} here") from None

    def memory(self, name: str) -> ConnectionMemory:
        """What is known of a connection, also after the end."""
        return self._memories[name]

    def _definition_of(self, name: str) -> ConnectionDefinition:
        for each in self.definition.complete:
            if each.name == name:
                return each
        raise MBusUsageError(f"there is no connection {name!r} in the configuration")

    def _made(self, definition: ConnectionDefinition) -> Connection:
        memory = self._memories.get(definition.name)
        if memory is not None:
            memory.redundancy = _carried_over(memory.redundancy, new_memory(definition).redundancy)
        connection = Connection(
            definition, self.collector.put, seed=self.definition.seed, memory=memory, source_of=self._source_of
        )
        self._memories[definition.name] = connection.memory
        return connection

    def _start(self, definition: ConnectionDefinition) -> None:
        connection = self.connections[definition.name] = self._made(definition)
        task = asyncio.create_task(connection.run(), name=f"connection {definition.name}")
        task.add_done_callback(self._on_done)
        self._tasks[definition.name] = task

    def _on_done(self, task: asyncio.Task[None]) -> None:
        """What ends by an exception is a mistake of ours: all ends, and `run` raises it."""
        if not task.cancelled() and task.exception() is not None:
            self._failure = self._failure or task.exception()
            self._ended.set()

    async def _end(self, names: list[str]) -> None:
        ending: dict[str, asyncio.Task[None]] = {}
        for name in names:
            connection, task = self.connections.pop(name, None), self._tasks.pop(name, None)
            if connection is not None and task is not None:
                connection.stop()
                ending[name] = task
        if not ending:
            return
        _, slow = await asyncio.wait(ending.values(), timeout=STOP_WITHIN)
        for task in slow:
            task.cancel()
        await asyncio.gather(*ending.values(), return_exceptions=True)


def _carried_over(old: Redundancy, new: Redundancy) -> Redundancy:
    """The machine with new settings, in the state of the old one where that still is one."""
    if old.has_backup == new.has_backup:
        old.limit, old.probe = new.limit, new.probe
        return old
    new.changes = old.changes
    return new
