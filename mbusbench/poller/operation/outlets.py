"""Where the readings of a service go: to its store, which acknowledges them, and from there to its sinks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from mbusbench.poller.definition import PollerFile
from mbusbench.sinks.definition import build, secret_files
from mbusbench.sinks.delivery import Delivery, SinkStatus
from mbusbench.sinks.reading import Reading
from mbusbench.sinks.sink import ConnectionStatus
from mbusbench.sinks.store import Store

DRAIN_FOR = 5.0
"""Seconds that sinks get at the end to take what there is. What they do not take is in the store."""
REMEMBERED = 20_000
"""Readings of the store from which a new process learns who was read when."""


class Outlets:
    """`async with` opens the store; `run` delivers until it is cancelled. `collectors` are for `/metrics`."""

    keys: ClassVar[tuple[str, ...]] = ("store", "sinks")
    """What in the configuration it is made of."""

    def __init__(self, definition: PollerFile) -> None:
        self._sinks = build(definition.sinks)
        self._store = Store(definition.store.path, definition.store.limit)
        self._delivery = Delivery(self._store, self._sinks)
        self.collectors: Sequence[Any] = [sink for sink in self._sinks if hasattr(sink, "collect")]

    async def __aenter__(self) -> Self:
        await self._store.open()
        await self._store.activate(sink.name for sink in self._sinks)
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._store.close()

    async def remembered(self) -> list[Reading]:
        """What an earlier process has read last."""
        return await self._store.newest(REMEMBERED)

    async def keep(self, readings: Sequence[Reading]) -> None:
        """Durable when this returns."""
        await self._store.append(readings)

    async def run(self) -> None:
        """Deliver until cancelled."""
        await self._delivery.run()

    async def drain(self, seconds: float = DRAIN_FOR) -> bool:
        """Let the sinks have what there is, as far as they take it at once; whether they have it all."""
        return await self._delivery.drained(seconds)

    def report(self, status: ConnectionStatus) -> None:
        """What a connection does."""
        self._delivery.report(status)

    def forget(self, connection: str) -> None:
        """It is not there any more."""
        self._delivery.forget(connection)
        for sink in self._sinks:
            forget = getattr(sink, "forget", None)
            if forget is not None:
                forget(connection)

    def status(self) -> tuple[SinkStatus, ...]:
        """The sinks."""
        return self._delivery.status()

    def secret_files(self, definition: PollerFile) -> list[Path]:
        """The files of secrets that the sinks use."""
        return secret_files(definition.sinks)
