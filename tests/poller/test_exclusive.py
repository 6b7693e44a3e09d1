"""Two pollers of one machine never have one bus open at the same time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mbusbench.clock import run
from mbusbench.errors import MBusConnectionError
from mbusbench.poller import channels, exclusive
from mbusbench.poller.channels import Channels
from mbusbench.poller.exclusive import BusLocks
from mbusbench.poller.redundancy import Redundancy
from tests.poller.bench import configuration, connection

OTHER = """
import sys
from pathlib import Path
from mbusbench.poller.exclusive import BusLocks
locks = BusLocks((Path(sys.argv[1]),))
locks.lock(sys.argv[2])
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def another_process(directory: Path, place: str) -> Iterator[int]:
    """It has the bus until the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER, str(directory), place],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        yield process.pid
    finally:
        process.communicate()


def test_bus_that_another_process_has_is_refused_with_its_number(tmp_path: Path) -> None:
    locks = BusLocks((tmp_path,))
    with another_process(tmp_path, "socket://h:1") as process:
        with pytest.raises(MBusConnectionError, match=rf"has socket://h:1 open \(process {process}\)"):
            locks.lock("socket://h:1")
        locks.lock("socket://h:2")
    locks.lock("socket://h:1")


def test_bus_that_was_let_go_is_free_for_others(tmp_path: Path) -> None:
    locks = BusLocks((tmp_path,))
    locks.lock("socket://h:1")
    locks.lock("socket://h:1")
    locks.unlock("socket://h:1")
    locks.unlock("socket://h:1")
    locks.unlock("socket://h:1")
    with another_process(tmp_path, "socket://h:1"), pytest.raises(MBusConnectionError):
        locks.lock("socket://h:1")


def test_where_no_file_can_be_made_nothing_is_locked_and_that_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    locks = BusLocks((tmp_path / "missing",))
    locks.lock("socket://h:1")
    locks.lock("socket://h:2")
    locks.unlock("socket://h:1")
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_channel_is_locked_before_it_is_opened_and_let_go_when_it_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locks = BusLocks((tmp_path,))
    monkeypatch.setattr(channels, "LOCKS", locks)
    (definition,) = configuration(connection("a", url="socket://127.0.0.1:1")).connections
    line = Channels(definition, Redundancy(False))

    async def try_it() -> str:
        with pytest.raises(MBusConnectionError) as caught:
            await line.master()
        await line.close()
        return str(caught.value)

    with another_process(tmp_path, "socket://127.0.0.1:1"):
        assert "another poller" in run(try_it())
    assert not locks._held


def test_platform_without_such_locks_goes_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exclusive, "fcntl", None)
    BusLocks((tmp_path,)).lock("socket://h:1")
    assert not list(tmp_path.iterdir())
