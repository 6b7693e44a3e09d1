"""The dashboard asks for metrics that exist, by labels that they have."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from mbusbench.poller.operation.metrics import registry_of
from mbusbench.poller.status import PollerStatus, WorkerStatus
from mbusbench.sinks.delivery import SinkState, SinkStatus
from mbusbench.sinks.reading import Reading, Value
from mbusbench.sinks.sink import ConnectionState, ConnectionStatus, MeterStatus
from tests.docker.dashboard import DASHBOARD, DOCKER, panels, queries

promql = pytest.importorskip("promql_parser", reason="promql-parser is not installed (extra `examples`)")
pytest.importorskip("prometheus_client", reason="prometheus-client is not installed (extra `poller`)")

NOW = datetime(2026, 11, 21, tzinfo=UTC)
ADDED_BY_PROMETHEUS = {"job", "instance"}


def status() -> PollerStatus:
    meter = MeterStatus("KAM-00012345-35-04", "1", True, NOW, None)
    counters = {"cycles": 1, "reads": 2, "read_errors": 1, "errors_no_answer": 3, "changeovers": 0}
    connection = ConnectionStatus(
        "house", ConnectionState.RUN, "main", None, "x", NOW, 1.5, counters=counters, meters=(meter,)
    )
    sink = SinkStatus("mqtt", SinkState.UP, 0, 1, 0, 0, 0, None, None)
    worker = WorkerStatus("one", 2, ("house",), 1)
    return PollerStatus("mbusbench", NOW, True, (connection,), 1, 0, 2, (), (sink,), worker)


def value(quantity: str, unit: str) -> Value:
    return Value(tag=quantity, name=quantity, value=1.5, unit=unit, quantity=quantity)


def readings() -> Iterator[Reading]:
    quantities = {
        "energy": "kWh",
        "power": "W",
        "volume": "m³",
        "flow_temperature": "°C",
        "return_temperature": "°C",
    }
    values = tuple(value(quantity, unit) for quantity, unit in quantities.items())
    yield Reading("house/1/now", "house", "KAM-00012345-35-04", "1", NOW, values)


async def exposed() -> dict[str, set[str]]:
    """The labels of each sample that is exposed, by its name."""
    from mbusbench.sinks.prometheus import PrometheusSink

    sink = PrometheusSink("prometheus")
    await sink.write(list(readings()))
    found: dict[str, set[str]] = {}
    for family in registry_of(status, [sink]).collect():
        for sample in family.samples:
            assert sample.name not in found or found[sample.name] == set(sample.labels)
            found[sample.name] = set(sample.labels)
    return found


def selectors(node: Any) -> Iterator[Any]:
    """Every selector of a parsed query."""
    if isinstance(node, promql.VectorSelector):
        yield node
        return
    for name in ("expr", "lhs", "rhs", "args", "vector_selector", "param"):
        part = getattr(node, name, None)
        for each in part if isinstance(part, list | tuple) else [part]:
            if each is not None and not isinstance(each, str | int | float):
                yield from selectors(each)


@pytest.mark.parametrize("where", queries())
async def test_query_asks_for_what_there_is(where: str) -> None:
    found = list(selectors(promql.parse(queries()[where])))
    assert found
    there = await exposed()
    for selector in found:
        assert selector.name in there, f"{where}: no metric is called {selector.name}"
        asked = {matcher.name for matcher in selector.matchers.matchers}
        assert asked <= there[selector.name] | ADDED_BY_PROMETHEUS


async def test_labels_in_legends_are_those_of_the_metrics() -> None:
    import re

    there = set().union(*(await exposed()).values()) | ADDED_BY_PROMETHEUS
    for panel in panels():
        for target in panel.get("targets", ()):
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= there


async def test_variable_has_a_metric_behind_it() -> None:
    (variable,) = DASHBOARD["templating"]["list"]
    metric, label = variable["definition"].removeprefix("label_values(").removesuffix(")").split(", ")
    assert label in (await exposed())[metric]


def test_panels_do_not_overlap_and_their_datasource_is_provisioned() -> None:
    provisioned = (DOCKER / "grafana" / "provisioning" / "datasources" / "prometheus.yaml").read_text()
    taken: dict[tuple[int, int], str] = {}
    for panel in panels():
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]
        if panel["type"] != "row":
            assert f"uid: {panel['datasource']['uid']}\n" in provisioned
    identifiers = [panel["id"] for panel in panels()]
    assert len(set(identifiers)) == len(identifiers)
