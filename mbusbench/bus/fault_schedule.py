"""Which faults are armed, when they act and how often they did: what the engine asks about each transmission.

While nothing is armed the engine does not ask. Each fault has random numbers of its own, from `seed/fault/NAME`.
Waiting for a fault is in `fault_waiting`, because it needs an event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from mbusbench.bus.armed_fault import ArmedFault, Passing, names_of
from mbusbench.bus.fault import Direction, FaultDefinition, FrameName, mistakes_of_faults
from mbusbench.bus.fault_action import Disconnect, PowerCycle, StuckFcb
from mbusbench.bus.fault_kinds import Place
from mbusbench.bus.fault_memory import FaultMemory
from mbusbench.bus.interference import Altered, Interference
from mbusbench.bus.slave import QuirkedSlave, Slave
from mbusbench.codec.frame import LongFrame, ShortFrame, decode_frame
from mbusbench.definition.validation import did_you_mean
from mbusbench.errors import DecodeError, MBusUsageError
from mbusbench.line.answer_faults import Noise, Stale
from mbusbench.line.effect import Burst, Bursts, Effect, Sender
from mbusbench.line.wire import Parity, Transmission, WireSignal
from mbusbench.protocol.slave.quirk import QuirkedLink, SlaveQuirk
from mbusbench.trace.event import FAULT, Kind, TraceEvent, TraceSink


class FaultHost(Protocol):
    """What the engine does for faults. Times are ns since the bus's epoch, in the time of the line."""

    interference: Interference | None
    """Whom the engine asks, None for nobody."""

    @property
    def trace(self) -> TraceSink | None: ...

    def at(self, time: int, action: Callable[[int], None]) -> None:
        """Call `action` with the time when it is `time`, or at once where it has been."""

    def put(self, signal: WireSignal) -> None:
        """Put a signal of nobody on the wire that masters hear."""

    def hang_up(self, port: int | None, time: int) -> None:
        """End a port's connection, or all of them, at that time."""

    def lose_power(self, time: int, slave: Slave | None) -> None:
        """A slave, or all of them, forgets at once what it does not keep."""


