"""`mbusbench poll` as a process: health, metrics, systemd, reload, and its end."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from tests.cli.running import COMMAND, environment, run, served

for name in ("prometheus_client", "starlette", "uvicorn", "psycopg"):
    pytest.importorskip(name, reason=f"{name} is not installed (extra `poller`)")


ROOT = Path(__file__).resolve().parents[3]


class Poll:
    """A poller that runs."""

    def __init__(self, configuration: Path, **changes: str) -> None:
        self.log = configuration.with_name("log")
        with open(self.log, "wb") as log, open(configuration.with_name("out"), "wb") as out:
            self.process = subprocess.Popen(
                [*COMMAND, "poll", str(configuration)],
                stdout=out,
                stderr=log,
                env=environment(**changes, PYTHONPATH=str(ROOT)),
                cwd=configuration.parent,
            )

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def wait_for(self, text: str) -> str:
        self.until(lambda: text in self.log.read_text())
        return self.log.read_text()

    def until(self, condition: Callable[[], object], seconds: float = 30) -> None:
        end = monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.log.read_text()
            assert monotonic() < end, self.log.read_text()
            sleep(0.02)

    @property
    def url(self) -> str:
        found = re.search(r"http://127\.0\.0\.1:[0-9]+", self.wait_for("http://127"))
        assert found is not None
        return found[0]

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def fed_lately(systemd: socket.socket) -> bytes | None:
    try:
        return systemd.recv(4096)
    except TimeoutError:
        return None


HOUSE = """
format: 1
name: house
http: {{listen: "127.0.0.1:0"{http}}}
log: {{format: json, level: info}}
connections:
  - {{name: cellar, url: "{url}", period: 1s, meters: [{{address: {address}}}]}}
