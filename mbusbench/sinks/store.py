"""The bounded store on disk between the polling and the sinks: a reading that `append` has taken is not lost any more.

Appends that come together share one commit. Each sink has its own place in the queue. What is beyond the limit goes,
oldest first, and is counted for each sink that had not got it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

from mbusbench.sinks.reading import Reading
from mbusbench.sinks.store_file import Advance, Place, StoreFile
from mbusbench.sinks.threads import SideThread

DEFAULT_LIMIT = 1_000_000
KEPT = 10_000
_REMEMBERED = 2048


@dataclass(frozen=True, slots=True)
class Batch:
    """Readings in order, after position `start` up to `end`."""

    start: int
    end: int
    readings: tuple[Reading, ...]


class Store:
    """Up to `limit` readings in the file `path`, which is made where there is none.

    `keep` of those that all sinks have got stay, so that a key that is appended again is known. With `durable` False
    an acknowledged reading survives the process but not the machine: for tests in virtual time.
    `async with` opens and closes. Every method raises StoreError where the file cannot be used.
    """

    def __init__(self, path: str | Path, limit: int = DEFAULT_LIMIT, *, keep: int = KEPT, durable: bool = True) -> None:
        self._file = StoreFile(Path(path), limit, keep, durable=durable)
        self._thread = SideThread("mbusbench-store")
        self._appends: list[tuple[list[Reading], asyncio.Future[int]]] = []
        self._advances: list[tuple[Advance, asyncio.Future[int]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._newest: list[Reading] = []
        self._listeners: list[Callable[[], None]] = []

    async def __aenter__(self) -> Store:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def path(self) -> Path:
        return self._file.path

    @property
    def limit(self) -> int:
        return self._file.limit

    @property
    def count(self) -> int:
        """How many readings are in the file, those that all sinks have got included."""
        return self._file.last - self._file.first + 1

    @property
    def appended(self) -> int:
        """How many readings were ever appended."""
        return self._file.last

    async def open(self) -> None:
        await self._thread.call(self._file.open)

    async def close(self) -> None:
        """Write what is still to be written, and let go of the file."""
        while self._writing is not None:
            await asyncio.shield(self._writing)
        await self._thread.call(self._file.close)
        self._thread.stop()

    async def activate(self, sinks: Iterable[str]) -> None:
        """From now on these sinks, and no others, have a place in the queue (StoreFile.activate)."""
        while self._writing is not None:
            await asyncio.shield(self._writing)
        await self._thread.call(self._file.activate, tuple(sinks))

    def place(self, sink: str) -> Place:
        """How far an active sink has got, and its counts."""
        return self._file.places[sink]

    def waiting(self, sink: str) -> int:
        """How many readings an active sink has still to get."""
        return self._file.last - self._file.places[sink].position

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have `listener` called after each append; call what is returned to end that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def append(self, readings: Iterable[Reading]) -> int:
        """Store readings in this order; how many were new. When this returns they are on the disk.

        A key that is there already is left as it is. All of them or none are stored.
        """
        rows = list(readings)
        if not rows:
            return 0
        stored: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._appends.append((rows, stored))
        self._write()
        return await stored

    async def advance(self, sink: str, batch: Batch, refused: int = 0) -> None:
        """A sink has got this batch, but for `refused` of its readings."""
        moved: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._advances.append((Advance(sink, batch.start, batch.end, refused), moved))
        self._write()
        await moved

    async def read(self, sink: str, count: int = 500) -> Batch | None:
        """What an active sink is to get next, up to `count` readings; None where it has all."""
        start = self._file.places[sink].position
        if start >= self._file.last:
            return None
        remembered_from = self._file.last - len(self._newest)
        if start >= remembered_from:
            found = self._newest[start - remembered_from : start - remembered_from + count]
            return Batch(start, start + len(found), tuple(found))
        return await self._thread.call(self._read, start, count)

    async def newest(self, count: int) -> list[Reading]:
        """The last readings that are in the file, up to so many, in their order."""
        found: list[Reading] = []
        start = max(self._file.first - 1, self._file.last - count)
        while start < self._file.last:
            batch = await self._thread.call(self._read, start, count)
            if batch is None:
                break
            found += batch.readings
            start = batch.end
        return found

    def _read(self, start: int, count: int) -> Batch | None:
        rows = self._file.read(start, count)
        if not rows:
            return None
        # What was dropped meanwhile is missing in front.
        return Batch(rows[0][0] - 1, rows[-1][0], tuple(Reading.from_json(body) for _, body in rows))

    def _write(self) -> None:
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write_all(), name="mbusbench store")

    async def _write_all(self) -> None:
        try:
            while self._appends or self._advances:
                await self._write_once()
        finally:
            self._writing = None

    async def _write_once(self) -> None:
        appends, self._appends = self._appends, []
        advances, self._advances = self._advances, []
        waiting = [future for _, future in appends] + [future for _, future in advances]
        try:
            stored = await self._thread.call(self._commit, appends, advances)
        except Exception as error:
            for future in waiting:
                if not future.done():
                    future.set_exception(error)
            return
        for (rows, future), new in zip(appends, stored, strict=True):
            self._newest += compress(rows, new)
            if not future.done():
                future.set_result(sum(new))
        if len(self._newest) > 2 * _REMEMBERED:
            del self._newest[:-_REMEMBERED]
        for _, future in advances:
            if not future.done():
                future.set_result(0)
        if appends:
            for listener in tuple(self._listeners):
                listener()

    def _commit(
        self,
        appends: list[tuple[list[Reading], asyncio.Future[int]]],
        advances: list[tuple[Advance, asyncio.Future[int]]],
    ) -> list[list[bool]]:
        rows = [[(reading.key, reading.to_json()) for reading in readings] for readings, _ in appends]
        return self._file.commit(rows, [advance for advance, _ in advances])
