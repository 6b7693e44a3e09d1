"""VirtualBus: the engine. Requests in, answers out, at their times; sans-IO, all state in here.

Ports are the masters' sides of the line. With `speed` None everything happens at once and each master hears what it
asked for; otherwise there is one line with a time of its own, and every master hears every answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mbusbench.bus.bus_file import BusFile
from mbusbench.bus.direct_line import DirectLine
from mbusbench.bus.fault import FaultDefinition
from mbusbench.bus.fault_schedule import FaultSchedule
from mbusbench.bus.hearing import Request
from mbusbench.bus.interference import Interference
from mbusbench.bus.noise import Noise
from mbusbench.bus.population import Population
from mbusbench.bus.port import PLAIN_PORT, PortOptions, Send
from mbusbench.bus.recipe import DeviceList
from mbusbench.bus.slave import Slave, slaves_of, slaves_with
from mbusbench.bus.timed_line import TimedLine
from mbusbench.codec.address import SELECTED
from mbusbench.codec.frame import LongFrame
from mbusbench.errors import MBusUsageError
from mbusbench.line.wire import Parity, WireSignal
from mbusbench.meter.meter import DEFAULT_EPOCH, Meter
from mbusbench.timing import BAUD_RATES
from mbusbench.trace.event import (
    ADDED,
    CLOSED,
    FORMAT,
    OPENED,
    POWER_CYCLE,
    REMOVED,
    REPLACED,
    Kind,
    TraceEvent,
    TraceSink,
)

if TYPE_CHECKING:
    from mbusbench.bus.endpoints.memory import MemoryStream
    from mbusbench.bus.server import BusServer

LagOf = Callable[[int, int], int]


class Mover(Protocol):
    """What moves a bus: it knows the time, on the clock of `poll`."""

    @property
    def now(self) -> int: ...

    def wake(self) -> None:
        """What is due next may have changed."""


class VirtualBus:
    """Meters on one line. Built from a file, from device names or from meters; then served, or connected to."""

    def __init__(
        self,
        meters: Iterable[Meter] = (),
        *,
        baud: int = 2400,
        parity: Parity = Parity.EVEN,
        speed: float | None = None,
        echo: bool = False,
        noise: Noise | None = None,
        errors_to_slaves: float = 0.0,
        errors_to_masters: float = 0.0,
        seed: int = 0,
        listen: Sequence[str | tuple[str, PortOptions]] = (),
        epoch: datetime = DEFAULT_EPOCH,
        faults: Iterable[FaultDefinition] = (),
    ) -> None:
        """`speed` is None for as fast as possible, 1 for the baud rate's own; 10: the bus lives ten times as fast.

        `baud` and `parity` are those of the masters' ports until they say otherwise; the slaves know their own rates.
        `errors_to_slaves` and `errors_to_masters` are the probabilities that a bit arrives inverted; they and `noise`
        need a speed. `listen` are endpoints, each alone or with what its ports are like.
        """
        if baud not in BAUD_RATES:
            raise MBusUsageError(f"baud rate {baud} is not one of {', '.join(map(str, BAUD_RATES))}")
        for rate in (errors_to_slaves, errors_to_masters):
            if not 0 <= rate <= 1:
                raise MBusUsageError(f"bit error rate {rate} is not in 0..1")
        self.seed = seed
        self.endpoints = tuple((each, PLAIN_PORT) if isinstance(each, str) else each for each in listen)
        """Where it is served, and what the ports there are like."""
        self.epoch = epoch
        self.driver: Mover | None = None
        """What moves the bus in an event loop; `bus.server` keeps it here."""
        self._housings = {meter: slaves_of(index, meter, seed) for index, meter in enumerate(meters)}
        self._population = Population(slave for slaves in self._housings.values() for slave in slaves)
        self.meters_ever = len(self._housings)
        """How many meters have been on the line."""
        self._baud = baud
        self._parity = parity
        self._echo = echo
        self._noise = noise
        self._errors = errors_to_slaves, errors_to_masters
        self._next_port = 0
        self.faults = FaultSchedule(self, seed, baud, parity)
        """What the bus shall do wrong; nothing, as long as none is armed."""
        self._line: TimedLine | DirectLine
        self._factor: float | None = None
        self._lag_of: LagOf | None = None
        self.set_speed(speed)
        self.faults.arm_all(faults)
        for slave in self._population.slaves:
            self.faults.arm_quirks(slave)

    def set_speed(self, speed: float | None) -> None:
        """As the argument `speed`; for a bus that was built from a file, before it is served."""
        if speed is not None and not 0 < speed <= 1e6:
            raise MBusUsageError(f"speed {speed} is not above 0, and at most 1000000")
        previous: TimedLine | DirectLine | None = getattr(self, "_line", None)
        if previous is not None and previous.port_count:
            raise MBusUsageError("the speed of a bus cannot change while masters are connected")
        self.speed = speed
        self._factor = None if speed is None or speed == 1 else speed
        if speed is None:
            self._line = DirectLine(
                self._on_request, baud=self._baud, parity=self._parity, echo=self._echo, seed=self.seed
            )
        else:
            self._line = TimedLine(
                self._on_request,
                baud=self._baud,
                parity=self._parity,
                echo=self._echo,
                seed=self.seed,
                noise=self._noise,
                errors_to_slaves=self._errors[0],
                errors_to_masters=self._errors[1],
            )
        self.lag_of = self._lag_of
        if previous is not None:
            self._line.interference = previous.interference
            self._line.set_trace(previous.trace)
            self.faults.plan_times()

    @classmethod
    def from_yaml(cls, path: str | Path, seed: int | None = None) -> VirtualBus:
        """The bus of a bus file; `seed` overrides the file's. DefinitionError with a line for each mistake."""
        return cls.from_file(BusFile(path), seed)

    @classmethod
    def from_file(cls, file: BusFile, seed: int | None = None) -> VirtualBus:
        """As `from_yaml`, of a file that is read already."""
        bus = file.definition
        used = bus.seed if seed is None else seed
        line = bus.line
        return cls(
            file.meters(used),
            baud=line.baud,
            parity=line.parity,
            speed=bus.speed,
            echo=line.echo,
            noise=line.noise.options if line.noise is not None else None,
            errors_to_slaves=line.bit_errors.to_slaves,
            errors_to_masters=line.bit_errors.to_masters,
            seed=used,
            listen=[(entry.url, entry.options) for entry in bus.listen],
            faults=[fault.definition for fault in file.faults],
            epoch=bus.epoch,
        )

    @classmethod
    def from_devices(
        cls,
        names: Iterable[str],
        *,
        seed: int = 0,
        epoch: datetime = DEFAULT_EPOCH,
        baud: int = 2400,
        speed: float | None = None,
    ) -> VirtualBus:
        """One meter of each named device, at the device's own address or the next that is free.

        Devices are catalogue names or paths. DefinitionError where one cannot be loaded.
        """
        meters = [each.meter(seed, epoch) for each in DeviceList(names).recipes(seed)]
        return cls(meters, baud=baud, speed=speed, seed=seed, epoch=epoch)

    @property
    def meters(self) -> list[Meter]:
        """The meters, in the order in which they were given."""
        return [slave.meter for slave in self._population.slaves]

    @property
    def slaves(self) -> list[Slave]:
        """The slaves that the meters are on the line, in the same order."""
        return self._population.slaves

    @property
    def housings(self) -> list[Meter]:
        """The meters that were put on the line, without those that share the housing of one of them."""
        return list(self._housings)

    def meter(self, who: str | int) -> Meter:
        """The meter by that name or at that primary address. MBusUsageError where there is none, or are several."""
        return self._housed(who)

    def add_meter(self, meter: Meter, time: int | None = None) -> Meter:
        """Put a meter on the line, behind the others; at a time of the line (ns), which is now if not given."""
        time = self._present() if time is None else time
        slaves = self._housings[meter] = slaves_of(self.meters_ever, meter, self.seed)
        self.meters_ever += 1
        for slave in slaves:
            self._population.add(slave)
        self._note(ADDED, None, time, slaves[0].name)
        return meter

    def remove_meter(self, who: Meter | str | int, time: int | None = None) -> Meter:
        """Take a meter off the line, also in the middle of an answer, with all that its housing holds."""
        time = self._present() if time is None else time
        meter = self._housed(who)
        slaves = self._take_off(meter, time)
        for slave in slaves:
            self._population.remove(slave)
        self._note(REMOVED, None, time, slaves[0].name)
        return meter

    def replace_meter(self, who: Meter | str | int, meter: Meter, time: int | None = None) -> Meter:
        """Exchange a meter for another, which takes its place in the order and its stream of response delays."""
        time = self._present() if time is None else time
        former = self._take_off(self._housed(who), time)
        slaves = self._housings[meter] = slaves_with(former[0].stream, meter)
        self._population.replace(former, slaves)
        self._note(REPLACED, None, time, former[0].name)
        return meter

    def _take_off(self, meter: Meter, time: int) -> list[Slave]:
        slaves = self._housings.pop(meter)
        for slave in slaves:
            self._line.power_cycle(time, slave)
            self.faults.forget(slave)
        if self.driver is not None:
            self.driver.wake()
        return slaves

    def _housed(self, who: Meter | str | int) -> Meter:
        """The meter that is meant; of several in one housing the one that was put on the line."""
        if isinstance(who, Meter):
            found = [main for main, slaves in self._housings.items() if any(slave.meter is who for slave in slaves)]
        elif isinstance(who, str):
            found = [main for main in self._housings if who and main.name == who]
        else:
            found = [
                main for main, slaves in self._housings.items() if any(slave.meter.address == who for slave in slaves)
            ]
        if len(found) == 1:
            return found[0]
        what = {str: f"named {who!r}", int: f"at address {who}"}.get(type(who), "that is this one")
        raise MBusUsageError(f"the bus has {len(found) or 'no'} meter{'s' * (len(found) > 1)} {what}")

    def _present(self) -> int:
        """The time of the line, by what moves it; 0 where nobody does."""
        return 0 if self.driver is None else self._line_time(self.driver.now)

    @property
    def trace(self) -> TraceSink | None:
        """Gets an event for each thing that happens; none are made while it is None."""
        return self._line.trace

    @trace.setter
    def trace(self, trace: TraceSink | None) -> None:
        self._line.set_trace(trace)

    @property
    def lag_of(self) -> LagOf | None:
        """Asked with a port and when characters were due, on the clock of `poll`: how late the host was with them."""
        return self._lag_of

    @lag_of.setter
    def lag_of(self, lag_of: LagOf | None) -> None:
        self._lag_of = lag_of
        self._line.lag_of = None if lag_of is None else lambda port, end: lag_of(port, self._clock_time(end))

    @property
    def interference(self) -> Interference | None:
        """What disturbs transmissions; nothing is asked while it is None."""
        return self._line.interference

    @interference.setter
    def interference(self, interference: Interference | None) -> None:
        self._line.interference = interference

    def serve(self, *urls: str) -> BusServer:
        """An async context manager that serves the bus on `urls` (`tcp://127.0.0.1:0`), else on those of its file.

        The real endpoints are in the server's `url` and `urls`.
        """
        from mbusbench.bus.server import BusServer

        if urls or not self.endpoints:
            return BusServer(self, [(url, self.options_of(url)) for url in urls or ("tcp://127.0.0.1:0",)])
        return BusServer(self, self.endpoints)

    def connect(self) -> MemoryStream:
        """A byte stream to the bus inside this process, for the running event loop."""
        from mbusbench.bus.endpoints.memory import MemoryStream

        return MemoryStream(self)

    def options_of(self, endpoint: str) -> PortOptions:
        """What the bus file says about the ports of an endpoint in `listen`."""
        return dict(self.endpoints).get(endpoint, PLAIN_PORT)

    @property
    def listen(self) -> tuple[str, ...]:
        """The endpoints of the bus file."""
        return tuple(url for url, _ in self.endpoints)

    @property
    def baud(self) -> int:
        """The rate of a port that was not told another one."""
        return self._baud

    @property
    def parity(self) -> Parity:
        """The parity of the slaves, and of a port that was not told another one."""
        return self._parity

    def open_port(self, options: PortOptions | None = None, now: int = 0) -> int:
        """A new master's side of the line. Times of ports are ns since the bus's epoch, on the clock of `poll`."""
        time = self._line_time(now)
        if not self._line.port_count:
            # What was due while nobody was there to poll is over, and not heard.
            self._line.poll(time)
        self._next_port += 1
        self._line.open_port(self._next_port, options or PLAIN_PORT, time)
        self._note(OPENED, self._next_port, time)
        return self._next_port

    def close_port(self, port: int, now: int = 0) -> None:
        """What is under way to it is dropped; what it has sent stays on the line."""
        if self._line.close_port(port):
            self._note(CLOSED, port, self._line_time(now))

    def set_port_format(self, port: int, baud: int, parity: Parity, now: int = 0) -> None:
        """The master set its UART to another rate or parity."""
        if baud not in BAUD_RATES:
            raise MBusUsageError(f"baud rate {baud} is not one of {', '.join(map(str, BAUD_RATES))}")
        self._line.set_port_format(port, baud, parity)
        if self.trace is not None:
            self.trace(TraceEvent(self._line_time(now), Kind.NOTE, port, baud=baud, parity=parity, cause=(FORMAT,)))

    def set_break(self, port: int, on: bool, now: int) -> None:
        """The master holds the line in break from now on, or lets it go."""
        self._line.set_break(port, on, self._line_time(now))

    def receive(self, port: int, data: bytes, now: int) -> None:
        """Bytes that a master sent, at `now` (ns since the bus's epoch)."""
        self._line.receive(port, data, now if self._factor is None else self._line_time(now))

    def poll(self, now: int) -> list[Send]:
        """What is due at `now`, in order."""
        if self._factor is None:
            return self._line.poll(now)
        sends = self._line.poll(self._line_time(now))
        return [send._replace(time=self._clock_time(send.time)) for send in sends]

    def next_wakeup(self) -> int | None:
        """When `poll` has something to do again, ns since the epoch; None where it never has."""
        due = self._line.next_wakeup()
        return due if due is None or self._factor is None else self._clock_time(due)

    @property
    def port_count(self) -> int:
        """Ports that are open."""
        return self._line.port_count

    def take_whole_answers(self, port: int) -> None:
        """From now on an answer that is alone on the line comes in one piece at its end, see `busy_until`.

        Anything else still comes character by character: collisions, altered answers, noise.
        """
        self._line.take_whole_answers(port)

    def busy_until(self, port: int, now: int) -> int:
        """When the answer that `port` is getting as a whole will be there; 0 where none has begun to arrive by now."""
        due = self._line.busy_until(port, self._line_time(now))
        return self._clock_time(due) if due else 0

    def unfold(self, port: int, now: int) -> None:
        """`port` gets that answer by characters after all: the next `poll` returns those that are there."""
        self._line.unfold(port, self._line_time(now))

    def at(self, time: int, action: Callable[[int], None]) -> None:
        """Call `action(time)` at a time of the line (ns), in the order in which this was asked for."""
        self._line.at(time, action)

    def put(self, signal: WireSignal) -> None:
        """Put something on the line that masters hear, not before it starts; in the time of the line."""
        self._line.put(signal)

    def hang_up(self, port: int | None, time: int) -> None:
        """End a master's connection, or all of them, at a time of the line."""
        self._line.hang_up(port, time)

    def power_cycle(self, now: int, slave: Slave | None = None) -> None:
        """The bus, or one slave, loses its power for a moment: it forgets what it does not keep."""
        self.lose_power(self._line_time(now), slave)

    def lose_power(self, time: int, slave: Slave | None = None) -> None:
        """As `power_cycle`, at a time of the line."""
        self._line.power_cycle(time, slave)
        slaves = self._population.slaves if slave is None else [slave]
        for each in slaves:
            each.link.power_up(time)
        self._population.update(slaves)
        self._note(POWER_CYCLE, None, time, "" if slave is None else slave.name)

    def _note(self, cause: str, port: int | None, time: int, source: str = "") -> None:
        if self.trace is not None:
            self.trace(TraceEvent(time, Kind.NOTE, port, source, cause=(cause,)))

    def _line_time(self, now: int) -> int:
        """A time of the clock in the time of the line."""
        return now if self._factor is None else int(now * self._factor)

    def _clock_time(self, time: int) -> int:
        """When the clock reaches a time of the line."""
        if self._factor is None:
            return time
        due = ceil(time / self._factor)
        while int(due * self._factor) < time:
            due += 1
        return due

    def _on_request(self, frame: Request, baud: int, port: int, now: int) -> None:
        """Let the slaves concerned have the frame, and put what they answer on the line. `baud` 0: all hear it."""
        slaves = self._population.addressed(frame)
        if not slaves:
            return
        line = self._line
        interference = line.interference
        replies: list[tuple[Slave, bytes]] = []
        for slave in slaves:
            if baud and not (slave.link.hears(baud, now) and line.takes_requests(slave, baud, now)):
                continue
            if interference is not None and not interference.of_request(frame, slave, port, now):
                continue
            reply = slave.link.receive(frame, now)
            if reply is not None:
                replies.append((slave, reply.encode()))
        if type(frame) is LongFrame or frame.address >= SELECTED:
            self._population.update(slaves)
        if replies:
            line.answer(frame, replies, baud, port, now)


__all__ = ["Send", "VirtualBus"]
