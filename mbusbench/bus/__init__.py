"""VirtualBus: many meters on one line. Fault: what it shall do wrong."""

from __future__ import annotations

from mbusbench.bus.engine import VirtualBus
from mbusbench.bus.fault import Fault

__all__ = ["Fault", "VirtualBus"]
