"""The line at maximum speed: no time passes on it. Requests are answered at once, by several slaves bit by bit alike.

Bytes count as soon as they come, so half frames wait a while for their rest, on the host's time. No noise, no bit
errors, and no baud rates but those that masters set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from heapq import heappop, heappush

from mbusbench.bus.hearing import OnRequest, Request
from mbusbench.bus.interference import Altered, Interference
from mbusbench.bus.line_port import gateway_of, received_event
from mbusbench.bus.port import PortOptions, Send
from mbusbench.bus.slave import Slave, repetition
from mbusbench.codec.frame import LongFrame, ShortFrame
from mbusbench.codec.frame_reader import FrameReader
from mbusbench.line.effect import Burst
from mbusbench.line.gateway import Gateway
from mbusbench.line.uart import Received, receive
from mbusbench.line.wire import Parity, Transmission, WireSignal
from mbusbench.trace.event import CLOSED, COLLISION, ECHO, Kind, TraceEvent, TraceSink

HALF_FRAME = 50_000_000
"""ns after which a half frame is given up; a busy host makes gaps of its own."""

Action = Callable[[int], None]


class _DirectPort:
    __slots__ = ("baud", "echo", "gateway", "idle_at", "parity", "reader")

    def __init__(self, echo: bool, gateway: Gateway | None) -> None:
        self.reader = FrameReader()
        self.idle_at: int | None = None
        self.baud = 0
        self.parity: Parity | None = None
        self.echo = echo
        self.gateway = gateway


class DirectLine:
    """What `TimedLine` is, without time. Times are ns since the bus's epoch; a master hears what it asked for."""

    def __init__(self, on_request: OnRequest, *, baud: int, parity: Parity, echo: bool, seed: int) -> None:
        self.interference: Interference | None = None
        self.trace: TraceSink | None = None
        self.lag_of: Callable[[int, int], int] | None = None
        self._on_request = on_request
        self._baud = baud
        self._parity = parity
        self._echo = echo
        self._seed = seed
        self._ports: dict[int, _DirectPort] = {}
        self._half_frames: dict[int, _DirectPort] = {}
        self._gateways: dict[int, Gateway] = {}
        self._events: list[tuple[int, int, Action]] = []
        self._sequence = 0
        self._power_cycles = 0
        self._sends: list[Send] = []

    def open_port(self, number: int, options: PortOptions, now: int) -> None:
        """A new master's side of the line."""
        gateway = None
        if options.gateway is not None:
            gateway = gateway_of(options.gateway, f"{self._seed}/port/{number}/latency", now)
            self._gateways[number] = gateway
        self._ports[number] = _DirectPort(self._echo if options.echo is None else options.echo, gateway)

    def close_port(self, number: int) -> bool:
        """What is under way to it is dropped. Whether it was open."""
        self._gateways.pop(number, None)
        self._half_frames.pop(number, None)
        return self._ports.pop(number, None) is not None

    def hang_up(self, number: int | None, time: int) -> None:
        """Close a port, or all of them, from this side."""
        self.at(time, partial(self._hang_up, number))

    def _hang_up(self, number: int | None, time: int) -> None:
        for each in list(self._ports) if number is None else [number]:
            if self.close_port(each):
                self._sends.append(Send(each, b"", time, closes=True))
                if self.trace is not None:
                    self.trace(TraceEvent(time, Kind.NOTE, each, cause=(CLOSED,)))

    @property
    def port_count(self) -> int:
        return len(self._ports)

    def set_trace(self, trace: TraceSink | None) -> None:
        """Where events go from now on."""
        self.trace = trace

    def set_port_format(self, number: int, baud: int, parity: Parity) -> None:
        """The baud rate and parity of a master that has any: slaves do not hear it at another one than theirs."""
        port = self._ports[number]
        port.baud = baud
        port.parity = parity

    def set_break(self, number: int, on: bool, now: int) -> None:
        """A break ends what a frame has begun with."""
        self._ports[number].reader.clear()

    def receive(self, number: int, data: bytes, now: int) -> None:
        """Bytes that a master sent."""
        port = self._ports[number]
        if port.gateway is not None:
            port.gateway.request(data, now)
            self._pass_requests(number, port, now)
        else:
            self._hear(number, port, data, now)

    def poll(self, now: int) -> list[Send]:
        """What is due until `now`, in order."""
        if self._half_frames:
            self._give_up_half_frames(now)
        events = self._events
        while events and events[0][0] <= now:
            time, _, action = heappop(events)
            action(time)
        if self._gateways:
            self._poll_gateways(now)
        sends, self._sends = self._sends, []
        return sends

    def next_wakeup(self) -> int | None:
        """When `poll` has something to do."""
        if self._sends:
            return self._sends[0].time
        if not (self._events or self._half_frames or self._gateways):
            return None
        times = [self._events[0][0]] if self._events else []
        if self._half_frames:
            times += [port.idle_at for port in self._half_frames.values() if port.idle_at is not None]
        if self._gateways:
            due = [gateway.next_wakeup() for gateway in self._gateways.values()]
            times += [time for time in due if time is not None]
        return min(times) if times else None

    def take_whole_answers(self, number: int) -> None:
        """Nothing to do: nothing takes time here."""

    def busy_until(self, number: int, now: int) -> int:
        """0: nothing takes time here."""
        return 0

    def unfold(self, number: int, now: int) -> None:
        """Nothing to do: nothing takes time here."""

    def at(self, time: int, action: Action) -> None:
        """Call `action(time)` when it is time."""
        self._sequence += 1
        heappush(self._events, (time, self._sequence, action))

    def put(self, signal: WireSignal) -> None:
        """Something on the line that every master hears, when it starts."""
        self._at_start([signal], list(self._ports))

    def answer(self, request: Request, replies: Sequence[tuple[Slave, bytes]], baud: int, port: int, now: int) -> None:
        """The slaves answer a request, all at once."""
        if len(replies) == 1 and self.interference is None:
            if self.trace is not None:
                self._trace_answer(replies[0][0], replies[0][1], now, repetition(*replies[0]))
            data = replies[0][1]
            if self.trace is None and not self._gateways:
                if port in self._ports:
                    self._sends.append(Send(port, data, now))
            else:
                self._send(port, Received(now, data, self._baud, self._parity), now)
            return
        signals: list[WireSignal] = []
        for slave, data in replies:
            signal = Transmission(now, data, self._baud, self._parity)
            altered = None
            if self.interference is not None:
                altered = self.interference.of_answer(request, signal, slave, port)
            if altered is None:
                altered = Altered((Burst(0, data),))
            for burst in altered.bursts:
                if burst.data:
                    start = now + burst.offset
                    signals.append(Transmission(start, burst.data, self._baud, self._parity, burst.flipped))
                    if self.trace is not None:
                        causes = repetition(slave, data) + altered.causes
                        if len(replies) > 1:
                            causes = (COLLISION, *causes)
                        self._trace_answer(slave, burst.data, start, causes)
        if len(set(signals)) == 1 and isinstance(signals[0], Transmission) and not signals[0].flipped:
            signals = signals[:1]
        self._at_start(signals, [port])

    def takes_requests(self, slave: Slave, baud: int, now: int) -> bool:
        """Always: nothing takes time here."""
        return True

    def power_cycle(self, now: int, slave: Slave | None = None) -> None:
        """What slaves were to send later is lost with the power of all of them."""
        if slave is None:
            self._power_cycles += 1
            self._sends.clear()

    def _at_start(self, signals: list[WireSignal], ports: list[int]) -> None:
        """Hand over what a UART makes of `signals`; each run of characters when it starts."""
        for piece in receive(signals, self._baud, self._parity):
            for port in ports:
                self.at(piece.start, partial(self._deliver, port, piece, self._power_cycles))

    def _deliver(self, number: int, piece: Received, power_cycles: int, now: int) -> None:
        if power_cycles == self._power_cycles:
            self._send(number, piece, now)

    def _send(self, number: int, piece: Received, now: int, cause: tuple[str, ...] = ()) -> None:
        if number not in self._ports:
            return
        if self.trace is not None:
            self.trace(received_event(number, piece, cause)._replace(time=now, duration=0, baud=0))
        gateway = self._gateways.get(number) if self._gateways else None
        if gateway is not None:
            gateway.receive(piece.data, now)
        else:
            self._sends.append(Send(number, piece.data, now, piece.parity_errors, piece.framing_errors))

    def _hear(self, number: int, port: _DirectPort, data: bytes, now: int) -> None:
        if self.trace is not None:
            self.trace(TraceEvent(now, Kind.MASTER, number, "", data))
        if port.echo:
            self._send(number, Received(now, data, self._baud, self._parity), now, (ECHO,))
        if self.interference is not None:
            data = self._interfered(number, data, now)
        if port.parity is not None and port.parity is not self._parity:
            return
        reader = port.reader
        for frame in reader.receive(data):
            if type(frame) is ShortFrame or type(frame) is LongFrame:
                self._on_request(frame, port.baud, number, now)
        if reader.pending:
            port.idle_at = now + HALF_FRAME
            self._half_frames[number] = port
        elif port.idle_at is not None:
            port.idle_at = None
            self._half_frames.pop(number, None)

    def _interfered(self, number: int, data: bytes, now: int) -> bytes:
        assert self.interference is not None
        altered = self.interference.of_master(Transmission(now, data, self._baud, self._parity), number, now)
        if altered is None:
            return data
        return b"".join(piece.data for piece in receive(altered, self._baud, self._parity) if piece.is_clean)

    def _give_up_half_frames(self, now: int) -> None:
        for number, port in list(self._half_frames.items()):
            due = port.idle_at
            if due is None or due > now:
                continue
            port.idle_at = None
            del self._half_frames[number]
            for frame in port.reader.idle():
                if type(frame) is ShortFrame or type(frame) is LongFrame:
                    self._on_request(frame, port.baud, number, due)

    def _pass_requests(self, number: int, port: _DirectPort, now: int) -> None:
        assert port.gateway is not None
        for _, data in port.gateway.poll_bus(now):
            self._hear(number, port, data, now)

    def _poll_gateways(self, now: int) -> None:
        for number, gateway in list(self._gateways.items()):
            self._pass_requests(number, self._ports[number], now)
            self._sends += [Send(number, data, time) for time, data in gateway.poll(now)]
            if gateway.is_closed(now):
                self._hang_up(number, now)

    def _trace_answer(self, slave: Slave, data: bytes, now: int, causes: tuple[str, ...]) -> None:
        assert self.trace is not None
        self.trace(TraceEvent(now, Kind.SLAVE, None, slave.name, data, cause=causes, delay=0))
