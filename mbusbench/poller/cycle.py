"""One cycle of a connection: every meter once, over any channel that works.

Errors that may be the channel's are put to the proof by asking a meter that answered before, so that meters that are
gone change nothing.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from mbusbench.errors import (
    MBusConnectionError,
    MBusError,
    MBusGarbledError,
    MBusTimeoutError,
    MBusWrongAddressError,
)
from mbusbench.master.results import MBusSlaveData
from mbusbench.poller.meter import Meter

if TYPE_CHECKING:
    from mbusbench.poller.connection import Connection

_MAYBE_THE_CHANNEL = (MBusConnectionError, MBusTimeoutError, MBusGarbledError, MBusWrongAddressError)


class Cycle:
    """What is still to be read, and the failures of which it is open whose they are."""

    def __init__(self, connection: Connection, slot: int, meters: list[Meter]) -> None:
        self._connection = connection
        self._slot = slot
        self._to_read = deque(meters)
        self._suspects: list[tuple[Meter, MBusError]] = []
        self._retried: set[Meter] = set()
        self._changes = 0

    async def run(self) -> bool:
        """False where it was cut short: the next cycle for this slot reads the rest."""
        connection = self._connection
        redundancy = connection.redundancy
        while self._to_read and not connection.stopping and connection.running:
            meter = self._to_read.popleft()
            result = await connection.read(meter)
            if isinstance(result, MBusSlaveData):
                self._cleared()
                connection.worked(meter, result, self._slot)
                continue
            connection.note_error(result)
            if not isinstance(result, _MAYBE_THE_CHANNEL):
                self._cleared()
                connection.failed(meter, result, self._slot)
                continue
            self._suspects.append((meter, result))
            if redundancy.failed(connection.now()):
                self._change(str(result))
            elif redundancy.has_backup:
                if redundancy.errors == redundancy.limit - 1 or not self._to_read:
                    await self._settle()
            elif redundancy.is_down and isinstance(result, MBusConnectionError):
                self._give_up(result)
            else:
                self._cleared(forget=not isinstance(result, MBusConnectionError))
        for meter, error in self._suspects:
            connection.failed(meter, error, self._slot)
        return not self._to_read

    def _cleared(self, *, forget: bool = True) -> None:
        """The channel works: what failed before was the meters' own failure.

        Unless the channel was lost, or has just come back: who did answer in the last cycle is asked once more.
        """
        if forget:
            self._connection.redundancy.succeeded()
        for meter, error in self._suspects:
            if meter not in self._retried and (isinstance(error, MBusConnectionError) or not meter.memory.failures):
                self._retried.add(meter)
                self._to_read.append(meter)
            else:
                self._connection.failed(meter, error, self._slot)
        self._suspects.clear()

    async def _settle(self) -> None:
        """Ask a meter that answered before until it is clear whether the channel or the meters fail."""
        connection = self._connection
        redundancy = connection.redundancy
        witness = connection.witness() or self._suspects[-1][0]
        while redundancy.in_doubt and not connection.stopping:
            if await connection.answers(witness):
                self._cleared()
            elif redundancy.failed(connection.now()):
                self._change(f"{witness.label} does not answer any more")

    def _change(self, why: str) -> None:
        """Over to the other channel: what failed is read once more there, unless that one has failed already."""
        self._changes += 1
        self._connection.changed(why)
        if self._changes > 1:
            self._give_up(self._suspects[-1][1])
            return
        self._to_read.extendleft(meter for meter, _ in reversed(self._suspects))
        self._suspects.clear()

    def _give_up(self, error: MBusError) -> None:
        """No channel works: the rest is not asked for."""
        for meter, own in self._suspects:
            self._connection.failed(meter, own, self._slot)
        for meter in self._to_read:
            self._connection.failed(meter, f"not asked, since nothing works on this bus: {error}", self._slot)
        self._suspects.clear()
        self._to_read.clear()
