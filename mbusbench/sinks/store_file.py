"""The file of the store: readings in the order they came, and how far each sink has got. SQLite with a write-ahead log.

A commit is on the disk when it returns. Positions count up without gaps, so what is between two of them is known
without looking. Synchronous, and for one thread at a time; `Store` puts it behind asyncio.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mbusbench.errors import StoreError

_VERSION = 1
_SCHEMA = f"""
CREATE TABLE reading (position INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, body TEXT NOT NULL);
CREATE TABLE sink (
    name TEXT PRIMARY KEY, position INTEGER NOT NULL, delivered INTEGER NOT NULL, dropped INTEGER NOT NULL,
    refused INTEGER NOT NULL
) WITHOUT ROWID;
PRAGMA user_version = {_VERSION};
"""
_CHUNK = 256
_LARGEST_READ = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """How far a sink has got: everything up to `position` is done with, and what became of it."""

    position: int = 0
    delivered: int = 0
    dropped: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Advance:
    """A sink is done with what is after `start` up to `end`; it refused `refused` of that for ever."""

    sink: str
    start: int
    end: int
    refused: int = 0

    def apply(self, place: Place) -> Place:
        """What was dropped for want of room while it was being delivered has arrived all the same."""
        arrived = max(0, min(place.position, self.end) - self.start)
        return Place(
            max(place.position, self.end),
            place.delivered + self.end - self.start - self.refused,
            place.dropped - arrived,
            place.refused + self.refused,
        )


class StoreFile:
    """At most `limit` readings; of those that every sink has got, `keep` stay so that a key is known again."""

    def __init__(self, path: Path, limit: int, keep: int, *, durable: bool = True) -> None:
        self.path = path
        self.limit = limit
        self.keep = min(keep, limit)
        self.durable = durable
        self.first = 1
        self.last = 0
        self.places: dict[str, Place] = {}
        self._active: frozenset[str] = frozenset()
        self._database: sqlite3.Connection | None = None

    def open(self) -> None:
        with self._named_errors():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=1.0)
            self._database = database
            try:
                self._prepare(database)
            except BaseException:
                self.close()
                raise

    def _prepare(self, database: sqlite3.Connection) -> None:
        # Nobody else may write, or even count, while this process has the file.
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(f"PRAGMA synchronous = {'FULL' if self.durable else 'OFF'}")
        database.execute("BEGIN IMMEDIATE")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version == 0:
            for statement in _SCHEMA.split(";"):
                database.execute(statement)
        elif version != _VERSION:
            raise StoreError(f"{self.path} was written by another version (format {version}, this one has {_VERSION})")
        database.execute("COMMIT")
        first, last = database.execute("SELECT min(position), max(position) FROM reading").fetchone()
        rows = database.execute("SELECT name, position, delivered, dropped, refused FROM sink")
        self.places = {name: Place(*numbers) for name, *numbers in rows}
        self.last = max([last or 0, *(place.position for place in self.places.values())])
        self.first = self.last + 1 if first is None else first

    def close(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            database.close()

    def activate(self, names: Iterable[str]) -> None:
        """These sinks, and no others, are waited for. A new one begins with what is appended from now on.

        One that was away goes on where it was; what is no longer there has been dropped.
        """
        wanted = dict.fromkeys(names)
        places = dict(self.places)
        for name in wanted:
            place = places.get(name) or Place(self.last)
            places[name] = _behind(place, self.first - 1)
        with self._transaction():
            self._save(places)
        self.places, self._active = places, frozenset(wanted)

    def commit(self, appends: Sequence[Sequence[tuple[str, str]]], advances: Iterable[Advance]) -> list[list[bool]]:
        """Append rows of (key, body), move places, make room, all at once; which rows were new."""
        places = dict(self.places)
        for advance in advances:
            places[advance.sink] = advance.apply(places[advance.sink])
        with self._transaction() as database:
            last = self.last
            stored = []
            for rows in appends:
                new = []
                for key, body in rows:
                    insert = "INSERT INTO reading VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING"
                    is_new = database.execute(insert, (last + 1, key, body)).rowcount == 1
                    last += is_new
                    new.append(is_new)
                stored.append(new)
            first = self._first_to_keep(places, last)
            if first > self.first:
                database.execute("DELETE FROM reading WHERE position < ?", (first,))
                for name in self._active:
                    places[name] = _behind(places[name], first - 1)
            self._save(places)
        self.places, self.last, self.first = places, last, max(first, self.first)
        return stored

    def _first_to_keep(self, places: dict[str, Place], last: int) -> int:
        done = min((places[name].position for name in self._active), default=last)
        # Room for the newest comes before all else; what is done with goes in chunks.
        first = max(self.first, last - self.limit + 1)
        not_needed = min(done, last - self.keep) + 1
        return not_needed if not_needed - first >= _CHUNK else first

    def _save(self, places: dict[str, Place]) -> None:
        changed = [
            (name, place.position, place.delivered, place.dropped, place.refused)
            for name, place in places.items()
            if self.places.get(name) != place
        ]
        if changed:
            assert self._database is not None
            self._database.executemany("INSERT OR REPLACE INTO sink VALUES (?, ?, ?, ?, ?)", changed)

    def read(self, after: int, count: int) -> list[tuple[int, str]]:
        """Up to `count` rows of (position, body) after a position: fewer where they are very large."""
        with self._named_errors():
            assert self._database is not None, "the store is not open"
            found = []
            size = 0
            query = "SELECT position, body FROM reading WHERE position > ? ORDER BY position LIMIT ?"
            for position, body in self._database.execute(query, (after, count)):
                found.append((position, body))
                size += len(body)
                if size > _LARGEST_READ:
                    break
            return found

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._named_errors():
            assert self._database is not None, "the store is not open"
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(f"store {self.path}: {_in_words(error)}") from error
        except OSError as error:
            raise StoreError(f"store {self.path}: {error.strerror or error}") from error


def _behind(place: Place, least: int) -> Place:
    """The place of a sink when nothing up to `least` is there any more."""
    lost = least - place.position
    return place if lost <= 0 else Place(least, place.delivered, place.dropped + lost, place.refused)


_WORDS: dict[int, str] = {
    sqlite3.SQLITE_BUSY: "another process has it open",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_NOTADB: "this is no store: move the file away, or name another path",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: move it away to start with an empty one",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened: see that the directory exists and may be written to",
    sqlite3.SQLITE_READONLY: "the file may not be written to",
}


def _in_words(error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", None)
    # The low byte is the error, the rest says more exactly which.
    return _WORDS.get(code & 0xFF if code is not None else -1, str(error))
