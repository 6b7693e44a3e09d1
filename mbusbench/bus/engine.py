"""VirtualBus: the engine. Requests in, answers out, at their times; sans-IO, all state in here.

Ports are the masters' sides of the line; an answer goes to the port that asked. With `speed` None everything happens at
once, otherwise characters take their time. Collisions are the AND of bytes here, not of bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from heapq import heappop, heappush
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mbusbench.bus.definition import BusFile, counted_up
from mbusbench.bus.slave import Slave
from mbusbench.codec.address import BROADCAST, BROADCAST_REPLY, PRIMARY_RANGE, SELECTED
from mbusbench.codec.frame import Frame, LongFrame, ShortFrame
from mbusbench.codec.frame_reader import FrameReader
from mbusbench.errors import MBusUsageError
from mbusbench.meter import catalogue
from mbusbench.meter.meter import DEFAULT_EPOCH, Meter
from mbusbench.protocol.slave_link import SELECTION, SELECTION_MODE_2
from mbusbench.timing import BAUD_RATES, bit_time, character_time, idle_time
from mbusbench.trace.event import CLOSED, COLLISION, OPENED, POWER_CYCLE, Kind, TraceEvent, TraceSink

if TYPE_CHECKING:
    from mbusbench.bus.server import BusServer, MemoryStream

DEFAULT_RESPONSE_MARGIN = 3_000_000
"""ns added to the shortest response delay of 11 bit times where neither device nor bus file says."""
BACKLOG = 4096
"""Characters that wait for the line at most, as in a gateway's buffer; more are lost."""
IDLE_AT_MAXIMUM_SPEED = 50_000_000
"""ns after which a half frame is given up where nothing has a speed; a busy host makes gaps of its own."""


class Send(NamedTuple):
    """An effect: bytes for a port, now."""

    port: int
    data: bytes


class _Transmission:
    """Characters under way to a port."""

    __slots__ = ("data", "port", "sent", "start")

    def __init__(self, port: int, start: int, data: bytes) -> None:
        self.port = port
        self.start = start
        self.data = data
        self.sent = 0


class _Port:
    __slots__ = ("idle_at", "reader")

    def __init__(self) -> None:
        self.reader = FrameReader()
        self.idle_at: int | None = None


