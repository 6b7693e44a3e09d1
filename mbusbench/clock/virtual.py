"""An asyncio event loop whose time is virtual: when nothing is ready it jumps to the next timer.

Time is kept in integer nanoseconds from 0; timers of the same nanosecond fire in the order they were set. A wait that
no timer can end is a `Deadlock`. Sockets, threads and signals have no place in it and are refused.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import selectors
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor
from contextvars import Context
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NoReturn, TypeVar, TypeVarTuple, Unpack

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

NEVER = 1 << 63
"""Timers from here on (ns, 292 years) never fire."""

EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
"""Date and time at loop time 0, unless told otherwise."""


class Deadlock(RuntimeError):  # noqa: N818
    """Every task waits and no timer is set: nothing can ever happen. The message names the tasks and their waits."""


class _VirtualTimer(asyncio.TimerHandle):
    """A timer with its exact time; those of the same time keep their order."""

    __slots__ = ("_order", "_when_ns")

    def __init__(  # noqa: PLR0917
        self,
        when: int,
        order: int,
        callback: Callable[..., object],
        arguments: tuple[Any, ...],
        loop: VirtualLoop,
        context: Context | None,
    ) -> None:
        super().__init__(when / 1_000_000_000, callback, arguments, loop, context)
        self._when_ns = when
        self._order = order

    def __lt__(self, other: _VirtualTimer) -> bool:  # type: ignore[override]
        if self._when_ns == other._when_ns:
            return self._order < other._order
        return self._when_ns < other._when_ns


class _NoSelector(selectors.BaseSelector):
    """Takes the loop's own wake-up socket and refuses every other file."""

    def __init__(self) -> None:
        self._keys: dict[int, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        if self._keys:
            raise RuntimeError("sockets, pipes and serial ports cannot be waited for in virtual time")
        key = selectors.SelectorKey(fileobj, fileobj if isinstance(fileobj, int) else fileobj.fileno(), events, data)
        self._keys[key.fd] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj if isinstance(fileobj, int) else fileobj.fileno())

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys


class VirtualLoop(asyncio.SelectorEventLoop):
    """Event loop in virtual time, for `asyncio.Runner(loop_factory=VirtualLoop)`. `loop.time()` starts at 0.0.

    `epoch` is the date and time at loop time 0.
    """

    _ready: deque[asyncio.Handle]
    _scheduled: list[_VirtualTimer]
    _stopping: bool
    _timer_cancelled_count: int

    def __init__(self, epoch: datetime = EPOCH) -> None:
        super().__init__(_NoSelector())
        self._epoch = epoch
        self._now_ns = 0
        self._now = 0.0
        self._timers_set = 0

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._now

    def now_ns(self) -> int:
        """Return the virtual time in ns, exactly."""
        return self._now_ns

    def utc_now(self) -> datetime:
        """Return the virtual date and time, to the microsecond."""
        return self._epoch + timedelta(microseconds=self._now_ns // 1000)

    def call_at_ns(
        self,
        when: int,
        callback: Callable[[Unpack[Arguments]], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call `callback(*args)` at the virtual time `when`, in ns."""
        if self.is_closed():
            raise RuntimeError("the event loop is closed")
        self._timers_set += 1
        timer = _VirtualTimer(when, self._timers_set, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Arguments]], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call `callback(*args)` at `when` seconds, rounded to 1 ns, but not now if `when` is still to come."""
        when_ns = NEVER if when == math.inf else round(when * 1e9)
        if when_ns <= self._now_ns and when > self._now:
            when_ns = self._now_ns + 1
        return self.call_at_ns(when_ns, callback, *args, context=context)

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Arguments]], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call `callback(*args)` after `delay` seconds, rounded to 1 ns; any delay above 0 is at least 1 ns."""
        delay_ns = NEVER if delay == math.inf else round(delay * 1e9)
        if delay_ns == 0 and delay > 0:
            delay_ns = 1
        return self.call_at_ns(self._now_ns + delay_ns, callback, *args, context=context)

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Arguments]], Result], *args: *Arguments
    ) -> asyncio.Future[Result]:
        """Refuse: a thread runs in real time."""
        called: Any = func.args[0] if isinstance(func, partial) and func.args else func
        name = getattr(called, "__qualname__", repr(called))
        raise RuntimeError(f"{name} cannot run in a thread in virtual time (run_in_executor, to_thread, getaddrinfo)")

    def add_signal_handler(
        self, sig: int, callback: Callable[[Unpack[Arguments]], object], *args: *Arguments
    ) -> NoReturn:
        """Refuse: a signal comes in real time."""
        raise RuntimeError("signals cannot be waited for in virtual time")

    def _run_once(self) -> None:
        """Run what is ready; where nothing is, go to the next timer first."""
        ready = self._ready
        self._drop_cancelled()
        scheduled = self._scheduled
        if not ready and not self._stopping:
            if not scheduled or scheduled[0]._when_ns >= NEVER:
                raise Deadlock(_describe_deadlock(self))
            when = scheduled[0]._when_ns
            if when > self._now_ns:
                self._now_ns = when
                self._now = when / 1_000_000_000
        now = self._now_ns
        while scheduled and scheduled[0]._when_ns <= now:
            timer = heapq.heappop(scheduled)
            timer._scheduled = False  # type: ignore[attr-defined]
            ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _drop_cancelled(self) -> None:
        """Forget cancelled timers: those next in line, and all of them where they are more than half."""
        scheduled = self._scheduled
        if not self._timer_cancelled_count:
            return
        if len(scheduled) > 100 and self._timer_cancelled_count * 2 > len(scheduled):
            for timer in scheduled:
                if timer._cancelled:
                    timer._scheduled = False  # type: ignore[attr-defined]
            self._scheduled = [timer for timer in scheduled if not timer._cancelled]
            heapq.heapify(self._scheduled)
            self._timer_cancelled_count = 0
            return
        while scheduled and scheduled[0]._cancelled:
            heapq.heappop(scheduled)._scheduled = False  # type: ignore[attr-defined]
            self._timer_cancelled_count -= 1


def run(main: Coroutine[Any, Any, Result], *, epoch: datetime = EPOCH) -> Result:
    """Run `main` to its end in virtual time and return its result, as `asyncio.run` does on the wall clock.

    Raise Deadlock where `main` waits for something that no timer will bring.
    """
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(epoch)) as runner:
        return runner.run(main)


def _describe_deadlock(loop: VirtualLoop) -> str:
    seconds, nanoseconds = divmod(loop.now_ns(), 1_000_000_000)
    lines = [f"no timer is set at {seconds}.{nanoseconds:09} s, so what these tasks await can never come:"]
    tasks = [task for task in asyncio.all_tasks(loop) if not task.done()]
    lines.extend(f"  {line}" for line in sorted(map(_describe_task, tasks)))
    return "\n".join(lines) if tasks else f"{lines[0]} there are no tasks"


def _describe_task(task: asyncio.Task[Any]) -> str:
    """Say where a suspended task stands, outermost coroutine first, and which future holds it."""
    places = []
    awaited: Any = task.get_coro()
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "ag_frame", None)
        code = getattr(awaited, "cr_code", None)
        if code is not None:
            places.append(f"{code.co_qualname}:{frame.f_lineno}" if frame is not None else code.co_qualname)
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "ag_await", None)
    future = getattr(task, "_fut_waiter", None)
    held = f"task {future.get_name()}" if isinstance(future, asyncio.Task) else type(future).__name__
    return f"{task.get_name()}: {' > '.join(places)} awaits {held}"
