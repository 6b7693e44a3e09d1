"""A day of many connections in virtual time: ways to the buses fail and come back, meters go and return, sinks stop.

What came to the sinks is compared with what could be reached, and each bus watches that it never has two masters.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mbusbench import VirtualBus
from mbusbench.clock import run as run_in_virtual_time
from mbusbench.clock import utc_now
from mbusbench.definition.document import parse_document
from mbusbench.meter.definition import Device
from mbusbench.meter.meter import Meter
from mbusbench.poller.meter import slot_text
from mbusbench.poller.poller import Poller
from mbusbench.poller.redundancy import Channel, Redundancy, State
from mbusbench.poller.schedule import to_ns
from mbusbench.sinks.delivery import Delivery
from mbusbench.sinks.reading import Quality, Reading
from mbusbench.sinks.sink import SinkError
from mbusbench.sinks.store import Store
from mbusbench.timing import response_window
from mbusbench.trace.event import CLOSED, OPENED, Kind, TraceEvent
from tests.poller.bench import Gate, configuration, connection, source_of, with_backup

BAUD = 2400
PERIOD = 15 * 60
LIMIT = 3
ATTEMPTS = 3
"""A request and its repeats are one error."""
SECOND = 10**9
WINDOW = 150 * SECOND
"""Within so long after its begin a cycle is over, changes of the channel included: 20 meters take 20 s."""

DEVICE = Device.from_document(
    parse_document(
        """\
format: 1
device: {manufacturer: ABC, version: 1, medium: heat, id: 12345678}
telegrams:
  - records:
      - {vif: energy, unit: Wh, code: int32, value: {counter: {start: 0, rate: 1, per: second}}}
""",
        "meter.yaml",
    )
)


class OneMasterOnly:
    """Watches a bus: one port at a time, and no request within the answer to another port's."""

    def __init__(self) -> None:
        self.requests = 0
        self.changes = 0
        self.violations: list[str] = []
        self._open: set[int | None] = set()
        self._last: TraceEvent | None = None

    def __call__(self, event: TraceEvent) -> None:
        if event.kind is Kind.MASTER:
            last, self._last = self._last, event
            self.requests += 1
            if last is not None and last.port != event.port:
                self.changes += 1
                if event.time < last.end + response_window(BAUD)[1]:
                    self.violations.append(f"port {event.port} sent at {event.time}, {last.port} until {last.end}")
        elif event.kind is Kind.NOTE and event.cause[0] == OPENED:
            self._open.add(event.port)
            if len(self._open) > 1:
                self.violations.append(f"ports {self._open} are open at {event.time}")
        elif event.kind is Kind.NOTE and event.cause[0] == CLOSED:
            self._open.discard(event.port)


Span = tuple[int, int]


class StoppingSink:
    """A broker or database that takes nothing for a while."""

    def __init__(self, name: str, down: list[Span]) -> None:
        self.name = name
        self.readings: list[Reading] = []
        self.refusals = 0
        self._down = down

    async def open(self) -> None:
        self._check()

    async def write(self, readings: Sequence[Reading]) -> None:
        self._check()
        self.readings += readings

    async def close(self) -> None:
        """There is nothing to close."""

    def _check(self) -> None:
        now = round(asyncio.get_running_loop().time() * SECOND)
        if _overlaps(self._down, now, now + 1):
            self.refusals += 1
            raise SinkError("it has stopped")


@dataclass
class Line:
    """One connection with its bus. Spans are ns since the begin: when each way, and each meter, is not there."""

    name: str
    bus: VirtualBus
    watch: OneMasterOnly
    gates: dict[Channel, Gate]
    down: dict[Channel, list[Span]]
    absent: dict[int, list[Span]] = field(default_factory=lambda: defaultdict(list))

    def is_reachable(self, address: int, begin: int, end: int) -> bool:
        """Whether the meter and one of the ways were there all the time."""
        ways = self.down.values()
        return not _overlaps(self.absent[address], begin, end) and any(not _overlaps(way, begin, end) for way in ways)

    def is_out_of_reach(self, address: int, begin: int, end: int) -> bool:
        """Whether the meter, or both ways, were away all the time."""
        ways = self.down.values()
        return _covers(self.absent[address], begin, end) or all(_covers(way, begin, end) for way in ways)


