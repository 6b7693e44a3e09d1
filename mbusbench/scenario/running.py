"""Runs the steps of one variant on its bus and keeps what was seen. Nothing is judged here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import AsyncExitStack, suppress
from dataclasses import replace

from mbusbench.bus.endpoints.driver import driver_of
from mbusbench.bus.engine import VirtualBus
from mbusbench.bus.fault import FaultDefinition
from mbusbench.bus.server import BusServer
from mbusbench.bus.slave import Slave
from mbusbench.codec.control_field import REQ_UD2, SND_NKE, with_fcb
from mbusbench.codec.frame import ACK, ShortFrame
from mbusbench.definition.fields import nanoseconds
from mbusbench.errors import MBusUsageError
from mbusbench.meter.meter import Meter
from mbusbench.scenario.driver import MasterUnderTest
from mbusbench.scenario.driver.action import BusAccess, Transport
from mbusbench.scenario.file.matrix import Variant
from mbusbench.scenario.file.step import Step
from mbusbench.scenario.judging.traffic import in_order
from mbusbench.scenario.observation import Observation, PerformedStep
from mbusbench.scenario.serving import ENDPOINTS, Line, Nowhere, port_options, unserved_url
from mbusbench.trace.event import Kind, TraceEvent

_HEARTBEAT = 0.01
SETTLE = 0.5
"""Seconds after the last step, for what is still on the line."""


class Running:
    """One run. `meters` are those of the bus in order, `addresses` the primary addresses that they had."""

    def __init__(
        self,
        variant: Variant,
        master: MasterUnderTest,
        seed: int,
        transport: Transport,
        endpoint: str | None = None,
    ) -> None:
        self._definition = variant.definition
        self._master = master
        self._transport = transport
        self._url = endpoint or ENDPOINTS[transport]
        self._bus = VirtualBus.from_file(variant.bus, seed)
        self._waiting = self._held_back([fault.definition for fault in variant.bus.faults])
        self.meters: list[Meter] = list(self._bus.meters)
        self.addresses = tuple(meter.address for meter in self.meters)
        self._events: list[TraceEvent] = []
        self._steps: list[PerformedStep] = []
        self._heard = 0
        self._hits: dict[str, int] = {}
        self._removed: dict[object, Meter] = {}
        self.unfired: list[str] = []
        self._access = BusAccess("")
        self._primed: set[bytes] = set()
        self._stall = 0

    def _held_back(self, faults: Iterable[FaultDefinition]) -> dict[str, FaultDefinition]:
        """Faults that a step arms are not armed before."""
        armed_later = {name for step in self._definition.all_steps() if step.action == "arm" for name in step.names()}
        waiting = {fault.name: fault for fault in faults if fault.name in armed_later}
        for name in waiting:
            self._bus.faults.disarm(name)
        return waiting

    async def perform(self) -> Observation:
        """All steps, in the time of the running event loop."""
        bus = self._bus
        if self._definition.prime:
            self._prime()
        bus.trace = self._record
        driver = driver_of(bus)
        async with AsyncExitStack() as stack:
            if not self._master.is_virtual:
                stack.push_async_callback(_ended, asyncio.create_task(self._watch()))
            options = port_options(bus, self._transport)
            is_virtual, is_served = self._master.is_virtual, self._definition.served
            url = "" if is_virtual else unserved_url(self._transport)
            if is_served and not is_virtual:
                url = (await stack.enter_async_context(BusServer(bus, [(self._url, options)]))).url
            self._access = BusAccess(
                url,
                self._transport,
                bus.baud,
                bus.parity.value,
                (Line(bus, options) if is_served else Nowhere()) if is_virtual else None,
                lambda: driver.now,
                lambda: self._heard,
            )
            try:
                await self._all((*self._definition.setup, *self._definition.steps))
            finally:
                await self._all(self._definition.teardown)
            await asyncio.sleep(SETTLE)
        self._note_faults()
        lag = None if self._master.is_virtual else driver.lag.worst
        return self._observation(lag)

    async def _watch(self) -> None:
        """Note how long the bench stands still: what masters send meanwhile seems to come later than it did."""
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(_HEARTBEAT)
            late = loop.time() - before - _HEARTBEAT
            self._stall = max(self._stall, round(late * 1e9))

    def _prime(self) -> None:
        """Let each meter have sent a telegram before: its memory of the frame count bit is not empty, but 0."""
        for slave in self._bus.slaves:
            address = slave.meter.address
            slave.link.receive(ShortFrame(SND_NKE, address), 0)
            sent = slave.link.receive(ShortFrame(with_fcb(REQ_UD2, 1), address), 0)
            if sent is not None and sent != ACK:
                self._primed.add(sent.encode())
            slave.link.receive(ShortFrame(SND_NKE, address), 0)

    def _record(self, event: TraceEvent) -> None:
        if event.kind is Kind.MASTER:
            self._heard += len(event.data)
        self._events.append(event)

    async def _all(self, steps: Iterable[Step]) -> None:
        for step in steps:
            await self._one(step)

    async def _one(self, step: Step) -> None:
        if step.action == "parallel":
            await asyncio.gather(*(self._one(each) for each in step.steps))
        elif step.is_masters:
            number = len(self._steps)
            action = step.as_action(number)
            result = await self._master.perform(action, self._access)
            self._steps.append(PerformedStep(step.name, action, replace(result, step=number)))
        else:
            await self._bench(step)

    async def _bench(self, step: Step) -> None:
        bus, now = self._bus, self._access.now()
        if step.action == "wait":
            await asyncio.sleep(nanoseconds(step.target) / 1e9)
        elif step.action == "power-cycle":
            slave = None if step.target in (None, "bus") else self._slave(step.target)
            bus.power_cycle(now, slave)
        elif step.action == "arm":
            for name in step.names():
                bus.faults.arm(self._waiting[name])
        elif step.action == "clear":
            for name in step.names() if step.target not in (None, "all") else [each.name for each in bus.faults]:
                self._note_hits(name)
                bus.faults.disarm(name)
        elif step.action == "change":
            meter = self._meter(step.target)
            for name, value in step.values.items():
                meter.put(name, value, now)
        elif step.action == "remove":
            self._removed[step.target] = bus.remove_meter(self._meter(step.target))
        elif step.action == "restore":
            bus.add_meter(self._removed.pop(step.target))

    def _meter(self, who: object) -> Meter:
        for meter, address in zip(self.meters, self.addresses, strict=True):
            if who in (address, meter.name):
                return meter
        raise MBusUsageError(f"the bus has no meter {who!r}")

    def _slave(self, who: object) -> Slave:
        meter = self._meter(who)
        return next(slave for slave in self._bus.slaves if slave.meter is meter)

    def _note_hits(self, name: str) -> None:
        armed = self._bus.faults[name]
        self._hits[name] = self._hits.get(name, 0) + armed.hits
        if not armed.hits:
            self.unfired.append(armed.never())

    def _note_faults(self) -> None:
        for armed in self._bus.faults:
            self._note_hits(armed.name)
        for name in self._waiting:
            if name not in self._hits:
                self.unfired.append(f"{name}: was never armed")

    def _observation(self, lag: int | None) -> Observation:
        readouts = [len(meter.device.readout(None)) for meter in self.meters]
        return Observation(
            in_order(self._events),
            tuple(self._steps),
            self._hits,
            lag,
            self._stall,
            self._bus.baud,
            self.addresses,
            max(readouts, default=1),
            self._bus.speed,
            frozenset(self._primed),
        )


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
