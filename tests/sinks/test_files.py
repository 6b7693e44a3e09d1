"""Console, files and SQLite: each reading once, whatever broke before."""

from __future__ import annotations

import csv
import io
import json
import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from mbusbench.sinks.file import ConsoleSink, FileSink, file_sink
from mbusbench.sinks.lines import CSV_COLUMNS, LineFormat, text_lines
from mbusbench.sinks.reading import Quality, Reading, Value
from mbusbench.sinks.sink import SinkError
from mbusbench.sinks.sqlite import SqliteSink
from tests.sinks.samples import START, keys, reading, readings


def keys_in(path: Path) -> list[str]:
    return [json.loads(line)["key"] for line in path.read_text().splitlines()]


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


async def written(sink: FileSink | SqliteSink, *batches: list[Reading]) -> None:
    await sink.open()
    try:
        for batch in batches:
            await sink.write(batch)
    finally:
        await sink.close()


async def test_jsonl_has_a_line_for_each_reading_that_reads_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "new" / "readings.jsonl"
    await written(file_sink("f", path, LineFormat.JSON), readings(0, 3), readings(3, 5))
    assert [Reading.from_json(line) for line in path.read_text().splitlines()] == readings(0, 5)


async def test_a_batch_that_was_written_without_being_noted_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "readings.jsonl"
    await written(file_sink("f", path, LineFormat.JSON), readings(0, 5))
    await written(file_sink("f", path, LineFormat.JSON), readings(2, 7), readings(2, 7), readings(7, 8))
    assert keys_in(path) == keys(readings(0, 8))


@pytest.mark.parametrize("line_format", [LineFormat.JSON, LineFormat.CSV, LineFormat.INFLUX])
async def test_a_line_that_a_crash_cut_is_completed(tmp_path: Path, line_format: LineFormat) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    await written(file_sink("f", whole, line_format), readings(0, 5))
    await written(file_sink("f", cut, line_format), readings(0, 5))
    for size in (1, 40, 300, whole.stat().st_size // 2, whole.stat().st_size - 1):
        os.truncate(cut, size)
        await written(file_sink("f", cut, line_format), readings(0, 5))
        assert cut.read_bytes() == whole.read_bytes(), size


async def test_a_file_that_was_renamed_is_left_and_a_new_one_begun(tmp_path: Path) -> None:
    path = tmp_path / "readings.csv"
    sink = file_sink("f", path, LineFormat.CSV)
    await sink.open()
    await sink.write(readings(0, 1))
    path.rename(tmp_path / "readings.csv.1")
    await sink.write(readings(1, 2))
    await sink.close()
    for file, number in ((tmp_path / "readings.csv.1", 0), (path, 1)):
        rows = rows_of(file)
        assert {row["key"] for row in rows} == {reading(number).key}


async def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "readings.jsonl"
    sink = file_sink("f", path, LineFormat.JSON)
    await sink.open()
    await sink.write(readings(0, 2))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(SinkError, match=r"readings\.jsonl: No space left on device"):
            await sink.write(readings(2, 4))
    assert keys_in(path) == keys(readings(0, 2))
    await sink.write(readings(2, 4))
    await sink.close()
    assert keys_in(path) == keys(readings(0, 4))


async def test_a_file_that_cannot_be_opened_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="Is a directory"):
        await file_sink("f", tmp_path, LineFormat.JSON).open()


async def test_csv_has_a_row_for_each_value_under_its_header(tmp_path: Path) -> None:
    odd = replace(reading(1), values=(Value("a", 'text, "quoted"\nand more', 1.5),))
    bad = Reading("k", "cellar", "x", "5", START, quality=Quality.BAD, reason="no answer")
    path = tmp_path / "readings.csv"
    await written(file_sink("f", path, LineFormat.CSV), [reading(0), odd, bad])
    rows = rows_of(path)
    assert tuple(rows[0]) == CSV_COLUMNS
    assert len(rows) == 6 + 1 + 1
    assert (rows[0]["tag"], rows[0]["value"], rows[0]["unit"]) == ("energy", "1000", "kWh")
    assert rows[6]["name"] == 'text, "quoted" and more'
    assert (rows[7]["quality"], rows[7]["reason"], rows[7]["value"]) == ("bad", "no answer", "")


async def test_the_console_shows_a_line_for_people() -> None:
    stream = io.StringIO()
    sink = ConsoleSink("console", text_lines, stream=stream)
    await sink.open()
    await sink.write(
        [reading(0), Reading("k", "cellar", "flat 1", "5", START, quality=Quality.BAD, reason="no answer")]
    )
    await sink.close()
    good, line = stream.getvalue().splitlines()
    assert good.startswith("2026-11-21T10:00:01.250000Z cellar KAM-12345678-1b-04  Energy 1000 kWh  Volume 100.5 m³")
    assert "Power - (the meter has no value)" in good
    assert line == "2026-11-21T10:00:00Z cellar flat 1 bad: no answer"


async def test_a_console_that_nobody_reads_is_a_sink_that_is_down() -> None:
    stream = io.StringIO()
    stream.close()
    with pytest.raises(SinkError, match="standard output: "):
        await ConsoleSink("console", text_lines, stream=stream).write(readings(0, 1))


async def test_sqlite_has_each_key_once_with_all_its_values(tmp_path: Path) -> None:
    path = tmp_path / "new" / "readings.sqlite"
    await written(SqliteSink("s", path), readings(0, 5), readings(2, 7))
    await written(SqliteSink("s", path), readings(5, 9))
    with closing(sqlite3.connect(path)) as database:
        assert [key for (key,) in database.execute("SELECT key FROM reading ORDER BY rowid")] == keys(readings(0, 9))
        assert database.execute("SELECT count(*) FROM value").fetchone() == (9 * 6,)
        query = "SELECT value, text, unit, quality FROM value WHERE key = ? ORDER BY ordinal"
        rows = database.execute(query, (reading(1).key,)).fetchall()
    assert rows[0] == (1001, None, "kWh", "good")
    assert rows[1] == (101.5, None, "m³", "good")
    assert rows[5] == (None, "2026-11-21", None, "good")


async def test_sqlite_can_be_read_while_it_is_written_and_waits_for_who_writes(tmp_path: Path) -> None:
    sink = SqliteSink("s", tmp_path / "readings.sqlite")
    await sink.open()
    await sink.write(readings(0, 1))
    with closing(sqlite3.connect(tmp_path / "readings.sqlite")) as other:
        assert other.execute("SELECT count(*) FROM reading").fetchone() == (1,)
        await sink.write(readings(1, 2))
        assert other.execute("SELECT count(*) FROM reading").fetchone() == (2,)
    await sink.close()


async def test_sqlite_stores_numbers_of_any_size(tmp_path: Path) -> None:
    huge = replace(reading(0), values=(Value("a", "A", 2**70), Value("b", "B", 2**62), Value("c", "C", True)))
    await written(SqliteSink("s", tmp_path / "s"), [huge])
    with closing(sqlite3.connect(tmp_path / "s")) as database:
        assert database.execute("SELECT value FROM value").fetchall() == [(float(2**70),), (2**62,), (1,)]


async def test_what_is_no_sqlite_file_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("this is no database, but long enough to look at" * 10)
    with pytest.raises(SinkError, match="file is not a database"):
        await SqliteSink("s", tmp_path / "s").open()
