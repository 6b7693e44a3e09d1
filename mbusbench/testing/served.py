"""A bus that is served from a thread with an event loop of its own, for masters that block: `with served(...)`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from mbusbench.bus import VirtualBus
from mbusbench.bus.port import PortOptions
from mbusbench.bus.server import BusServer
from mbusbench.errors import MBusUsageError
from mbusbench.testing.sources import Device, FaultLike, build, fault_of, free_endpoints
from mbusbench.testing.watch import Check, Watch
from mbusbench.trace import TraceEvent
from mbusbench.trace.exchange import Exchange

Answer = TypeVar("Answer")
PATIENCE = 10.0
"""Seconds that a call into the thread may take."""
LINES_OF_A_NOTE = 100
FEEL_EVERY = 0.02
"""Seconds between looks at how late the thread is."""


class ServedBus:
    """A bus with a thread that serves it from entry to exit. `url` is what a master opens.

    While it is served the bus belongs to the thread: `do`, `arm`, `disarm` and `wait_for` reach into it.
    """

    def __init__(self, watch: Watch, endpoints: Iterable[tuple[str, PortOptions]]) -> None:
        self.watch = watch
        self._endpoints = list(endpoints)
        self._server: BusServer | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    @property
    def bus(self) -> VirtualBus:
        return self.watch.bus

    @property
    def url(self) -> str:
        """Of the first endpoint: 'socket://127.0.0.1:43121'."""
        return self.urls[0]

    @property
    def urls(self) -> list[str]:
        return self._running().urls

    @property
    def host(self) -> str:
        """Of the first endpoint that is a TCP port."""
        return self.address[0]

    @property
    def port(self) -> int:
        """Of the first endpoint that is a TCP port."""
        return self.address[1]

    @property
    def address(self) -> tuple[str, int]:
        """Host and port for `socket.create_connection`. MBusUsageError where no endpoint is a TCP port."""
        for each in self._running().descriptions:
            if "port" in each:
                return str(each["host"]), int(each["port"])
        raise MBusUsageError("the bus is not served on a TCP port")

    @property
    def events(self) -> list[TraceEvent]:
        """What happened on the bus up to now."""
        return self.do(lambda _bus: self.watch.events)

    @property
    def exchanges(self) -> list[Exchange]:
        """Requests and their answers up to now, as the masters saw them."""
        return self.do(lambda _bus: self.watch.exchanges())

    def do(self, action: Callable[[VirtualBus], Answer], timeout: float = PATIENCE) -> Answer:
        """`action(bus)` in the thread of the bus, and what it returns or raises."""
        if self._loop is None or self._thread is threading.current_thread():
            return action(self.bus)

        async def call() -> Answer:
            answer = action(self.bus)
            if self.bus.driver is not None:
                self.bus.driver.wake()
            return answer

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(timeout)

    def arm(self, *faults: FaultLike) -> None:
        """Faults from now on, each a `Fault` or the keys of a bus file. MBusUsageError where one is none."""
        found = [fault_of(each) for each in faults]
        self.do(lambda bus: bus.faults.arm_all(found))

    def disarm(self, name: str) -> None:
        """No more. MBusUsageError where none of that name is armed."""
        self.do(lambda bus: bus.faults.disarm(name))

    def wait_for(self, name: str, hits: int = 1, timeout: float = PATIENCE) -> None:
        """Return when the fault has acted `hits` times in all; AssertionError where it has not in `timeout` seconds."""
        if self._loop is None:
            raise MBusUsageError("the bus is not served")

        async def wait() -> bool:
            try:
                await asyncio.wait_for(self.bus.faults.wait_for(name, hits), timeout)
            except TimeoutError:
                return False
            return True

        if not asyncio.run_coroutine_threadsafe(wait(), self._loop).result():
            armed = self.bus.faults[name]
            raise AssertionError(f"after {timeout} s {armed.hits} of {hits} hits of {armed.never()}")

    def verify(self) -> None:
        """AssertionError that names what was unexpected and what never fired, up to now."""
        self.do(lambda _bus: self.watch.verify())

    def text(self, limit: int | None = None) -> str:
        """The annotated trace up to now."""
        return self.do(lambda _bus: self.watch.text(limit))

    def start(self) -> Self:
        """Serve. MBusConnectionError where an endpoint cannot be opened."""
        if self._thread is not None:
            raise MBusUsageError("the bus is served already")
        ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="mbusbench", daemon=True)
        self._thread.start()
        try:
            ready.result()
        except BaseException:
            self._thread.join()
            self._thread = None
            raise
        return self

    def stop(self) -> None:
        """Serve no more, and leave nothing behind. Again does nothing."""
        if self._thread is None:
            return
        loop, stop = self._loop, self._stop
        if loop is not None and stop is not None:
            # A loop that has ended by itself has nothing to be told.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(stop.set)
        self._thread.join()
        self._thread = self._loop = self._stop = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        if error is None:
            self.watch.verify()
        elif isinstance(error, Exception) and self.watch.check is not Check.NONE:
            error.add_note("\n".join(filter(None, (self.watch.problems(), self.watch.text(LINES_OF_A_NOTE)))))

    def _running(self) -> BusServer:
        if self._server is None:
            raise MBusUsageError("the bus is not served: use it as a context manager")
        return self._server

    def _run(self, ready: Future[None]) -> None:
        try:
            # Its own kind of loop, whatever the program uses elsewhere.
            with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                runner.run(self._serve(ready))
        except BaseException as error:  # handed to whoever waits in `start`
            if ready.done():
                raise
            ready.set_exception(error)

    async def _serve(self, ready: Future[None]) -> None:
        async with BusServer(self.bus, self._endpoints) as server:
            self._server = server
            self._stop = asyncio.Event()
            self._loop = asyncio.get_running_loop()
            feeling = None if self.bus.speed is None else asyncio.create_task(self._feel_lag())
            ready.set_result(None)
            await self._stop.wait()
            if feeling is not None:
                feeling.cancel()
        self._server = None

    async def _feel_lag(self) -> None:
        """How late this thread gets its turn: requests are seen as late as that, and then seem closer together."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + FEEL_EVERY
            await asyncio.sleep(FEEL_EVERY)
            self.watch.lag = max(self.watch.lag, int((loop.time() - due) * 1e9))