def _overlaps(spans: Sequence[Span], begin: int, end: int) -> bool:
    return any(start < end and stop > begin for start, stop in spans)


def _covers(spans: Sequence[Span], begin: int, end: int) -> bool:
    return any(start <= begin and stop >= end for start, stop in spans)


@dataclass
class Summary:
    """What came of it."""

    readings: int = 0
    good: int = 0
    reachable: int = 0
    requests: int = 0
    changes: int = 0
    mistakes: list[str] = field(default_factory=list)

    def text(self) -> str:
        return (
            f"{self.readings} readings, {self.good} good; {self.reachable} had to be; {self.requests} frames "
            f"of masters, {self.changes} changes of the channel; {len(self.mistakes)} mistakes: {self.mistakes[:5]}"
        )


class Campaign:
    """So many connections of so many meters, polled for so many hours."""

    def __init__(self, connections: int, meters: int, hours: float, seed: int, directory: Path) -> None:
        self.addresses = range(1, meters + 1)
        self.duration = round(hours * 3600) * SECOND
        self.store = Store(directory / "store.db", durable=False)
        third = self.duration // 3
        stop = min(third, 3600 * SECOND)
        self.sinks = [
            StoppingSink("broker", [(third, third + stop)]),
            StoppingSink("database", [(2 * third, 2 * third + stop)]),
        ]
        self._random = random.Random(seed)
        self.lines = [self._line(number) for number in range(connections)]
        sources: dict[tuple[str, Channel], Any] = {
            (line.name, which): gate for line in self.lines for which, gate in line.gates.items()
        }
        self.poller = Poller(
            configuration(
                *(
                    connection(
                        line.name,
                        self.addresses,
                        period=f"{PERIOD}s",
                        redundancy=with_backup(line.name, errors=LIMIT, probe="2min"),
                    )
                    for line in self.lines
                ),
                seed=seed,
            ),
            self._keep,
            source_of=source_of(sources),
        )

    def _line(self, number: int) -> Line:
        meters = [
            Meter(DEVICE, address=address, identification=f"{number:04d}{address:04d}") for address in self.addresses
        ]
        bus = VirtualBus(meters, baud=BAUD, speed=1, seed=number)
        watch = OneMasterOnly()
        bus.trace = watch
        gates = {Channel.MAIN: Gate(bus), Channel.BACKUP: Gate(bus)}
        gates[Channel.MAIN].other, gates[Channel.BACKUP].other = gates[Channel.BACKUP], gates[Channel.MAIN]
        line = Line(f"line{number:03d}", bus, watch, gates, {Channel.MAIN: [], Channel.BACKUP: []})
        line.down[Channel.MAIN] = self._spans(3)
        line.down[Channel.BACKUP] = self._spans(1) if number % 4 == 0 else []
        for address in self.addresses:
            if self._random.random() < 0.05:
                line.absent[address] = self._spans(1)
        return line

    def _spans(self, count: int) -> list[Span]:
        """Up to so many spans within the run, which do not overlap."""
        edges = sorted(self._random.randrange(self.duration) for _ in range(2 * self._random.randint(0, count)))
        return list(zip(edges[::2], edges[1::2], strict=True))

    async def _keep(self, readings: Sequence[Reading]) -> None:
        await self.store.append(readings)

    def run(self) -> Summary:
        run_in_virtual_time(self._play())
        return self._judged()

    async def _play(self) -> None:
        self._began = to_ns(utc_now(asyncio.get_running_loop()))
        for line in self.lines:
            await line.bus.connect().close()  # the time of a bus begins with its first master
        delivery = Delivery(self.store, self.sinks, chance=self._random)
        await self.store.open()
        delivering = asyncio.create_task(delivery.run())
        polling = asyncio.create_task(self.poller.run())
        disturbing = [asyncio.create_task(work) for line in self.lines for work in self._disturbances(line)]
        await asyncio.sleep(self.duration / SECOND)
        self.schedules = {name: each.schedule for name, each in self.poller.connections.items()}
        for task in disturbing:
            task.cancel()
        await asyncio.gather(*disturbing, return_exceptions=True)
        self.poller.stop()
        await polling
        assert await delivery.drained(3600)
        delivering.cancel()
        await asyncio.gather(delivering, return_exceptions=True)
        await self.store.close()

    def _disturbances(self, line: Line) -> list[Any]:
        ways = [self._break(line.gates[which], spans) for which, spans in line.down.items()]
        return [*ways, *(self._take_away(line, address, spans) for address, spans in line.absent.items())]

    async def _break(self, gate: Gate, spans: list[Span]) -> None:
        for start, stop in spans:
            await _until(start)
            if self._random.random() < 0.5:
                gate.muted = True
            else:
                gate.refused = True
                gate.cut()
            await _until(stop)
            gate.refused = gate.muted = False

    async def _take_away(self, line: Line, address: int, spans: list[Span]) -> None:
        for start, stop in spans:
            await _until(start)
            meter = line.bus.remove_meter(address)
            await _until(stop)
            line.bus.add_meter(meter)

    def _judged(self) -> Summary:
        first, *others = self.sinks
        summary = Summary(readings=len(first.readings))
        summary.mistakes += [
            f"{each.name} has not what {first.name} has" for each in others if each.readings != first.readings
        ]
        summary.mistakes += [f"{each.name} did not stop" for each in self.sinks if each.refusals < 5]
        if self.store.appended != len(first.readings):
            summary.mistakes.append(f"{self.store.appended} readings are in the store")
        found: dict[str, list[Reading]] = defaultdict(list)
        for reading in first.readings:
            found[f"{reading.connection}/{reading.address}"].append(reading)
            if reading.quality is Quality.GOOD:
                summary.good += 1
                summary.mistakes += self._wrong_value(reading)
        for line in self.lines:
            summary.requests += line.watch.requests
            summary.changes += line.watch.changes
            summary.mistakes += [f"{line.name}: {each}" for each in line.watch.violations]
            summary.mistakes += [
                f"{line.name}: the {which} channel was opened after {count} requests in vain"
                for which, gate in line.gates.items()
                for count in gate.before_change
                if count > LIMIT * ATTEMPTS
            ]
            summary.mistakes += _wrong_changes(line.name, self.poller.memory(line.name).redundancy)
            for address in self.addresses:
                self._judge_meter(line, address, found[f"{line.name}/{address}"], summary)
        return summary

    def _wrong_value(self, reading: Reading) -> list[str]:
        """The counter counts seconds: it says when it was read, and the identity says who."""
        age = (to_ns(reading.time) - self._began) / SECOND - float(str(reading.values[0].value)) * 1000
        number, address = int(reading.connection[4:]), int(reading.address)
        if reading.meter != f"ABC-{number:04d}{address:04d}-01-04" or not 0 <= age < 3:
            return [f"{reading.key}: {reading.values[0].value} at {reading.time}"]
        return []

    def _judge_meter(self, line: Line, address: int, readings: list[Reading], summary: Summary) -> None:
        slots = [reading.key.rsplit("/", 1)[1] for reading in readings]
        if slots != sorted(set(slots)):
            summary.mistakes.append(f"{line.name}/{address}: not once and in order: {slots}")
        good = {reading.key.rsplit("/", 1)[1] for reading in readings if reading.quality is Quality.GOOD}
        schedule = self.schedules[line.name]
        slot = schedule.rhythm.following(self._began - 1)
        while schedule.begin(slot) + WINDOW < self._began + self.duration:
            begin = schedule.begin(slot) - self._began
            text = slot_text(slot)
            if line.is_reachable(address, begin, begin + WINDOW):
                summary.reachable += 1
                if text not in good:
                    summary.mistakes.append(f"{line.name}/{address}: {text} is missing")
            elif line.is_out_of_reach(address, begin, begin + WINDOW) and text in good:
                summary.mistakes.append(f"{line.name}/{address}: {text} was out of reach")
            slot = schedule.rhythm.following(slot)


def _wrong_changes(name: str, redundancy: Redundancy) -> list[str]:
    """A channel is changed after so many errors, or because the main one is well."""
    return [
        f"{name}: over to {state} after {errors} errors"
        for _, state, errors in redundancy.log
        if errors != LIMIT and not (state is State.MAIN and errors == 0)
    ]


async def _until(instant: int) -> None:
    loop = asyncio.get_running_loop()
    await asyncio.sleep(max(0.0, instant / SECOND - loop.time()))
