"""Servers of the system's packages for the sinks, and how long tests wait for what they do."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from mbusbench.sinks.delivery import Delivery, Retry
from mbusbench.sinks.sink import Sink
from mbusbench.sinks.store import Store
from tests.interop.parts import need
from tests.services import Mosquitto, PostgreSQL, postgresql_programs

Delivering = Callable[..., AbstractAsyncContextManager[tuple[Store, Delivery]]]


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    need("mosquitto")
    pytest.importorskip("aiomqtt", reason="aiomqtt is not installed (extra `poller`)")
    server = Mosquitto()
    yield server
    server.close()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    need("postgresql")
    pytest.importorskip("psycopg", reason="psycopg is not installed (extra `poller`)")
    programs = postgresql_programs()
    assert programs is not None
    server = PostgreSQL(programs)
    yield server
    server.close()


@pytest.fixture
def delivering(tmp_path: Path) -> Delivering:
    """A store and its delivery to sinks that are tried again almost at once."""

    @asynccontextmanager
    async def run(*sinks: Sink, batch: int = 500) -> AsyncIterator[tuple[Store, Delivery]]:
        async with Store(tmp_path / "store") as store:
            delivery = Delivery(store, sinks, chance=random.Random(7), retry=Retry(0.02, 0.1), batch=batch)
            await store.activate(sink.name for sink in sinks)
            task = asyncio.create_task(delivery.run())
            try:
                yield store, delivery
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    return run


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Come back as soon as it is true; fail where it does not become so."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)
