"""Delivery in virtual time: what sinks get while they, and others, fail."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from mbusbench.clock.virtual import EPOCH
from mbusbench.sinks.delivery import Delivery, Retry, SinkState, SinkStatus
from mbusbench.sinks.reading import Reading
from mbusbench.sinks.sink import ConnectionState, ConnectionStatus, SinkError, SinkRefusedError
from mbusbench.sinks.store import Store
from tests.sinks.samples import MemorySink, StatusMemorySink, keys, readings

pytestmark = pytest.mark.virtual_time


@asynccontextmanager
async def delivering(store: Store, *sinks: MemorySink, **options: float) -> AsyncIterator[Delivery]:
    delivery = Delivery(store, sinks, chance=random.Random(7), **options)  # type: ignore[arg-type]
    task = asyncio.create_task(delivery.run())
    await asyncio.sleep(0.001)
    try:
        yield delivery
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert not any(sink.is_open for sink in sinks)


@asynccontextmanager
async def opened(path: Path, limit: int = 1000) -> AsyncIterator[Store]:
    async with Store(path / "store", limit, durable=False) as store:
        yield store


def of(delivery: Delivery, name: str) -> SinkStatus:
    return next(status for status in delivery.status() if status.name == name)


async def test_every_sink_gets_everything_in_order(tmp_path: Path) -> None:
    a, b = MemorySink("a"), MemorySink("b")
    async with opened(tmp_path) as store, delivering(store, a, b, batch=4) as delivery:
        for start in range(0, 30, 3):
            await store.append(readings(start, start + 3))
        assert await delivery.drained(10)
        assert keys(a.got) == keys(b.got) == keys(readings(0, 30))
        assert max(a.batches) <= 4
        assert (of(delivery, "a").delivered, of(delivery, "a").waiting) == (30, 0)


async def test_a_sink_that_is_down_holds_up_nobody_and_gets_all_of_it_later(tmp_path: Path) -> None:
    down, well = MemorySink("down"), MemorySink("well")
    async with opened(tmp_path) as store, delivering(store, down, well) as delivery:
        await store.append(readings(0, 5))
        await asyncio.sleep(1)
        down.fault = SinkError("nobody there")
        await store.append(readings(5, 9))
        await asyncio.sleep(3600)
        assert keys(well.got) == keys(readings(0, 9))
        status = of(delivery, "down")
        assert (status.state, status.waiting, status.error) == (SinkState.DOWN, 4, "nobody there")
        assert status.error_time is not None
        assert timedelta(minutes=59) < status.error_time - EPOCH < timedelta(minutes=61)
        down.fault = None
        assert await delivery.drained(61)
        assert keys(down.got) == keys(readings(0, 9))
        assert of(delivery, "down").state is SinkState.UP


async def test_attempts_come_later_each_time_up_to_the_longest_and_never_together(tmp_path: Path) -> None:
    times: dict[str, list[float]] = {"a": [], "b": []}

    class Recording(MemorySink):
        async def open(self) -> None:
            times[self.name].append(asyncio.get_running_loop().time())
            raise SinkError("no")

    async with opened(tmp_path) as store, delivering(store, Recording("a"), Recording("b")):
        await asyncio.sleep(600)
    gaps = [later - earlier for earlier, later in zip(times["a"], times["a"][1:], strict=False)]
    for number, gap in enumerate(gaps):
        longest = min(60, 2**number)
        assert longest / 2 <= gap <= longest
    assert not set(times["a"][1:]) & set(times["b"][1:])


def test_the_delay_has_an_upper_end_however_many_failures_there_were() -> None:
    assert 30 <= Retry().delay(10_000, random.Random(1)) <= 60


async def test_a_batch_that_failed_half_way_comes_again_from_its_start(tmp_path: Path) -> None:
    class Torn(MemorySink):
        torn = 0

        async def write(self, readings: Sequence[Reading]) -> None:
            if self.torn < 2:
                self.torn += 1
                raise OSError("broken pipe")
            await super().write(readings)

    sink = Torn()
    async with opened(tmp_path) as store, delivering(store, sink) as delivery:
        await store.append(readings(0, 3))
        assert await delivery.drained(10)
        assert keys(sink.got) == keys(readings(0, 3))
        assert of(delivery, "memory").error == "OSError: broken pipe"
        assert of(delivery, "memory").failures == 2


async def test_a_reading_that_is_refused_is_skipped_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    poison = {reading.key for reading in (readings(0, 40)[3], readings(0, 40)[17])}

    class Picky(MemorySink):
        async def write(self, readings: Sequence[Reading]) -> None:
            if poison & set(keys(readings)):
                raise SinkRefusedError("value out of range")
            await super().write(readings)

    sink = Picky()
    async with opened(tmp_path) as store, delivering(store, sink) as delivery:
        with caplog.at_level(logging.WARNING, "mbusbench.sinks"):
            await store.append(readings(0, 40))
            assert await delivery.drained(10)
        assert keys(sink.got) == [key for key in keys(readings(0, 40)) if key not in poison]
        status = of(delivery, "memory")
        assert (status.delivered, status.refused, status.dropped, status.state) == (38, 2, 0, SinkState.UP)
        assert sum("refused" in message for message in caplog.messages) == 2


async def test_what_is_beyond_the_limit_is_dropped_for_the_sink_that_is_down_only(tmp_path: Path) -> None:
    down, well = MemorySink("down"), MemorySink("well")
    down.fault = SinkError("nobody there")
    async with opened(tmp_path, limit=10) as store, delivering(store, down, well) as delivery:
        for start in range(0, 30, 5):
            await store.append(readings(start, start + 5))
            await asyncio.sleep(1)
        down.fault = None
        assert await delivery.drained(61)
        assert (of(delivery, "down").dropped, of(delivery, "well").dropped) == (20, 0)
        assert keys(down.got) == keys(readings(20, 30))
        assert keys(well.got) == keys(readings(0, 30))


async def test_a_sink_that_hangs_is_down(tmp_path: Path) -> None:
    class Hanging(MemorySink):
        hangs = True

        async def write(self, readings: Sequence[Reading]) -> None:
            if self.hangs:
                await asyncio.sleep(10_000)
            await super().write(readings)

    sink = Hanging()
    async with opened(tmp_path) as store, delivering(store, sink, patience=5) as delivery:
        await store.append(readings(0, 2))
        await asyncio.sleep(8)
        assert of(delivery, "memory").error == "write took longer than 5 s"
        sink.hangs = False
        assert await delivery.drained(100)
        assert keys(sink.got) == keys(readings(0, 2))


async def test_a_sink_that_loses_its_connection_in_between_is_opened_again(tmp_path: Path) -> None:
    sink = StatusMemorySink()
    async with opened(tmp_path) as store, delivering(store, sink) as delivery:
        assert isinstance(sink.lose, asyncio.Event)
        sink.lose.set()
        await asyncio.sleep(0.1)
        assert of(delivery, "memory").error == "the broker hung up"
        await asyncio.sleep(2)
        assert (sink.opened, sink.is_open) == (2, True)


async def test_a_sink_is_told_of_connections_when_they_change_and_of_all_when_it_is_back(tmp_path: Path) -> None:
    sink = StatusMemorySink()
    one, two = (ConnectionStatus(name, ConnectionState.RUN, "main") for name in ("one", "two"))
    backup = ConnectionStatus("one", ConnectionState.RUN, "backup")
    async with opened(tmp_path) as store, delivering(store, sink, MemorySink("b")) as delivery:
        delivery.report(one)
        delivery.report(two)
        await asyncio.sleep(0.1)
        assert sink.told == [one, two]
        delivery.report(backup)
        await asyncio.sleep(0.1)
        assert sink.told == [one, two, backup]
        assert isinstance(sink.lose, asyncio.Event)
        sink.lose.set()
        await asyncio.sleep(2)
        assert sink.told[3:] == [backup, two]


async def test_a_sink_goes_on_after_a_restart_where_it_was(tmp_path: Path) -> None:
    sink = MemorySink()
    async with opened(tmp_path) as store:
        async with delivering(store, sink) as delivery:
            await store.append(readings(0, 3))
            assert await delivery.drained(1)
        await store.append(readings(3, 6))
    async with opened(tmp_path) as store, delivering(store, sink) as delivery:
        assert await delivery.drained(1)
        assert keys(sink.got) == keys(readings(0, 6))


async def test_going_down_and_coming_back_are_logged_once_each(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sink = MemorySink("db")
    async with opened(tmp_path) as store, delivering(store, sink):
        with caplog.at_level(logging.INFO, "mbusbench.sinks"):
            sink.fault = SinkError("no route to host")
            await store.append(readings(0, 1))
            await asyncio.sleep(300)
            sink.fault = None
            await asyncio.sleep(100)
    assert caplog.messages == ["sink db is down: no route to host", "sink db is back"]
