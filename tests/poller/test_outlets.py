"""From the buses through the store to the sinks of the configuration: once, in order, also over a restart."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mbusbench.clock import run
from mbusbench.poller.definition import PollerFile
from mbusbench.poller.operation.outlets import Outlets
from mbusbench.poller.poller import Poller
from mbusbench.testing.served import served
from tests.cli.invoking import invoke
from tests.poller.bench import configuration, connection
from tests.poller.meters import bus, identity


def file(directory: Path, *sinks: dict[str, Any], **more: Any) -> PollerFile:
    return configuration(
        connection("a", [1, 2], period="1min", jitter="0s"),
        store={"path": str(directory / "store")},
        sinks=list(sinks),
        **more,
    )


def poll(definition: PollerFile, seconds: float) -> None:
    """As the service does."""
    line = bus([1, 2])

    async def main() -> None:
        async with Outlets(definition) as outlets:
            poller = Poller(definition, outlets.keep, source_of=lambda *_: line)
            poller.remember(await outlets.remembered())
            delivering = asyncio.create_task(outlets.run())
            polling = asyncio.create_task(poller.run())
            await asyncio.sleep(seconds)
            poller.stop()
            await polling
            assert await outlets.drain()
            delivering.cancel()
            await asyncio.gather(delivering, return_exceptions=True)

    run(main())


def keys(path: Path) -> list[str]:
    return [json.loads(line)["key"] for line in path.read_text(encoding="utf-8").splitlines()]


def expected(minutes: int) -> list[str]:
    return [f"a/{identity(address)}/2024-01-01T00:{minute:02}:00Z" for minute in range(minutes) for address in (1, 2)]


def test_every_sink_gets_each_reading_once_and_in_order(tmp_path: Path) -> None:
    definition = file(
        tmp_path,
        {"type": "jsonl", "path": str(tmp_path / "readings.jsonl")},
        {"type": "sqlite", "path": str(tmp_path / "readings.sqlite")},
    )
    poll(definition, 290)
    assert keys(tmp_path / "readings.jsonl") == expected(5)
    with closing(sqlite3.connect(tmp_path / "readings.sqlite")) as database:
        assert database.execute("SELECT count(*) FROM reading").fetchone() == (10,)


def test_process_that_is_started_again_in_the_same_slots_reads_and_delivers_nothing_twice(tmp_path: Path) -> None:
    definition = file(tmp_path, {"type": "jsonl", "path": str(tmp_path / "readings.jsonl")})
    poll(definition, 150)
    poll(definition, 290)
    assert keys(tmp_path / "readings.jsonl") == expected(5)


def test_without_sinks_readings_go_to_sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    poll(configuration(connection("a", [1, 2], period="1min")), 30)
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix) == ["readings.sqlite", "readings.store"]
    with closing(sqlite3.connect("readings.sqlite")) as database:
        assert database.execute("SELECT count(*) FROM reading").fetchone()[0] >= 2


def test_once_gives_readings_to_the_sinks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with served(bus([1])) as found:
        text = f"""\
format: 1
sinks: [{{type: jsonl, path: readings.jsonl}}, {{type: console, format: json}}]
connections: [{{name: a, url: "{found.url}", meters: [{{address: 1}}]}}]
"""
        Path("c.yaml").write_text(text, encoding="utf-8")
        result = invoke("poll", "--once", "c.yaml")
    assert result.code == 0
    assert json.loads(result.stdout) == json.loads(Path("readings.jsonl").read_text(encoding="utf-8"))
    assert json.loads(result.stdout)["meter"] == identity(1)


WRONG = """\
format: 1
store: {path: x.db, limit: 1}
sinks:
  - {type: sqlite, path: x.db}
  - {type: prometheus}
  - {type: jsonl, path: a, pth: b}
  - {type: mqqt}
connections: [{name: a, url: "socket://h:1", meters: []}]
"""


def test_mistakes_in_sinks_and_store_are_told_with_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiomqtt", reason="aiomqtt is not installed (extra `poller`), which would be told, too")
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(WRONG, encoding="utf-8")
    told = invoke("poll", "--check", "c.yaml").stderr.splitlines()
    assert [line.split(": ", 1)[0] for line in told] == [
        "c.yaml:2:28 store.limit",
        "c.yaml:4:26 sinks[0].path",
        "c.yaml:5:12 sinks[1].type",
        "c.yaml:6:28 sinks[2]",
        "c.yaml:7:12 sinks[3].type",
        "c.yaml:8:15 connections[0]",
    ]
    assert "unknown key 'pth', did you mean 'path'?" in told[3]
    assert "did you mean 'mqtt'?" in told[4]
