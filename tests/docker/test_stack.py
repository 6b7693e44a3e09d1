"""Bench and poller of the compose file as processes of this host: the dashboard finds what it asks for."""

from __future__ import annotations

import re
import signal
import sqlite3
import subprocess
import urllib.request
from pathlib import Path
from time import monotonic, sleep

import pytest

from tests.cli.running import COMMAND, environment, served
from tests.docker.dashboard import DOCKER, queries

for name in ("aiomqtt", "prometheus_client", "starlette", "uvicorn"):
    pytest.importorskip(name, reason=f"{name} is not installed (extra `poller`)")

ONLY_IF = {"mbus_connection_errors_total"}
"""Not there as long as nothing goes wrong."""


def metrics_of(text: str) -> set[str]:
    return set(re.findall(r"\b(?:mbus|process)_\w+", text))


def test_dashboard_finds_its_metrics(tmp_path: Path) -> None:
    asked = set().union(*(metrics_of(query) for query in queries().values())) - ONLY_IF
    with served(str(DOCKER / "bus.yaml"), "--tcp", "127.0.0.1:0", "--speed", "max") as bench:
        text = (DOCKER / "poller.yaml").read_text(encoding="utf-8")
        for old, new in (
            ("socket://bench:10001", bench.url),
            ("0.0.0.0:9110", "127.0.0.1:0"),
            ("period: 1min", "period: 1min\n    jitter: 0s"),
            ("host: mosquitto", "host: 127.0.0.1, port: 1"),
        ):
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "poller.yaml").write_text(text)
        with open(tmp_path / "log", "wb") as log:
            process = subprocess.Popen(
                [*COMMAND, "poll", "poller.yaml"],
                cwd=tmp_path,
                stdout=log,
                stderr=log,
                env=environment(PYTHONPATH=str(DOCKER.parent)),
            )
        try:
            missing, end = asked, monotonic() + 60
            while missing:
                log_text = (tmp_path / "log").read_text()
                assert process.poll() is None, log_text
                assert monotonic() < end, f"{sorted(missing)}\n{log_text}"
                sleep(0.1)
                if (found := re.search(r"http://127\.0\.0\.1:[0-9]+", log_text)) is not None:
                    with urllib.request.urlopen(f"{found[0]}/metrics", timeout=10) as response:
                        missing = asked - metrics_of(re.sub(r"(?m)^#.*", "", response.read().decode()))
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0, (tmp_path / "log").read_text()
        finally:
            process.kill()
            process.wait()
    with sqlite3.connect(tmp_path / "readings.sqlite") as database:
        assert database.execute("SELECT count(*) FROM reading").fetchone() == (5,)
    database.close()