def served(
    source: str | Path | VirtualBus | None = None,
    *,
    devices: Sequence[Device] = (),
    faults: Iterable[FaultLike] = (),
    seed: int | None = None,
    speed: float | str | None = None,
    endpoints: Sequence[str] = (),
    check: bool | str | Check = False,
    allow: Iterable[str] = (),
) -> ServedBus:
    """A context manager that serves a bus file, `devices`, or a bus, for code that blocks as for code that does not.

    Served are the bus file's endpoints at free ports of the loopback, or `endpoints` as they are. With `check` (True,
    or "unexpected", "unfired") the exit raises AssertionError where a master did not keep a rule, asked where nobody
    is, or an armed fault never fired; `allow` names what may happen all the same. An exception that leaves the block
    then has the trace as a note. The rest is as in `testing.sources.build`.
    """
    if isinstance(source, VirtualBus):
        if devices or seed is not None or speed is not None:
            raise MBusUsageError("a bus that is made already has its devices, its seed and its speed")
        bus = source
        bus.faults.arm_all([fault_of(each) for each in faults])
        name = "bus"
    else:
        bus = build(source, devices=devices, faults=faults, seed=seed, speed=speed)
        name = name_of(source, devices)
    watch = Watch(bus, name, Check.of(check.value if isinstance(check, Check) else check), tuple(allow))
    return serving(watch, endpoints)


def serving(watch: Watch, endpoints: Sequence[str] = ()) -> ServedBus:
    """As `served`, of a bus that is watched already."""
    bus = watch.bus
    return ServedBus(watch, [(each, bus.options_of(each)) for each in endpoints] or free_endpoints(bus))


def name_of(source: str | Path | None, devices: Sequence[Any]) -> str:
    """What people call the bus."""
    if source is not None:
        return Path(source).name
    return ", ".join(getattr(each, "name", "") or str(each) if not isinstance(each, str) else each for each in devices)
