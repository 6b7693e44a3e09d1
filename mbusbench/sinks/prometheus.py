"""The newest value of every meter, and the state of connections and sinks, for Prometheus to fetch.

Collected from what is in memory: a scrape causes no traffic on a bus. Names and base units are in docs/sinks.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mbusbench import __version__
from mbusbench.sinks.delivery import SinkState, SinkStatus
from mbusbench.sinks.reading import Quality, Reading, Value
from mbusbench.sinks.sink import ConnectionState, ConnectionStatus

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

_LABELS = ("connection", "meter", "tag", "storage", "tariff", "subunit", "function")


@dataclass(frozen=True, slots=True)
class _Family:
    """A quantity in its base unit: what each unit is worth in it, and whether it only grows."""

    name: str
    factors: dict[str, float]
    counter: bool = False
    text: str = ""


_ENERGY = _Family(
    "energy_joules",
    {"J": 1, "kJ": 1e3, "MJ": 1e6, "GJ": 1e9, "Wh": 3600, "kWh": 3.6e6, "MWh": 3.6e9, "GWh": 3.6e12},
    counter=True,
    text="Energy counted",
)
_POWER = _Family(
    "power_watts",
    {
        "W": 1,
        "kW": 1e3,
        "MW": 1e6,
        "J/h": 1 / 3600,
        "kJ/h": 1e3 / 3600,
        "MJ/h": 1e6 / 3600,
        "GJ/h": 1e9 / 3600,
    },
    text="Power",
)
_VOLUME = _Family(
    "volume_cubic_meters", {"m³": 1, "m3": 1, "l": 1e-3, "L": 1e-3, "ml": 1e-6}, counter=True, text="Volume counted"
)
_FLOW = _Family(
    "flow_cubic_meters_per_second",
    {"m³/h": 1 / 3600, "m3/h": 1 / 3600, "l/h": 1e-3 / 3600, "L/h": 1e-3 / 3600, "l/min": 1e-3 / 60, "m³/s": 1},
    text="Volume flow",
)
_TIME = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_FAMILIES: dict[str, _Family] = {
    "energy": _ENERGY,
    "power": _POWER,
    "volume": _VOLUME,
    "volume_flow": _FLOW,
    "mass": _Family("mass_kilograms", {"kg": 1, "t": 1000}, counter=True, text="Mass counted"),
    "mass_flow": _Family("mass_flow_kilograms_per_second", {"kg/h": 1 / 3600}, text="Mass flow"),
    "flow_temperature": _Family("flow_temperature_celsius", {"°C": 1}, text="Temperature of the flow"),
    "return_temperature": _Family("return_temperature_celsius", {"°C": 1}, text="Temperature of the return"),
    "external_temperature": _Family("external_temperature_celsius", {"°C": 1}, text="Temperature outside"),
    "temperature_difference": _Family("temperature_difference_kelvins", {"K": 1}, text="Flow less return"),
    "pressure": _Family("pressure_pascals", {"bar": 1e5, "mbar": 100, "Pa": 1, "kPa": 1e3}, text="Pressure"),
    "voltage": _Family("voltage_volts", {"V": 1, "mV": 1e-3, "kV": 1e3}, text="Voltage"),
    "current": _Family("current_amperes", {"A": 1, "mA": 1e-3}, text="Current"),
    "frequency": _Family("frequency_hertz", {"Hz": 1}, text="Frequency"),
    "relative_humidity": _Family("relative_humidity_ratio", {"%": 0.01}, text="Relative humidity"),
    "hca_units": _Family("heat_cost_units", {"": 1, "HCA units": 1}, counter=True, text="Heat cost units counted"),
    "on_time": _Family("on_time_seconds", _TIME, counter=True, text="Time switched on"),
    "operating_time": _Family("operating_time_seconds", _TIME, counter=True, text="Time in operation"),
}
_OTHER = "mbus_meter_value"


class PrometheusSink:
    """Its `registry` is its own; `exposition` is what an HTTP server answers to a scrape.

    `sinks` gives the state of all sinks, `workers` nothing yet known here: register more collectors in `registry`.
    """

    def __init__(self, name: str, sinks: Callable[[], Sequence[SinkStatus]] | None = None) -> None:
        self.name = name
        self.sinks = sinks
        self._readings: dict[tuple[str, str], Reading] = {}
        self._read_at: dict[tuple[str, str], float] = {}
        self._connections: dict[str, ConnectionStatus] = {}
        self._registry: CollectorRegistry | None = None

    @property
    def registry(self) -> CollectorRegistry:
        from prometheus_client import CollectorRegistry

        if self._registry is None:
            self._registry = CollectorRegistry(auto_describe=False)
            self._registry.register(_Collector(self.collect))
        return self._registry

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """The body and its content type, OpenMetrics where the scraper's Accept header asks for it."""
        from prometheus_client.exposition import choose_encoder

        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    async def open(self) -> None:
        """Nothing can fail."""

    async def close(self) -> None:
        """What was read stays to be seen."""

    async def write(self, readings: Sequence[Reading]) -> None:
        for reading in readings:
            place = (reading.connection, reading.meter)
            self._readings[place] = reading
            if reading.quality is not Quality.BAD:
                self._read_at[place] = reading.time.timestamp()

    async def status(self, status: ConnectionStatus) -> None:
        self._connections[status.name] = status

    def forget(self, connection: str) -> None:
        """A connection that there is no more is not shown any more."""
        self._connections.pop(connection, None)
        for place in [place for place in self._readings if place[0] == connection]:
            del self._readings[place]
            self._read_at.pop(place, None)

    def collect(self) -> Iterator[Metric]:
        """Every metric as it is now."""
        from prometheus_client.core import GaugeMetricFamily

        build = GaugeMetricFamily("mbus_build_info", "Version of mbusbench", labels=("version",))
        build.add_metric((__version__,), 1)
        yield build
        yield from self._meters()
        yield from self._values()
        yield from self._connection_metrics()
        if self.sinks is not None:
            yield from _sink_metrics(self.sinks())

    def readings(self) -> Iterator[Metric]:
        """Who the meters are and their values alone, for a page that has the state of everything from elsewhere."""
        info, *_ = self._meters()
        yield info
        yield from self._values()

    def _meters(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily

        info = GaugeMetricFamily(
            "mbus_meter_info",
            "Who a meter is",
            labels=("connection", "meter", "name", "address", "manufacturer", "medium", "version"),
        )
        up = GaugeMetricFamily("mbus_meter_up", "Whether the newest reading is a reading", labels=_LABELS[:2])
        read = GaugeMetricFamily(
            "mbus_meter_last_read_timestamp_seconds", "When a meter was last read", labels=_LABELS[:2]
        )
        for place, reading in self._readings.items():
            version = "" if reading.version is None else f"{reading.version:02x}"
            manufacturer, medium = reading.manufacturer or "", reading.medium or ""
            info.add_metric((*place, reading.name or "", reading.address, manufacturer, medium, version), 1)
            up.add_metric(place, reading.quality is not Quality.BAD)
            if place in self._read_at:
                read.add_metric(place, self._read_at[place])
        yield from (info, up, read)

    def _values(self) -> Iterator[Metric]:
        found: dict[str, Metric] = {}
        for (connection, meter), reading in self._readings.items():
            if reading.quality is Quality.BAD:
                continue
            for value in reading.values:
                if value.number is None or value.quality is Quality.BAD:
                    continue
                labels = (
                    connection,
                    meter,
                    value.tag,
                    str(value.storage),
                    str(value.tariff),
                    str(value.subunit),
                    value.function,
                )
                _add_value(found, value, labels)
        yield from found.values()

    def _connection_metrics(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        run = GaugeMetricFamily("mbus_connection_running", "1: RUN, 0: STOP", labels=("connection",))
        up = GaugeMetricFamily("mbus_connection_up", "Whether a channel is open", labels=("connection",))
        actual = GaugeMetricFamily("mbus_connection_actual", "The channel in use", labels=("connection", "channel"))
        cycle = GaugeMetricFamily("mbus_connection_cycle_seconds", "How long a round took", labels=("connection",))
        counters: dict[str, CounterMetricFamily] = {}
        for name, status in self._connections.items():
            run.add_metric((name,), status.state is ConnectionState.RUN)
            up.add_metric((name,), status.actual is not None)
            if status.actual is not None:
                actual.add_metric((name, status.actual), 1)
            if status.cycle_seconds is not None:
                cycle.add_metric((name,), status.cycle_seconds)
            for counter, count in status.counters.items():
                family = counters.get(counter)
                if family is None:
                    text = f"Since the start: {counter.replace('_', ' ')}"
                    family = CounterMetricFamily(f"mbus_connection_{counter}", text, labels=("connection",))
                    counters[counter] = family
                family.add_metric((name,), count)
        yield from (run, up, actual, cycle, *counters.values())


class _Collector:
    """What a registry wants: an object with `collect`."""

    def __init__(self, collect: Callable[[], Iterator[Metric]]) -> None:
        self.collect = collect


def _add_value(found: dict[str, Metric], value: Value, labels: tuple[str, ...]) -> None:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    assert value.number is not None
    family = _FAMILIES.get(value.quantity or "")
    factor = None if family is None else family.factors.get(value.unit or "")
    if family is None or factor is None:
        other = found.get(_OTHER)
        if other is None:
            other = GaugeMetricFamily(_OTHER, "What has no metric of its own", labels=(*_LABELS, "quantity", "unit"))
            found[_OTHER] = other
        assert isinstance(other, GaugeMetricFamily)
        other.add_metric((*labels, value.quantity or "", value.unit or ""), float(value.number))
        return
    # A stored or an extreme value goes up and down: it is no counter.
    counts = family.counter and value.storage == 0 and value.function == "instantaneous"
    name = f"mbus_meter_{'' if counts or not family.counter else 'stored_'}{family.name}"
    metric = found.get(name)
    if metric is None:
        kind = CounterMetricFamily if counts else GaugeMetricFamily
        metric = kind(name, family.text, labels=_LABELS)
        found[name] = metric
    assert isinstance(metric, CounterMetricFamily | GaugeMetricFamily)
    metric.add_metric(labels, value.number * factor)


def _sink_metrics(statuses: Sequence[SinkStatus]) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    up = GaugeMetricFamily("mbus_sink_up", "Whether a sink takes readings", labels=("sink",))
    waiting = GaugeMetricFamily("mbus_sink_waiting_readings", "Readings still to be delivered", labels=("sink",))
    yield from (up, waiting)
    for status in statuses:
        up.add_metric((status.name,), status.state is SinkState.UP)
        waiting.add_metric((status.name,), status.waiting)
    counts: dict[str, Callable[[SinkStatus], int]] = {
        "delivered": lambda status: status.delivered,
        "dropped": lambda status: status.dropped,
        "refused": lambda status: status.refused,
        "failures": lambda status: status.failures,
    }
    for name, count in counts.items():
        metric_name = f"mbus_sink_{name}" if name == "failures" else f"mbus_sink_{name}_readings"
        family = CounterMetricFamily(metric_name, f"{name.capitalize()} so far", labels=("sink",))
        for status in statuses:
            family.add_metric((status.name,), count(status))
        yield family
