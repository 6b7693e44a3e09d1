"""M-Bus without hardware: a master, a virtual bus of meters, a judge for masters, a poller. Public names only."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mbusbench.bus import VirtualBus
    from mbusbench.codec.address import SecondaryAddress
    from mbusbench.errors import (
        DecodeError,
        DefinitionError,
        MBusApplicationError,
        MBusCollisionError,
        MBusConnectionError,
        MBusDecodeError,
        MBusEncryptedError,
        MBusError,
        MBusGarbledError,
        MBusNoDataError,
        MBusRefusedError,
        MBusStaleError,
        MBusTimeoutError,
        MBusTooManyTelegramsError,
        MBusUsageError,
        MBusWrongAddressError,
    )
    from mbusbench.master import MBusMaster
    from mbusbench.master.once import read
    from mbusbench.master.results import (
        MBusRecordFunction,
        MBusRecordType,
        MBusSlaveData,
        MBusSlaveInfo,
        MBusSlaveRecord,
        decode,
    )
    from mbusbench.master.search import MBusFound, MBusUnresolved, SearchProgress, SearchState
    from mbusbench.testing import served

__version__ = "0.1.0"

# Imported at first use: `mbusbench --version` needs none of them, and pydantic alone costs more than the interpreter.
_HOMES = {
    "mbusbench.bus": ("VirtualBus",),
    "mbusbench.codec.address": ("SecondaryAddress",),
    "mbusbench.errors": (
        "DecodeError",
        "DefinitionError",
        "MBusApplicationError",
        "MBusCollisionError",
        "MBusConnectionError",
        "MBusDecodeError",
        "MBusEncryptedError",
        "MBusError",
        "MBusGarbledError",
        "MBusNoDataError",
        "MBusRefusedError",
        "MBusStaleError",
        "MBusTimeoutError",
        "MBusTooManyTelegramsError",
        "MBusUsageError",
        "MBusWrongAddressError",
    ),
    "mbusbench.master": ("MBusMaster",),
    "mbusbench.master.once": ("read",),
    "mbusbench.master.search": ("MBusFound", "MBusUnresolved", "SearchProgress", "SearchState"),
    "mbusbench.master.results": (
        "MBusRecordFunction",
        "MBusRecordType",
        "MBusSlaveData",
        "MBusSlaveInfo",
        "MBusSlaveRecord",
        "decode",
    ),
    "mbusbench.testing": ("served",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "DecodeError",
    "DefinitionError",
    "MBusApplicationError",
    "MBusCollisionError",
    "MBusConnectionError",
    "MBusDecodeError",
    "MBusEncryptedError",
    "MBusError",
    "MBusFound",
    "MBusGarbledError",
    "MBusMaster",
    "MBusNoDataError",
    "MBusRecordFunction",
    "MBusRecordType",
    "MBusRefusedError",
    "MBusSlaveData",
    "MBusSlaveInfo",
    "MBusSlaveRecord",
    "MBusStaleError",
    "MBusTimeoutError",
    "MBusTooManyTelegramsError",
    "MBusUnresolved",
    "MBusUsageError",
    "MBusWrongAddressError",
    "SearchProgress",
    "SearchState",
    "SecondaryAddress",
    "VirtualBus",
    "decode",
    "read",
    "served",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(__all__) | set(globals()))
