"""Home Assistant's side of MQTT: one discovery message for each meter, with classes and units that it accepts.

Only what its sensor integration allows together is said: a unit that a device class does not know is shown without the
class. Messages follow "device discovery" (Home Assistant 2024.12 and later).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mbusbench import __version__
from mbusbench.sinks.reading import Quality, Reading, Value

ONLINE = "online"
OFFLINE = "offline"
_UNFIT = re.compile(r"[^a-zA-Z0-9_-]+")
_SERIAL = re.compile(r"[A-Z]{3}-([0-9A-Fa-f]{8})-")

_ENERGY = frozenset({"J", "kJ", "MJ", "GJ", "mWh", "Wh", "kWh", "MWh", "GWh", "TWh", "cal", "kcal", "Mcal", "Gcal"})
_POWER = frozenset({"mW", "W", "kW", "MW", "GW", "TW"})
_VOLUME = frozenset({"m³", "L", "mL", "ft³", "gal", "CCF"})
_FLOW = frozenset({"m³/h", "ft³/min", "L/min", "gal/min"})
_TEMPERATURE = frozenset({"°C", "°F", "K"})
_PRESSURE = frozenset({"bar", "mbar", "cbar", "Pa", "hPa", "kPa", "psi", "mmHg", "inHg"})
_DURATION = frozenset({"d", "h", "min", "s", "ms"})

# What we and meters call units, and Home Assistant does not.
_SPELLING = {
    "l": "L",
    "ml": "mL",
    "l/h": "L/h",
    "l/min": "L/min",
    "l/s": "L/s",
    "ml/s": "mL/s",
    "m3": "m³",
    "m3/h": "m³/h",
    "m3/s": "m³/s",
    "ft3": "ft³",
    "US gal": "gal",
    "US gal/min": "gal/min",
}
# What Home Assistant has no unit for, or late versions only: the unit in its place, and what one is worth in it.
_CONVERTED: dict[tuple[str | None, str | None], tuple[str, float]] = {
    ("power", "J/h"): ("W", 1 / 3600),
    ("power", "kJ/h"): ("W", 1e3 / 3600),
    ("power", "MJ/h"): ("W", 1e6 / 3600),
    ("power", "GJ/h"): ("W", 1e9 / 3600),
    ("volume_flow", "L/h"): ("m³/h", 1e-3),
}


@dataclass(frozen=True, slots=True)
class _Class:
    """`device_class` with the units that it may have. A counter only grows; anything else is a measurement."""

    device_class: str | None
    units: frozenset[str] = frozenset()
    counter: bool = False
    diagnostic: bool = False


_CLASSES: dict[str, _Class] = {
    "energy": _Class("energy", _ENERGY, counter=True),
    "power": _Class("power", _POWER),
    "volume": _Class("volume", _VOLUME, counter=True),
    "volume_flow": _Class("volume_flow_rate", _FLOW),
    "mass": _Class("weight", frozenset({"kg", "g", "mg", "µg", "oz", "lb", "st"}), counter=True),
    "mass_flow": _Class(None),
    "flow_temperature": _Class("temperature", _TEMPERATURE),
    "return_temperature": _Class("temperature", _TEMPERATURE),
    "external_temperature": _Class("temperature", _TEMPERATURE),
    "temperature": _Class("temperature", _TEMPERATURE),
    "temperature_limit": _Class("temperature", _TEMPERATURE, diagnostic=True),
    # A difference of 0 K is none of -273 °C: the class for temperatures would convert it.
    "temperature_difference": _Class(None),
    "pressure": _Class("pressure", _PRESSURE),
    "relative_humidity": _Class("humidity", frozenset({"%"})),
    "voltage": _Class("voltage", frozenset({"V", "mV", "µV", "kV"})),
    "current": _Class("current", frozenset({"A", "mA"})),
    "frequency": _Class("frequency", frozenset({"Hz", "kHz", "MHz", "GHz"})),
    "apparent_power": _Class("apparent_power", frozenset({"VA"})),
    "reactive_power": _Class("reactive_power", frozenset({"var"})),
    "reactive_energy": _Class(None, counter=True),
    "apparent_energy": _Class(None, counter=True),
    "hca_units": _Class(None, counter=True),
    "on_time": _Class("duration", _DURATION, counter=True, diagnostic=True),
    "operating_time": _Class("duration", _DURATION, counter=True, diagnostic=True),
    "battery_operating_time": _Class("duration", _DURATION, counter=True, diagnostic=True),
    "remaining_battery_life": _Class("duration", _DURATION, diagnostic=True),
    "rf_level": _Class("signal_strength", frozenset({"dBm", "dB"}), diagnostic=True),
    "reset_counter": _Class(None, counter=True, diagnostic=True),
    "date": _Class("date"),
    "error_flags": _Class(None, diagnostic=True),
    "datetime": _Class(None, diagnostic=True),
}
_OTHER = _Class(None, diagnostic=True)
# What is counted in cubic metres has a class of its own where it is drinking water or gas.
_VOLUME_OF = {
    "water": "water",
    "warm_water": "water",
    "hot_water": "water",
    "cold_water": "water",
    "irrigation_water": "water",
    "dual_register_water": "water",
    "waste_water": "water",
    "gas": "gas",
}
_MEDIUM_UNITS = {"water": frozenset({"m³", "L", "ft³", "gal", "CCF"}), "gas": frozenset({"m³", "ft³", "CCF"})}


@dataclass(frozen=True, slots=True)
class Topics:
    """Where things are published: `base` is our own tree, `discovery` is Home Assistant's prefix."""

    base: str = "mbusbench"
    discovery: str = "homeassistant"

    @property
    def bridge(self) -> str:
        return f"{self.base}/bridge/state"

    @property
    def information(self) -> str:
        return f"{self.base}/bridge/info"

    @property
    def birth(self) -> str:
        return f"{self.discovery}/status"

    def connection(self, name: str) -> str:
        return f"{self.base}/bus/{topic_part(name)}/state"

    def state(self, meter: str) -> str:
        return f"{self.base}/meter/{topic_part(meter)}/state"

    def availability(self, meter: str) -> str:
        return f"{self.base}/meter/{topic_part(meter)}/availability"

    def value(self, meter: str, tag: str) -> str:
        return f"{self.base}/meter/{topic_part(meter)}/value/{topic_part(tag)}"

    def configuration(self, device: str) -> str:
        return f"{self.discovery}/device/{device}/config"


