"""Runs in a Python that reads Home Assistant's source: its tables of units and state classes, as JSON.

home_assistant_units.py DIRECTORY      (with `homeassistant` and `voluptuous` in it, and nothing that they need)
"""

from __future__ import annotations

import json
import sys
from types import ModuleType

root = sys.argv[1]
sys.path.insert(0, root)
# Packages without their __init__, which would import all of Home Assistant.
for name in ("", ".helpers", ".util", ".components", ".components.sensor"):
    package = ModuleType(f"homeassistant{name}")
    package.__path__ = [f"{root}/homeassistant{name.replace('.', '/')}"]
    sys.modules[package.__name__] = package

from homeassistant.components.sensor.const import DEVICE_CLASS_STATE_CLASSES, DEVICE_CLASS_UNITS  # noqa: E402

units = {
    name.value: [None if unit is None else str(unit) for unit in found] for name, found in DEVICE_CLASS_UNITS.items()
}
states = {name.value: [each.value for each in found] for name, found in DEVICE_CLASS_STATE_CLASSES.items()}
json.dump({"units": units, "state_classes": states}, sys.stdout)
