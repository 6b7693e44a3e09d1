"""Where the readings of a service go: to its store, which acknowledges them, and from there to its sinks."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from mbusbench.poller.definition import PollerFile
from mbusbench.sinks.delivery import SinkStatus
from mbusbench.sinks.reading import Reading
from mbusbench.sinks.sink import ConnectionStatus


class Outlets:
    """`async with` opens the store; `run` delivers until it is cancelled."""

    keys: ClassVar[tuple[str, ...]] = ()
    """What in the configuration it is made of."""

    def __init__(self, definition: PollerFile) -> None:
        self.collectors: Sequence[Any] = ()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        return None

    async def keep(self, readings: Sequence[Reading]) -> None:
        """Durable when this returns."""
        for reading in readings:
            sys.stdout.write(reading.to_json() + "\n")
        sys.stdout.flush()

    async def run(self) -> None:
        """Deliver until cancelled."""
        await asyncio.Event().wait()

    async def drain(self) -> None:
        """Let the sinks have what there is, as far as they take it at once."""

    def report(self, status: ConnectionStatus) -> None:
        """What a connection does."""

    def forget(self, connection: str) -> None:
        """It is not there any more."""

    def status(self) -> tuple[SinkStatus, ...]:
        """The sinks."""
        return ()

    def secret_files(self, definition: PollerFile) -> list[Path]:
        """The files of secrets that the sinks use."""
        return []