def topic_part(text: str) -> str:
    """A name as one level of a topic: without the characters that mean something there."""
    return re.sub(r"[/+#\x00-\x1f]+", "_", text).lstrip("$") or "_"


def identifier(*parts: str) -> str:
    """Letters, digits, _ and -: what an id may be made of."""
    return "_".join(_UNFIT.sub("_", part) for part in ("mbusbench", *parts))


@dataclass(slots=True)
class Announcement:
    """What Home Assistant is told of one meter: grows with the values that the meter's readings bring."""

    topics: Topics
    expire_after: int | None = None
    components: dict[str, dict[str, Any]] = field(default_factory=dict)
    device: dict[str, Any] = field(default_factory=dict)
    meter: str = ""

    def learn(self, reading: Reading) -> bool:
        """Take in a reading; whether there is something new to tell. A bad reading tells nothing."""
        if reading.quality is Quality.BAD or not reading.values:
            return False
        self.meter = reading.meter
        device = _device(reading, self.topics)
        components = dict(self.components)
        for value in reading.values:
            key = identifier(reading.meter, value.tag)
            if value.quality is not Quality.BAD or key not in components:
                components[key] = self._component(reading, value)
        if (device, components) == (self.device, self.components):
            return False
        self.device, self.components = device, components
        return True

    def payload(self) -> str:
        """The message for `Topics.configuration`."""
        message = {
            "dev": self.device,
            "o": _ORIGIN,
            "cmps": self.components,
            "state_topic": self.topics.state(self.meter),
            "availability": [{"topic": self.topics.bridge}, {"topic": self.topics.availability(self.meter)}],
            "availability_mode": "all",
            "qos": 1,
        }
        return json.dumps(message, ensure_ascii=False)

    def _component(self, reading: Reading, value: Value) -> dict[str, Any]:
        component: dict[str, Any] = {
            "p": "sensor",
            "unique_id": identifier(reading.meter, value.tag),
            "name": value.name,
            **sensor_fields(value, reading.medium),
        }
        _, scale = _converted(value)
        component["value_template"] = _template(value.tag, scale)
        if self.expire_after is not None:
            component["expire_after"] = self.expire_after
        return component


