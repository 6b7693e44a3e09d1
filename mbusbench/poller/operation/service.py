"""`mbusbench poll` as a service: the poller, its store and sinks, and all that watches over them, in one event loop.

Started, it tells systemd; on SIGHUP or a changed file it goes on with the new configuration; on SIGTERM it lets what is
on a bus end, gives its leases back, and has what was read in the store.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from mbusbench.clock import now_ns, utc_now
from mbusbench.errors import MBusUsageError
from mbusbench.poller.channels import SourceOf, configured_source
from mbusbench.poller.definition import PollerFile
from mbusbench.poller.operation import http
from mbusbench.poller.operation.leases import Leases, LeaseTimes
from mbusbench.poller.operation.liveness import DEFAULT_PATIENCE, Liveness, Progress
from mbusbench.poller.operation.logs import configure
from mbusbench.poller.operation.metrics import registry_of
from mbusbench.poller.operation.notify import Notifier
from mbusbench.poller.operation.outlets import Outlets
from mbusbench.poller.operation.reloading import Reloader
from mbusbench.poller.poller import Poller
from mbusbench.poller.status import PollerStatus, WorkerStatus, connection_status, connection_statuses, mark_of
from mbusbench.sinks.reading import Reading

LOOK_EVERY = 5.0
"""Seconds between two looks at whether everything gets on, where systemd does not want them more often."""
REPORT_EVERY = 1.0
"""Seconds after which sinks hear of what a connection does."""

_FIXED = ("name", "http", "workers", "watch")

_log = logging.getLogger("mbusbench.poller.operation")


class Service:
    """What the configuration file at `path` says, until SIGTERM. `definition` is what was read from it."""

    def __init__(
        self,
        path: Path,
        definition: PollerFile,
        *,
        notifier: Notifier | None = None,
        source_of: SourceOf = configured_source,
    ) -> None:
        self.path = path
        self.notifier = notifier or Notifier()
        self.outlets = Outlets(definition)
        self.leases = None if definition.workers is None else self._leases(definition)
        claimed = None if self.leases is None else self.leases.held.__contains__
        self.poller = Poller(definition, self._keep, source_of=source_of, claimed=claimed)
        self.liveness = Liveness(DEFAULT_PATIENCE if definition.http is None else definition.http.patience)
        self.reloader = Reloader(self._read, self._apply, self._files, first=definition, watch=definition.watch)
        self.url: str | None = None
        """Where it is asked for its health."""
        self._first = definition
        self._stop = asyncio.Event()
        self._is_ready = False

    async def run(self) -> None:
        """Until `stop` or a signal."""
        self._started = utc_now(asyncio.get_running_loop())
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.outlets)
            self.poller.remember(await self.outlets.remembered())
            if self._first.http is not None:
                self.url = await stack.enter_async_context(self._http(self._first.http.listen))
            await stack.enter_async_context(self._signals())
            watching = [self.reloader.run(), self._watch(), self._report(), self.outlets.run()]
            beside = [asyncio.create_task(each) for each in watching]
            polling = asyncio.create_task(self.poller.run(), name="poller")
            leasing = [] if self.leases is None else [asyncio.create_task(self.leases.run(), name="leases")]
            stopping = asyncio.create_task(self._stop.wait())
            try:
                self._is_ready = True
                self.notifier.ready(self._summary())
                _log.info("started: %s", self._summary(), extra={} if self.url is None else {"http": self.url})
                await asyncio.wait([*beside, polling, *leasing, stopping], return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._is_ready = False
                self.notifier.stopping()
                await _cancelled(leasing)
                self.poller.stop()
                await asyncio.gather(polling, return_exceptions=True)
                await self.outlets.drain()
                await _cancelled([*beside, stopping])
            for task in (polling, *leasing, *beside):
                if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                    raise error
            _log.info("stopped: %d readings were kept", self.poller.collector.kept)

    def stop(self) -> None:
        """Let `run` end."""
        self._stop.set()

    def status(self) -> PollerStatus:
        """Everything that is known of this process."""
        leases, poller = self.leases, self.poller
        return PollerStatus(
            name=poller.definition.name,
            started=self._started,
            ready=self._is_ready and (leases is None or leases.is_connected),
            connections=connection_statuses(poller),
            total=len(poller.definition.connections),
            pending=poller.collector.pending,
            kept=poller.collector.kept,
            stalled=self.liveness.stalled,
            sinks=self.outlets.status(),
            worker=None
            if leases is None
            else WorkerStatus(leases.worker, leases.workers, tuple(sorted(leases.held)), leases.changes),
            reloads=self.reloader.good,
            failed_reloads=self.reloader.bad,
        )

    def _summary(self) -> str:
        definition = self.poller.definition
        meters = sum(len(each.meters) for each in definition.connections)
        return f"{len(definition.connections)} connections, {meters} meters"

    async def _keep(self, readings: Sequence[Reading]) -> None:
        await self.outlets.keep(readings)

    def _leases(self, definition: PollerFile) -> Leases:
        assert definition.workers is not None
        workers = definition.workers
        return Leases(
            workers.conninfo,
            configuration=definition.name,
            # Never the same twice: a worker that was started again is another one.
            worker=f"{workers.name}-{os.getpid()}-{secrets.token_hex(3)}",
            connections=lambda: [each.name for each in self.poller.definition.connections],
            claim=self._claim,
            release=self._release,
            times=LeaseTimes(workers.lease / 1e9),
        )

    async def _claim(self, name: str) -> None:
        try:
            await self.poller.claim(name)
        except MBusUsageError:
            _log.info("%s: no longer in the configuration", name)

    async def _release(self, name: str) -> None:
        await self.poller.release(name)

    @asynccontextmanager
    async def _http(self, listen: tuple[str, int]) -> AsyncGenerator[str]:
        http.check_installed()
        registry = registry_of(self.status, self.outlets.collectors)
        async with http.serving(http.application(self.status, registry), http.listening(listen)) as url:
            yield url

    @asynccontextmanager
    async def _signals(self) -> AsyncGenerator[None]:
        loop = asyncio.get_running_loop()
        handlers = {signal.SIGTERM: self.stop, signal.SIGINT: self.stop, signal.SIGHUP: self.reloader.request}
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)

    async def _read(self) -> PollerFile:
        # In a thread: a file with thousands of meters takes its time, and the buses do not wait.
        return await asyncio.to_thread(PollerFile.read, self.path)

    def _files(self, definition: PollerFile) -> list[Path]:
        secret_files = [] if definition.workers is None else definition.workers.secret_files()
        return [self.path, *secret_files, *self.outlets.secret_files(definition)]

    async def _apply(self, definition: PollerFile) -> str:
        self.notifier.reloading()
        try:
            configure(definition.log.format, definition.log.level)
            changes = await self.poller.reload(definition)
            fixed = [key for key in (*_FIXED, *self.outlets.keys) if self._differs(definition, key)]
            if fixed:
                _log.warning("a change of %s takes effect when the poller is started again", ", ".join(fixed))
        finally:
            self.notifier.ready(self._summary())
        for name in changes.removed:
            self.outlets.forget(name)
        counts = (("added", changes.added), ("changed", changes.changed), ("removed", changes.removed))
        done = [f"{len(names)} {what}" for what, names in counts if names]
        return f"connections: {', '.join(done)}" if done else "connections: nothing changed"

    def _differs(self, definition: PollerFile, key: str) -> bool:
        return bool(getattr(definition, key) != getattr(self._first, key))

    async def _watch(self) -> None:
        """Look whether everything gets on, and feed systemd's watchdog while it does."""
        loop = asyncio.get_running_loop()
        every = min(LOOK_EVERY, self.notifier.watchdog or LOOK_EVERY)
        before: tuple[str, ...] = ()
        while True:
            if self.liveness.look(self._progress(), now_ns(loop)):
                if self.notifier.watchdog is not None:
                    self.notifier.alive()
            elif self.liveness.stalled != before:
                _log.error("no progress for %g s: %s", self.liveness.patience / 1e9, ", ".join(self.liveness.stalled))
            before = self.liveness.stalled
            await asyncio.sleep(every)

    def _progress(self) -> list[Progress]:
        found = [
            Progress(name, mark_of(each), each.running and each.due is not None and each.due <= each.now())
            for name, each in self.poller.connections.items()
        ]
        collector = self.poller.collector
        return [*found, Progress("the store", collector.kept, collector.pending > 0)]

    async def _report(self) -> None:
        """Tell the sinks of each connection that has done something."""
        marks: dict[str, object] = {}
        while True:
            for name, connection in list(self.poller.connections.items()):
                mark = mark_of(connection), connection.running
                if marks.get(name) != mark:
                    marks[name] = mark
                    self.outlets.report(connection_status(connection))
            await asyncio.sleep(REPORT_EVERY)


async def _cancelled(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
