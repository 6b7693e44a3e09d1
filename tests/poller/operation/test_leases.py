"""Leases in a real PostgreSQL: two workers, and what happens when one of them is gone."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest

from mbusbench.poller.operation.leases import Leases, LeaseTimes
from tests.services import PostgreSQL

pytest.importorskip("psycopg", reason="psycopg is not installed (extra `poller`)")

SHORT = LeaseTimes(ttl=3)
CONNECTIONS = [f"bus-{number}" for number in range(6)]


class Buses:
    """Who reads which bus; nobody may begin before everybody else has ended."""

    def __init__(self) -> None:
        self.readers: dict[str, set[str]] = defaultdict(set)

    def of(self, worker: str) -> set[str]:
        return {name for name, readers in self.readers.items() if worker in readers}


@asynccontextmanager
async def working(
    url: str, worker: str, buses: Buses, connections: Callable[[], list[str]] = lambda: CONNECTIONS
) -> AsyncGenerator[tuple[Leases, asyncio.Task[None]]]:
    async def claim(name: str) -> None:
        assert not buses.readers[name], f"{worker} begins while {buses.readers[name]} still reads {name}"
        buses.readers[name].add(worker)

    async def release(name: str) -> None:
        await asyncio.sleep(0.01)
        buses.readers[name].discard(worker)

    leases = Leases(
        url,
        configuration="house",
        worker=worker,
        connections=connections,
        claim=claim,
        release=release,
        times=SHORT,
    )
    task = asyncio.create_task(leases.run())
    try:
        yield leases, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def test_two_workers_share_and_the_one_that_stays_takes_over(postgresql: PostgreSQL) -> None:
    buses = Buses()
    url = postgresql.database()
    async with working(url, "a", buses):
        await until(lambda: len(buses.of("a")) == 6)
        async with working(url, "b", buses) as (b, _):
            await until(lambda: len(buses.of("a")) == len(buses.of("b")) == 3)
            assert b.workers == 2
        assert not buses.of("b")
        await until(lambda: len(buses.of("a")) == 6)
    assert not any(buses.readers.values())


async def test_leases_of_a_worker_that_vanished_are_free_when_they_end(postgresql: PostgreSQL) -> None:
    buses = Buses()
    url = postgresql.database()
    async with working(url, "a", buses) as (a, task):
        await until(lambda: len(buses.of("a")) == 6)
        task.cancel()
        a._database, vanished = None, a._database
        await asyncio.gather(task, return_exceptions=True)
        assert vanished is not None
        await vanished.close()
        async with working(url, "b", buses) as (b, _):
            await until(lambda: b.workers == 2)
            assert not b.held
            await until(lambda: len(buses.of("b")) == 6)


async def test_worker_without_its_database_stops_reading_before_others_begin(postgresql: PostgreSQL) -> None:
    buses = Buses()
    url = postgresql.database()
    async with working(url, "a", buses) as (a, _):
        await until(lambda: len(buses.of("a")) == 6)
        with postgresql.stopped():
            await until(lambda: not buses.of("a"))
            assert a.workers == 0
        await until(lambda: len(buses.of("a")) == 6)


async def test_database_that_stands_still_is_no_reason_to_go_on(postgresql: PostgreSQL) -> None:
    buses = Buses()
    url = postgresql.database()
    async with working(url, "a", buses):
        await until(lambda: len(buses.of("a")) == 6)
        with postgresql.frozen():
            await until(lambda: not buses.of("a"))
        await until(lambda: len(buses.of("a")) == 6)


async def test_changed_configuration_is_followed(postgresql: PostgreSQL) -> None:
    buses = Buses()
    names = ["one", "two"]
    async with working(postgresql.database(), "a", buses, lambda: names):
        await until(lambda: buses.of("a") == {"one", "two"})
        names[:] = ["two", "three"]
        await until(lambda: buses.of("a") == {"two", "three"})


async def test_configurations_do_not_meet(postgresql: PostgreSQL) -> None:
    buses = Buses()
    url = postgresql.database()
    async with working(url, "a", buses):
        await until(lambda: len(buses.of("a")) == 6)
        other = Leases(
            url,
            configuration="other",
            worker="b",
            connections=lambda: ["bus-1"],
            claim=_nothing,
            release=_nothing,
            times=SHORT,
        )
        task = asyncio.create_task(other.run())
        await until(lambda: other.held == {"bus-1"})
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _nothing(name: str) -> None:
    pass
