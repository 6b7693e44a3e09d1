"""Between connections that read and the store that keeps: one task writes whatever has come since its last write.

So that a commit is paid for by many readings, and no connection waits for the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from mbusbench.sinks.reading import Reading

Keep = Callable[[Sequence[Reading]], Awaitable[None]]

GATHER_FOR = 0.1
"""Seconds between two writes: what comes meanwhile is written together."""


class Collector:
    """`put` never waits. `pending` is what is not acknowledged yet."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._pending: list[Reading] = []
        self._something = asyncio.Event()
        self._finished = False
        self._flushing = asyncio.Lock()
        self.kept = 0
        """Readings that were acknowledged."""

    @property
    def pending(self) -> int:
        return len(self._pending)

    def put(self, reading: Reading) -> None:
        self._pending.append(reading)
        self._something.set()

    def finish(self) -> None:
        """No more is coming: let `run` write the rest and end."""
        self._finished = True
        self._something.set()

    async def run(self) -> None:
        while not self._finished:
            await self._something.wait()
            self._something.clear()
            await self.flush()
            if not self._finished:
                await asyncio.sleep(GATHER_FOR)
        await self.flush()

    async def flush(self) -> None:
        """Write what has come; it is durable when this returns."""
        async with self._flushing:
            batch, self._pending = self._pending, []
            if batch:
                await self._keep(batch)
                self.kept += len(batch)