"""


@pytest.fixture(scope="module")
def bus() -> Iterator[Any]:
    with served("generic/water", "--tcp", "127.0.0.1:0", "--speed", "max") as found:
        yield found


@pytest.fixture
def configuration(tmp_path: Path, bus: Any) -> Path:
    path = tmp_path / "poll.yaml"
    path.write_text(HOUSE.format(url=bus.url, address=bus.ready["meters"][0]["address"], http=""))
    return path


@pytest.fixture
def start(configuration: Path) -> Iterator[Callable[..., Poll]]:
    started: list[Poll] = []

    def begin(**changes: str) -> Poll:
        started.append(Poll(configuration, **changes))
        return started[-1]

    yield begin
    for poll in started:
        poll.process.kill()
        poll.process.wait()


def test_service_says_how_it_is_follows_its_file_and_ends(start: Callable[..., Poll], configuration: Path) -> None:
    poll = start()
    poll.until(lambda: 'mbus_connection_reads_total{connection="cellar",result="good"} 2' in poll.get("/metrics")[1])
    assert poll.get("/health") == (200, '{"status":"alive"}')
    assert poll.get("/ready") == (200, '{"status":"ready"}')
    (connection,) = json.loads(poll.get("/status")[1])["connections"]
    assert (connection["name"], connection["state"], connection["actual"]) == ("cellar", "RUN", "main")
    assert run("healthcheck", poll.url).stdout == '{"status":"alive"}\n'
    assert run("healthcheck", "--ready", poll.url).returncode == 0

    good = configuration.read_text()
    configuration.write_text(good.replace("address: ", "adress: "))
    poll.process.send_signal(signal.SIGHUP)
    poll.wait_for("cannot be used; what was goes on")
    assert "poll.yaml:7:" in poll.wait_for("did you mean 'address'?")
    configuration.write_text(good.replace("cellar", "attic"))
    poll.wait_for("connections: 1 added, 1 removed")
    poll.until(lambda: 'result="good"} 2' in poll.get("/metrics")[1])
    assert 'mbus_poller_reloads_total{result="bad"} 1.0' in poll.get("/metrics")[1]

    url = poll.url
    assert poll.stop() == 0
    assert poll.lines()[-1]["message"].startswith("stopped: ")
    assert all({"time", "level", "logger", "message"} <= set(line) for line in poll.lines())
    silent = run("healthcheck", url)
    assert (silent.returncode, silent.stderr) == (1, f"mbusbench: {url}/health: Connection refused\n")


def test_metrics_are_what_prometheus_reads(start: Callable[..., Poll]) -> None:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
    from prometheus_client.parser import text_string_to_metric_families

    poll = start()
    poll.until(lambda: 'mbus_meter_up{connection="cellar"' in poll.get("/metrics")[1])
    families = {family.name: family for family in text_string_to_metric_families(poll.get("/metrics")[1])}
    assert families["mbus_connection_reads"].type == "counter"
    assert families["mbus_connection_errors"].samples == []
    request = urllib.request.Request(f"{poll.url}/metrics", headers={"Accept": "application/openmetrics-text"})
    with urllib.request.urlopen(request, timeout=10) as response:
        assert {"mbus_poller_ready", "mbus_sink_up"} <= {f.name for f in open_metrics(response.read().decode())}


def test_systemd_is_told_and_its_watchdog_fed(start: Callable[..., Poll], tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        poll = start(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="200000")
        first = systemd.recv(4096).decode()
        assert first == "READY=1\nSTATUS=1 connections, 1 meters"
        assert [systemd.recv(4096) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        poll.process.send_signal(signal.SIGHUP)
        heard: list[str] = []
        while len(heard) < 2:
            text = systemd.recv(4096).decode()
            heard += [] if text == "WATCHDOG=1" else [text.splitlines()[0]]
        assert heard == ["RELOADING=1", "READY=1"]
        assert poll.stop() == 0
        while (last := systemd.recv(4096)) == b"WATCHDOG=1":
            pass
        assert last == b"STOPPING=1"


def test_watchdog_starves_and_health_says_why_while_a_connection_hangs(
    start: Callable[..., Poll], configuration: Path, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        port = deaf.getsockname()[1]
        text = re.sub(r"socket://[^\"]*", f"socket://127.0.0.1:{port}", configuration.read_text())
        # A meter gets an hour to begin its answer: as good as for ever.
        text = text.replace("period: 1s", "period: 1s, timeout: 1h").replace(':0"', ':0", patience: 500ms')
        configuration.write_text(text)
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(1)
        poll = start(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="100000")
        poll.until(lambda: poll.get("/health")[0] == 503)
        assert json.loads(poll.get("/health")[1]) == {"status": "stalled", "stalled": ["cellar"]}
        assert "no progress for 0.5 s: cellar" in poll.wait_for("no progress")
        while fed_lately(systemd):
            pass
        assert run("healthcheck", poll.url).returncode == 1


def test_port_that_is_taken_is_told_in_one_line(start: Callable[..., Poll], configuration: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        configuration.write_text(configuration.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))
        poll = start()
        assert poll.process.wait(30) == 2
    last = poll.log.read_text().splitlines()[-1]
    assert last == f"mbusbench: http: 127.0.0.1:{port}: address already in use"


def test_secret_does_not_get_into_the_logs(start: Callable[..., Poll], configuration: Path, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("t0p-secret-of-this-test\n")
    url = "postgresql://someone@127.0.0.1:1/none"
    workers = f'workers: {{url: "{url}", password_file: {tmp_path / "password"}}}\n'
    configuration.write_text(configuration.read_text().replace("level: info", "level: debug") + workers)
    poll = start(MBUSBENCH_DEBUG="1")
    poll.until(lambda: poll.get("/ready")[0] == 503)
    assert poll.get("/health")[0] == 200
    assert "t0p-secret" not in poll.get("/status")[1] + poll.log.read_text()
    assert poll.stop() == 0
    assert os.environ.get("NOTIFY_SOCKET") is None
