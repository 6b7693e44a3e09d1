"""Runs procedures over a byte stream under asyncio: one future for each, and one timer for all.

A procedure goes on inside the callback that brought its answer, so that no turn of the event loop lies between an
answer and the next request.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, TypeVar

from mbusbench.clock import call_at_ns, ns_of
from mbusbench.errors import MBusConnectionError
from mbusbench.protocol.master_link import MasterLink
from mbusbench.protocol.outcome import Outcome, Reply
from mbusbench.protocol.procedures import Procedure
from mbusbench.transport.stream import Stream, ignore_damaged, ignore_data, ignore_loss

Result = TypeVar("Result")

_log = logging.getLogger("mbusbench.master")


class Runner:
    """One open stream and its link, both at `baudrate`. Whoever uses it keeps to one `run` at a time.

    `heard` says whether anything was received since the last run began.
    """

    __slots__ = (
        "_baudrate",
        "_debug",
        "_link",
        "_now",
        "_procedure",
        "_result",
        "_stream",
        "_timer",
        "_timer_at",
        "_usual_baudrate",
        "heard",
        "loop",
    )

    def __init__(self, stream: Stream, link: MasterLink, baudrate: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.heard = False
        self._stream = stream
        self._link = link
        self._baudrate = self._usual_baudrate = baudrate
        self._procedure: Procedure[Any] | None = None
        self._result: asyncio.Future[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0
        self._debug = False
        self._now = ns_of(self.loop)
        stream.take_whole_answers()
        stream.on_data = self._on_data
        stream.on_damaged = self._on_data  # type: ignore[method-assign]
        stream.on_lost = self._end_with

    @property
    def is_open(self) -> bool:
        return self._stream.is_open

    @property
    def sets_baudrate(self) -> bool:
        """Whether the line can be used at another rate than the usual one."""
        return self._stream.sets_baudrate

    async def run(self, procedure: Procedure[Result], baudrate: int) -> Result:
        """Run `procedure` to its result, with the line at `baudrate` where an exchange does not say otherwise.

        MBusConnectionError where the stream ends before it, or does not take the rate. When it is cancelled, the next
        run waits until no answer can come any more.
        """
        self._debug = _log.isEnabledFor(logging.DEBUG)
        self._usual_baudrate = baudrate
        self._link.sleep()
        if self._stream.busy_until():
            self._stream.deliver_pending()
        self.heard = False
        result: asyncio.Future[Result] = self.loop.create_future()
        self._result = result
        self._procedure = procedure
        self._advance(None, self._now())
        try:
            return await result
        finally:
            self._procedure = self._result = None
            if self._link.next_wakeup() is not None:
                if self._stream.busy_until():
                    self._stream.deliver_pending()
                self._link.cancel(self._now())

    async def close(self) -> None:
        """Close the stream; a procedure under way ends with MBusConnectionError."""
        self._stream.on_data = ignore_data
        self._stream.on_damaged = ignore_damaged  # type: ignore[method-assign]
        self._stream.on_lost = ignore_loss
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._end_with(MBusConnectionError("the master was closed"))
        await self._stream.close()

    def _advance(self, outcome: Outcome | None, now: int) -> None:
        """Hand an outcome to the procedure, and begin the exchange that it wants next."""
        procedure, result = self._procedure, self._result
        assert procedure is not None
        assert result is not None
        if self._debug and outcome is not None and type(outcome) is not Reply:
            _log.debug("%r", outcome)
        try:
            exchange = procedure.send(outcome)  # type: ignore[arg-type]
            baudrate = exchange.baudrate or self._usual_baudrate
            if baudrate != self._baudrate:
                self._set_baudrate(baudrate)
            data = self._link.start(exchange, now)
            if data:
                self._write(data)
        except StopIteration as stop:
            result.set_result(stop.value)
        except Exception as error:
            # In a callback: it belongs to whoever awaits the result.
            result.set_exception(error)
        else:
            self._arm()

    def _set_baudrate(self, baudrate: int) -> None:
        if self._debug:
            _log.debug("%d baud", baudrate)
        self._stream.set_baudrate(baudrate)
        self._link.set_baudrate(baudrate)
        self._baudrate = baudrate

    def _write(self, data: bytes) -> None:
        if self._debug:
            _log.debug("> %s", data.hex(" "))
        self._stream.write(data)

    def _on_data(self, data: bytes, wrong: Sequence[int] = ()) -> None:
        self.heard = True
        if self._debug:
            _log.debug("< %s%s", data.hex(" "), f" (errors at {', '.join(map(str, wrong))})" if wrong else "")
        now = self._now()
        link = self._link
        link.receive(data, now, wrong)
        result = self._result
        if result is None or result.done():
            return
        if link.outcome is None:
            self._arm()
        else:
            self._advance(link.outcome, now)

    def _arm(self) -> None:
        """See that the timer is not later than the link needs it. One that is too early sets itself again."""
        when = self._link.next_wakeup()
        assert when is not None
        if self._timer is not None:
            if self._timer_at <= when:
                return
            self._timer.cancel()
        self._timer_at = when
        self._timer = call_at_ns(self.loop, when, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        result = self._result
        if result is None or result.done():
            return
        # The loop's clock is a float: it may be a nanosecond short of the time that was asked for.
        now = max(self._now(), self._timer_at)
        busy_until = self._stream.busy_until()
        if busy_until > now:
            self._timer_at = busy_until
            self._timer = call_at_ns(self.loop, busy_until, self._on_timer)
            return
        if busy_until:
            # What is there by now comes before the end of the wait for it.
            self._stream.deliver_pending()
            if self._timer is not None or result.done():
                return
        data = self._link.poll(now)
        if self._link.outcome is not None:
            self._advance(self._link.outcome, now)
            return
        if data:
            try:
                self._write(data)
            except MBusConnectionError as error:
                result.set_exception(error)
                return
        self._arm()

    def _end_with(self, error: MBusConnectionError) -> None:
        if self._result is not None and not self._result.done():
            self._result.set_exception(error)
