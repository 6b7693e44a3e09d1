"""What Prometheus gets, read by prometheus-client's own parsers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mbusbench.sinks.prometheus import PrometheusSink
from mbusbench.sinks.reading import Quality, Reading, Value
from tests.sinks.samples import START, reading

pytest.importorskip("prometheus_client", reason="prometheus-client is not installed (extra `poller`)")

METER = {"connection": "cellar", "meter": "KAM-12345678-1b-04"}


def exposed(sink: PrometheusSink, accept: str = "") -> dict[str, list[tuple[dict[str, str], float]]]:
    """Samples by name: (labels, value)."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import choose_encoder
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
    from prometheus_client.parser import text_string_to_metric_families as text

    registry = CollectorRegistry(auto_describe=False)
    collector: Any = sink
    registry.register(collector)
    encode, content_type = choose_encoder(accept)
    body = encode(registry).decode()
    parse = open_metrics if "openmetrics" in content_type else text
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in parse(body):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text; version=1.0.0"])
async def test_values_are_in_base_units_and_counters_end_in_total(accept: str) -> None:
    sink = PrometheusSink("prometheus")
    await sink.write([reading(1), reading(2)])
    found = exposed(sink, accept)
    ((labels, joules),) = found["mbus_meter_energy_joules_total"]
    assert joules == 1002 * 3.6e6
    assert labels == METER | {
        "tag": "energy",
        "storage": "0",
        "tariff": "0",
        "subunit": "0",
        "function": "instantaneous",
    }
    assert found["mbus_meter_stored_energy_joules"][0][1] == 900 * 3.6e6
    assert found["mbus_meter_volume_cubic_meters_total"][0][1] == 102.5
    assert found["mbus_meter_flow_temperature_celsius"][0][1] == 71.3
    assert "mbus_meter_power_watts" not in found
    ((information, one),) = found["mbus_meter_info"]
    assert one == 1
    assert METER.items() <= information.items()
    assert information["medium"] == "heat"


async def test_two_values_of_one_quantity_are_told_apart_by_their_tags() -> None:
    sink = PrometheusSink("prometheus")
    both = tuple(Value(tag, tag, 5, "kW", quantity="power") for tag in ("forward", "backward"))
    await sink.write([replace(reading(1), values=both)])
    assert {labels["tag"]: value for labels, value in exposed(sink)["mbus_meter_power_watts"]} == {
        "forward": 5000,
        "backward": 5000,
    }


async def test_what_has_no_metric_of_its_own_is_shown_with_quantity_and_unit() -> None:
    sink = PrometheusSink("prometheus")
    value = Value("odd", "Odd", 7, "furlong", quantity="energy")
    await sink.write([replace(reading(1), values=(value,))])
    ((labels, number),) = exposed(sink)["mbus_meter_value"]
    assert (labels["quantity"], labels["unit"], number) == ("energy", "furlong", 7)


async def test_values_of_a_meter_that_does_not_answer_are_gone_and_it_can_be_forgotten() -> None:
    sink = PrometheusSink("prometheus")
    await sink.write([reading(1)])
    await sink.write(
        [Reading("k", "cellar", METER["meter"], "5", START, quality=Quality.BAD, reason="no answer")],
    )
    assert set(exposed(sink)) == {"mbus_meter_info"}
    sink.forget("cellar")
    assert exposed(sink) == {}


async def test_a_value_that_a_deadband_left_out_is_still_shown() -> None:
    sink = PrometheusSink("prometheus")
    bad = replace(reading(1), key="bad", values=(), quality=Quality.BAD, reason="no answer")
    await sink.write([reading(0), bad, replace(reading(1), values=reading(1).values[1:])])
    found = exposed(sink)
    assert found["mbus_meter_energy_joules_total"][0][1] == 1000 * 3.6e6
    assert found["mbus_meter_volume_cubic_meters_total"][0][1] == 101.5


async def test_labels_are_escaped() -> None:
    sink = PrometheusSink("prometheus")
    await sink.write([replace(reading(1), name='the "north"\nmeter \\ 1')])
    assert exposed(sink)["mbus_meter_info"][0][0]["name"] == 'the "north"\nmeter \\ 1'
