"""PostgreSQL, and TimescaleDB on it: tables `mbus_reading` and `mbus_value`, made where they are missing.

Each batch is one transaction. A reading is new only if its key is, whichever worker it comes from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from mbusbench.definition.secret import Secret
from mbusbench.sinks.reading import Reading
from mbusbench.sinks.sink import SinkError, SinkRefusedError
from mbusbench.sinks.tables import READING_COLUMNS, VALUE_COLUMNS, reading_row, value_rows

if TYPE_CHECKING:
    import psycopg

_READING_TYPES = {"time": "timestamptz", "version": "integer", "access_number": "integer", "status": "integer"}
_VALUE_TYPES = {
    "ordinal": "integer",
    "time": "timestamptz",
    "value": "double precision",
    "storage": "bigint",
    "tariff": "bigint",
    "subunit": "bigint",
}
_CONNECT_TIMEOUT = 10
# Two workers that start together would both make the tables; the number is ours alone.
_LOCK = 0x6D627573


def _insert(table: str, columns: Sequence[str], types: dict[str, str]) -> str:
    arrays = ", ".join(f"%s::{types.get(column, 'text')}[]" for column in columns)
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM unnest({arrays}) ON CONFLICT DO NOTHING"


def _table(name: str, columns: Sequence[str], types: dict[str, str], needed: Sequence[str], key: str) -> str:
    parts = [f"{column} {types.get(column, 'text')}{' NOT NULL' if column in needed else ''}" for column in columns]
    return f"CREATE TABLE IF NOT EXISTS {name} ({', '.join(parts)}, PRIMARY KEY ({key}))"


_SCHEMA = (
    _table(
        "mbus_reading",
        READING_COLUMNS,
        _READING_TYPES,
        ("time", "connection", "meter", "address", "quality"),
        "key",
    ),
    # TimescaleDB wants the time in every unique index.
    _table(
        "mbus_value",
        VALUE_COLUMNS,
        _VALUE_TYPES,
        ("connection", "meter", "tag", "name", "quality", "storage", "tariff", "subunit", "function"),
        "key, ordinal, time",
    ),
    "CREATE INDEX IF NOT EXISTS mbus_reading_of_meter ON mbus_reading (meter, time)",
    "CREATE INDEX IF NOT EXISTS mbus_value_of_meter ON mbus_value (meter, tag, time)",
)
_HYPERTABLE = "SELECT create_hypertable('mbus_value', 'time', if_not_exists => true, migrate_data => true)"
_HAS_TIMESCALE = "SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'"
_INSERT_READINGS = _insert("mbus_reading", READING_COLUMNS, _READING_TYPES) + " RETURNING key"
_INSERT_VALUES = _insert("mbus_value", VALUE_COLUMNS, _VALUE_TYPES)


class PostgresqlSink:
    """`url` is libpq's (`postgresql://user@host/database?sslmode=require`), the password apart from it."""

    def __init__(self, name: str, url: str, password: Secret | None = None, *, timescale: bool = False) -> None:
        self.name = name
        self._url = url
        self._password = password
        self._timescale = timescale
        self._connection: psycopg.AsyncConnection[Any] | None = None

    async def open(self) -> None:
        import psycopg

        options: dict[str, Any] = {"connect_timeout": _CONNECT_TIMEOUT}
        if self._password is not None:
            options["password"] = self._password.reveal()
        try:
            connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True, **options)
        except psycopg.Error as error:
            raise SinkError(f"PostgreSQL: {_words(error)}") from error
        self._connection = connection
        try:
            await self._make_tables(connection)
        except psycopg.Error as error:
            await self.close()
            raise SinkError(f"PostgreSQL, making the tables: {_words(error)}") from error
        except SinkError:
            await self.close()
            raise

    async def _make_tables(self, connection: psycopg.AsyncConnection[Any]) -> None:
        async with connection.transaction():
            await connection.execute("SET LOCAL client_min_messages = warning")
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            for statement in _SCHEMA:
                await connection.execute(statement)
            if self._timescale:
                if await (await connection.execute(_HAS_TIMESCALE)).fetchone() is None:
                    raise SinkError("PostgreSQL: this database has no TimescaleDB: CREATE EXTENSION timescaledb")
                await connection.execute(_HYPERTABLE)

    async def write(self, readings: Sequence[Reading]) -> None:
        import psycopg

        connection = self._connection
        assert connection is not None, "the sink is not open"
        try:
            async with connection.transaction():
                columns = _columns((reading_row(reading, reading.time) for reading in readings), len(READING_COLUMNS))
                cursor = await connection.execute(_INSERT_READINGS, columns)
                new = {key for (key,) in await cursor.fetchall()}
                # A key that is in the batch twice is new once.
                kept = {reading.key: reading for reading in reversed(readings) if reading.key in new}
                rows = [_as_float(row) for reading in kept.values() for row in value_rows(reading, reading.time)]
                if rows:
                    await connection.execute(_INSERT_VALUES, _columns(rows, len(VALUE_COLUMNS)))
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            raise SinkRefusedError(f"PostgreSQL: {_words(error)}") from error
        except psycopg.Error as error:
            raise SinkError(f"PostgreSQL: {_words(error)}") from error

    async def close(self) -> None:
        import psycopg

        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await connection.close()
            except psycopg.Error:
                return


_VALUE = VALUE_COLUMNS.index("value")


def _as_float(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Whole numbers and others go into one array, which has one type."""
    number = row[_VALUE]
    return row if number is None else (*row[:_VALUE], float(number), *row[_VALUE + 1 :])


def _columns(rows: Iterable[tuple[Any, ...]], count: int) -> list[list[Any]]:
    """Rows as a list for each column; without NUL, which PostgreSQL has no text with."""
    columns: list[list[Any]] = [[] for _ in range(count)]
    for row in rows:
        for column, cell in zip(columns, row, strict=True):
            column.append(cell.replace("\0", "") if isinstance(cell, str) else cell)
    return columns


def _words(error: Exception) -> str:
    """libpq's messages have several lines; the first says it."""
    return str(error).strip().split("\n", 1)[0] or type(error).__name__
