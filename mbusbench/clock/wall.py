"""A loop's time as integer nanoseconds, the same functions for the wall clock and for virtual time.

Loop time starts anywhere; only differences mean something. `utc_now` is the date and time of day.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic_ns
from typing import TypeVarTuple, Unpack

from mbusbench.clock.virtual import VirtualLoop

Arguments = TypeVarTuple("Arguments")


def now_ns(loop: asyncio.AbstractEventLoop) -> int:
    """Return the loop's time in ns: exact in virtual time, `loop.time()` rounded to 1 ns on the wall clock."""
    if isinstance(loop, VirtualLoop):
        return loop.now_ns()
    return round(loop.time() * 1e9)


def ns_of(loop: asyncio.AbstractEventLoop) -> Callable[[], int]:
    """Return what tells the loop's time in ns, for whoever asks often."""
    if isinstance(loop, VirtualLoop):
        return loop.now_ns
    if type(loop).time is asyncio.BaseEventLoop.time:
        # asyncio's own loops: the same clock without the way through a float.
        return monotonic_ns
    return lambda: round(loop.time() * 1e9)


def call_at_ns(
    loop: asyncio.AbstractEventLoop,
    when: int,
    callback: Callable[[Unpack[Arguments]], object],
    *arguments: *Arguments,
) -> asyncio.TimerHandle:
    """Call `callback(*arguments)` at the loop time `when` (ns, as `now_ns` counts)."""
    if isinstance(loop, VirtualLoop):
        return loop.call_at_ns(when, callback, *arguments)
    return loop.call_at(when / 1_000_000_000, callback, *arguments)


def utc_now(loop: asyncio.AbstractEventLoop) -> datetime:
    """Return the date and time in UTC: of the host, or of the virtual loop, which starts at its `epoch`."""
    if isinstance(loop, VirtualLoop):
        return loop.utc_now()
    return datetime.now(UTC)
