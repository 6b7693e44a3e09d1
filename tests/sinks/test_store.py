from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from mbusbench.errors import StoreError
from mbusbench.sinks.store import Store
from tests.sinks.samples import keys, readings


async def taken(store: Store, sink: str, count: int = 500) -> list[str]:
    """Everything that a sink still has to get, taken as a sink would."""
    found: list[str] = []
    while (batch := await store.read(sink, count)) is not None:
        found += keys(batch.readings)
        await store.advance(sink, batch)
    return found


async def test_readings_come_out_once_and_in_order_for_each_sink(tmp_path: Path) -> None:
    async with Store(tmp_path / "store") as store:
        await store.activate(["a", "b"])
        assert await store.append(readings(0, 3)) == 3
        assert await store.append(readings(3, 10)) == 7
        assert await taken(store, "a", count=4) == keys(readings(0, 10))
        assert (store.waiting("a"), store.waiting("b")) == (0, 10)
        assert await taken(store, "b") == keys(readings(0, 10))
        assert store.place("a").delivered == 10


async def test_readings_come_back_whole_after_a_restart(tmp_path: Path) -> None:
    async with Store(tmp_path / "store") as store:
        await store.activate(["a"])
        await store.append(readings(0, 5))
        batch = await store.read("a", 2)
        assert batch
        await store.advance("a", batch)
    async with Store(tmp_path / "store") as store:
        await store.activate(["a"])
        batch = await store.read("a")
        assert batch
        assert list(batch.readings) == readings(2, 5)
        assert store.place("a").delivered == 2


async def test_a_key_is_stored_once_even_after_it_was_delivered_and_the_process_started_again(tmp_path: Path) -> None:
    async with Store(tmp_path / "store") as store:
        await store.activate(["a"])
        assert await store.append([*readings(0, 5), *readings(3, 7)]) == 7
        assert await taken(store, "a") == keys(readings(0, 7))
    async with Store(tmp_path / "store") as store:
        await store.activate(["a"])
        assert await store.append(readings(0, 8)) == 1
        assert await taken(store, "a") == keys(readings(7, 8))


async def test_appends_of_many_tasks_share_commits_and_each_is_answered_for_its_own(tmp_path: Path) -> None:
    async with Store(tmp_path / "store") as store:
        await store.activate(["a"])
        numbers = await asyncio.gather(*(store.append(readings(n, n + 2)) for n in range(0, 200, 2)))
        assert numbers == [2] * 100
        assert sorted(await taken(store, "a")) == sorted(keys(readings(0, 200)))


async def test_beyond_the_limit_the_oldest_goes_and_is_counted_for_who_had_not_got_it(tmp_path: Path) -> None:
    async with Store(tmp_path / "store", limit=10) as store:
        await store.activate(["slow", "fast"])
        await store.append(readings(0, 8))
        assert len(await taken(store, "fast")) == 8
        await store.append(readings(8, 15))
        assert store.count == 10
        assert (store.place("slow").dropped, store.place("fast").dropped) == (5, 0)
        assert await taken(store, "slow") == keys(readings(5, 15))
        assert await taken(store, "fast") == keys(readings(8, 15))
        await store.append(readings(15, 50))
        assert store.place("fast").dropped == 25
        assert await taken(store, "fast") == keys(readings(40, 50))
        assert store.place("fast").delivered == 25


async def test_what_was_dropped_while_a_sink_was_taking_it_counts_as_delivered(tmp_path: Path) -> None:
    async with Store(tmp_path / "store", limit=10) as store:
        await store.activate(["a"])
        await store.append(readings(0, 10))
        batch = await store.read("a", 4)
        assert batch
        await store.append(readings(10, 16))
        assert store.place("a").dropped == 6
        await store.advance("a", batch)
        place = store.place("a")
        assert (place.delivered, place.dropped) == (4, 2)
        assert await taken(store, "a") == keys(readings(6, 16))


async def test_the_file_stays_bounded_and_what_all_sinks_have_leaves_it(tmp_path: Path) -> None:
    async with Store(tmp_path / "store", limit=100_000, keep=300) as store:
        await store.activate(["a"])
        for start in range(0, 3000, 500):
            await store.append(readings(start, start + 500))
            await taken(store, "a")
        assert store.count < 300 + 256
        assert store.place("a").dropped == 0
        assert store.appended == 3000


async def test_a_new_sink_begins_with_what_comes_and_one_that_was_away_goes_on(tmp_path: Path) -> None:
    async with Store(tmp_path / "store") as store:
        await store.activate(["old"])
        await store.append(readings(0, 5))
        await store.activate(["new"])
        assert store.waiting("new") == 0
        await store.append(readings(5, 6))
        assert await taken(store, "new") == keys(readings(5, 6))
        await store.activate(["old", "new"])
        assert await taken(store, "old") == keys(readings(0, 6))


async def test_a_sink_that_was_away_too_long_is_told_what_it_missed(tmp_path: Path) -> None:
    async with Store(tmp_path / "store", limit=10) as store:
        await store.activate(["away"])
        await store.append(readings(0, 5))
        await store.activate([])
        await store.append(readings(5, 25))
        await store.activate(["away"])
        assert store.place("away").dropped == 15
        assert await taken(store, "away") == keys(readings(15, 25))


async def test_a_listener_hears_of_each_append_until_it_stops(tmp_path: Path) -> None:
    heard: list[int] = []
    async with Store(tmp_path / "store") as store:
        stop = store.listen(lambda: heard.append(store.appended))
        await store.append(readings(0, 2))
        stop()
        await store.append(readings(2, 4))
    assert heard == [2]


@pytest.mark.virtual_time
async def test_the_store_works_in_virtual_time(tmp_path: Path) -> None:
    async with Store(tmp_path / "store", durable=False) as store:
        await store.activate(["a"])
        await asyncio.gather(*(store.append(readings(n, n + 1)) for n in range(10)))
        assert await taken(store, "a") == keys(readings(0, 10))


async def test_two_processes_cannot_have_one_store(tmp_path: Path) -> None:
    async with Store(tmp_path / "store"):
        with pytest.raises(StoreError, match=r"store .*store: another process has it open"):
            await Store(tmp_path / "store").open()


async def test_what_is_no_store_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("this is no database, but long enough to look at" * 10)
    with pytest.raises(StoreError, match=r"this is no store: move the file away"):
        await Store(tmp_path / "text").open()
    with sqlite3.connect(tmp_path / "later") as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(StoreError, match=r"written by another version \(format 99"):
        await Store(tmp_path / "later").open()
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="store "):
        await Store(tmp_path / "file" / "store").open()


async def test_a_failed_append_is_an_error_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Store(tmp_path / "store") as store:
        await store.activate(["a"])
        await store.append(readings(0, 1))
        database = store._file._database
        assert database
        (pages,) = database.execute("PRAGMA page_count").fetchone()
        database.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreError, match="the disk is full"):
            await store.append(readings(1, 500))
        database.execute("PRAGMA max_page_count = 1000000")
        assert await store.append(readings(1, 3)) == 2
        assert await taken(store, "a") == keys(readings(0, 3))


async def test_the_newest_readings_are_told_in_their_order_delivered_or_not(tmp_path: Path) -> None:
    async with Store(tmp_path / "store") as store:
        assert await store.newest(5) == []
        await store.activate(["a"])
        await store.append(readings(0, 10))
        assert await taken(store, "a")
    async with Store(tmp_path / "store") as store:
        assert await store.newest(4) == readings(6, 10)
        assert await store.newest(100) == readings(0, 10)
