"""Devices that a class in Python extends, for what a device file cannot say.

A device file names the class: `python: NAME` is an entry point of the group `mbusbench.devices`, trusted by whoever
installed that package; `python: MODULE:CLASS` is imported only where the user has allowed the module (`allow`,
`--python` on the command line, MBUSBENCH_PYTHON). A file from elsewhere thus runs nothing.
"""

from __future__ import annotations

import os
import re
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from mbusbench.definition.validation import mistake, shown
from mbusbench.protocol.slave.quirk import SlaveQuirk

if TYPE_CHECKING:
    from mbusbench.meter.meter import Meter

GROUP = "mbusbench.devices"
VARIABLE = "MBUSBENCH_PYTHON"
_REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_NAME = re.compile(r"[\w.-]{1,100}")

_allowed: set[str] = set()


class DeviceExtension(SlaveQuirk):
    """Base of the classes: a quirk of your own, one object for each meter, which stands inside the named ones.

    It overrides what it changes (`receive`, `records`, `power_up`, ...); the rest is as the meter's file says. A class
    may keep what it wants on itself. Times are ns since the bus's epoch; what is random comes from a generator seeded
    by `meter.seed`, or two runs differ.
    """

    def __init__(self, meter: Meter) -> None:
        self.meter = meter


def allow(*modules: str) -> None:
    """Let device files name classes of these modules, and of modules inside them."""
    _allowed.update(modules)


def is_allowed(module: str) -> bool:
    """Whether the user lets device files name classes of this module."""
    trusted = _allowed | set(filter(None, os.environ.get(VARIABLE, "").split(",")))
    return any(module == each or module.startswith(f"{each}.") for each in trusted)


def extension_class(value: object) -> type[DeviceExtension]:
    """The class that a device file names; `mistake` where there is none, or it may not be used."""
    if isinstance(value, type) and issubclass(value, DeviceExtension):
        return value
    if not isinstance(value, str) or not (_REFERENCE.fullmatch(value) or _NAME.fullmatch(value)):
        raise mistake(f"{shown(value)} is neither module:Class nor the name of an entry point of {GROUP}")
    module, _, name = value.partition(":")
    found = _imported(module, name) if name else _installed(value)
    if not (isinstance(found, type) and issubclass(found, DeviceExtension)):
        raise mistake(f"{shown(value)} is no class derived from mbusbench.meter.extension.DeviceExtension")
    return found


def _installed(name: str) -> Any:
    found = entry_points(group=GROUP, name=name)
    for each in found:
        try:
            return each.load()
        except Exception as error:
            raise mistake(f"the entry point {name!r} cannot be loaded: {_line(error)}") from None
    known = ", ".join(sorted(entry_points(group=GROUP).names)) or "none"
    raise mistake(f"no installed package has an entry point {name!r} in {GROUP} (there are: {known})")


def _imported(module: str, name: str) -> Any:
    if not is_allowed(module):
        raise mistake(f"Python of {module!r} is not allowed: whoever trusts it says --python {module}")
    try:
        return getattr(import_module(module), name, None)
    except Exception as error:
        raise mistake(f"{module!r} cannot be imported: {_line(error)}") from None


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
