"""What systemd is told, seen from the other end of its socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from mbusbench.poller.operation.notify import Notifier, watchdog_interval


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "notify"))
        end.settimeout(5)
        yield end


def test_systemd_hears_of_start_reload_life_and_end(systemd: socket.socket) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": systemd.getsockname()})
    notifier.ready("3 connections")
    notifier.reloading()
    notifier.alive()
    notifier.stopping()
    heard = [systemd.recv(4096).decode() for _ in range(4)]
    assert heard[0] == "READY=1\nSTATUS=3 connections"
    assert heard[1].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert heard[2:] == ["WATCHDOG=1", "STOPPING=1"]


def test_abstract_socket_is_written_with_an_at() -> None:
    name = f"mbusbench-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(f"\0{name}")
        end.settimeout(5)
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).alive()
        assert end.recv(100) == b"WATCHDOG=1"


def test_nobody_is_told_where_nobody_asked() -> None:
    notifier = Notifier({})
    notifier.alive()
    assert not notifier.is_there
    assert notifier.watchdog is None


def test_message_that_cannot_be_delivered_is_logged_and_lost(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).ready("")
    assert "systemd was not told READY=1" in caplog.text


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({"WATCHDOG_USEC": "60000000"}, 30),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 30),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_watchdog_is_fed_twice_in_its_time(environment: dict[str, str], seconds: float | None) -> None:
    assert watchdog_interval(environment) == seconds