class VirtualBus:
    """Meters on one line. Built from a file, from device names or from meters; then served, or connected to."""

    def __init__(
        self,
        meters: Iterable[Meter] = (),
        *,
        baud: int = 2400,
        speed: float | None = None,
        echo: bool = False,
        seed: int = 0,
        listen: Sequence[str] = (),
    ) -> None:
        """`speed` is None for as fast as possible, 1 for the baud rate's own, 10 for ten times that."""
        if baud not in BAUD_RATES:
            raise MBusUsageError(f"baud rate {baud} is not one of {', '.join(map(str, BAUD_RATES))}")
        self.seed = seed
        self.listen = tuple(listen)
        self._slaves = [Slave(meter) for meter in meters]
        self._by_address: dict[int, list[Slave]] = {}
        for slave in self._slaves:
            self._by_address.setdefault(slave.indexed_at, []).append(slave)
        self._selected: dict[Slave, None] = {}
        self._echo = echo
        self._ports: dict[int, _Port] = {}
        self._next_port = 0
        self._queue: list[tuple[int, int, _Transmission]] = []
        self._sequence = 0
        self._line_free = 0
        self.trace: TraceSink | None = None
        """Takes an event for everything that happens, where it is set."""
        self.driver: object = None
        """What moves the bus in an event loop; `bus.server` keeps it here."""
        self._baud = baud
        self.set_speed(speed)

    def set_speed(self, speed: float | None) -> None:
        """As the argument `speed`; for a bus that was built from a file, before it is served."""
        if speed is not None and not speed > 0:
            raise MBusUsageError(f"speed {speed} is not above 0")
        self._speed = speed
        self._character = self._scaled(character_time(self._baud))
        self._default_delay = bit_time(self._baud, 11) + DEFAULT_RESPONSE_MARGIN
        self._idle = self._scaled(idle_time(self._baud)) or IDLE_AT_MAXIMUM_SPEED

    @classmethod
    def from_yaml(cls, path: str | Path, seed: int | None = None) -> VirtualBus:
        """The bus of a bus file; `seed` overrides the file's. DefinitionError with a line for each mistake."""
        file = BusFile(path)
        bus = file.definition
        used = bus.seed if seed is None else seed
        return cls(
            file.meters(used), baud=bus.line.baud, speed=bus.speed, echo=bus.line.echo, seed=used, listen=bus.listen
        )

    @classmethod
    def from_devices(cls, names: Iterable[str], *, seed: int = 0, epoch: datetime = DEFAULT_EPOCH) -> VirtualBus:
        """One meter of each named device, at the device's own address or the next that is free.

        Devices are catalogue names or paths. DefinitionError where one cannot be loaded.
        """
        names = list(names)
        meters: list[Meter] = []
        taken: set[int] = set()
        copies: dict[str, int] = {}
        for index, name in enumerate(names):
            device = catalogue.load(name)
            own = device.device.address
            address = next((a for a in (own, *PRIMARY_RANGE[own:], *PRIMARY_RANGE[1:]) if a not in taken), None)
            if address is None:
                raise MBusUsageError(f"there are only {PRIMARY_RANGE[-1]} primary addresses for {len(names)} devices")
            taken.add(address)
            copies[name] = copies.get(name, -1) + 1
            identification = counted_up(device.device.id, copies[name])
            seed_name = f"{seed}/meter/{index}"
            meters.append(Meter(device, address=address, identification=identification, seed=seed_name, epoch=epoch))
        return cls(meters, seed=seed)

    @property
    def meters(self) -> list[Meter]:
        """The meters, in the order in which they were given."""
        return [slave.meter for slave in self._slaves]

    def serve(self, *urls: str) -> BusServer:
        """An async context manager that serves the bus on `urls` (`tcp://127.0.0.1:0`), else on those of its file.

        The real endpoints are in the server's `url` and `urls`.
        """
        from mbusbench.bus.server import BusServer

        return BusServer(self, urls or self.listen or ("tcp://127.0.0.1:0",))

    def connect(self) -> MemoryStream:
        """A byte stream to the bus inside this process, for the running event loop."""
        from mbusbench.bus.server import MemoryStream

        return MemoryStream(self)

    def _scaled(self, duration: int) -> int:
        """A duration of the line at the speed of this bus."""
        if self._speed is None:
            return 0
        return duration if self._speed == 1 else round(duration / self._speed)

    def open_port(self, now: int = 0) -> int:
        """A new master's side of the line."""
        self._next_port += 1
        self._ports[self._next_port] = _Port()
        if self.trace is not None:
            self.trace(TraceEvent(now, Kind.NOTE, self._next_port, cause=(OPENED,)))
        return self._next_port

    def close_port(self, port: int, now: int = 0) -> None:
        """What is under way to it is dropped."""
        if self._ports.pop(port, None) is not None and self.trace is not None:
            self.trace(TraceEvent(now, Kind.NOTE, port, cause=(CLOSED,)))

    def power_cycle(self, now: int) -> None:
        """The bus loses its power: every slave forgets what it does not keep."""
        self._queue.clear()
        self._selected.clear()
        for slave in self._slaves:
            slave.link.power_up(now)
        if self.trace is not None:
            self.trace(TraceEvent(now, Kind.NOTE, cause=(POWER_CYCLE,)))

    def receive(self, port: int, data: bytes, now: int) -> None:
        """Bytes that a master sent, at `now` (ns since the bus's epoch)."""
        side = self._ports[port]
        if self._speed is not None:
            # They enter the line when it is free and take their time on it.
            start = max(now, self._line_free)
            data = data[: max(0, BACKLOG - (start - now) // self._character)]
            self._line_free = now = start + len(data) * self._character
        if self.trace is not None:
            self.trace(self._event(now - len(data) * self._character, Kind.MASTER, port, "", data))
        if self._echo:
            self._schedule(now - len(data) * self._character, port, data)
        reader = side.reader
        found = reader.receive(data)
        side.idle_at = now + self._idle if reader.pending else None
        for frame in found:
            if isinstance(frame, LongFrame | ShortFrame):
                self._answer(port, frame, now)

    def poll(self, now: int) -> list[Send]:
        """What is due at `now`, in order."""
        for port, side in self._ports.items():
            if side.idle_at is not None and side.idle_at <= now:
                due, side.idle_at = side.idle_at, None
                for frame in side.reader.idle():
                    if isinstance(frame, LongFrame | ShortFrame):
                        self._answer(port, frame, due)
        effects: list[Send] = []
        queue = self._queue
        trace = self.trace
        while queue and queue[0][0] <= now:
            transmission = heappop(queue)[2]
            if transmission.port not in self._ports:
                continue
            if not self._character:
                effects.append(Send(transmission.port, transmission.data))
            else:
                effects.append(self._characters(transmission, now))
            if trace is not None:
                port, data = effects[-1]
                trace(self._event(now - len(data) * self._character, Kind.RECEIVED, port, "", data))
        return effects

    def next_wakeup(self) -> int | None:
        """When `poll` has something to do again, ns since the epoch; None where it never has."""
        times = [side.idle_at for side in self._ports.values() if side.idle_at is not None]
        if self._queue:
            times.append(self._queue[0][0])
        return min(times, default=None)

    def _characters(self, transmission: _Transmission, now: int) -> Send:
        """The characters that are complete by now; the rest is queued again."""
        done = min(len(transmission.data), (now - transmission.start) // self._character)
        data = transmission.data[transmission.sent : done]
        transmission.sent = done
        if done < len(transmission.data):
            self._push(transmission.start + (done + 1) * self._character, transmission)
        return Send(transmission.port, data)

    def _schedule(self, start: int, port: int, data: bytes) -> None:
        self._push(start + self._character, _Transmission(port, start, data))

    def _push(self, due: int, transmission: _Transmission) -> None:
        self._sequence += 1
        heappush(self._queue, (due, self._sequence, transmission))

    def _answer(self, port: int, frame: LongFrame | ShortFrame, now: int) -> None:
        """Let the slaves concerned have the frame, and put what they answer on the line."""
        slaves = self._addressed(frame)
        if not slaves:
            return
        replies: list[tuple[int, bytes]] = []
        sources: list[str] = []
        for slave in slaves:
            reply = slave.link.receive(frame, now)
            if reply is not None:
                delay = 0 if self._speed is None else self._scaled(slave.response_delay(self._default_delay))
                replies.append((now + delay, reply.encode()))
                sources.append(f"slave {slave.meter.address}")
        if type(frame) is LongFrame or frame.address >= SELECTED:
            self._update(slaves)
        if self.trace is not None:
            cause = (COLLISION,) if len(replies) > 1 else ()
            for (start, data), source in zip(replies, sources, strict=True):
                event = self._event(start, Kind.SLAVE, None, source, data)
                self.trace(event._replace(cause=cause, delay=start - now))
        if len(replies) == 1:
            self._schedule(replies[0][0], port, replies[0][1])
        elif replies:
            start, data = superposed(replies, self._character)
            self._schedule(start, port, data)

    def _event(self, start: int, kind: Kind, port: int | None, source: str, data: bytes) -> TraceEvent:
        baud = 0 if self._speed is None else self._baud
        return TraceEvent(start, kind, port, source, data, len(data) * self._character, baud)

    def _addressed(self, frame: LongFrame | ShortFrame) -> list[Slave]:
        """The slaves that have to see the frame: few, however many there are on the bus."""
        address = frame.address
        if address in self._by_address:
            return self._by_address[address]
        if address == SELECTED:
            if type(frame) is LongFrame and frame.ci in (SELECTION, SELECTION_MODE_2):
                return self._slaves
            return list(self._selected)
        return self._slaves if address in (BROADCAST_REPLY, BROADCAST) else []

    def _update(self, slaves: Iterable[Slave]) -> None:
        """Addresses may have been written, and selections made."""
        for slave in list(slaves):
            if slave.link.is_selected:
                self._selected[slave] = None
            else:
                self._selected.pop(slave, None)
            address = slave.meter.address
            if address != slave.indexed_at:
                former = self._by_address[slave.indexed_at]
                former.remove(slave)
                if not former:
                    del self._by_address[slave.indexed_at]
                self._by_address.setdefault(address, []).append(slave)
                slave.indexed_at = address


def superposed(replies: Sequence[tuple[int, bytes]], character: int) -> tuple[int, bytes]:
    """What arrives when several slaves send: (start, bytes), each byte the AND of those sent in its time.

    `replies` are (start in ns, bytes); a line at rest is all ones. `character` is the time of one byte, 0 for none.
    """
    first = min(start for start, _ in replies)
    line = bytearray()
    for start, data in replies:
        shift = (start - first) // character if character else 0
        line.extend(b"\xff" * (shift + len(data) - len(line)))
        for index, byte in enumerate(data, shift):
            line[index] &= byte
    return first, bytes(line)


__all__ = ["Frame", "Send", "VirtualBus", "superposed"]
