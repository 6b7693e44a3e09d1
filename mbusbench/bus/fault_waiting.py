"""Waiting for a fault in an event loop. The schedule itself knows none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mbusbench.bus.armed_fault import ArmedFault
from mbusbench.errors import MBusUsageError

if TYPE_CHECKING:
    from mbusbench.bus.fault_schedule import FaultSchedule


async def wait_for(faults: FaultSchedule, name: str, hits: int) -> None:
    """Return when the fault has acted `hits` times in all. MBusUsageError where it is not armed, or no more."""
    if name not in faults:
        raise MBusUsageError(f"no fault named {name!r} is armed")
    armed = faults[name]
    changed = asyncio.Event()

    def observe(other: ArmedFault) -> None:
        if other is armed:
            changed.set()

    faults.observers.append(observe)
    try:
        while armed.hits < hits:
            if name not in faults or faults[name] is not armed:
                raise MBusUsageError(f"fault {name!r} was disarmed after {armed.hits} of {hits} hits")
            changed.clear()
            await changed.wait()
    finally:
        faults.observers.remove(observe)
