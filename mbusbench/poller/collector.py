"""Between connections that read and the store that keeps: one task writes whatever has come since its last write.

So that a commit is paid for by many readings, and no connection waits for the disk. Where the store cannot write, what
is read waits in memory and is tried again; what is too much for that is dropped, oldest first, and counted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from mbusbench.errors import StoreError
from mbusbench.sinks.reading import Reading

Keep = Callable[[Sequence[Reading]], Awaitable[None]]

GATHER_FOR = 0.1
"""Seconds between two writes: what comes meanwhile is written together."""
AGAIN_AFTER = 5.0
"""Seconds after which a store that could not write is tried again."""
MOST_WAITING = 50_000
"""Readings that wait in memory for a store that cannot write."""

_log = logging.getLogger("mbusbench.poller")


class Collector:
    """`put` never waits. `pending` is what is not acknowledged yet, `kept` what was, `dropped` what never will be."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._pending: list[Reading] = []
        self._something = asyncio.Event()
        self._finished = False
        self._flushing = asyncio.Lock()
        self._under_way = 0
        self._failing = False
        self.kept = 0
        self.dropped = 0

    @property
    def pending(self) -> int:
        return len(self._pending) + self._under_way

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
            try:
                await self.flush()
            except StoreError as error:
                self._failed(error)
                await self._pause(AGAIN_AFTER)
                self._something.set()
            else:
                await self._pause(GATHER_FOR)
        try:
            await self.flush()
        except StoreError as error:
            _log.error("%d readings are lost: %s", self.pending, error)

    async def flush(self) -> None:
        """Write what has come; it is durable when this returns. StoreError where it is not: it waits then."""
        async with self._flushing:
            batch, self._pending = self._pending, []
            if not batch:
                return
            self._under_way = len(batch)
            try:
                await self._keep(batch)
            except BaseException:
                self._pending = batch + self._pending
                raise
            finally:
                self._under_way = 0
            self.kept += len(batch)
            self._failing = False

    async def _pause(self, seconds: float) -> None:
        if not self._finished:
            await asyncio.sleep(seconds)

    def _failed(self, error: StoreError) -> None:
        surplus = len(self._pending) - MOST_WAITING
        if surplus > 0:
            del self._pending[:surplus]
            self.dropped += surplus
        if not self._failing:
            _log.error("readings wait in memory: %s", error)
        self._failing = True
