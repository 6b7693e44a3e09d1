"""One read over loopback TCP, master and virtual bus without line delay, against the same bytes through bare asyncio.

Both sides of both run in one process and one event loop. The bare client sends the requests that the master sends, the
bare server answers each with what the bus answers: streams, `readexactly`, nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

READS = 200
ROUNDS = 15
ADDRESS = 5

Exchanges = Sequence[tuple[bytes, bytes]]


async def _seconds(work: Callable[[], Awaitable[object]], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        await work()
    return (time.perf_counter() - start) / count
