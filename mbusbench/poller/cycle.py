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

MOST_ASKED = 10
"""Meters that are asked whether anything works on a bus where nothing seems to."""

_MAYBE_THE_CHANNEL = (MBusConnectionError, MBusTimeoutError, MBusGarbledError, MBusWrongAddressError)


class Cycle:
    """What is still to be read, and the failures of which it is open whose they are."""

    def __init__(self, connection: Connection, slot: int, meters: list[Meter]) -> None:
        self._connection = connection
        self._slot = slot
        self._to_read = deque(meters)
        self._suspects: list[tuple[Meter, MBusError]] = []
        self._retried: set[Meter] = set()
        self._moved: set[Meter] = set()
        self._works = False
        """Whether somebody has answered on the channel in use: who did not in the last cycle is no error of it then."""

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
            expected = self._works and meter.memory.failures and not isinstance(result, MBusConnectionError)
            if not expected and redundancy.failed(connection.now()):
                await self._change(result)
            elif redundancy.has_backup:
                if not self._to_read or (not expected and redundancy.errors == redundancy.limit - 1):
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
            self._works = True
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
        witness = self._witness()
        while self._suspects and not connection.stopping:
            error = await connection.asked(witness)
            if error is None:
                self._cleared()
            elif redundancy.failed(connection.now()):
                await self._change(error)

    def _witness(self) -> Meter:
        """One that answered before and is not in question itself; else one that was not asked yet, or any."""
        suspects = [meter for meter, _ in self._suspects]
        return self._connection.witness(suspects) or (self._to_read[0] if self._to_read else suspects[-1])

    async def _change(self, error: MBusError) -> None:
        """Over to the other channel: what failed is read once more there.

        Where it had failed there before, somebody has to answer on this channel, or nothing works on this bus.
        """
        connection = self._connection
        connection.changed(str(error))
        self._works = False
        twice = [(meter, own) for meter, own in self._suspects if meter in self._moved]
        once = [meter for meter, _ in self._suspects if meter not in self._moved]
        if twice:
            self._works = await self._somebody_answers()
            if not self._works:
                self._give_up(error)
                return
        for meter, own in twice:
            connection.failed(meter, own, self._slot)
        self._moved.update(once)
        self._to_read.extendleft(reversed(once))
        self._suspects.clear()

    async def _somebody_answers(self) -> bool:
        """Whether a meter answers that is not in question; a few are asked, other ones in each cycle."""
        connection = self._connection
        others = [meter for meter in self._to_read if meter not in self._moved]
        begin = connection.memory.counters["cycles"] * MOST_ASKED % len(others) if others else 0
        known = connection.witness([meter for meter, _ in self._suspects])
        candidates = [*([] if known is None else [known]), *others[begin:], *others[:begin]]
        for meter in candidates[:MOST_ASKED]:
            error = await connection.asked(meter)
            if error is None:
                return True
            if isinstance(error, MBusConnectionError) or connection.stopping:
                break
        return False

    def _give_up(self, error: MBusError) -> None:
        """No channel works: the rest is not asked for."""
        for meter, own in self._suspects:
            self._connection.failed(meter, own, self._slot)
        for meter in self._to_read:
            self._connection.failed(meter, f"not asked, since nothing works on this bus: {error}", self._slot)
        self._suspects.clear()
        self._to_read.clear()
