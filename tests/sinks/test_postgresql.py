"""The PostgreSQL sink with a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from mbusbench.definition.secret import Secret
from mbusbench.sinks.delivery import SinkState
from mbusbench.sinks.postgresql import PostgresqlSink
from mbusbench.sinks.reading import Quality, Reading, Value
from mbusbench.sinks.sink import SinkError, SinkRefusedError
from tests.services import PostgreSQL, free_port
from tests.sinks.conftest import Delivering, until
from tests.sinks.samples import START, keys, reading, readings


async def rows(url: str, query: str, *arguments: object) -> list[tuple[Any, ...]]:
    import psycopg

    async with await psycopg.AsyncConnection.connect(url) as connection:
        return await (await connection.execute(query, arguments)).fetchall()


async def stored(url: str) -> list[str]:
    return [key for (key,) in await rows(url, "SELECT key FROM mbus_reading ORDER BY time")]


async def written(url: str, *batches: Sequence[Reading]) -> None:
    sink = PostgresqlSink("db", url)
    await sink.open()
    try:
        for batch in batches:
            await sink.write(batch)
    finally:
        await sink.close()


async def test_readings_and_values_are_rows_with_what_they_are(postgresql: PostgreSQL) -> None:
    url = postgresql.database()
    await written(url, readings(0, 3))
    assert await stored(url) == keys(readings(0, 3))
    query = "SELECT tag, value, text, unit, quality, reason, storage FROM mbus_value WHERE key = %s ORDER BY ordinal"
    found = await rows(url, query, reading(1).key)
    assert found[0] == ("energy", 1001.0, None, "kWh", "good", None, 0)
    assert found[2] == ("energy_month", 900.0, None, "kWh", "good", None, 1)
    assert found[4] == ("power", None, None, "W", "bad", "the meter has no value", 0)
    assert found[5] == ("date", None, "2026-11-21", None, "good", None, 0)
    assert (await rows(url, "SELECT time FROM mbus_reading WHERE key = %s", reading(1).key))[0][0] == reading(1).time


async def test_a_key_is_stored_once_whoever_sends_it_and_whenever_it_was_read(postgresql: PostgreSQL) -> None:
    url = postgresql.database()
    again = replace(reading(2), time=START, values=())
    await asyncio.gather(*(written(url, readings(0, 5), [*readings(3, 8), reading(7), again]) for _ in range(4)))
    assert await stored(url) == keys(readings(0, 8))
    assert await rows(url, "SELECT count(*) FROM mbus_value") == [(8 * 6,)]


async def test_a_database_that_stops_and_comes_back_has_all_of_it_once(
    postgresql: PostgreSQL, delivering: Delivering
) -> None:
    url = postgresql.database()
    async with delivering(PostgresqlSink("db", url), batch=7) as (store, delivery):
        await store.append(readings(0, 30))
        assert await delivery.drained(10)
        # At any moment: with transactions under way and without.
        appending = asyncio.create_task(append_slowly(store, 30, 130))
        await asyncio.to_thread(postgresql.stop)
        await until(lambda: delivery.status()[0].state is SinkState.DOWN)
        await appending
        assert delivery.status()[0].waiting > 0
        await asyncio.to_thread(postgresql.start)
        assert await delivery.drained(20)
        status = delivery.status()[0]
        assert (status.delivered, status.dropped, status.refused) == (130, 0, 0)
    assert await stored(url) == keys(readings(0, 130))
    assert await rows(url, "SELECT count(*), count(DISTINCT (key, ordinal)) FROM mbus_value") == [(780, 780)]


async def append_slowly(store: Any, start: int, stop: int) -> None:
    for number in range(start, stop):
        await store.append([reading(number)])
        await asyncio.sleep(0.001)


async def test_a_server_that_answers_nothing_does_not_hold_up_others(
    postgresql: PostgreSQL, delivering: Delivering
) -> None:
    from tests.sinks.samples import MemorySink

    url, other = postgresql.database(), MemorySink("other")
    async with delivering(PostgresqlSink("db", url), other) as (store, delivery):
        await until(lambda: delivery.status()[0].state is SinkState.UP)
        with postgresql.frozen():
            await store.append(readings(0, 10))
            await until(lambda: len(other.got) == 10)
            assert delivery.status()[0].waiting == 10
        assert await delivery.drained(10)
    assert await stored(url) == keys(readings(0, 10))


async def test_text_that_postgresql_cannot_have_is_cleaned_and_other_readings_are_refused_alone(
    postgresql: PostgreSQL, delivering: Delivering
) -> None:
    url = postgresql.database()
    nul = replace(reading(1), values=(Value("text", "Text", "a\0b"),))
    impossible = replace(reading(2), values=(Value("energy", "Energy", 1.0, storage=1 << 70),))
    async with delivering(PostgresqlSink("db", url)) as (store, delivery):
        await store.append([reading(0), nul, impossible, reading(3)])
        assert await delivery.drained(10)
        assert delivery.status()[0].refused == 1
    assert await stored(url) == keys([reading(0), nul, reading(3)])
    assert await rows(url, "SELECT text FROM mbus_value WHERE key = %s", nul.key) == [("ab",)]


async def test_a_bad_reading_without_values_is_a_row_too(postgresql: PostgreSQL) -> None:
    url = postgresql.database()
    await written(url, [Reading("k", "cellar", "flat 1", "5", START, quality=Quality.BAD, reason="no answer")])
    assert await rows(url, "SELECT quality, reason FROM mbus_reading") == [("bad", "no answer")]


async def test_timescale_makes_a_hypertable_of_the_values_where_the_extension_is(postgresql: PostgreSQL) -> None:
    url = postgresql.database()
    with pytest.raises(SinkError, match="this database has no TimescaleDB: CREATE EXTENSION timescaledb"):
        await PostgresqlSink("db", url, timescale=True).open()


async def test_what_is_wrong_is_one_line_without_the_password(postgresql: PostgreSQL) -> None:
    nobody = PostgresqlSink("db", f"postgresql://a@127.0.0.1:{free_port()}/b", Secret("hush-hush"))
    with pytest.raises(SinkError, match=r"PostgreSQL: .*refused") as caught:
        await nobody.open()
    assert "\n" not in str(caught.value)
    assert "hush" not in str(caught.value)
    url = postgresql.database()
    await written(url, readings(0, 1))
    sink = PostgresqlSink("db", url)
    await sink.open()
    await rows_changed(url, "DROP TABLE mbus_value")
    with pytest.raises(SinkError, match='relation "mbus_value" does not exist') as lost:
        await sink.write(readings(1, 2))
    assert not isinstance(lost.value, SinkRefusedError)
    await sink.close()
    assert await stored(url) == keys(readings(0, 1))


async def rows_changed(url: str, statement: str) -> None:
    import psycopg

    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(statement)
