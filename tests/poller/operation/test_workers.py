"""Two worker processes, one configuration, a real PostgreSQL: no bus is without a master for long, and none has two."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from time import monotonic, sleep

import pytest

from mbusbench.testing import ServedBus, served
from mbusbench.trace.event import Kind
from tests.cli.running import environment
from tests.services import PostgreSQL

pytest.importorskip("psycopg", reason="psycopg is not installed (extra `poller`)")

ROOT = Path(__file__).resolve().parent.parent.parent.parent
LEASE = 6.0
BUSES = 4
CONFIGURATION = """
format: 1
name: shared
log: {{format: json}}
workers: {{url: "{url}", name: {name}}}
connections:
"""
CONNECTION = """
  - {{name: bus-{number}, url: "{url}", period: 1s, jitter: 0s, meters: [{{address: {address}}}]}}
"""


class Worker:
    """`mbusbench poll` with short leases."""

    def __init__(self, name: str, configuration: str, directory: Path) -> None:
        path = directory / f"{name}.yaml"
        path.write_text(configuration)
        own = directory / name
        own.mkdir()
        self.log = directory / f"{name}.log"
        with open(self.log, "wb") as log, open(directory / f"{name}.out", "wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, Path(__file__).with_name("worker.py"), path, str(LEASE)],
                stdout=out,
                stderr=log,
                env=environment(PYTHONPATH=str(ROOT)),
                cwd=own,
            )

    def held(self) -> int:
        """By its own words."""
        text = self.log.read_text()
        return text.count(": claimed") - text.count(": given up")

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


@pytest.fixture
def buses() -> Iterator[list[ServedBus]]:
    with ExitStack() as stack:
        yield [stack.enter_context(served(devices=["generic/water"], speed="max", check="none")) for _ in range(BUSES)]


def requests(bus: ServedBus) -> dict[int, list[int]]:
    """When which connection asked something."""
    found: dict[int, list[int]] = {}
    for event in list(bus.events):
        if event.kind is Kind.MASTER and event.port is not None:
            found.setdefault(event.port, []).append(event.time)
    return found


def until(condition: Callable[[], bool], what: Callable[[], str], seconds: float = 90) -> None:
    end = monotonic() + seconds
    while not condition():
        assert monotonic() < end, what()
        sleep(0.05)


def is_read_again(buses: list[ServedBus]) -> bool:
    """Whether each bus is asked something from now on."""
    before = [sum(map(len, requests(bus).values())) for bus in buses]
    until(
        lambda: all(sum(map(len, requests(bus).values())) > count for bus, count in zip(buses, before, strict=True)),
        lambda: "a bus is read by nobody",
    )
    return True


def test_dead_workers_connections_are_taken_over_and_no_bus_has_two_masters(
    postgresql: PostgreSQL, buses: list[ServedBus], tmp_path: Path
) -> None:
    def configuration(name: str) -> str:
        connections = [
            CONNECTION.format(number=number, url=bus.url, address=bus.bus.meters[0].address)
            for number, bus in enumerate(buses)
        ]
        return CONFIGURATION.format(url=url, name=name) + "".join(connections)

    url = postgresql.database()
    workers = {name: Worker(name, configuration(name), tmp_path) for name in ("one", "two")}
    one, two = workers.values()

    def logs() -> str:
        return "\n".join(f"{name}:\n{worker.log.read_text()}" for name, worker in workers.items())

    try:
        until(lambda: one.held() == two.held() == BUSES / 2, lambda: f"the connections are not shared\n{logs()}")
        assert is_read_again(buses)

        assert one.end(signal.SIGKILL) == -signal.SIGKILL
        until(lambda: two.held() == BUSES, lambda: f"nobody took over\n{logs()}")
        assert is_read_again(buses)

        three = workers["three"] = Worker("three", configuration("three"), tmp_path)
        until(
            lambda: three.held() == two.held() == BUSES / 2, lambda: f"the connections are not shared again\n{logs()}"
        )
        assert two.end(signal.SIGTERM) == 0
        until(lambda: three.held() == BUSES, lambda: f"what was given back was not taken\n{logs()}")
        assert is_read_again(buses)
        assert three.end(signal.SIGTERM) == 0
        assert three.held() == 0
    finally:
        for worker in workers.values():
            worker.process.kill()
            worker.process.wait()

    for bus in buses:
        times = sorted((min(asked), max(asked)) for asked in requests(bus).values())
        assert len(times) >= 2
        overlaps = [(last, first) for (_, last), (first, _) in pairwise(times) if first <= last]
        assert not overlaps, "two masters at the same time"
