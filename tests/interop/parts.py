"""What other people made and a test may need: `need("socat")` skips the test, with the reason, where it is not there.

MBUSBENCH_REQUIRE names parts (with commas between) that must be there: where they are not, the test fails.
MBUSBENCH_PEERS is the directory of `install`, which stands beside this file.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.services import mosquitto_program, postgresql_programs

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
PEERS = Path(os.environ.get("MBUSBENCH_PEERS") or _CACHE / "mbusbench" / "peers")
LIBMBUS = PEERS / "libmbus.so"
NODE_MODULES = PEERS / "node_modules"
HOME_ASSISTANT = PEERS / "home-assistant"
HOME_ASSISTANT_UNITS = PEERS / "home-assistant-units.json"
_INSTALL = "tests/interop/install brings it"


def _program(name: str) -> Callable[[], str | None]:
    return lambda: None if shutil.which(name) else f"{name} is not installed (the system's package {name})"


def _package(name: str, module: str) -> Callable[[], str | None]:
    return lambda: None if importlib.util.find_spec(module) else f"{name} is not installed (extra `interop`)"


def _libmbus() -> str | None:
    return None if LIBMBUS.is_file() else f"libmbus is not there: {_INSTALL}"


def _node_mbus() -> str | None:
    if not shutil.which("node"):
        return "node is not installed (the system's package nodejs)"
    return None if (NODE_MODULES / "node-mbus").is_dir() else f"node-mbus is not there: {_INSTALL}"


def _home_assistant() -> str | None:
    if (HOME_ASSISTANT / "installed").is_file():
        return None
    return "Home Assistant is not installed: tests/interop/install-home-assistant brings it (with a Python 3.13)"


def _home_assistant_units() -> str | None:
    if HOME_ASSISTANT_UNITS.is_file():
        return None
    return f"Home Assistant's table of units is not there: {_INSTALL} (with a Python 3.13)"


def _postgresql() -> str | None:
    return None if postgresql_programs() else "PostgreSQL is not installed (the system's package postgresql)"


def _mosquitto() -> str | None:
    return None if mosquitto_program() else "mosquitto is not installed (the system's package mosquitto)"


_PARTS: dict[str, Callable[[], str | None]] = {
    "socat": _program("socat"),
    "node-mbus": _node_mbus,
    "libmbus": _libmbus,
    "home-assistant": _home_assistant,
    "home-assistant-units": _home_assistant_units,
    "mosquitto": _mosquitto,
    "postgresql": _postgresql,
    "pyMeterBus": _package("pyMeterBus", "meterbus"),
    "pymbusparser": _package("pymbusparser", "pymbusparser"),
}


def missing(part: str) -> str | None:
    """Why a part cannot be used, or None where it can."""
    return _PARTS[part]()


def required() -> frozenset[str]:
    """The parts without which the tests may not pass."""
    names = frozenset(filter(None, os.environ.get("MBUSBENCH_REQUIRE", "").replace(" ", "").split(",")))
    assert names <= set(_PARTS), f"MBUSBENCH_REQUIRE: there are only {', '.join(_PARTS)}"
    return names


def need(*parts: str) -> None:
    """Skip the test, or fail it where the part is required."""
    for part in parts:
        reason = missing(part)
        if reason is not None and part in required():
            pytest.fail(f"MBUSBENCH_REQUIRE names {part}, but {reason}", pytrace=False)
        if reason is not None:
            pytest.skip(reason)
