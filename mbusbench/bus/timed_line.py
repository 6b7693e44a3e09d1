"""The line in its own time: masters' voltage to all slaves, slaves' current to all masters, events by (time, seq).

An event is a frame as long as frames are alone on the line; only what overlaps or is disturbed is taken apart. The time
of an event is when it is due, however late `poll` is called: what happens does not depend on the host.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from heapq import heappop, heappush

from mbusbench.bus.hearing import OnRequest, Request, SlaveHearing, characters_of_frames
from mbusbench.bus.interference import Interference
from mbusbench.bus.line_port import LinePort
from mbusbench.bus.noise import BitErrors, Noise, NoiseSource
from mbusbench.bus.port import PortOptions, Send
from mbusbench.bus.slave import Slave, repetition
from mbusbench.codec.frame import SingleCharacter
from mbusbench.codec.frame_reader import whole_frame
from mbusbench.line.wire import CHARACTER_BITS, Parity, Space, Transmission, WireSignal
from mbusbench.timing import RESPONSE_MINIMUM_BITS, bit_time
from mbusbench.trace.event import CLOSED, COLLISION, LOST, Kind, TraceEvent, TraceSink

BACKLOG = 4096
"""Characters that wait for the line at most, as in a gateway's buffer; more are lost."""

CROWD = 8
"""Answers to earlier requests that may be under way at once: no master wants two, a flood would have any number."""

Action = Callable[[int], None]


class _Answer:
    """What a slave sends, until it has been sent."""

    __slots__ = ("causes", "collides", "delay", "end", "is_cut", "signal", "slave")

    def __init__(self, signal: WireSignal, slave: Slave, delay: int, causes: tuple[str, ...]) -> None:
        self.signal = signal
        self.end = signal.end
        self.slave = slave
        self.delay = delay
        self.causes = causes
        self.collides = False
        self.is_cut = False


