"""The master for programs: MBusMaster, and the results it returns."""

from __future__ import annotations

from mbusbench.master.master import MBusMaster

__all__ = ["MBusMaster"]