_ORIGIN = {"name": "mbusbench", "sw": __version__}


def _template(tag: str, scale: float | None) -> str:
    # None is shown as `unknown`, and a value that is not in this reading is None too.
    found = f"value_json['values'].get({json.dumps(tag)})"
    if scale is None:
        return f"{{{{ {found} }}}}"
    return f"{{% set x = {found} %}}{{{{ None if x is none else (x * {scale!r}) | round(6) }}}}"


def _device(reading: Reading, topics: Topics) -> dict[str, Any]:
    device: dict[str, Any] = {
        "ids": [identifier(reading.meter)],
        "name": reading.name or reading.meter,
        "via_device": bridge_identifier(topics),
    }
    serial = _SERIAL.match(reading.meter)
    if reading.manufacturer:
        device["mf"] = reading.manufacturer
    if reading.medium:
        device["mdl"] = f"{reading.medium.replace('_', ' ')} meter"
    if reading.version is not None:
        device["hw"] = f"{reading.version:02X}"
    if serial:
        device["sn"] = serial[1]
    return device


def bridge_identifier(topics: Topics) -> str:
    return identifier("bridge", topics.base)


def sensor_fields(value: Value, medium: str | None) -> dict[str, Any]:
    """What a sensor for this value says of itself: class, unit and state class as far as they go together."""
    known = _CLASSES.get(value.quantity or "", _OTHER)
    device_class, units = known.device_class, known.units
    if value.quantity == "volume" and medium in _VOLUME_OF:
        device_class = _VOLUME_OF[medium]
        units = _MEDIUM_UNITS[device_class]
    unit, _ = _converted(value)
    if units and unit not in units:
        device_class = None
    fields: dict[str, Any] = {}
    if device_class is not None:
        fields["device_class"] = device_class
    # Text has no unit and no state class: Home Assistant would take it for a number.
    if unit is not None and device_class != "date" and not isinstance(value.value, str | bool):
        fields["unit_of_measurement"] = unit
        state_class = _state_class(value, counter=known.counter)
        if state_class is not None:
            fields["state_class"] = state_class
    elif known.counter and value.quantity == "hca_units" and value.storage == 0:
        fields["state_class"] = "total_increasing"
    if known.diagnostic:
        fields["entity_category"] = "diagnostic"
    if value.storage > 0:
        fields["enabled_by_default"] = False
    return fields


def _converted(value: Value) -> tuple[str | None, float | None]:
    """The unit that Home Assistant is told, and what the value is multiplied by for it."""
    unit = _SPELLING.get(value.unit or "", value.unit)
    return _CONVERTED.get((value.quantity, unit), (unit, None))


def _state_class(value: Value, *, counter: bool) -> str | None:
    """None for what is no course over time: a stored value stays until the next one is stored."""
    if value.storage > 0:
        return None
    if not counter:
        return "measurement"
    return "total_increasing" if value.function == "instantaneous" else None


def bridge_payload(topics: Topics, connections: Mapping[str, object]) -> str:
    """The poller itself as a device: whether it is there, and for each connection which channel is in use."""
    components: dict[str, Any] = {
        identifier("bridge", topics.base, "state"): {
            "p": "binary_sensor",
            "unique_id": identifier("bridge", topics.base, "state"),
            "name": "Poller",
            "device_class": "connectivity",
            "entity_category": "diagnostic",
            "state_topic": topics.bridge,
            "payload_on": ONLINE,
            "payload_off": OFFLINE,
        }
    }
    for name in connections:
        key = identifier("bus", topics.base, name)
        components[key] = {
            "p": "sensor",
            "unique_id": key,
            "name": f"{name}: channel",
            "entity_category": "diagnostic",
            "state_topic": topics.connection(name),
            "value_template": "{{ value_json.actual }}",
            "availability": [{"topic": topics.bridge}],
        }
    device = {"ids": [bridge_identifier(topics)], "name": f"M-Bus poller ({topics.base})", "sw": __version__}
    message = {"dev": device, "o": _ORIGIN, "cmps": components, "state_topic": topics.bridge, "qos": 1}
    return json.dumps(message, ensure_ascii=False)
