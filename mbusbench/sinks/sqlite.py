"""The default sink: an SQLite file with two tables, readable by anything while the poller writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from mbusbench.sinks.reading import Reading, utc_text
from mbusbench.sinks.sink import SinkError, SinkRefusedError
from mbusbench.sinks.tables import READING_COLUMNS, VALUE_COLUMNS, reading_row, value_rows
from mbusbench.sinks.threads import SideThread

_SCHEMA = """
CREATE TABLE IF NOT EXISTS reading (
    key TEXT PRIMARY KEY, time TEXT NOT NULL, connection TEXT NOT NULL, meter TEXT NOT NULL, name TEXT,
    address TEXT NOT NULL, medium TEXT, manufacturer TEXT, version INTEGER, access_number INTEGER, status INTEGER,
    quality TEXT NOT NULL, reason TEXT
);
CREATE INDEX IF NOT EXISTS reading_of_meter ON reading (meter, time);
CREATE TABLE IF NOT EXISTS value (
    key TEXT NOT NULL REFERENCES reading, ordinal INTEGER NOT NULL, time TEXT NOT NULL, connection TEXT NOT NULL,
    meter TEXT NOT NULL, tag TEXT NOT NULL, name TEXT NOT NULL, value NUMERIC, text TEXT, unit TEXT,
    quality TEXT NOT NULL, reason TEXT, quantity TEXT, storage INTEGER NOT NULL, tariff INTEGER NOT NULL,
    subunit INTEGER NOT NULL, function TEXT NOT NULL,
    PRIMARY KEY (key, ordinal)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS value_of_meter ON value (meter, tag, time);
"""
_INSERT_READING = f"INSERT INTO reading VALUES ({', '.join('?' * len(READING_COLUMNS))}) ON CONFLICT (key) DO NOTHING"
_INSERT_VALUE = f"INSERT INTO value VALUES ({', '.join('?' * len(VALUE_COLUMNS))})"
_LARGEST = 1 << 63


class SqliteSink:
    """`path` is made where there is none. What `write` returned from is on the disk."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self._path = path
        self._database: sqlite3.Connection | None = None
        self._thread = SideThread(f"mbusbench-{name}")

    async def open(self) -> None:
        await self._thread.call(self._open)

    async def write(self, readings: Sequence[Reading]) -> None:
        await self._thread.call(self._write, readings)

    async def close(self) -> None:
        await self._thread.call(self._close)
        self._thread.stop()

    def _open(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=5.0)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.executescript(_SCHEMA)
        except (sqlite3.Error, OSError) as error:
            self._close()
            raise SinkError(f"{self._path}: {error}") from error

    def _write(self, readings: Sequence[Reading]) -> None:
        assert self._database is not None, "the sink is not open"
        database = self._database
        try:
            database.execute("BEGIN IMMEDIATE")
            try:
                for reading in readings:
                    time = utc_text(reading.time)
                    if database.execute(_INSERT_READING, reading_row(reading, time)).rowcount:
                        database.executemany(_INSERT_VALUE, map(_storable, value_rows(reading, time)))
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise
        except sqlite3.IntegrityError as error:
            raise SinkRefusedError(f"{self._path}: {error}") from error
        except sqlite3.Error as error:
            raise SinkError(f"{self._path}: {error}") from error

    def _close(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            database.close()


def _storable(row: tuple[object, ...]) -> tuple[object, ...]:
    """SQLite's integers have 64 bits; a longer one is stored as a float."""
    return tuple(float(cell) if isinstance(cell, int) and not -_LARGEST <= cell < _LARGEST else cell for cell in row)
