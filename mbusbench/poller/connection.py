"""One connection at work: cycle after cycle it reads its meters over whichever channel works, and gives readings on.

One thing at a time is done on the bus: a readout, a write, or a trial of the main channel.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Collection, Iterable
from enum import Enum

from mbusbench.clock import utc_now
from mbusbench.codec.address import SecondaryAddress
from mbusbench.errors import (
    MBusConnectionError,
    MBusError,
    MBusRefusedError,
)
from mbusbench.master.keys import Key
from mbusbench.master.results import MBusSlaveData
from mbusbench.poller.binding import Binding, Readout
from mbusbench.poller.channels import Channels, SourceOf, configured_source
from mbusbench.poller.connection_definition import ConnectionDefinition
from mbusbench.poller.cycle import Cycle
from mbusbench.poller.memory import ConnectionMemory, LastError
from mbusbench.poller.meter import Meter, slot_text
from mbusbench.poller.redundancy import Channel, Redundancy
from mbusbench.poller.schedule import Schedule, is_due, offset_of, to_datetime, to_ns
from mbusbench.poller.writing import command, was_taken
from mbusbench.sinks.reading import Reading, Scalar

LONGEST_SLEEP = 60.0
"""The wall clock may be set: it is looked at again after so many seconds."""
LONGEST_FIRST_OFFSET = 10_000_000_000

WITNESSES = 3
"""Meters that answered last are remembered, so many."""
SET_BACK = 1_000_000_000
"""A wall clock that goes back by more than this (ns) was set."""

_log = logging.getLogger("mbusbench.poller")

Emit = Callable[[Reading], None]


class Reached(Enum):
    """What a wait for a slot has come to."""

    BEGIN = "begin"
    SOMETHING_ELSE = "something else"
    """The clock was set, or it runs or stops now: slots are to be looked for again."""
    END = "end"


def new_memory(definition: ConnectionDefinition) -> ConnectionMemory:
    """That of a connection of which nothing is known yet."""
    redundancy = definition.redundancy
    if redundancy is None:
        return ConnectionMemory(Redundancy(has_backup=False))
    return ConnectionMemory(Redundancy(True, limit=redundancy.errors, probe=redundancy.probe))


def _keys(meters: Iterable[Meter]) -> dict[int | str | SecondaryAddress, Key]:
    return {meter.definition.address: meter.definition.key.reveal() for meter in meters if meter.definition.key}


class Connection:
    """One bus. `emit` gets each reading as soon as it is final; `memory` is what an earlier one knew."""

    def __init__(
        self,
        definition: ConnectionDefinition,
        emit: Emit,
        *,
        seed: int = 0,
        memory: ConnectionMemory | None = None,
        source_of: SourceOf = configured_source,
    ) -> None:
        self.definition = definition
        self.name = definition.name
        self.memory = memory or new_memory(definition)
        self.running = definition.enabled
        self.due: int | None = None
        """When the next cycle begins, or the one that is under way began (ns of UTC)."""
        self.schedule = Schedule(definition.rhythm, offset_of(definition.name, seed, definition.longest_offset))
        self.meters = tuple(
            Meter(self.name, each, self.memory.meter(each.address)) for each in definition.all_meters if each.enabled
        )
        self.channels = Channels(definition, self.memory.redundancy, source_of, _keys(self.meters))
        self._emit = emit
        self._bus = asyncio.Lock()
        self._witnesses: deque[Meter] = deque(maxlen=WITNESSES)
        self._wake = asyncio.Event()
        self._stopping = False
        self._replan = False

    async def run(self) -> None:
        """Read until `stop`: the current slot soon, then each that comes."""
        try:
            slot, begin = self._plan()
            while (reached := await self._wait_until(begin)) is not Reached.END:
                if reached is Reached.SOMETHING_ELSE:
                    slot, begin = self._plan()
                    continue
                # Later than it, where the machine slept or its clock was set.
                slot = self._passed_over(slot, max(slot, self.schedule.current(self.now())))
                if self.running:
                    await self.cycle(slot, begin)
                slot = self._passed_over(self.schedule.rhythm.following(slot), self.schedule.next(slot, self.now()))
                begin = self.schedule.begin(slot)
        finally:
            await self.channels.close()

    def _passed_over(self, slot: int, chosen: int) -> int:
        """The chosen one, after counting those from `slot` on that are left out for it."""
        if self.running:
            self.memory.counters["missed"] += self.schedule.between(slot, chosen)
        return chosen

    def _plan(self) -> tuple[int, int]:
        """The slot to begin with, and when: the current one, where meters are due in it and the next is not at hand."""
        now = self.now()
        slot = self.schedule.current(now)
        following = self.schedule.next(slot, now)
        begin = now + min(self.schedule.offset, LONGEST_FIRST_OFFSET)
        if not self.meters_due(slot) or self.schedule.begin(following) <= begin:
            return following, self.schedule.begin(following)
        return slot, begin

    def stop(self) -> None:
        """Let `run` end once what is on the bus is over."""
        self._stopping = True
        self._wake.set()

    async def set_running(self, running: bool) -> None:
        """RUN or STOP. In STOP nothing is sent, and the bus is closed."""
        self.running = running
        if not running:
            async with self._bus:
                await self.channels.close()
        self._replan = True
        self._wake.set()

    def now(self) -> int:
        """ns of UTC."""
        return to_ns(utc_now(asyncio.get_running_loop()))

    async def cycle(self, slot: int, begin: int | None = None) -> None:
        """Read each meter that is due in this slot, once, over any channel that works."""
        memory = self.memory
        started = self.now()
        memory.cycle_begin = started
        memory.lag = max(0, started - begin) if begin is not None else 0
        memory.counters["cycles"] += 1
        if self.redundancy.probe_is_due(started):
            await self._probe()
        if await Cycle(self, slot, self.meters_due(slot)).run():
            memory.cycle_duration = self.now() - started

    def meters_due(self, slot: int) -> list[Meter]:
        """Those that are to be asked in that slot, and were not yet."""
        return [meter for meter in self.meters if is_due(slot, meter.memory.slot, meter.definition.minimum_period)]

    @property
    def redundancy(self) -> Redundancy:
        return self.memory.redundancy

    async def read(self, meter: Meter) -> MBusSlaveData | MBusError:
        """One readout over the channel in use; the error where there is none."""
        async with self._bus:
            try:
                master = await self.channels.master()
                return await master.query(meter.target)
            except MBusError as error:
                if isinstance(error, MBusConnectionError):
                    await self.channels.close()
                return error
            except Exception as error:
                return self._own_mistake(meter, error)

    async def write(self, meter: Meter, binding: Binding, value: Scalar) -> Reading:
        """Send a value, read the meter back, and give that reading on.

        MBusUsageError where the value does not fit, MBusRefusedError where the meter says that it took it and has
        another one, else what MBusMaster raises. The meter is read first where the binding does not say which record
        it is that is sent.
        """
        async with self._bus:
            try:
                master = await self.channels.master()
                readout = None if binding.definition.write else Readout(await master.query(meter.target))
                sent = command(binding, readout, value)
                await master.send(meter.target, sent)
                data = await master.query(meter.target)
            except MBusConnectionError as error:
                self.note_error(error)
                await self.channels.close()
                raise
        self.memory.counters["writes"] += 1
        now = self.now()
        reading = meter.reading(data, f"write-{now // 1_000_000}", to_datetime(now), whole=True)
        assert reading is not None
        self._emit(reading)
        if was_taken(binding, sent, Readout(data)) is False:
            found = binding.value(Readout(data)).value
            raise MBusRefusedError(f"{binding.tag}: the meter acknowledged {value!r}, and has {found!r}")
        return reading

    async def asked(self, meter: Meter | None) -> MBusError | None:
        """None where the channel in use can be opened, and the meter, if there is one to ask, answers; else why not."""
        async with self._bus:
            try:
                master = await self.channels.master()
                if meter is not None:
                    await master.ping(meter.target)
            except MBusError as error:
                self.note_error(error)
                if isinstance(error, MBusConnectionError):
                    await self.channels.close()
                return error
        if meter is not None:
            self._has_answered(meter)
        return None

    def _has_answered(self, meter: Meter) -> None:
        if meter in self._witnesses:
            self._witnesses.remove(meter)
        self._witnesses.append(meter)

    def worked(self, meter: Meter, data: MBusSlaveData, slot: int) -> None:
        """A readout that is final."""
        loop = asyncio.get_running_loop()
        memory = meter.memory
        before = memory.identity
        try:
            reading = meter.reading(data, slot_text(slot), data.timestamp or utc_now(loop))
        except Exception as error:
            self.failed(meter, self._own_mistake(meter, error), slot)
            return
        if before not in (None, memory.identity):
            _log.warning(
                "%s is now %s, and was %s",
                meter.label,
                memory.identity,
                before,
                extra={"connection": self.name, "meter": memory.identity},
            )
        memory.slot, memory.read, memory.failures = slot, self.now(), 0
        self._has_answered(meter)
        self.memory.counters["good"] += 1
        if reading is not None:
            self._emit(reading)

    def _own_mistake(self, meter: Meter, error: Exception) -> MBusError:
        """A telegram that nobody has thought of must not end the reading of all other meters."""
        where = {"connection": self.name, "meter": meter.identity}
        _log.exception("%s: a mistake in mbusbench, please report it", meter.label, extra=where)
        return MBusError(f"a mistake in mbusbench, please report it: {type(error).__name__}: {error}")

    def failed(self, meter: Meter, error: MBusError | str, slot: int) -> None:
        """A failure that is final."""
        memory = meter.memory
        memory.slot = slot
        memory.failures += 1
        kind = error.kind if isinstance(error, MBusError) else "disconnected"
        memory.error = LastError(kind, str(error), self.now())
        self.memory.counters["bad"] += 1
        _log.log(
            logging.WARNING if memory.failures == 1 else logging.INFO,
            "%s: %s",
            meter.label,
            error,
            extra={"connection": self.name, "meter": meter.identity, "kind": kind},
        )
        self._emit(meter.failed(error, slot_text(slot), utc_now(asyncio.get_running_loop())))

    def note_error(self, error: MBusError) -> None:
        """Count an error, be it final or not."""
        self.memory.error = LastError(error.kind, str(error), self.now())
        self.memory.counters[f"error {error.kind}"] += 1

    def witness(self, besides: Collection[Meter] = ()) -> Meter | None:
        """One that answered lately: if it does not any more, that is the channel's fault."""
        return next((meter for meter in reversed(self._witnesses) if meter not in besides), None)

    def changed(self, why: str) -> None:
        """Say that another channel is used from now on."""
        redundancy = self.redundancy
        _log.warning(
            "%s: over to the %s channel: %s",
            self.name,
            redundancy.channel,
            why,
            extra={"connection": self.name, "channel": str(redundancy.channel)},
        )

    async def _probe(self) -> None:
        """Try the main channel; back to the backup where it does not work."""
        redundancy = self.redundancy
        redundancy.begin_probe(self.now())
        well = False
        try:
            well = await self.asked(self.witness()) is None
        finally:
            redundancy.end_probe(well, self.now())
        if well:
            self.changed("it is well again")

    async def _wait_until(self, begin: int) -> Reached:
        """Wait; meanwhile try the main channel where that is due."""
        self.due = begin
        before = 0
        while not self._stopping:
            now = self.now()
            if self._replan or now < before - SET_BACK:
                self._replan = False
                return Reached.SOMETHING_ELSE
            if now >= begin:
                return Reached.BEGIN
            before = now
            wait = min((begin - now) / 1e9, LONGEST_SLEEP)
            redundancy = self.redundancy
            if self.running and redundancy.channel is Channel.BACKUP:
                if redundancy.probe_is_due(now):
                    await self._probe()
                    continue
                wait = min(wait, (redundancy.since + redundancy.probe - now) / 1e9)
            self._wake.clear()
            try:
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            except TimeoutError:
                pass
        return Reached.END

    @property
    def stopping(self) -> bool:
        return self._stopping
