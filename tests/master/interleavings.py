"""Any interleaving of calls, cancellations, faults and lost connections, as a Hypothesis state machine in virtual time.

After each step nobody holds the master's lock, no task is left, and no frame count bit that the master believes in
would be taken for a repeat. Whatever was returned is what the meter held meanwhile; a command that was acknowledged
was done once, one that was not at most once. When the faults are over, the next readout of every meter succeeds.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mbusbench.bus import Fault, VirtualBus
from mbusbench.bus.endpoints.driver import driver_of
from mbusbench.clock import VirtualLoop
from mbusbench.errors import MBusError, MBusUsageError
from mbusbench.master import MBusMaster
from mbusbench.protocol.fcb import FcbMode, Sequence, Service
from mbusbench.protocol.link_state import LinkState
from mbusbench.protocol.slave.settings import FcbServices
from tests.master.living_bus import (
    KINDS,
    RAISE_TALLY,
    TALLY_START,
    bus_file,
    check_readout,
    meter_of,
    secondary_address,
    seconds,
    tally,
)

NUMBERS = range(1, len(KINDS) + 1)
EFFECTS: list[Any] = [
    "drop",
    {"delay": "100ms"},
    {"delay": "600ms"},
    {"delay": "2s"},
    "late",
    {"truncate": 8},
    "checksum",
    {"leading": "FF 68"},
    {"trailing": "00 FF"},
    "duplicate",
    {"duplicate": {"pause": "300ms"}},
    {"gaps": {"duration": "30ms", "after": 3}},
    "corrupted_acknowledge",
    "doubled_acknowledge",
    {"noise": "FE"},
    {"address": 9},
    {"control": 0x44},
    {"disconnect": 0},
    {"disconnect": 3},
    "disconnect",
]
REQUEST_EFFECTS: list[Any] = ["drop", "checksum", {"truncate": 3}, {"disconnect": 0}]
OFTEN = ["query", "query", "tally", "tally"]
CALLS = [*OFTEN, "ping", "scan", "each", "alarm", "reset", "clock", "read_clock", "sync", "move", "broadcast", "reopen"]
LONGEST_DELAY = 3_000_000_000

meters = st.sampled_from(NUMBERS)
by_secondary = st.booleans()
# A readout takes 0.3 s, with all attempts and restarts up to 4 s.
instants = st.one_of(
    st.just(0), st.integers(0, 400_000_000), st.integers(0, 4_000_000_000), st.sampled_from([22_916_667, 45_833_333])
)
calls = st.tuples(
    st.sampled_from(CALLS),
    meters,
    by_secondary,
    st.integers(1, 9),
)


class Interleavings(RuleBasedStateMachine):
    """The master, its bus, and what is known of the meters."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner(loop_factory=VirtualLoop)
        self.faults = 0
        self.lost_until = 0
        self.suffering = False
        self.least = dict.fromkeys(NUMBERS, TALLY_START)
        self.most = dict.fromkeys(NUMBERS, TALLY_START)

    @initialize(seed=st.integers(0, 3), echo=st.booleans())
    def begin(self, seed: int, echo: bool) -> None:
        line = "{echo: true}" if echo else "{}"
        self.bus = VirtualBus.from_yaml(bus_file(Path(self.directory.name), line), seed=seed)

        async def make() -> MBusMaster:
            driver_of(self.bus)  # the bus's time begins now
            return MBusMaster(self.bus)

        self.master = self.runner.run(make())

    @rule(call=calls)
    def one(self, call: tuple[Any, ...]) -> None:
        self.runner.run(self._guarded(call))

    @rule(call=calls, after=instants, by_timeout=st.booleans())
    def cancelled(self, call: tuple[Any, ...], after: int, by_timeout: bool) -> None:
        self.runner.run(self._cancelled(call, after, by_timeout))

    @rule(several=st.lists(st.tuples(calls, st.one_of(st.none(), instants)), min_size=2, max_size=4))
    def together(self, several: list[tuple[tuple[Any, ...], int | None]]) -> None:
        async def run() -> None:
            await asyncio.gather(
                *(
                    self._guarded(call) if after is None else self._cancelled(call, after, False)
                    for call, after in several
                )
            )

        self.runner.run(run())

    @rule(effect=st.sampled_from(EFFECTS), on=st.one_of(st.none(), meters), times=st.integers(1, 4))
    def answers_suffer(self, effect: Any, on: int | None, times: int) -> None:
        self._arm(effect, on, times, "answer")

    @rule(effect=st.sampled_from(REQUEST_EFFECTS), times=st.integers(1, 4))
    def requests_suffer(self, effect: Any, times: int) -> None:
        self._arm(effect, None, times, "request")

    @rule(wait=st.integers(0, 10_000_000_000))
    def time_passes(self, wait: int) -> None:
        self.runner.run(asyncio.sleep(wait / 1e9))

    @rule()
    def power_fails(self) -> None:
        async def fail() -> None:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualLoop)
            self.bus.power_cycle(loop.now_ns())

        self.runner.run(fail())
        self.master._fcb.forget()  # nobody tells a master

    @rule(after=instants)
    def connection_will_be_lost(self, after: int) -> None:
        async def lose() -> None:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualLoop)
            self.bus.hang_up(None, loop.now_ns() + after)
            self.lost_until = max(self.lost_until, loop.now_ns() + after)

        self.runner.run(lose())

    @rule(wait=st.sampled_from([0, 50_000_000, 1_000_000_000]))
    def all_is_well_again(self, wait: int) -> None:
        """A slave whose answer is still to come hears nothing: only when it came, every readout has to succeed."""
        self.bus.faults.clear()
        self.runner.run(asyncio.sleep(wait / 1e9))
        for number in NUMBERS:
            self.runner.run(self._guarded(("query", number, bool(wait), 0)))
        self.runner.run(self._sleep_until_over())
        self.suffering = False
        for number in NUMBERS:
            for by_secondary in (False, True):
                self.runner.run(self._read(number, by_secondary))

    @invariant()
    def nothing_is_left_behind(self) -> None:
        master = getattr(self, "master", None)
        if master is None:
            return
        assert not master._lock.locked()
        assert not master._lock._waiters
        assert not asyncio.all_tasks(self.runner.get_loop())
        if master._link is not None:
            assert master._link.state is LinkState.IDLE
        if master._runner is not None:
            assert master._runner._procedure is None
            assert master._runner._result is None
        assert self.bus.port_count <= 1

    @invariant()
    def frame_count_bits_are_right(self) -> None:
        master = getattr(self, "master", None)
        if master is None or self.suffering:
            return
        for meter in self.bus.meters:
            settings = meter.settings
            if settings.fcb is FcbMode.IGNORE or settings.fcb_services is not FcbServices.SEPARATE:
                continue
            for address, selected in ((meter.address, False), (253, True)):
                if (selected and not meter.link.is_selected) or not master._fcb.is_known(address):
                    continue
                for service in Service:
                    memory = meter.link.fcb(service, selected=selected)
                    bit = master._fcb.request_bit(address, service)
                    assert memory.judge(bit) is not Sequence.REPEAT, (meter.address, selected, service)

    def teardown(self) -> None:
        try:
            if hasattr(self, "master"):
                self.all_is_well_again(0)
                self.runner.run(self.master.close())
                assert self.bus.port_count == 0
        finally:
            self.runner.close()
            self.directory.cleanup()

    def _arm(self, effect: Any, on: int | None, times: int, direction: str) -> None:
        self.faults += 1
        self.suffering = True
        keys = {} if on is None else {"on": meter_of(self.bus, on).address}
        self.bus.faults.arm(Fault(f"fault {self.faults}", do=effect, times=times, direction=direction, **keys))

    async def _guarded(self, call: tuple[Any, ...]) -> None:
        """A call that may fail by a named error, as nothing else may."""
        with contextlib.suppress(MBusError):
            await self._do(call)

    async def _cancelled(self, call: tuple[Any, ...], after: int, by_timeout: bool) -> None:
        if by_timeout:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(after / 1e9):
                    await self._guarded(call)
            return
        task = asyncio.create_task(self._guarded(call))
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.call_at_ns(loop.now_ns() + after, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _do(self, call: tuple[Any, ...]) -> None:
        name, number, by_secondary, other = call
        address: int | str = secondary_address(number) if by_secondary else meter_of(self.bus, number).address
        master = self.master
        simple: dict[str, Callable[[], Awaitable[object]]] = {
            "ping": lambda: master.ping_addresses([address, 9]),
            "scan": self._scan,
            "each": lambda: self._each(other),
            "alarm": lambda: master.alarm(address),
            "reset": lambda: master.application_reset(address),
            "clock": lambda: master.set_clock(address),
            "read_clock": lambda: master.read_clock(address),
            "sync": lambda: master.synchronise(address),
            "broadcast": master.broadcast_synchronise,
            "query": lambda: self._read(number, by_secondary),
            "tally": lambda: self._raise_tally(number, address),
            "move": lambda: self._move(number, address, other),
            "reopen": self._reopen,
        }
        await simple[name]()

    async def _reopen(self) -> None:
        await self.master.close()
        await self.master.open()

    async def _read(self, number: int, by_secondary: bool) -> None:
        begin = seconds()
        at = meter_of(self.bus, number).address
        data = await self.master.query(secondary_address(number) if by_secondary else at)
        check_readout(data, number, begin, seconds())
        assert self.least[number] <= tally(data) <= self.most[number]

    async def _each(self, stop: int) -> None:
        """Some meters, one after the other, and not to the end."""
        begin = seconds()
        at = {secondary_address(number): number for number in NUMBERS}
        async with contextlib.aclosing(self.master.query_each(list(at))) as results:
            async for address, data in results:
                if not isinstance(data, MBusError):
                    check_readout(data, at[address], begin, seconds())
                stop -= 1
                if not stop:
                    break

    async def _scan(self) -> None:
        found = await self.master.scan_addresses(range(1, 4))
        assert list(found) == [1, 2, 3]

    async def _raise_tally(self, number: int, address: int | str) -> None:
        self.most[number] += 1
        await self.master.send(address, RAISE_TALLY)
        # An acknowledge says not of what: one that comes later than the standard allows may be of the frame before.
        self.least[number] += not self.suffering

    async def _move(self, number: int, address: int | str, other: int) -> None:
        if self.suffering and any(meter.address == other for meter in self.bus.meters):
            return  # where every question is lost, nobody can know that the address is taken
        with contextlib.suppress(MBusUsageError):
            info = await self.master.set_primary_address(address, other)
            assert info.address == other

    async def _sleep_until_over(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        await asyncio.sleep(max(self.lost_until - loop.now_ns(), LONGEST_DELAY) / 1e9)
