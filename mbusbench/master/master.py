"""MBusMaster: reads meters over a serial line, TCP, RFC 2217 or a virtual bus; the asyncio shell around the procedures.

What a slave does wrong comes out as one exception class for each kind of failure, see mbusbench.errors.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Protocol, Self, TypeVar

from mbusbench.clock import utc_now
from mbusbench.codec.address import SecondaryAddress
from mbusbench.errors import MBusConnectionError, MBusError, MBusTimeoutError, MBusUsageError
from mbusbench.master.commands import Commands
from mbusbench.master.failures import to_error
from mbusbench.master.freshness import Freshness
from mbusbench.master.keys import KeyRing, Keys
from mbusbench.master.reconnection import Reconnection
from mbusbench.master.results import MBusSlaveData, MBusSlaveInfo, slave_data, slave_info
from mbusbench.master.runner import Runner
from mbusbench.master.search import (
    EVERYTHING,
    MBusFound,
    MBusUnresolved,
    SearchProgress,
    SearchState,
    begin_search,
    search,
)
from mbusbench.master.target import Address, parse_target, primary_range
from mbusbench.master.wire_trace import WireTrace
from mbusbench.protocol.fcb import MasterFcb
from mbusbench.protocol.master_link import MasterLink
from mbusbench.protocol.outcome import Failure, FailureKind
from mbusbench.protocol.procedures import Procedure
from mbusbench.protocol.procedures.ping import Identification, identify, ping
from mbusbench.protocol.procedures.readout import MAX_TELEGRAMS, Circles, Readout, readout, readout_by_secondary_address
from mbusbench.protocol.procedures.select import select
from mbusbench.trace.event import TraceSink
from mbusbench.transport.opening import check_line, open_stream
from mbusbench.transport.serial import Parity
from mbusbench.transport.stream import Stream
from mbusbench.transport.url import parse_url

Result = TypeVar("Result")
GivenAddress = TypeVar("GivenAddress", int, str, SecondaryAddress, Address)
Progress = Callable[[int, MBusSlaveInfo | MBusError | None], object]

LONGEST_WAKE_UP = 4096

_log = logging.getLogger("mbusbench.master")


class Bus(Protocol):
    """A bus in this process, as VirtualBus is one."""

    def connect(self) -> Stream | Awaitable[Stream]:
        """A new connection of a master to the bus."""


class MBusMaster(Commands):
    """The master of one bus. One operation at a time is on the line, however many tasks call; they take turns.

    `source` is the URL of the bus (`socket://HOST:PORT`, `rfc2217://HOST:PORT`, the path of a serial device), a
    VirtualBus, or an open Stream. `baudrate` is the rate of the bus, behind a gateway too: every wait follows from it.
    `timeout` overrides how long the begin of an answer is waited for, in seconds; `retries` is how often a request is
    repeated. `keys` opens encrypted telegrams: one key (16 bytes or 32 hex digits), or a mapping from addresses to
    keys. `max_telegrams` bounds a readout. `connect_timeout` (s) bounds the opening. `baudrates` maps addresses of
    slaves that have a rate of their own to it. `wake_up` is sent before the first request of a call and before each
    repeat, for meters that sleep until they hear something (`bytes(200)`, `b"\\x55" * 480`). `latency` is what
    adapters, gateways and networks may add to an answer, in seconds, where that is not what the transport usually adds
    (TCP 0.5, serial 0.1). `trace` is called with a TraceEvent for whatever passes (mbusbench.trace).

    The bus is opened by `open`, by `async with`, or at first use. Where the connection is lost, a call opens it again:
    at once, then after 0.5, 1, 2, ... s, at most 30 s, for `reconnect` seconds in all. What only reads begins again
    then; what writes does so only where nothing was heard yet, so that nothing is done twice. All methods raise
    MBusConnectionError where there is no connection, and MBusUsageError, before anything is sent, where an argument is
    out of range. Cancelling a call (asyncio.timeout) leaves the master usable.
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | Bus | Stream,
        *,
        baudrate: int = 2400,
        parity: Parity = "even",
        timeout: float | None = None,
        retries: int = 2,
        keys: Keys | None = None,
        max_telegrams: int = MAX_TELEGRAMS,
        connect_timeout: float = 10,
        baudrates: Mapping[Address, int] | None = None,
        wake_up: bytes = b"",
        reconnect: float = 5,
        latency: float | None = None,
        trace: TraceSink | None = None,
    ) -> None:
        if isinstance(source, str | os.PathLike):
            source = os.fspath(source)
            parse_url(source)
        elif not isinstance(source, Stream) and not callable(getattr(source, "connect", None)):
            raise MBusUsageError(f"{source!r} is no URL, bus or stream")
        check_line(baudrate, parity, connect_timeout)
        if not reconnect >= 0:
            raise MBusUsageError(f"reconnect {reconnect!r} is not a number of seconds from 0 on")
        if latency is not None and not latency >= 0:
            raise MBusUsageError(f"latency {latency!r} is not a number of seconds from 0 on")
        if timeout is not None and not timeout > 0:
            raise MBusUsageError(f"timeout {timeout!r} is not a positive number of seconds")
        if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
            raise MBusUsageError(f"retries {retries!r} is not a number from 0 on")
        if isinstance(max_telegrams, bool) or not isinstance(max_telegrams, int) or max_telegrams < 1:
            raise MBusUsageError(f"max_telegrams {max_telegrams!r} is not a number from 1 on")
        if not isinstance(wake_up, bytes) or len(wake_up) > LONGEST_WAKE_UP:
            raise MBusUsageError(f"wake_up has to be at most {LONGEST_WAKE_UP} bytes")
        self._wake_up = wake_up
        self._baudrates = {parse_target(address): rate for address, rate in (baudrates or {}).items()}
        for rate in self._baudrates.values():
            check_line(rate, parity, connect_timeout)
        self._source = source
        self._baudrate = baudrate
        self._parity: Parity = parity
        self._window = None if timeout is None else round(timeout * 1e9)
        self._attempts = retries + 1
        self._decode = KeyRing(keys).decode
        self._max_telegrams = max_telegrams
        self._connect_timeout = connect_timeout
        self._reconnect = reconnect
        self._latency = None if latency is None else round(latency * 1e9)
        self._trace = None if trace is None else WireTrace(trace)
        self._fcb = MasterFcb()
        self._freshness = Freshness()
        self._circles = Circles()
        self._lock = asyncio.Lock()
        self._runner: Runner | None = None
        self._link: MasterLink | None = None
        self._closed = False
        self._was_open = False
        self._waiting: asyncio.Future[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a connection now."""
        return self._runner is not None and self._runner.is_open

    async def open(self) -> None:
        """Open the bus now, also after `close`. Nothing is sent."""
        self._closed = False
        async with self._lock:
            await self._connected()

    async def close(self) -> None:
        """Close the bus at once; calls under way and waiting end with MBusConnectionError."""
        self._closed = True
        self._was_open = False
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def ping_addresses(self, addresses: Iterable[GivenAddress]) -> dict[GivenAddress, bool]:
        """Ask each address whether a slave is there: True where exactly one acknowledges.

        Addresses are 0 to 250, 254 for the only slave on the bus, or secondary addresses, which get selected.
        """
        targets = [(address, parse_target(address)) for address in addresses]
        found: dict[GivenAddress, bool] = {}
        for address, target in targets:
            failure = await self._run(partial(self._ping, target), self._rate(target), again=True)
            if failure is not None:
                _log.info("%s", self._error(failure, target))
            found[address] = failure is None
        return found

    async def ping(self, address: Address) -> None:
        """Ask one address, as `ping_addresses`; raises as `query` where not exactly one slave acknowledges."""
        target = parse_target(address)
        await self._must(target, partial(self._ping, target), again=True)

    async def query_addresses(self, addresses: Iterable[GivenAddress]) -> dict[GivenAddress, MBusSlaveData | None]:
        """Read each address to its last telegram; None where that failed. `query` says why."""
        return {
            address: result if isinstance(result, MBusSlaveData) else None
            async for address, result in self.query_each(addresses)
        }

    def query_each(
        self, addresses: Iterable[GivenAddress]
    ) -> AsyncGenerator[tuple[GivenAddress, MBusSlaveData | MBusError]]:
        """Read one address after the other: `async for address, result in master.query_each([1, 5])`.

        `result` is the readout, or the error that `query` would raise. Stopping early leaves the master usable.
        """
        return self._query_each([(address, parse_target(address)) for address in addresses])

    async def _query_each(
        self, targets: Iterable[tuple[GivenAddress, int | SecondaryAddress]]
    ) -> AsyncGenerator[tuple[GivenAddress, MBusSlaveData | MBusError]]:
        for address, target in targets:
            result: MBusSlaveData | MBusError
            try:
                result = await self.query(target)
            except MBusConnectionError:
                raise
            except MBusError as error:
                _log.info("%s", error)
                result = error
            yield address, result

    async def query(self, address: Address) -> MBusSlaveData:
        """Read one slave to its last telegram, from its first one on.

        Raises MBusTimeoutError, MBusGarbledError, MBusCollisionError, MBusWrongAddressError, MBusStaleError,
        MBusNoDataError, MBusApplicationError, MBusEncryptedError, MBusDecodeError or MBusTooManyTelegramsError.
        """
        target = parse_target(address)
        begin, rate = partial(self._readout, target), self._rate(target)
        result = await self._run(begin, rate, again=True)
        stale = self._is_stale(result)
        if stale and result.failure is None:
            # The link reset was lost, perhaps: what was taken for its acknowledge was not meant so.
            result = await self._run(begin, rate, again=True)
            stale = self._is_stale(result)
        if result.failure is not None:
            raise self._error(result.failure, target)
        now = utc_now(asyncio.get_running_loop())
        return slave_data(result.telegrams, result.address, now, stale=stale, ended=result.ended)

    async def scan_addresses(
        self, addresses: Iterable[int] = range(251), progress: Progress | None = None
    ) -> dict[int, MBusSlaveInfo | None]:
        """Look for a slave at each primary address; None where there is none, or more than one.

        `progress(address, found)` is called after each address: with the slave, with the error that says why something
        is there which cannot be read (MBusCollisionError above all), or with None.
        """
        found: dict[int, MBusSlaveInfo | None] = {}
        async for address, result in self.scan(addresses):
            found[address] = result if isinstance(result, MBusSlaveInfo) else None
            if progress is not None:
                progress(address, None if isinstance(result, MBusTimeoutError) else result)
        return found

    def scan(self, addresses: Iterable[int] = range(251)) -> AsyncGenerator[tuple[int, MBusSlaveInfo | MBusError]]:
        """As `scan_addresses`, one address after the other: with the slave, or with the error that says why not.

        The error is MBusTimeoutError where nobody answers. Stopping early leaves the master usable.
        """
        return self._scan(primary_range(addresses))

    async def _scan(self, addresses: Iterable[int]) -> AsyncGenerator[tuple[int, MBusSlaveInfo | MBusError]]:
        for address in addresses:
            found = await self._run(
                partial(identify, address, self._fcb, self._decode), self._rate(address), again=True
            )
            yield address, self._scanned(address, found)

    def search(
        self,
        mask: str | SecondaryAddress = EVERYTHING,
        *,
        known: Iterable[str | SecondaryAddress] = (),
        progress: Callable[[SearchProgress], object] | None = None,
        state: SearchState | None = None,
    ) -> AsyncGenerator[MBusFound | MBusUnresolved]:
        """Find all meters whose secondary address fits `mask`, each as soon as it is sure.

        MBusUnresolved stands for meters that cannot be told apart or do not say who they are. `known` are addresses
        that may be there: they are asked for first, and save exchanges. `progress` is called after each question. The
        search may be stopped at any time; with the same `state` it goes on, and yields what it did not yield before.
        """
        arguments = begin_search(mask, known, state)
        return search(self._run, self._fcb, arguments, progress, self._error)

    def _is_stale(self, result: Readout) -> bool:
        """Whether it has a telegram that was there before, be it in a readout that failed."""
        return bool(result.telegrams) and self._freshness.is_stale(result.address, result.telegrams)

    def _ping(self, target: int | SecondaryAddress) -> Procedure[Failure | None]:
        return ping(target, self._fcb) if isinstance(target, int) else select(target, self._fcb)

    def _readout(self, target: int | SecondaryAddress) -> Procedure[Readout]:
        if isinstance(target, int):
            return readout(target, self._fcb, self._decode, self._max_telegrams, self._circles)
        return readout_by_secondary_address(target, self._fcb, self._decode, self._max_telegrams, self._circles)

    def _scanned(self, address: int, found: Identification) -> MBusSlaveInfo | MBusError:
        if found.failure is None:
            return MBusSlaveInfo(address=address) if found.telegram is None else slave_info(found.telegram, address)
        error = self._error(found.failure, address)
        if found.failure.kind is not FailureKind.NO_ANSWER:
            _log.info("%s", error)
        return error

    def _error(self, failure: Failure, target: int | SecondaryAddress) -> MBusError:
        assert self._link is not None
        return to_error(failure, target, self._baudrate, self._link.window)

    def _rate(self, target: int | SecondaryAddress) -> int:
        return self._baudrates.get(target, self._baudrate) if self._baudrates else self._baudrate

    async def _run(
        self,
        begin: Callable[[], Procedure[Result]],
        baudrate: int | None = None,
        *,
        once: bool = False,
        again: bool = False,
    ) -> Result:
        """Run a procedure, at the usual rate where none is given.

        Where the connection is lost it is begun again on a new one: always if `again`, which is for what changes
        nothing in a slave, never if `once`, otherwise only if nothing was heard yet.
        """
        rate = baudrate or self._baudrate
        tries: Reconnection | None = None
        await self._lock.acquire()
        try:
            while True:
                runner = self._runner
                sent = False
                try:
                    if runner is None or not runner.is_open or runner.loop is not asyncio.get_running_loop():
                        runner = await self._connected()
                    sent = True
                    return await runner.run(begin(), rate)
                except MBusConnectionError:
                    # Nothing heard: the connection was dropped while it was idle, as gateways do, and nothing was done.
                    if sent and (once or (runner is not None and runner.heard and not again)):
                        raise
                    if self._closed or not self._was_open or isinstance(self._source, Stream):
                        raise
                    now = asyncio.get_running_loop().time()
                    tries = tries or Reconnection(self._reconnect, now)
                    if sent and runner is not None and runner.heard:
                        tries.worked()
                    wait = tries.next_wait(now, refused=not sent)
                    if wait is None:
                        raise
                await self._pause(wait)
        except BaseException:
            # Cancelled or cut off in mid-exchange: the slave may have counted a frame whose answer nobody heard.
            self._fcb.forget()
            raise
        finally:
            self._lock.release()

    async def _pause(self, wait: float) -> None:
        """Wait so many seconds, or until the master is closed."""
        if not wait:
            return
        _log.info("the connection was lost; trying again in %g s", wait)
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(wait):
                await self._waiting
        except TimeoutError:
            pass
        finally:
            self._waiting = None

    async def _sets_baudrate(self) -> bool:
        async with self._lock:
            return (await self._connected()).sets_baudrate

    async def _connected(self) -> Runner:
        """The open connection; a new one where there is none or it was lost."""
        if self._closed:
            raise MBusConnectionError("the master was closed")
        runner = self._runner
        busy_until = 0
        if runner is not None:
            if runner.loop is not asyncio.get_running_loop():
                raise MBusUsageError("the master is open in another event loop: close it there first")
            if runner.is_open:
                return runner
            self._runner = None
            await runner.close()
            # The connection is lost, the bus behind it is not: a slave may still be answering.
            busy_until = self._link.busy_until if self._link is not None else 0
        stream = await self._open_stream()
        if self._trace is not None:
            stream = self._trace.around(stream, self._baudrate)
        self._fcb.forget()
        self._link = MasterLink(
            self._baudrate,
            latency=stream.latency if self._latency is None else self._latency,
            window=self._window,
            attempts=self._attempts,
            wake_up=self._wake_up,
        )
        self._link.wait_until(busy_until)
        self._runner = Runner(stream, self._link, self._baudrate)
        self._was_open = True
        if self._closed:
            await self.close()
            raise MBusConnectionError("the master was closed")
        return self._runner

    async def _open_stream(self) -> Stream:
        source = self._source
        if isinstance(source, str):
            return await open_stream(
                source, baudrate=self._baudrate, parity=self._parity, timeout=self._connect_timeout
            )
        if isinstance(source, Stream):
            if not source.is_open:
                raise MBusConnectionError("the stream that the master was given is closed")
            return source
        stream = source.connect()
        return stream if isinstance(stream, Stream) else await stream
