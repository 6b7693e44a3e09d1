"""VirtualBus: many meters on one line."""

from __future__ import annotations

from mbusbench.bus.engine import VirtualBus

__all__ = ["VirtualBus"]
