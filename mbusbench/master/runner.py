"""Runs procedures over a byte stream under asyncio: one future and one timer, whatever the exchanges need."""

from __future__ import annotations

import asyncio
import logging
from typing import TypeVar

from mbusbench.clock import call_at_ns, now_ns
from mbusbench.errors import MBusConnectionError
from mbusbench.protocol.master_link import Exchange, MasterLink
from mbusbench.protocol.outcome import Outcome, Reply
from mbusbench.protocol.procedures import Procedure
from mbusbench.transport.stream import Stream, ignore_data, ignore_loss

Result = TypeVar("Result")

_log = logging.getLogger("mbusbench.master")


class Runner:
    """One open stream and its link. Whoever uses it keeps to one `run` at a time.

    `heard` says whether anything was received since the last run began.
    """

    def __init__(self, stream: Stream, link: MasterLink) -> None:
        self._stream = stream
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[Outcome] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0
        self._debug = False
        self.heard = False
        stream.on_data = self._on_data
        stream.on_lost = self._fail

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    @property
    def is_open(self) -> bool:
        return self._stream.is_open

    async def run(self, procedure: Procedure[Result]) -> Result:
        """Run `procedure` to its result. MBusConnectionError where the stream ends before it.

        When it is cancelled, the next run waits until no answer can come any more.
        """
        self._debug = _log.isEnabledFor(logging.DEBUG)
        self.heard = False
        try:
            exchange = next(procedure)
            while True:
                exchange = procedure.send(await self._exchange(exchange))
        except StopIteration as stop:
            result: Result = stop.value
            return result
        finally:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    async def close(self) -> None:
        """Close the stream; an exchange under way ends with MBusConnectionError."""
        self._stream.on_data = ignore_data
        self._stream.on_lost = ignore_loss
        self._fail(MBusConnectionError("the master was closed"))
        await self._stream.close()

    async def _exchange(self, exchange: Exchange) -> Outcome:
        link = self._link
        now = now_ns(self._loop)
        waiter: asyncio.Future[Outcome] = self._loop.create_future()
        self._waiter = waiter
        try:
            data = link.start(exchange, now)
            if data:
                self._write(data)
            self._arm()
            return await waiter
        finally:
            self._waiter = None
            if link.outcome is None:
                link.cancel(now_ns(self._loop))

    def _write(self, data: bytes) -> None:
        if self._debug:
            _log.debug("> %s", data.hex(" "))
        self._stream.write(data)

    def _on_data(self, data: bytes) -> None:
        if self._debug:
            _log.debug("< %s", data.hex(" "))
        self.heard = True
        link = self._link
        link.receive(data, now_ns(self._loop))
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        if link.outcome is None:
            self._arm()
        else:
            self._resolve(waiter, link.outcome)

    def _resolve(self, waiter: asyncio.Future[Outcome], outcome: Outcome) -> None:
        if self._debug and type(outcome) is not Reply:
            _log.debug("%r", outcome)
        waiter.set_result(outcome)

    def _arm(self) -> None:
        """A timer that is due too early stays: it arms itself again, which is seldom needed."""
        when = self._link.next_wakeup()
        assert when is not None
        if self._timer is not None:
            if self._timer_at <= when:
                return
            self._timer.cancel()
        self._timer_at = when
        self._timer = call_at_ns(self._loop, when, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        # The loop's clock is a float: it may be a nanosecond short of the time that was asked for.
        data = self._link.poll(max(now_ns(self._loop), self._timer_at))
        if self._link.outcome is not None:
            self._resolve(waiter, self._link.outcome)
            return
        if data:
            try:
                self._write(data)
            except MBusConnectionError as error:
                self._fail(error)
                return
        self._arm()

    def _fail(self, error: MBusConnectionError) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