class TimedLine:
    """Ports, slaves' hearing and whatever is under way between them. Times are ns in the time of the line."""

    def __init__(
        self,
        on_request: OnRequest,
        *,
        baud: int,
        parity: Parity,
        echo: bool,
        seed: int,
        noise: Noise | None,
        errors_to_slaves: float,
        errors_to_masters: float,
    ) -> None:
        self.baud = baud
        self.parity = parity
        self.interference: Interference | None = None
        self.trace: TraceSink | None = None
        self.lag_of: Callable[[int, int], int] | None = None
        self._echo = echo
        self._seed = seed
        self._ports: dict[int, LinePort] = {}
        self._hearing = SlaveHearing(parity, on_request)
        self._hearing_due: int | None = None
        self._events: list[tuple[int, int, Action]] = []
        self._sequence = 0
        self._sends: list[Send] = []
        self._answers: list[_Answer] = []
        self._is_crowded = False
        self._noise = None if noise is None else NoiseSource(noise, seed)
        self._noise_is_due = False
        self._to_slaves = BitErrors(errors_to_slaves, f"{seed}/line/errors_to_slaves") if errors_to_slaves else None
        self._to_masters = BitErrors(errors_to_masters, f"{seed}/line/errors_to_masters") if errors_to_masters else None

    def open_port(self, number: int, options: PortOptions, now: int) -> None:
        """A new master's side of the line."""
        port = LinePort(
            number,
            options,
            baud=self.baud,
            parity=self.parity,
            echo=self._echo,
            stream=f"{self._seed}/port/{number}/latency",
            now=now,
        )
        port.wake = partial(self._wake_port, port)
        port.set_trace(self.trace is not None)
        self._ports[number] = port
        self._schedule_port(port)
        if self._noise is not None and not self._noise_is_due:
            self._noise_is_due = True
            self.at(now + self._noise.pause(), self._make_noise)

    def close_port(self, number: int) -> bool:
        """What is under way to it is dropped; what it has sent stays on the line. Whether it was open."""
        port = self._ports.pop(number, None)
        if port is not None and self.trace is not None:
            for event in port.take_trace(final=True):
                self.trace(event)
        return port is not None

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
        for port in self._ports.values():
            port.set_trace(trace is not None)

    def set_port_format(self, number: int, baud: int, parity: Parity) -> None:
        """Another baud rate or parity of the master's UART."""
        port = self._ports[number]
        port.set_format(baud, parity)
        self._schedule_port(port)

    def set_break(self, number: int, on: bool, now: int) -> None:
        """The master holds the line in space, or lets it go, from `now` on."""
        port = self._ports[number]
        began, port.break_since = port.break_since, now if on else None
        if on and began is not None:
            port.break_since = began
        elif began is not None and began < now:
            # The slaves hear it when it ends: before that there is nothing that they could do.
            self._transmit(Space(began, now - began), number, now)
            port.free_at = max(port.free_at, now)
            if self.trace is not None:
                self.trace(TraceEvent(began, Kind.BREAK, number, duration=now - began))

    def receive(self, number: int, data: bytes, now: int) -> None:
        """Bytes that a master gave to its port at `now`."""
        port = self._ports[number]
        if port.gateway is not None:
            port.gateway.request(data, now)
            self._pass_requests(port, now)
        else:
            self._put_on_line(port, data, now)

    def poll(self, now: int) -> list[Send]:
        """Let happen what is due until `now`, and return what reaches the masters."""
        events = self._events
        while events and events[0][0] <= now:
            time, _, action = heappop(events)
            action(time)
        sends, self._sends = self._sends, []
        return sends

    def next_wakeup(self) -> int | None:
        """When `poll` has something to do."""
        return self._events[0][0] if self._events else None

    def take_whole_answers(self, number: int) -> None:
        """As `LinePort.take_whole_answers`."""
        self._ports[number].take_whole_answers()

    def busy_until(self, number: int, now: int) -> int:
        """As `LinePort.busy_until`."""
        return self._ports[number].busy_until(now)

    def unfold(self, number: int, now: int) -> None:
        """What arrives at the port in one piece is handed over by characters from now on."""
        port = self._ports[number]
        port.unfold(now)
        self._schedule_port(port)

    def at(self, time: int, action: Action) -> None:
        """Call `action(time)` when it is time."""
        self._sequence += 1
        heappush(self._events, (time, self._sequence, action))

    def answer(self, request: Request, replies: Sequence[tuple[Slave, bytes]], baud: int, port: int, now: int) -> None:
        """The slaves answer a request that ended at `now`, each after its own delay, at the rate of the request."""
        interference = self.interference
        for slave, data in replies:
            delay = slave.response_delay(baud)
            start = now + delay
            signal = Transmission(start, data, baud, self.parity)
            altered = None
            if interference is not None:
                altered = interference.of_answer(request, signal, slave, port)
            repeated = repetition(slave, data)
            if altered is None:
                self._send(_Answer(signal, slave, delay, repeated), True, now)
                continue
            for burst in altered.bursts:
                if burst.data:
                    signal = Transmission(start + burst.offset, burst.data, baud, self.parity, burst.flipped)
                    self._send(_Answer(signal, slave, delay + burst.offset, repeated + altered.causes), False, now)

    def takes_requests(self, slave: Slave, baud: int, now: int) -> bool:
        """Whether the slave can answer a request that ends now.

        Not where an answer of its own is in the way; nor where CROWD answers to earlier requests are, and then not
        until all of them are over.
        """
        if not self._answers:
            return True
        earliest = now + bit_time(baud, RESPONSE_MINIMUM_BITS)
        under_way = [answer.slave for answer in self._answers if answer.end > earliest]
        self._is_crowded = len(under_way) >= CROWD or (self._is_crowded and bool(under_way))
        return not self._is_crowded and slave not in under_way

    def _send(self, answer: _Answer, whole: bool, now: int) -> None:
        if self.trace is not None:
            # Before what arrives of it, which has the same time.
            self.at(answer.end, partial(self._trace_answer, answer))
        answer.signal = self.put(answer.signal, whole)
        answers = self._answers
        if answers and (len(answers) > 16 or answers[0].end <= now):
            self._answers = answers = [other for other in answers if other.end > now]
        if answers:
            start = answer.signal.start
            for other in answers:
                if other.signal.start < answer.end and start < other.end:
                    answer.collides = other.collides = True
        answers.append(answer)

    def put(self, signal: WireSignal, whole: bool = False) -> WireSignal:
        """Put a slave's signal on the line, before it starts: every master hears it. Returns it as it is heard."""
        if self._to_masters is not None and type(signal) is Transmission:
            flipped = self._to_masters.next(CHARACTER_BITS[signal.parity] * len(signal.data))
            if flipped:
                signal = _with_flipped(signal, flipped)
                whole = False
        for port in self._ports.values():
            port.hear(signal, whole)
            self._schedule_port(port)
        return signal

    def power_cycle(self, now: int, slave: Slave | None = None) -> None:
        """A slave, or all of them, is cut off in what it sends, and forgets what it was about to send."""
        for answer in self._answers:
            if answer.end > now and (slave is None or answer.slave is slave):
                self._cut(answer, now)
        self._answers = [answer for answer in self._answers if answer.end > now]
        if slave is None:
            self._hearing.power_up(now)

    def _cut(self, answer: _Answer, now: int) -> None:
        signal = answer.signal
        count = 0
        if signal.start < now and isinstance(signal, Transmission):
            count = (now - signal.start) // bit_time(signal.baud, CHARACTER_BITS[signal.parity])
            flipped = tuple(bit for bit in signal.flipped if bit < count * CHARACTER_BITS[signal.parity])
            rest = Transmission(signal.start, signal.data[:count], signal.baud, signal.parity, flipped)
            answer.signal, answer.end = rest, rest.end
        else:
            answer.end = now
        for port in self._ports.values():
            if port.withdraw(signal) and count:
                port.hear(answer.signal, False)
            self._schedule_port(port)
        answer.is_cut = True
        if self.trace is not None and count:
            self._trace(answer)

    def _trace_answer(self, answer: _Answer, time: int) -> None:
        if not answer.is_cut:
            self._trace(answer)

    def _trace(self, answer: _Answer) -> None:
        signal = answer.signal
        if self.trace is not None and isinstance(signal, Transmission):
            length = signal.end - signal.start
            causes = (COLLISION, *answer.causes) if answer.collides else answer.causes
            self.trace(
                TraceEvent(
                    signal.start,
                    Kind.SLAVE,
                    None,
                    answer.slave.name,
                    signal.data,
                    length,
                    signal.baud,
                    signal.parity,
                    cause=causes,
                    delay=answer.delay,
                )
            )

    def _put_on_line(self, port: LinePort, data: bytes, now: int) -> None:
        """Characters enter the line when the port's UART is free and take their time on it."""
        start = max(now, port.free_at)
        character = port.character()
        room = max(0, BACKLOG - (start - now) // character)
        if self.trace is not None:
            self._trace_master(port, data, room, start)
        data = data[:room]
        if not data:
            return
        bits = CHARACTER_BITS[port.parity]
        frame = whole_frame(data)
        if frame is not None or len(data) == 1:
            transmission = Transmission(start, data, port.baud, port.parity)
            port.free_at = end = transmission.end
            known = None if isinstance(frame, SingleCharacter) else frame
            if start > now:
                self._put_later(transmission, port)
            elif self.interference is None and self._to_slaves is None and not port.echo:
                self._transmit(transmission, port.number, end, known)
            else:
                self._from_master(transmission, port, now)
            return
        count = 0
        for piece in characters_of_frames(data):
            piece_start = start + bit_time(port.baud, bits * count)
            transmission = Transmission(piece_start, piece, port.baud, port.parity)
            if piece_start > now:
                self._put_later(transmission, port)
            else:
                self._from_master(transmission, port, now)
            count += len(piece)
        port.free_at = start + bit_time(port.baud, bits * count)

    def _put_later(self, transmission: Transmission, port: LinePort) -> None:
        """The line has only what has begun: what waits in front of it is nobody's work yet."""
        self.at(transmission.start, lambda time: self._from_master(transmission, port, time))

    def _from_master(self, transmission: Transmission, port: LinePort, now: int) -> None:
        if port.echo:
            port.hear_own(transmission)
            self._schedule_port(port)
        signals: list[WireSignal] = [transmission]
        if self.interference is not None:
            altered = self.interference.of_master(transmission, port.number, now)
            if altered is not None:
                signals = list(altered)
        for signal in signals:
            if self._to_slaves is not None and type(signal) is Transmission:
                flipped = self._to_slaves.next(CHARACTER_BITS[signal.parity] * len(signal.data))
                self._transmit(_with_flipped(signal, flipped) if flipped else signal, port.number, signal.end)
            else:
                self._transmit(signal, port.number, signal.end)

    def _transmit(self, signal: WireSignal, port: int, end: int, frame: Request | None = None) -> None:
        self._hearing.transmit(signal, port, end, frame)
        self._schedule_hearing()

    def _schedule_hearing(self) -> None:
        due = self._hearing.next_wakeup()
        if due is not None and (self._hearing_due is None or due < self._hearing_due):
            self._hearing_due = due
            self.at(due, self._hear)

    def _hear(self, time: int) -> None:
        if self._hearing_due == time:
            self._hearing_due = None
        self._hearing.poll(time)
        self._schedule_hearing()

    def _schedule_port(self, port: LinePort) -> None:
        due = port.next_wakeup()
        if due is not None and (port.wakes_at is None or due < port.wakes_at):
            port.wakes_at = due
            self._sequence += 1
            heappush(self._events, (due, self._sequence, port.wake))

    def _wake_port(self, port: LinePort, time: int) -> None:
        if port.wakes_at == time:
            port.wakes_at = None
        if self._ports.get(port.number) is not port:
            return
        sends = port.poll(time)
        self._sends += sends
        if port.gateway is not None:
            self._pass_requests(port, time)
            if port.gateway.is_closed(time):
                self._hang_up(port.number, time)
                return
        if self.trace is not None:
            for event in port.take_trace():
                late = None if self.lag_of is None else self.lag_of(port.number, event.end)
                self.trace(event if late is None else event._replace(lag=late))
        self._schedule_port(port)

    def _pass_requests(self, port: LinePort, now: int) -> None:
        assert port.gateway is not None
        for _, data in port.gateway.poll_bus(now):
            self._put_on_line(port, data, now)
        self._schedule_port(port)

    def _make_noise(self, time: int) -> None:
        assert self._noise is not None
        self._noise_is_due = bool(self._ports)
        if not self._noise_is_due:
            return
        data = self._noise.characters()
        signal = Transmission(time, data, self.baud, self.parity)
        if self.trace is not None:
            self.trace(TraceEvent(time, Kind.NOISE, None, "", data, signal.end - time, self.baud, self.parity))
        if self._noise.noise.to_masters:
            self.put(signal)
        if self._noise.noise.to_slaves:
            self._transmit(signal, 0, signal.end)
        self.at(signal.end + self._noise.pause(), self._make_noise)

    def _trace_master(self, port: LinePort, data: bytes, room: int, start: int) -> None:
        assert self.trace is not None
        for part, cause in ((data[:room], ()), (data[room:], (LOST,))):
            if part:
                length = bit_time(port.baud, CHARACTER_BITS[port.parity] * len(part))
                self.trace(
                    TraceEvent(start, Kind.MASTER, port.number, "", part, length, port.baud, port.parity, cause=cause)
                )


def _with_flipped(signal: Transmission, flipped: tuple[int, ...]) -> Transmission:
    both = tuple(sorted(set(signal.flipped) ^ set(flipped)))
    return Transmission(signal.start, signal.data, signal.baud, signal.parity, both)
