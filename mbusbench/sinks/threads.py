"""Blocking calls beside the event loop: one thread, first come first served; in virtual time at once, without a thread.

For what waits for disks and sockets without asyncio. A call that was started is never broken off half way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple, Unpack

from mbusbench.clock import VirtualLoop

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class SideThread:
    """One thread for one file or connection, made when first needed."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._executor: ThreadPoolExecutor | None = None

    async def call(self, function: Callable[[Unpack[Arguments]], Result], *arguments: *Arguments) -> Result:
        """The result, or the exception, of `function(*arguments)`."""
        loop = asyncio.get_running_loop()
        if isinstance(loop, VirtualLoop):
            return function(*arguments)
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, thread_name_prefix=self._name)
        return await loop.run_in_executor(self._executor, function, *arguments)

    def stop(self) -> None:
        """Let the thread end after what it does now."""
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False)