class FaultSchedule:
    """`bus.faults`: the armed faults by name, in the order in which they were armed, which is that of their effects."""

    def __init__(self, host: FaultHost, seed: int, baud: int = 2400, parity: Parity = Parity.EVEN) -> None:
        """`baud` and `parity` are those of noise, of which nobody else knows any."""
        self._host = host
        self._seed = seed
        self._baud = baud
        self._parity = parity
        self._armed: dict[str, ArmedFault] = {}
        self._requests: list[ArmedFault] = []
        self._answers: list[ArmedFault] = []
        self._stuck: list[ArmedFault] = []
        self._decided: dict[Slave, list[ArmedFault]] = {}
        self._asked_at: dict[Slave, int] = {}
        self._memory = FaultMemory()
        self._needs_telegrams = False
        self._dark_until: dict[Slave | None, int] = {}
        self._plans = 0
        self._quirks: dict[Slave, list[ArmedFault]] = {}
        self._listeners: list[SlaveQuirk] = []
        self.observers: list[Callable[[ArmedFault], None]] = []
        """Called for each fault that acted, and for each that is armed no more."""

    def arm(self, fault: FaultDefinition) -> ArmedFault:
        """From now on. MBusUsageError where one of that name is armed, or it waits for one that is not."""
        if fault.name in self._armed:
            raise MBusUsageError(f"a fault named {fault.name!r} is armed already")
        if fault.after is not None:
            self._known(fault.after.fault)
        return self._arm(fault)

    def arm_all(self, faults: Iterable[FaultDefinition]) -> None:
        """Arm several, which may wait for one another. MBusUsageError as for one, or where the waits have no end."""
        faults = list(faults)
        for path, text in mistakes_of_faults([*(armed.definition for armed in self), *faults]):
            raise MBusUsageError(f"fault {path[0]}: {text}")
        for fault in faults:
            self._arm(fault)

    def arm_quirks(self, slave: Slave) -> None:
        """What a slave's quirks do on the wire, for good: these faults are the slave's, and not in this collection."""
        if not isinstance(slave, QuirkedSlave):
            return
        for name, wire in slave.meter.quirks.wire:
            frames = [FrameName(frame) for frame in wire.frames]
            fault = FaultDefinition.model_validate(
                {"name": f"quirk {name}", "frame": frames, "every": wire.every, "do": list(wire.effects)}
            )
            self._quirks.setdefault(slave, []).append(ArmedFault(fault, slave.stream))
        if isinstance(slave.link, QuirkedLink):
            self._listeners += [quirk for quirk in slave.link.quirks if quirk.listens]
        self._enable()

    def _arm(self, fault: FaultDefinition) -> ArmedFault:
        armed = ArmedFault(fault, self._seed)
        self._armed[fault.name] = armed
        self._sort()
        self._plan(armed)
        return armed

    def disarm(self, name: str) -> None:
        """No more. What it has begun goes on. MBusUsageError where there is none of that name."""
        armed = self._known(name)
        del self._armed[name]
        self._sort()
        self._notify(armed)

    def clear(self) -> None:
        """Disarm all."""
        for name in list(self._armed):
            self.disarm(name)

    def assert_all_fired(self) -> None:
        """AssertionError that names each fault that never acted, what it waited for, and what it has seen."""
        idle = [armed for armed in self if not armed.hits]
        if idle:
            lines = [f"{len(idle)} of {len(self)} faults never fired:", *(f"  {armed.never()}" for armed in idle)]
            raise AssertionError("\n".join(lines))

    async def wait_for(self, name: str, hits: int = 1) -> None:
        """Return when the fault has acted `hits` times in all. MBusUsageError where it is not armed, or no more."""
        from mbusbench.bus.fault_waiting import wait_for

        await wait_for(self, name, hits)

    def plan_times(self) -> None:
        """Plan all faults that wait for a time: the host has forgotten what it was asked for."""
        self._plans += 1
        for armed in self._armed.values():
            self._plan(armed)

    def _plan(self, armed: ArmedFault) -> None:
        plan = self._plans
        for time in armed.definition.at or ():
            self._host.at(time, lambda now: self._at(armed, now, plan))

    def forget(self, slave: Slave) -> None:
        """The slave is not on the line any more."""
        self._memory.forget(slave)
        self._decided.pop(slave, None)
        self._asked_at.pop(slave, None)
        if self._dark_until.pop(slave, None) is not None:
            self._enable()

    def __getitem__(self, name: str) -> ArmedFault:
        try:
            return self._armed[name]
        except KeyError:
            raise KeyError(_unknown(name, self._armed)) from None

    def __iter__(self) -> Iterator[ArmedFault]:
        return iter(list(self._armed.values()))

    def __contains__(self, name: object) -> bool:
        return name in self._armed

    def __len__(self) -> int:
        return len(self._armed)

    def of_master(self, transmission: Transmission, port: int, now: int) -> Sequence[WireSignal] | None:
        """What the line carries to the slaves instead of the master's characters, None as they are."""
        if not (self._requests or self._listeners):
            return None
        frame = _frame(transmission.data)
        if frame is None:
            for quirk in self._listeners:
                quirk.characters(len(transmission.data), now)
        if not self._requests:
            return None
        passing = Passing(frame, transmission.data, names_of(frame))
        chosen = self._chosen(self._requests, passing, now)
        original: Bursts = (Burst(0, transmission.data, transmission.flipped),)
        bursts = original
        for armed in chosen:
            sender = self._sender(armed, transmission.baud, transmission.parity)
            before = bursts
            noise: Bursts = ()
            for effect in armed.definition.do:
                if isinstance(effect, Noise):
                    noise = effect.apply(noise, sender)
                else:
                    bursts = effect.apply(bursts, sender)
            self._put(noise, transmission.end, armed, sender)
            if bursts != before or noise or _is_action(armed):
                self._hit(armed, now, str(passing))
        for armed in chosen:
            sender = self._sender(armed, transmission.baud, transmission.parity)
            self._act(armed, transmission.start + sender.end(bursts), port, None)
        if bursts == original:
            return None
        return self._sender(None, transmission.baud, transmission.parity).transmissions(bursts, transmission.start)

    def of_request(self, frame: LongFrame | ShortFrame, slave: Slave, port: int | None, now: int) -> bool:
        """Whether the slave gets the frame: not while its power is off."""
        if self._dark_until and self._is_dark(slave, now):
            return False
        if self._answers or self._stuck or self._quirks:
            self._asked_at[slave] = now
        if self._stuck:
            meter = slave.meter
            passing = Passing(frame, b"", names_of(frame), meter.address, meter.wire_address)
            self._decided[slave] = []
            for armed in self._chosen(self._stuck, passing, now):
                if self._memory.take_for_repeat(frame, slave):
                    self._decided[slave].append(armed)
        return True

    def of_answer(
        self, request: LongFrame | ShortFrame, answer: Transmission, slave: Slave, port: int | None
    ) -> Altered | None:
        """The answer as it is sent, None where no fault acts on it."""
        due, reply, baud, parity = answer.start, answer.data, answer.baud, answer.parity
        if self._dark_until and self._is_dark(slave, due):
            return Altered(())
        meter = slave.meter
        passing = Passing(request, reply, names_of(request, reply), meter.address, meter.wire_address)
        waited = due - self._asked_at.pop(slave, due)
        earlier = self._memory.earlier(slave, reply) if self._needs_telegrams else ()
        if self._stuck:
            self._memory.note_answer(request, slave)
        chosen = self._decided.pop(slave, [])
        stuck = len(chosen)
        if self._quirks:
            chosen += self._chosen(self._quirks.get(slave, ()), passing, due - waited, earlier)
        chosen = [*chosen, *self._chosen(self._answers, passing, due - waited, earlier)]
        if not chosen:
            return None
        bursts: Bursts = (Burst(0, reply, answer.flipped),)
        acted: list[ArmedFault] = []
        for index, armed in enumerate(chosen):
            before = bursts
            sender = self._sender(armed, baud, parity, waited, earlier)
            for effect in armed.definition.do:
                bursts = effect.apply(bursts, sender)
            if bursts != before or index < stuck or _is_action(armed):
                acted.append(armed)
                self._hit(armed, due, str(passing))
        for armed in acted:
            self._act(armed, due + self._sender(armed, baud, parity).end(bursts), port, slave)
        return Altered(bursts, tuple(armed.name for armed in acted)) if acted else None

    def _chosen(
        self, candidates: Iterable[ArmedFault], passing: Passing, now: int, earlier: Sequence[bytes] = ()
    ) -> list[ArmedFault]:
        """Those that act on the frame. None of them has acted when the others are asked."""
        chosen = []
        for armed in candidates:
            after = armed.definition.after
            fits = any(effect.fits(passing.data, earlier) for effect in armed.definition.do)
            if not fits or (after is not None and not self._has_fired(after.fault, after.hits)):
                armed.seen += 1
            elif armed.chooses(passing, now):
                chosen.append(armed)
        return chosen

    def _has_fired(self, name: str, hits: int) -> bool:
        armed = self._armed.get(name)
        return armed is not None and armed.hits >= hits

    def _sender(
        self,
        armed: ArmedFault | None,
        baud: int,
        parity: Parity,
        waited: int = 0,
        earlier: Sequence[bytes] = (),
    ) -> Sender:
        if armed is None:
            return Sender(baud, parity)
        return Sender(baud, parity, armed.random, waited, earlier)

    def _at(self, armed: ArmedFault, now: int, plan: int) -> None:
        """The time of a fault that waits for one has come."""
        definition = armed.definition
        if self._armed.get(armed.name) is not armed or armed.worn_off or plan != self._plans:
            return
        if definition.period is not None and (definition.until is None or now + definition.period < definition.until):
            self._host.at(now + definition.period, lambda then: self._at(armed, then, plan))
        armed.seen += 1
        after = definition.after
        if not armed.in_time(now) or (after is not None and not self._has_fired(after.fault, after.hits)):
            return
        armed.met += 1
        bursts: Bursts = ()
        sender = self._sender(armed, self._baud, self._parity)
        for effect in definition.do:
            bursts = effect.apply(bursts, sender)
        self._hit(armed, now)
        self._put(bursts, now, armed, sender)
        self._act(armed, now + sender.end(bursts), None, None)

    def _put(self, bursts: Bursts, start: int, armed: ArmedFault, sender: Sender) -> None:
        trace = self._host.trace
        for sent in sender.transmissions(bursts, start):
            if trace is not None:
                event = TraceEvent(sent.start, Kind.NOISE, None, f"fault {armed.name}", sent.data)
                event = event._replace(duration=sent.end - sent.start, baud=sent.baud, parity=sent.parity)
                trace(event._replace(cause=(armed.name,)))
            self._host.put(sent)

    def _act(self, armed: ArmedFault, time: int, port: int | None, slave: Slave | None) -> None:
        """What else happens, `time` being the end of what is sent."""
        for effect in armed.definition.do:
            if isinstance(effect, PowerCycle):
                self._plan_power_cycle(effect, time, slave if effect.scope == "meter" else None)
            elif isinstance(effect, Disconnect):
                self._plan_disconnect(time, port)

    def _plan_power_cycle(self, effect: PowerCycle, time: int, slave: Slave | None) -> None:
        def fail(now: int) -> None:
            self._dark_until[slave] = now + effect.off
            self._enable()
            self._memory.forget(slave)
            self._host.lose_power(now, slave)
            self._host.at(now + effect.off, restore)

        def restore(now: int) -> None:
            if self._dark_until.get(slave, now + 1) <= now:
                del self._dark_until[slave]
                self._enable()

        # What ends at that time has still arrived.
        self._host.at(time + 1, fail)

    def _plan_disconnect(self, time: int, port: int | None) -> None:
        # What ends at that time has still arrived.
        self._host.hang_up(port, time + 1)

    def _is_dark(self, slave: Slave, now: int) -> bool:
        dark = self._dark_until
        return now < max(dark.get(None, 0), dark.get(slave, 0))

    def _hit(self, armed: ArmedFault, now: int, *words: str) -> None:
        armed.hits += 1
        armed.last_hit = now
        trace = self._host.trace
        if trace is not None:
            trace(
                TraceEvent(now, Kind.NOTE, source=f"fault {armed.name}", cause=(FAULT, armed.name, armed.does, *words))
            )
        self._notify(armed)

    def _notify(self, armed: ArmedFault) -> None:
        for observer in list(self.observers):
            observer(armed)

    def _known(self, name: str) -> ArmedFault:
        if name not in self._armed:
            raise MBusUsageError(_unknown(name, self._armed))
        return self._armed[name]

    def _sort(self) -> None:
        """Which fault is asked where."""
        frames = [armed for armed in self._armed.values() if armed.definition.place is not Place.TIME]
        self._requests = [armed for armed in frames if armed.definition.direction is Direction.REQUEST]
        answers = [armed for armed in frames if armed.definition.direction is Direction.ANSWER]
        self._stuck = [armed for armed in answers if _is_stuck(armed)]
        self._answers = [armed for armed in answers if not _is_stuck(armed)]
        self._decided.clear()
        self._needs_telegrams = any(isinstance(effect, Stale) for armed in answers for effect in armed.definition.do)
        self._enable()

    def _enable(self) -> None:
        armed = self._requests or self._answers or self._stuck or self._dark_until
        asked = bool(armed or self._quirks or self._listeners)
        self._host.interference = self if asked else None


def _unknown(name: str, known: Iterable[str]) -> str:
    return f"no fault named {name!r} is armed{did_you_mean(name, known)}"


def _is_stuck(armed: ArmedFault) -> bool:
    return any(isinstance(effect, StuckFcb) for effect in armed.definition.do)


def _is_action(armed: ArmedFault) -> bool:
    return any(isinstance(effect, PowerCycle | Disconnect) for effect in armed.definition.do)


def _frame(data: bytes) -> LongFrame | ShortFrame | None:
    try:
        frame = decode_frame(data)
    except DecodeError:
        return None
    return frame if isinstance(frame, LongFrame | ShortFrame) else None


__all__ = ["Effect", "FaultHost", "FaultSchedule"]
