"""A master's side of the timed line: its UART's output, the level converter, the gateway, and what reaches the master.

An answer that is alone on the line can be handed over in one piece at its end (`whole`), which a master in the same
process cannot tell from single characters; everything else comes character by character.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from mbusbench.bus.port import GatewayOptions, PortOptions, Send
from mbusbench.line.gateway import Gateway, RequestGate, Segmenter
from mbusbench.line.level_converter import LevelConverter
from mbusbench.line.uart import Received
from mbusbench.line.wire import CHARACTER_BITS, Parity, Transmission, WireSignal
from mbusbench.timing import bit_time
from mbusbench.trace.event import Kind, TraceEvent

ROUNDING = 2
"""ns by which characters of one run may seem to be apart."""


class LinePort:
    """One port. Times are ns in the time of the line; `wakes_at` and `wake` are for whoever drives it."""

    def __init__(
        self,
        number: int,
        options: PortOptions,
        *,
        baud: int,
        parity: Parity,
        echo: bool,
        stream: str,
        now: int,
    ) -> None:
        self.number = number
        self.baud = baud
        self.parity = parity
        self.free_at = now
        self.break_since: int | None = None
        self.wakes_at: int | None = None
        self.wake: Callable[[int], None] = _nobody
        self.echo = echo if options.echo is None else options.echo
        self.gateway = None if options.gateway is None else gateway_of(options.gateway, stream, now)
        self._whole = False
        self._lone: Transmission | None = None
        self._lone_end = 0
        self._converter = LevelConverter(
            baud,
            parity,
            echo=self.echo,
            collision_break=options.collision_break,
            collision_slaves=options.collision_slaves,
            overload_break=options.overload_break,
            overload_slaves=options.overload_slaves,
            by_character=True,
        )
        self._busy = False
        self._traced: list[Received] | None = None

    def set_trace(self, on: bool) -> None:
        """Whether `take_trace` is going to ask."""
        self._traced = [] if on else None

    def take_whole_answers(self) -> None:
        """The master asks `busy_until` before it takes silence for silence. A gateway needs characters all the same."""
        self._whole = self.gateway is None

    def character(self) -> int:
        """ns of one character in the port's format."""
        return bit_time(self.baud, CHARACTER_BITS[self.parity])

    def set_format(self, baud: int, parity: Parity) -> None:
        """Another rate or parity, from now on in both directions."""
        self._unfold()
        self.baud = baud
        self.parity = parity
        self._converter.receiver.set_format(baud, parity)

    def hear(self, signal: WireSignal, whole: bool) -> None:
        """A slave sends, at `signal.start` or later than now; `whole`: an unaltered answer."""
        if (
            whole
            and self._whole
            and not self._busy
            and self._lone is None
            and type(signal) is Transmission
            and signal.baud == self.baud
            and signal.parity is self.parity
        ):
            self._lone = signal
            self._lone_end = signal.end
            return
        self._unfold()
        self._converter.transmit(signal)
        self._busy = True

    def hear_own(self, signal: Transmission) -> None:
        """What the master itself sends, where there is an echo."""
        if self.echo:
            self._unfold()
            self._converter.send(signal)
            self._busy = True

    def withdraw(self, signal: WireSignal) -> bool:
        """A signal is not sent after all. Whether `hear` got it: not where the port was opened behind its begin."""
        if self._lone is signal:
            self._lone = None
            return True
        return self._converter.withdraw(signal)

    def next_wakeup(self) -> int | None:
        """When `poll` has something to do; None where nothing is under way."""
        if self._lone is not None:
            return self._lone_end
        due = self._converter.next_wakeup() if self._busy else None
        if self.gateway is not None:
            also = self.gateway.next_wakeup()
            due = also if due is None or (also is not None and also < due) else due
        return due

    def busy_until(self, now: int) -> int:
        """When the whole answer that is arriving will be there; 0 where none is or its first character is to come."""
        lone = self._lone
        return self._lone_end if lone is not None and lone.start + self.character() <= now else 0

    def unfold(self, now: int) -> None:
        """Hand over the answer that is arriving by characters from now on."""
        if self._lone is not None and self._lone.start < now:
            self._unfold()

    def _unfold(self) -> None:
        if self._lone is not None:
            self._converter.transmit(self._lone)
            self._lone = None
            self._busy = True

    def poll(self, now: int) -> list[Send]:
        """What the master gets until `now`."""
        lone = self._lone
        if lone is not None:
            if self._lone_end > now:
                return []
            self._lone = None
            if self._traced is not None:
                self._traced.append(Received(lone.start, lone.data, lone.baud, lone.parity))
            return [Send(self.number, lone.data, self._lone_end)]
        sends: list[Send] = []
        gateway = self.gateway
        if self._busy:
            for piece in self._converter.poll(now):
                if self._traced is not None:
                    self._traced.append(piece)
                if gateway is not None:
                    gateway.receive(piece.data, piece.end)
                else:
                    # A part of a run begins and ends at rounded times.
                    time = now if now - piece.end <= ROUNDING else piece.end
                    sends.append(Send(self.number, piece.data, time, piece.parity_errors, piece.framing_errors))
            self._busy = self._converter.next_wakeup() is not None
        if gateway is not None:
            sends += [Send(self.number, data, time) for time, data in gateway.poll(now)]
        return sends

    def take_trace(self, *, final: bool = False) -> list[TraceEvent]:
        """The runs of characters that are over; the one that may go on is kept, unless this is the end."""
        assert self._traced is not None
        runs: list[Received] = []
        for piece in self._traced:
            if runs and piece.start - runs[-1].end <= ROUNDING:
                runs[-1] = _joined(runs[-1], piece)
            else:
                runs.append(piece)
        self._traced = runs[-1:] if self._busy and not final else []
        return [received_event(self.number, run) for run in runs[: len(runs) - len(self._traced)]]


def _nobody(time: int) -> None:
    raise AssertionError("a port that nobody drives")


def received_event(port: int, run: Received, cause: tuple[str, ...] = ()) -> TraceEvent:
    """The event of characters that arrived at a port."""
    return TraceEvent(
        run.start,
        Kind.RECEIVED,
        port,
        "",
        run.data,
        run.end - run.start,
        run.baud,
        run.parity,
        run.parity_errors,
        run.framing_errors,
        cause,
    )


def _joined(first: Received, second: Received) -> Received:
    count = len(first.data)
    return Received(
        first.start,
        first.data + second.data,
        first.baud,
        first.parity,
        (*first.parity_errors, *(count + index for index in second.parity_errors)),
        (*first.framing_errors, *(count + index for index in second.framing_errors)),
    )


def gateway_of(options: GatewayOptions, stream: str, now: int) -> Gateway:
    """The gateway that the options describe; `stream` names its random numbers."""
    jitter = None
    if options.jitter:
        random = Random(stream).random
        most = options.jitter + 1

        def jitter() -> int:
            return int(random() * most)

    to_client = Segmenter(
        size=options.segment,
        quiet=options.quiet,
        longest=options.longest,
        latency=options.latency,
        jitter=jitter,
        spacing=options.spacing,
    )
    to_bus = RequestGate(
        one_in_flight=options.one_in_flight, timeout=options.timeout, drop=options.drop, latency=options.latency
    )
    return Gateway(to_client, to_bus, idle_close=options.idle_close, opened=now)
