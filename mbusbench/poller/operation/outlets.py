"""Where the readings of a service go: to its store, which acknowledges them, and from there to its sinks.

Without a store and without sinks they are printed, a line of JSON each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from mbusbench.poller.definition import PollerFile
from mbusbench.sinks.delivery import Delivery, SinkStatus
from mbusbench.sinks.file import ConsoleSink
from mbusbench.sinks.lines import json_lines
from mbusbench.sinks.reading import Reading
from mbusbench.sinks.sink import ConnectionStatus, Sink
from mbusbench.sinks.store import Store

DRAIN_FOR = 5.0
"""Seconds that sinks get at the end to take what there is. What they do not take is in the store."""
REMEMBERED = 20_000
"""Readings of the store from which a new process learns who was read when."""


class Outlets:
    """`async with` opens the store; `run` delivers until it is cancelled."""

    keys: ClassVar[tuple[str, ...]] = ("store",)
    """What in the configuration it is made of."""

    def __init__(self, definition: PollerFile) -> None:
        self.collectors: Sequence[Any] = ()
        self._console = ConsoleSink("console", json_lines)
        self._store: Store | None = None
        self._delivery: Delivery | None = None
        if definition.store is not None:
            sinks: list[Sink] = [self._console]
            self._store = Store(definition.store.path, definition.store.limit)
            self._delivery = Delivery(self._store, sinks)

    async def __aenter__(self) -> Self:
        if self._store is not None:
            await self._store.open()
        return self

    async def __aexit__(self, *exception: object) -> None:
        if self._store is not None:
            await self._store.close()
        else:
            await self._console.close()

    async def remembered(self) -> list[Reading]:
        """What an earlier process has read last."""
        return [] if self._store is None else await self._store.newest(REMEMBERED)

    async def keep(self, readings: Sequence[Reading]) -> None:
        """Durable when this returns."""
        if self._store is not None:
            await self._store.append(readings)
        else:
            await self._console.write(readings)

    async def run(self) -> None:
        """Deliver until cancelled."""
        if self._delivery is not None:
            await self._delivery.run()
        else:
            await asyncio.Event().wait()

    async def drain(self) -> None:
        """Let the sinks have what there is, as far as they take it at once."""
        if self._delivery is not None:
            await self._delivery.drained(DRAIN_FOR)

    def report(self, status: ConnectionStatus) -> None:
        """What a connection does."""
        if self._delivery is not None:
            self._delivery.report(status)

    def forget(self, connection: str) -> None:
        """It is not there any more."""
        if self._delivery is not None:
            self._delivery.forget(connection)

    def status(self) -> tuple[SinkStatus, ...]:
        """The sinks."""
        return () if self._delivery is None else self._delivery.status()

    def secret_files(self, definition: PollerFile) -> list[Path]:
        """The files of secrets that the sinks use."""
        return []
