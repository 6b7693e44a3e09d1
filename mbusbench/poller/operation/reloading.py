"""A running service follows its configuration: on demand (SIGHUP), or when a file that it was read from has changed.

With a mistake in it everything stays as it is, and each mistake is logged with its place.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Generic, TypeVar

from mbusbench.definition.watching import WatchedFiles
from mbusbench.errors import MBusError

LOOK_EVERY = 1.0
"""Seconds between looks at the files."""

_log = logging.getLogger("mbusbench.poller.operation")
_T = TypeVar("_T")


class Reloader(Generic[_T]):
    """`read` gives the configuration (DefinitionError where it is wrong), `apply` carries it out and says what changed.

    `files_of` says which files a configuration was read from; with `watch` false only `request` counts.
    """

    def __init__(
        self,
        read: Callable[[], Awaitable[_T]],
        apply: Callable[[_T], Awaitable[str]],
        files_of: Callable[[_T], Iterable[Path]],
        *,
        first: _T,
        watch: bool = True,
    ) -> None:
        self._read = read
        self._apply = apply
        self._files_of = files_of
        self._watched = WatchedFiles(files_of(first)) if watch else None
        self._wanted = asyncio.Event()
        self.good = 0
        """Reloads that were carried out."""
        self.bad = 0
        """Those that were not, for mistakes in the file."""

    def request(self) -> None:
        """Reload soon, changed or not."""
        self._wanted.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            why = await self._reason()
            try:
                configuration = await self._read()
                done = await self._apply(configuration)
            except MBusError as error:
                self.bad += 1
                _log.error("%s, and cannot be used; what was goes on", why)
                for line in str(error).splitlines():
                    _log.error("%s", line)
                continue
            self.good += 1
            _log.info("%s: %s", why, done)
            if self._watched is not None:
                self._watched.watch(self._files_of(configuration))

    async def _reason(self) -> str:
        """Wait until there is one."""
        while True:
            try:
                async with asyncio.timeout(LOOK_EVERY):
                    await self._wanted.wait()
            except TimeoutError:
                changed = self._watched.look() if self._watched is not None else []
                if changed:
                    return f"{', '.join(path.name for path in changed)} changed"
            else:
                self._wanted.clear()
                return "the configuration was asked to be read again"
