"""The newest value of every meter for Prometheus to fetch: a collector for the registry behind `/metrics`.

Collected from what is in memory: a scrape causes no traffic on a bus. Names and base units are in docs/sinks.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mbusbench.sinks.reading import Quality, Reading, Value

if TYPE_CHECKING:
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
    """Also the collector: register it in the registry that is shown."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._readings: dict[tuple[str, str], Reading] = {}
        self._good: dict[tuple[str, str], Reading] = {}

    async def open(self) -> None:
        """Nothing can fail."""

    async def close(self) -> None:
        """What was read stays to be seen."""

    async def write(self, readings: Sequence[Reading]) -> None:
        for reading in readings:
            place = (reading.connection, reading.meter)
            self._readings[place] = complete = reading.completed_by(self._good.get(place))
            if complete.quality is not Quality.BAD:
                self._good[place] = complete

    def forget(self, connection: str) -> None:
        """A connection that there is no more is not shown any more."""
        for place in [place for place in self._readings if place[0] == connection]:
            del self._readings[place]
            self._good.pop(place, None)

    def collect(self) -> Iterator[Metric]:
        """Who the meters are and their values, as they are now: what a registry asks a collector for."""
        yield self._information()
        yield from self._values()

    readings = collect

    def _information(self) -> Metric:
        from prometheus_client.core import GaugeMetricFamily

        info = GaugeMetricFamily(
            "mbus_meter_info",
            "Who a meter is",
            labels=("connection", "meter", "name", "address", "manufacturer", "medium", "version"),
        )
        for place, reading in self._readings.items():
            version = "" if reading.version is None else f"{reading.version:02x}"
            manufacturer, medium = reading.manufacturer or "", reading.medium or ""
            info.add_metric((*place, reading.name or "", reading.address, manufacturer, medium, version), 1)
        return info

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
