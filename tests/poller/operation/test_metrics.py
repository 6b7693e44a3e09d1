"""The metrics of the service are those that docs/operation.md lists, and /status and /health say the same."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mbusbench.definition.document import parse_document
from mbusbench.poller.definition import PollerFile
from mbusbench.poller.operation.http import application
from mbusbench.poller.operation.metrics import ServiceCollector, registry_of
from mbusbench.poller.status import PollerStatus, WorkerStatus
from mbusbench.sinks.delivery import SinkState, SinkStatus
from mbusbench.sinks.sink import ConnectionState, ConnectionStatus, MeterStatus

for name in ("prometheus_client", "starlette"):
    pytest.importorskip(name, reason=f"{name} is not installed (extra `poller`)")

DOCS = (Path(__file__).resolve().parents[3] / "docs" / "operation.md").read_text(encoding="utf-8")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def status(**changes: object) -> PollerStatus:
    meters = (
        MeterStatus("KAM-00012345-35-04", "1", True, NOW, None),
        MeterStatus("2", "2", False, None, "no answer"),
    )
    counters = {"cycles": 7, "missed_cycles": 1, "reads": 5, "read_errors": 2, "errors_no_answer": 3, "changeovers": 4}
    house = ConnectionStatus(
        "house", ConnectionState.RUN, "backup", None, "no answer", NOW, 1.5, counters=counters, meters=meters
    )
    off = ConnectionStatus("off", ConnectionState.STOP)
    sink = SinkStatus("mqtt", SinkState.DOWN, 9, 8, 7, 6, 5, "gone", NOW)
    given: dict[str, object] = {
        "name": "here",
        "started": NOW,
        "ready": True,
        "connections": (house, off),
        "total": 5,
        "pending": 2,
        "kept": 11,
        "sinks": (sink,),
        "worker": WorkerStatus("one", 2, ("house", "off"), 3),
        **changes,
    }
    return PollerStatus(**given)  # type: ignore[arg-type]


def samples() -> dict[str, float]:
    """Each sample by its name and the values of its labels."""
    found: dict[str, float] = {}
    for family in ServiceCollector(status).collect():
        for sample in family.samples:
            place = " ".join((sample.name, *(value for _, value in sorted(sample.labels.items()))))
            assert place not in found
            found[place] = sample.value
    return found


def test_numbers_are_those_of_the_status() -> None:
    found = samples()
    expected = {
        "mbus_connection_running house": 1,
        "mbus_connection_running off": 0,
        "mbus_connection_channel backup house": 1,
        "mbus_connection_channel main house": 0,
        "mbus_connection_channel main off": 0,
        "mbus_connection_cycle_seconds house": 1.5,
        "mbus_connection_reads_total house good": 5,
        "mbus_connection_reads_total house bad": 2,
        "mbus_connection_errors_total house no_answer": 3,
        "mbus_connection_changeovers_total house": 4,
        "mbus_connection_last_error_timestamp_seconds house": NOW.timestamp(),
        "mbus_meter_up house KAM-00012345-35-04": 1,
        "mbus_meter_up house 2": 0,
        "mbus_meter_last_read_timestamp_seconds house KAM-00012345-35-04": NOW.timestamp(),
        "mbus_poller_pending_readings": 2,
        "mbus_poller_readings_total": 11,
        "mbus_poller_connections": 5,
        "mbus_sink_up mqtt": 0,
        "mbus_sink_waiting_readings mqtt": 9,
        "mbus_sink_delivered_readings_total mqtt": 8,
        "mbus_sink_dropped_readings_total mqtt": 7,
        "mbus_sink_refused_readings_total mqtt": 6,
        "mbus_sink_failures_total mqtt": 5,
        "mbus_workers": 2,
        "mbus_worker_leases": 2,
    }
    assert {place: found.get(place) for place in expected} == expected
    assert "mbus_meter_last_read_timestamp_seconds house 2" not in found


def documented() -> set[str]:
    """The names in the table, of which the later ones of a cell leave out the first two words."""
    found: set[str] = set()
    for cell in re.findall(r"^\| (`mbus_[^|]*) \|", DOCS, re.MULTILINE):
        first, *others = re.findall(r"`(\w+)`", cell)
        prefix = "_".join(first.split("_")[:2])
        found |= {first, *(other if other.startswith("mbus") else prefix + other for other in others)}
    return found


def test_documentation_lists_them_all() -> None:
    assert documented() == {place.split()[0] for place in samples()}


def test_example_in_the_documentation_is_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "database").write_text("secret-in-the-docs")
    (text,) = re.findall(r"^```yaml\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL)
    text = text.replace("/run/secrets/database", str(tmp_path / "database"))
    text = text.replace("[...]", "[{name: a, url: 'socket://h:1', period: 15min, meters: [{address: 1}]}]")
    definition = PollerFile.from_document(parse_document(text, "operation.md"))
    assert definition.workers is not None
    assert definition.workers.secret_files() == [tmp_path / "database"]


async def test_health_and_readiness_are_different_questions() -> None:
    httpx = pytest.importorskip("httpx", reason="httpx is not installed (extra `examples`)")
    now = status(ready=False)
    app = application(lambda: now, registry_of(lambda: now))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://poller") as client:
        assert [(await client.get(path)).status_code for path in ("/health", "/ready")] == [200, 503]
        now = status(stalled=("house",))
        assert [(await client.get(path)).status_code for path in ("/health", "/ready")] == [503, 200]
        shown = (await client.get("/status")).json()
        assert shown["connections"][0]["meters"][1]["error"] == "no answer"
        assert shown["started"] == "2026-11-21T12:00:00Z"
        assert (await client.post("/health")).status_code == 405
        assert (await client.get("/metrics")).headers["content-type"].startswith("text/plain")
