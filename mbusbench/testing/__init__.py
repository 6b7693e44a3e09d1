"""A bus for the tests of a master: built from what a test says, served to code that blocks, judged at the end.

Stands below the pytest plugin and knows nothing of pytest.
"""

from __future__ import annotations

from mbusbench.testing.served import ServedBus, served
from mbusbench.testing.watch import Check, Watch

__all__ = ["Check", "ServedBus", "Watch", "served"]
