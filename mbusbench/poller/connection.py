"""One connection at work: cycle after cycle it reads its meters over whichever channel works, and gives readings on.

One thing at a time is done on the bus: a readout, a write, or a trial of the main channel. Errors that may be the
channel's are put to the proof by asking a meter that answered before, so that meters that are gone change nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable

from mbusbench.clock import utc_now
from mbusbench.codec.address import SecondaryAddress
from mbusbench.errors import (
    MBusConnectionError,
    MBusError,
    MBusGarbledError,
    MBusRefusedError,
    MBusTimeoutError,
    MBusWrongAddressError,
)
from mbusbench.master.keys import Key
from mbusbench.master.results import MBusSlaveData
from mbusbench.poller.binding import Binding, Readout
from mbusbench.poller.channels import Channels, SourceOf, configured_source
from mbusbench.poller.connection_definition import ConnectionDefinition
from mbusbench.poller.memory import ConnectionMemory, LastError
from mbusbench.poller.meter import Meter, slot_text
from mbusbench.poller.redundancy import Channel, Redundancy
from mbusbench.poller.schedule import Schedule, is_due, offset_of, to_datetime, to_ns
from mbusbench.poller.writing import command, was_taken
from mbusbench.sinks.reading import Reading, Scalar

LONGEST_SLEEP = 60.0
"""The wall clock may be set: it is looked at again after so many seconds."""
LONGEST_FIRST_OFFSET = 10_000_000_000

_MAYBE_THE_CHANNEL = (MBusConnectionError, MBusTimeoutError, MBusGarbledError, MBusWrongAddressError)

_log = logging.getLogger("mbusbench.poller")

Emit = Callable[[Reading], None]


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
        self._witness: Meter | None = None
        self._wake = asyncio.Event()
        self._stopping = False

    async def run(self) -> None:
        """Read until `stop`: the current slot soon, then each that comes."""
        try:
            now = self.now()
            slot = self.schedule.current(now)
            following = self.schedule.next(slot, now)
            begin = now + min(self.schedule.offset, LONGEST_FIRST_OFFSET)
            if not self.meters_due(slot) or self.schedule.begin(following) <= begin:
                slot, begin = following, self.schedule.begin(following)
            while await self._wait_until(begin):
                if self.running:
                    await self.cycle(slot, begin)
                following = self.schedule.next(slot, self.now())
                if self.running:
                    self.memory.counters["missed"] += self.schedule.missed(slot, following)
                slot, begin = following, self.schedule.begin(following)
        finally:
            await self.channels.close()

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
        if await _Cycle(self, slot, self.meters_due(slot)).run():
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

    async def answers(self, meter: Meter | None) -> bool:
        """Whether the channel in use can be opened, and the meter, if there is one to ask, answers over it."""
        async with self._bus:
            try:
                master = await self.channels.master()
                if meter is not None:
                    await master.ping(meter.target)
            except MBusError as error:
                self.note_error(error)
                if isinstance(error, MBusConnectionError):
                    await self.channels.close()
                return False
            return True

    def worked(self, meter: Meter, data: MBusSlaveData, slot: int) -> None:
        """A readout that is final."""
        loop = asyncio.get_running_loop()
        memory = meter.memory
        memory.slot, memory.read, memory.failures = slot, self.now(), 0
        self._witness = meter
        self.memory.counters["good"] += 1
        reading = meter.reading(data, slot_text(slot), data.timestamp or utc_now(loop))
        if reading is not None:
            self._emit(reading)

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

    def witness(self) -> Meter | None:
        """A meter that answered before: if it does not any more, that is the channel's fault."""
        return self._witness

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
            well = await self.answers(self._witness)
        finally:
            redundancy.end_probe(well, self.now())
        if well:
            self.changed("it is well again")

    async def _wait_until(self, begin: int) -> bool:
        """Wait; meanwhile try the main channel where that is due. False where the connection is to end."""
        self.due = begin
        while not self._stopping:
            now = self.now()
            if now >= begin:
                return True
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
        return False

    @property
    def stopping(self) -> bool:
        return self._stopping


class _Cycle:
    """One cycle: what is still to be read, and the failures of which it is open whose they are."""

    def __init__(self, connection: Connection, slot: int, meters: list[Meter]) -> None:
        self._connection = connection
        self._slot = slot
        self._to_read = deque(meters)
        self._suspects: list[tuple[Meter, MBusError]] = []
        self._retried: set[Meter] = set()
        self._changes = 0

    async def run(self) -> bool:
        """False where it was cut short: the next cycle for this slot reads the rest."""
        connection = self._connection
        redundancy = connection.redundancy
        while self._to_read and not connection.stopping and connection.running:
            meter = self._to_read.popleft()
            result = await connection.read(meter)
            if isinstance(result, MBusSlaveData):
                self._cleared()
                connection.worked(meter, result, self._slot)
                continue
            connection.note_error(result)
            if not isinstance(result, _MAYBE_THE_CHANNEL):
                self._cleared()
                connection.failed(meter, result, self._slot)
                continue
            self._suspects.append((meter, result))
            if redundancy.failed(connection.now()):
                self._change(str(result))
            elif redundancy.has_backup:
                if redundancy.errors == redundancy.limit - 1 or not self._to_read:
                    await self._settle()
            elif redundancy.is_down and isinstance(result, MBusConnectionError):
                self._give_up(result)
            else:
                self._cleared(forget=not isinstance(result, MBusConnectionError))
        for meter, error in self._suspects:
            connection.failed(meter, error, self._slot)
        return not self._to_read

    def _cleared(self, *, forget: bool = True) -> None:
        """The channel works: what failed before was the meters' own failure.

        Unless the channel was lost, or has just come back: who did answer in the last cycle is asked once more.
        """
        if forget:
            self._connection.redundancy.succeeded()
        for meter, error in self._suspects:
            if meter not in self._retried and (isinstance(error, MBusConnectionError) or not meter.memory.failures):
                self._retried.add(meter)
                self._to_read.append(meter)
            else:
                self._connection.failed(meter, error, self._slot)
        self._suspects.clear()

    async def _settle(self) -> None:
        """Ask a meter that answered before until it is clear whether the channel or the meters fail."""
        connection = self._connection
        redundancy = connection.redundancy
        witness = connection.witness() or self._suspects[-1][0]
        while redundancy.in_doubt and not connection.stopping:
            if await connection.answers(witness):
                self._cleared()
            elif redundancy.failed(connection.now()):
                self._change(f"{witness.label} does not answer any more")

    def _change(self, why: str) -> None:
        """Over to the other channel: what failed is read once more there, unless that one has failed already."""
        self._changes += 1
        self._connection.changed(why)
        if self._changes > 1:
            self._give_up(self._suspects[-1][1])
            return
        self._to_read.extendleft(meter for meter, _ in reversed(self._suspects))
        self._suspects.clear()

    def _give_up(self, error: MBusError) -> None:
        """No channel works: the rest is not asked for."""
        for meter, own in self._suspects:
            self._connection.failed(meter, own, self._slot)
        for meter in self._to_read:
            self._connection.failed(meter, f"not asked, since nothing works on this bus: {error}", self._slot)
        self._suspects.clear()
        self._to_read.clear()
