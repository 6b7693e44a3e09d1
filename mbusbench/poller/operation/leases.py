"""Leases in PostgreSQL: each connection is read by one worker, and by another one soon after that worker is dead.

A lease is a row with an end, by the database's clock alone. A worker that cannot renew its leases in time stops reading
before they end, by its own clock, counted from before it asked: so two workers never have one bus, however the network
breaks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mbusbench.errors import MBusUsageError
from mbusbench.poller.operation.sharing import shares

if TYPE_CHECKING:
    from psycopg import AsyncConnection

INSTALL = "psycopg is not installed: pip install 'mbusbench[poller]'"

_TABLES = """
CREATE TABLE IF NOT EXISTS mbusbench_workers (
    configuration text NOT NULL, worker text NOT NULL, ends timestamptz NOT NULL,
    PRIMARY KEY (configuration, worker));
CREATE TABLE IF NOT EXISTS mbusbench_leases (
    configuration text NOT NULL, connection text NOT NULL, worker text NOT NULL, ends timestamptz NOT NULL,
    PRIMARY KEY (configuration, connection))
"""
# One worker at a time decides: what it reads is what it decides on.
_TURN = "SELECT pg_advisory_xact_lock(hashtextextended('mbusbench ' || %s, 0))"
_HERE = """
INSERT INTO mbusbench_workers VALUES (%(configuration)s, %(worker)s, clock_timestamp() + %(ttl)s)
ON CONFLICT (configuration, worker) DO UPDATE SET ends = excluded.ends
"""
_DEAD = "DELETE FROM mbusbench_workers WHERE configuration = %s AND ends <= clock_timestamp()"
_ENDED = "DELETE FROM mbusbench_leases WHERE configuration = %s AND ends <= clock_timestamp()"
_WORKERS = "SELECT worker FROM mbusbench_workers WHERE configuration = %s"
_LEASES = "SELECT connection, worker FROM mbusbench_leases WHERE configuration = %s"
_TAKE = """
INSERT INTO mbusbench_leases
SELECT %(configuration)s, unnest(%(connections)s::text[]), %(worker)s, clock_timestamp() + %(ttl)s
ON CONFLICT (configuration, connection) DO UPDATE SET ends = excluded.ends
WHERE mbusbench_leases.worker = excluded.worker
"""
_FREE = "DELETE FROM mbusbench_leases WHERE configuration = %s AND worker = %s AND connection = ANY(%s::text[])"
_GONE = "DELETE FROM mbusbench_workers WHERE configuration = %s AND worker = %s"

_log = logging.getLogger("mbusbench.poller.operation")

Change = Callable[[str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """Seconds. A lease lasts `ttl`; it is renewed every `renew`; without success for `give_up` reading is stopped.

    What is left of `ttl` after `give_up` is the time that a readout under way has to end.
    """

    ttl: float = 30.0

    @property
    def renew(self) -> float:
        return self.ttl / 6

    @property
    def give_up(self) -> float:
        return self.ttl / 2


class Leases:
    """Claims connections for `worker`, and tells `claim` and `release`, which return when that is done.

    `connections` says which there are. `url` is what psycopg connects with. `run` does it until it is cancelled.
    """

    def __init__(
        self,
        url: str,
        *,
        configuration: str,
        worker: str,
        connections: Callable[[], Collection[str]],
        claim: Change,
        release: Change,
        times: LeaseTimes | None = None,
    ) -> None:
        self.worker = worker
        self.times = times or LeaseTimes()
        self.held: set[str] = set()
        """What this worker reads now."""
        self.workers = 0
        """How many are alive, this one among them; 0 while the database cannot be reached."""
        self.changes = 0
        self._url = url
        self._configuration = configuration
        self._connections = connections
        self._claim = claim
        self._release = release
        self._database: AsyncConnection[Any] | None = None
        self._safe_until = 0.0

    @property
    def is_connected(self) -> bool:
        """Whether the database answered the last time."""
        return self.workers > 0

    async def run(self) -> None:
        """Hold as many leases as are fair, until cancelled; then give them all back."""
        guard = asyncio.create_task(self._guard(), name="leases in time")
        try:
            while True:
                following = asyncio.get_running_loop().time() + self.times.renew
                if not await self._round():
                    await asyncio.sleep(max(0.0, following - asyncio.get_running_loop().time()))
        finally:
            guard.cancel()
            await asyncio.shield(self._end())

    async def _guard(self) -> None:
        """Stop reading when leases were not renewed in time, whatever the question to the database waits for."""
        while True:
            now = asyncio.get_running_loop().time()
            if self.held and now >= self._safe_until:
                self.workers = 0
                _log.warning("leases: not renewed in time: nothing is read any more")
                await self._stop_reading(sorted(self.held))
            await asyncio.sleep(max(self.times.ttl / 100, min(self._safe_until - now, self.times.renew)))

    async def _round(self) -> bool:
        """Renew, claim and give up. Whether there is more to do at once."""
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self.times.renew):
                taken, given_up = await self._renewed()
        except _errors() as error:
            await self._disconnect()
            if self.workers:
                _log.warning("leases: no answer from the database: %s", first_line(error))
            self.workers = 0
            return False
        self._safe_until = began + self.times.give_up
        if asyncio.get_running_loop().time() >= self._safe_until:
            # This process stood still: what it has just taken may be somebody else's by now.
            taken = []
        for name in taken:
            _log.info("%s: claimed", name, extra={"connection": name, "worker": self.worker})
            self.held.add(name)
            self.changes += 1
            await self._claim(name)
        await self._stop_reading(given_up)
        return bool(given_up)

    async def _renewed(self) -> tuple[list[str], list[str]]:
        """What was taken, and what was lost or is to be given up."""
        database = await self._connected()
        given = {"configuration": self._configuration, "worker": self.worker, "ttl": _seconds(self.times.ttl)}
        async with database.transaction():
            await database.execute(_TURN, (self._configuration,))
            await database.execute(_HERE, given)
            await database.execute(_DEAD, (self._configuration,))
            await database.execute(_ENDED, (self._configuration,))
            workers = [name for (name,) in await (await database.execute(_WORKERS, (self._configuration,))).fetchall()]
            leases = dict(await (await database.execute(_LEASES, (self._configuration,))).fetchall())
            free = [name for name, holder in leases.items() if holder == self.worker and name not in self.held]
            if free:
                # Given up in an earlier round, and not read any more.
                await database.execute(_FREE, (self._configuration, self.worker, free))
                leases = {name: holder for name, holder in leases.items() if name not in free}
            plan = shares(self.worker, workers, self._connections(), leases)
            await database.execute(_TAKE, {**given, "connections": [*plan.keep, *plan.take, *plan.give_up]})
        self.workers = len(workers)
        lost = self.held - set(plan.keep) - set(plan.take) - set(plan.give_up)
        return [name for name in plan.take if name not in self.held], sorted({*plan.give_up, *lost})

    async def _stop_reading(self, names: Collection[str]) -> None:
        """All at the same time: each may have to wait for a readout under way."""
        stopping = [name for name in names if name in self.held]
        for name in stopping:
            _log.info("%s: given up", name, extra={"connection": name, "worker": self.worker})
            self.changes += 1
        await asyncio.gather(*(self._release(name) for name in stopping))
        self.held.difference_update(stopping)

    async def _connected(self) -> AsyncConnection[Any]:
        if self._database is None:
            # A worker that stands still with its turn taken, or is cut off, loses the turn: others wait for it.
            limit = round(self.times.renew * 1000)
            self._database = await psycopg_module().AsyncConnection.connect(
                self._url,
                autocommit=True,
                connect_timeout=max(2, round(self.times.renew)),
                application_name="mbusbench",
                options=f"-c idle_in_transaction_session_timeout={limit} -c statement_timeout={limit}",
            )
            async with self._database.transaction():
                # Two at once would both find no table, and one of them an error.
                await self._database.execute("SELECT pg_advisory_xact_lock(hashtextextended('mbusbench tables', 0))")
                for statement in _TABLES.split(";"):
                    await self._database.execute(statement)
        return self._database

    async def _disconnect(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            try:
                await database.close()
            except _errors() as error:
                _log.debug("leases: %s", first_line(error))

    async def _end(self) -> None:
        names = sorted(self.held)
        await self._stop_reading(names)
        try:
            async with asyncio.timeout(self.times.renew):
                if self._database is not None:
                    await self._database.execute(_FREE, (self._configuration, self.worker, names))
                    await self._database.execute(_GONE, (self._configuration, self.worker))
        except _errors() as error:
            _log.warning("leases: not given back, they end by themselves: %s", first_line(error))
        finally:
            await self._disconnect()


def psycopg_module() -> Any:
    """psycopg. MBusUsageError, with what to install, where it is missing."""
    try:
        import psycopg
        import psycopg.conninfo
    except ImportError:
        raise MBusUsageError(f"workers: {INSTALL}") from None
    return psycopg


def _errors() -> tuple[type[Exception], ...]:
    return (psycopg_module().Error, OSError, TimeoutError)


def _seconds(value: float) -> Any:
    from datetime import timedelta

    return timedelta(seconds=value)


def first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0] or type(error).__name__
