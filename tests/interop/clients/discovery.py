"""Runs in Home Assistant's Python: what its own MQTT integration says to discovery messages.

Reads {topic: payload} as JSON from standard input, prints what is wrong, a line each.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from typing import Any

from homeassistant.components.mqtt import binary_sensor, discovery, sensor
from homeassistant.components.sensor.const import DEVICE_CLASS_STATE_CLASSES, DEVICE_CLASS_UNITS, SensorDeviceClass
from homeassistant.core import HomeAssistant
from homeassistant.helpers import frame

SCHEMAS = {"sensor": sensor.DISCOVERY_SCHEMA, "binary_sensor": binary_sensor.DISCOVERY_SCHEMA}


def mistakes(topic: str, text: str) -> list[str]:
    payload: Any = discovery._parse_device_payload(None, text, topic.split("/")[2], None)
    if not payload:
        return ["the message is not accepted"]
    if not discovery._valid_origin_info(payload):
        return ["the origin is not accepted"]
    found = []
    for name, component in payload["components"].items():
        discovery._merge_common_device_options(component, payload)
        component["device"] = payload["device"]
        kind = component.pop("platform")
        try:
            config = SCHEMAS[kind](component)
        except Exception as error:
            found.append(f"{name}: {error}")
            continue
        if kind == "sensor":
            found += [f"{name}: {text}" for text in _not_together(config)]
    return found


def _not_together(config: dict[str, Any]) -> list[str]:
    device_class, unit = config.get("device_class"), config.get("unit_of_measurement")
    state_class = config.get("state_class")
    found = []
    if device_class is not None:
        units = DEVICE_CLASS_UNITS.get(SensorDeviceClass(device_class))
        if units is not None and unit not in units:
            found.append(f"unit {unit} is none of {device_class}")
        classes = DEVICE_CLASS_STATE_CLASSES.get(SensorDeviceClass(device_class))
        if state_class is not None and classes is not None and state_class not in classes:
            found.append(f"{state_class} is not possible for {device_class}")
    return found


class Warnings(logging.Handler):
    """What Home Assistant logs is wrong, too."""

    def emit(self, record: logging.LogRecord) -> None:
        print(f"log: {record.getMessage()}")


async def main() -> None:
    frame.async_setup(HomeAssistant(os.getcwd()))
    logging.getLogger("homeassistant.components").addHandler(Warnings(logging.WARNING))
    for where, message in json.load(sys.stdin).items():
        for each in mistakes(where, message):
            print(f"{where}: {each}")


asyncio.run(main())
