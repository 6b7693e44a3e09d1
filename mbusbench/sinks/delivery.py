"""From the store to the sinks: each at its own pace, in order, each reading once.

A sink that is down is opened again and again, later each time; the others and the polling do not notice. A reading that
a sink refuses is skipped for that sink and counted, so that it holds up nothing.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mbusbench.clock import utc_now
from mbusbench.errors import StoreError
from mbusbench.sinks.reading import Reading
from mbusbench.sinks.sink import ConnectionStatus, Sink, SinkError, SinkRefusedError, StatusSink, WatchedSink
from mbusbench.sinks.store import Store

_log = logging.getLogger("mbusbench.sinks")


class SinkState(StrEnum):
    """OPENING: for the first time. DOWN: it failed, and is tried again."""

    OPENING = "opening"
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """A sink's state and counts. `dropped` went for want of room in the store, `refused` at the sink's own word.

    `delivered`, `dropped` and `refused` are kept in the store and count on after a restart; `failures` does not.
    """

    name: str
    state: SinkState
    waiting: int
    delivered: int
    dropped: int
    refused: int
    failures: int
    error: str | None
    error_time: datetime | None


@dataclass(frozen=True, slots=True)
class Retry:
    """A sink that is down is tried after `first` seconds, then twice as long each time, up to `longest`."""

    first: float = 1.0
    longest: float = 60.0

    def delay(self, failures: int, chance: random.Random) -> float:
        """Seconds to wait after so many failures in a row: up to a half less, so that sinks do not come all at once."""
        return min(self.longest, self.first * 2.0 ** min(failures - 1, 60)) * (1 - chance.random() / 2)


class Delivery:
    """Takes an open store; `run` goes on until it is cancelled, and then closes the sinks."""

    def __init__(
        self,
        store: Store,
        sinks: Sequence[Sink],
        *,
        chance: random.Random | None = None,
        retry: Retry | None = None,
        batch: int = 500,
        patience: float = 60.0,
    ) -> None:
        """`chance` is for the jitter. A sink that takes longer than `patience` seconds over one call is down."""
        self._store = store
        self._statuses: dict[str, ConnectionStatus] = {}
        chance = chance or random.Random()
        retry = retry or Retry()
        self._queues = [
            _Queue(store, sink, self._statuses, chance=chance, retry=retry, batch=batch, patience=patience)
            for sink in sinks
        ]

    async def run(self) -> None:
        """Deliver until cancelled. StoreError where not even the sinks' places in the store can be had."""
        await self._store.activate(queue.sink.name for queue in self._queues)
        async with asyncio.TaskGroup() as tasks:
            for queue in self._queues:
                tasks.create_task(queue.run(), name=f"mbusbench sink {queue.sink.name}")

    def report(self, status: ConnectionStatus) -> None:
        """Tell the sinks that want to know what a connection does; they get the newest only."""
        self._statuses[status.name] = status
        for queue in self._queues:
            queue.tell(status.name)

    def forget(self, connection: str) -> None:
        """A connection that there is no more is told to nobody again."""
        self._statuses.pop(connection, None)

    def status(self) -> tuple[SinkStatus, ...]:
        return tuple(queue.status() for queue in self._queues)

    async def drained(self, timeout: float) -> bool:
        """Wait, at most `timeout` seconds, until every sink has all there is; whether they have."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                for queue in self._queues:
                    await queue.drained()
                return True
        return False


class _Queue:
    """One sink and its place in the store."""

    def __init__(
        self,
        store: Store,
        sink: Sink,
        statuses: dict[str, ConnectionStatus],
        *,
        chance: random.Random,
        retry: Retry,
        batch: int,
        patience: float,
    ) -> None:
        self.sink = sink
        self._store = store
        self._statuses = statuses
        self._untold: dict[str, None] = {}
        self._chance = chance
        self._retry = retry
        self._batch = batch
        self._patience = patience
        self._state = SinkState.OPENING
        self._failures = 0
        self._failures_in_a_row = 0
        self._error: str | None = None
        self._error_time: datetime | None = None
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()

    def status(self) -> SinkStatus:
        name = self.sink.name
        place = self._store.place(name)
        return SinkStatus(
            name,
            self._state,
            self._store.waiting(name),
            place.delivered,
            place.dropped,
            place.refused,
            self._failures,
            self._error,
            self._error_time,
        )

    def tell(self, connection: str) -> None:
        if isinstance(self.sink, StatusSink):
            self._untold[connection] = None
            self._wake.set()

    async def drained(self) -> None:
        while self._store.waiting(self.sink.name) or self._untold:
            self._empty.clear()
            await self._empty.wait()

    async def run(self) -> None:
        stop_listening = self._store.listen(self._wake.set)
        try:
            while True:
                try:
                    await self._open_and_deliver()
                except (SinkError, StoreError) as error:
                    self._failed(str(error))
                finally:
                    await self.sink.close()
                await asyncio.sleep(self._retry.delay(self._failures_in_a_row, self._chance))
        finally:
            stop_listening()

    async def _open_and_deliver(self) -> None:
        """Ends only by an exception."""
        async with self._limited("open"):
            await self.sink.open()
        if self._state is SinkState.DOWN:
            _log.info("sink %s is back", self.sink.name, extra={"sink": self.sink.name})
        self._state = SinkState.UP
        if isinstance(self.sink, StatusSink):
            self._untold = dict.fromkeys(self._statuses)
        watching = None
        if isinstance(self.sink, WatchedSink):
            watching = asyncio.create_task(self.sink.watch(), name=f"mbusbench watch {self.sink.name}")
            watching.add_done_callback(lambda _: self._wake.set())
        try:
            while True:
                self._wake.clear()
                if watching is not None and watching.done():
                    watching.result()
                    raise SinkError("the connection was lost")
                if not await self._deliver():
                    self._empty.set()
                    await self._wake.wait()
        finally:
            if watching is not None:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)

    async def _deliver(self) -> bool:
        """Hand over what there is; whether there was anything."""
        busy = False
        while self._untold and isinstance(self.sink, StatusSink):
            busy = True
            connection = next(iter(self._untold))
            if connection in self._statuses:
                async with self._limited("status"):
                    await self.sink.status(self._statuses[connection])
            self._untold.pop(connection, None)
        batch = await self._store.read(self.sink.name, self._batch)
        if batch is None:
            return busy
        refused = await self._write(batch.readings)
        self._failures_in_a_row = 0
        await self._store.advance(self.sink.name, batch, refused)
        return True

    async def _write(self, readings: Sequence[Reading]) -> int:
        """Write them all, but for those that the sink refuses for ever; how many these were."""
        try:
            async with self._limited("write"):
                await self.sink.write(readings)
        except SinkRefusedError as error:
            if len(readings) > 1:
                middle = len(readings) // 2
                return await self._write(readings[:middle]) + await self._write(readings[middle:])
            name = self.sink.name
            self._note(f"{readings[0].key} was refused: {error}")
            _log.warning("sink %s refused %s: %s", name, readings[0].key, error, extra={"sink": name})
            return 1
        return 0

    def _limited(self, what: str) -> _Limited:
        return _Limited(self._patience, what)

    def _failed(self, error: str) -> None:
        self._failures += 1
        self._failures_in_a_row += 1
        if self._state is not SinkState.DOWN or error != self._error:
            _log.warning("sink %s is down: %s", self.sink.name, error, extra={"sink": self.sink.name})
        self._state = SinkState.DOWN
        self._note(error)

    def _note(self, error: str) -> None:
        self._error = error
        self._error_time = utc_now(asyncio.get_running_loop())


class _Limited:
    """A call to a sink: with a limit on its time, and whatever it raises as SinkError.

    Sinks are where other people's libraries are; what goes wrong in them must not end the polling.
    """

    def __init__(self, seconds: float, what: str) -> None:
        self._seconds = seconds
        self._what = what
        self._timeout = asyncio.timeout(seconds)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            await self._timeout.__aexit__(kind, error, None)
        except TimeoutError as late:
            raise SinkError(f"{self._what} took longer than {self._seconds:g} s") from late
        if isinstance(error, Exception) and not isinstance(error, SinkError):
            _log.debug("%s failed", self._what, exc_info=error)
            raise SinkError(f"{type(error).__name__}: {error}") from error
