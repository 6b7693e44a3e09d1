"""A trace for people: one line for each frame, with its time, the silence before it, who sent it and what it says.

What arrived at a port is shown only where it differs from what was sent. Numbers are made from integers: the same
events are the same text everywhere.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from operator import attrgetter

from mbusbench.codec.frame import FRAME_MAXIMUM
from mbusbench.trace.assembly import Assembler, TimedFrame
from mbusbench.trace.description import describe_frame, hex_text, printable
from mbusbench.trace.event import ECHO, FORMAT, REPEAT, Kind, TraceEvent
from mbusbench.trace.header import TraceHeader
from mbusbench.trace.recorder import Trace

LAG_SHOWN_ABOVE = 1_000_000
"""ns; a host that is less late than that is not worth a word."""
_INDENT = " " * 44
_UNREMARKABLE = frozenset((ECHO, REPEAT))
_EXPECTED_AT_MOST = 64
_BABBLE_SHOWN = 64
_ARROWS = {Kind.MASTER: ">", Kind.SLAVE: "<", Kind.RECEIVED: "=", Kind.NOISE: "~", Kind.BREAK: "_", Kind.NOTE: "-"}


def seconds(time: int) -> str:
    """ns as seconds, cut to microseconds."""
    sign = "-" if time < 0 else ""
    whole, rest = divmod(abs(time), 1_000_000_000)
    return f"{sign}{whole}.{rest // 1000:06d}"


def milliseconds(duration: int) -> str:
    """ns as milliseconds, to the nearest microsecond."""
    sign = "-" if duration < 0 else ""
    whole, rest = divmod((abs(duration) + 500) // 1000, 1000)
    return f"{sign}{whole}.{rest:03d} ms"


def bit_times(duration: int, baud: int) -> str:
    """ns as bit times, to the nearest tenth."""
    whole, tenth = divmod((duration * baud * 10 + 500_000_000) // 1_000_000_000, 10)
    return f"{whole}.{tenth} bits"


class Annotator:
    """Events in, lines out.

    `records` shows every record below its frame, `data` the bytes, `received` every arrival; `key` decrypts.
    """

    def __init__(
        self, *, records: bool = False, data: bool = False, received: bool = False, key: bytes | None = None
    ) -> None:
        self._records = records
        self._data = data
        self._received = received
        self._key = key
        self._assembler = Assembler()
        self._line_end: int | None = None
        self._request_end: int | None = None
        self._expected: deque[tuple[bytes, set[int | None]]] = deque(maxlen=_EXPECTED_AT_MOST)
        self._arrived: deque[TimedFrame] = deque()

    def heading(self, header: TraceHeader) -> str:
        """The first line."""
        name = printable(header.bus) or "a bus"
        return f"# {name}, seed {header.seed}; time 0 is {header.epoch.isoformat(' ')}"

    def lines(self, event: TraceEvent) -> list[str]:
        """What there is to show now; [] while a frame is under way."""
        if event.kind is Kind.NOISE or not event.data:
            frames = self._assembler.receive(event._replace(data=b""))
            return [*self._shown(frames), self._other(event)]
        return self._shown(self._assembler.receive(event))

    def finish(self) -> list[str]:
        """The rest: what never became a whole frame, and what nobody had sent."""
        lines = self._shown(self._assembler.finish())
        return lines + self._nobodys(None)

    def _shown(self, frames: Iterable[TimedFrame]) -> list[str]:
        lines: list[str] = []
        for frame in frames:
            lines += self._nobodys(frame.start)
            if self._is_shown(frame):
                lines += self._frame(frame)
        return lines

    def _is_shown(self, frame: TimedFrame) -> bool:
        if frame.kind is Kind.SLAVE:
            self._expect(frame.raw)
        if frame.kind is not Kind.RECEIVED or self._received:
            return True
        if not frame.ok or not _UNREMARKABLE.issuperset(frame.cause):
            return True
        expecting = next((ports for raw, ports in self._expected if raw == frame.raw and frame.port not in ports), None)
        if expecting is not None:
            expecting.add(frame.port)
        elif ECHO not in frame.cause:
            self._arrived.append(frame)
        return False

    def _expect(self, raw: bytes) -> None:
        """A slave sends `raw`: each port may get it once, and may have got it already."""
        ports: set[int | None] = set()
        others: deque[TimedFrame] = deque()
        for arrived in self._arrived:
            if arrived.raw == raw and arrived.port not in ports:
                ports.add(arrived.port)
            else:
                others.append(arrived)
        self._arrived = others
        self._expected.append((raw, ports))

    def _nobodys(self, now: int | None) -> list[str]:
        """What arrived before `now` as a good frame, and no slave had sent: an event of the sender may come later."""
        lines: list[str] = []
        while self._arrived and (now is None or self._arrived[0].end < now):
            lines += self._frame(self._arrived.popleft())
        return lines

    def _frame(self, frame: TimedFrame) -> Iterator[str]:
        what, below = describe_frame(frame.item, self._key)
        yield self._line(frame.start, frame.kind, _who(frame), f"{what}{self._remarks(frame)}", frame.end)
        if frame.kind is Kind.MASTER:
            self._request_end = frame.end
        if self._data:
            # More than any frame has is babble: the rest of it says nothing new.
            shown = frame.raw if len(frame.raw) <= FRAME_MAXIMUM else frame.raw[:_BABBLE_SHOWN]
            for start in range(0, len(shown), 16):
                yield f"{_INDENT}{shown[start : start + 16].hex(' ').upper()}"
            if len(shown) < len(frame.raw):
                yield f"{_INDENT}.. {len(frame.raw) - len(shown)} characters more"
        if self._records:
            for line in below:
                yield f"{_INDENT}{line}"

    def _remarks(self, frame: TimedFrame) -> str:
        remarks: list[str] = []
        delay = frame.delay
        if delay is None and frame.kind is Kind.SLAVE and self._request_end is not None:
            delay = frame.start - self._request_end
        if delay is not None:
            bits = f" = {bit_times(delay, frame.baud)}" if frame.baud and delay >= 0 else ""
            remarks.append(f"after {milliseconds(delay)}{bits}")
        if frame.pause > 0:
            remarks.append(f"pause of {milliseconds(frame.pause)} inside")
        for name, indexes in (("parity", frame.parity_errors), ("framing", frame.framing_errors)):
            if indexes:
                remarks.append(f"{name} error at {_numbers(indexes)}")
        if frame.lag is not None and frame.lag >= LAG_SHOWN_ABOVE:
            remarks.append(f"host late by {milliseconds(frame.lag)}")
        said = f"; {', '.join(remarks)}" if remarks else ""
        return f"{said}{_reasons(frame.cause)}"

    def _other(self, event: TraceEvent) -> str:
        """Of what is no frame: noise, break, note."""
        if event.kind is Kind.NOTE:
            words = list(event.cause)
            if event.cause[:1] == (FORMAT,) and event.baud:
                words.insert(1, f"{event.baud} baud, parity {event.parity.value}")
            return self._line(event.time, event.kind, _who(event), printable(": ".join(words)), None)
        what = f"break of {milliseconds(event.duration)}"
        if event.kind is Kind.NOISE:
            what = f"noise: {hex_text(event.data)}"
        elif event.kind is not Kind.BREAK:
            what = "nothing"
        return self._line(event.time, event.kind, _who(event), f"{what}{_reasons(event.cause)}", event.end)

    def _line(self, start: int, kind: Kind, who: str, what: str, end: int | None) -> str:
        gap = ""
        if end is not None and kind is not Kind.RECEIVED:
            if self._line_end is not None and start >= self._line_end:
                gap = f"+{milliseconds(start - self._line_end)}"
            self._line_end = end if self._line_end is None else max(end, self._line_end)
        return f"{seconds(start):>14} {gap:>14}  {who:<10} {_ARROWS[kind]} {what}"


def _who(of: TraceEvent | TimedFrame) -> str:
    if of.source:
        return printable(of.source)
    return "line" if of.port is None else f"port {of.port}"


def _reasons(cause: tuple[str, ...]) -> str:
    return f" [{printable(', '.join(cause))}]" if cause else ""


def _numbers(indexes: tuple[int, ...], longest: int = 8) -> str:
    text = ", ".join(map(str, indexes[:longest]))
    return text if len(indexes) <= longest else f"{text} and {len(indexes) - longest} more"


def annotated(
    trace: Trace, *, records: bool = False, data: bool = False, received: bool = False, key: bytes | None = None
) -> Iterator[str]:
    """The lines of a whole trace, in the order of time."""
    annotator = Annotator(records=records, data=data, received=received, key=key)
    yield annotator.heading(trace.header)
    for event in sorted(trace.events, key=attrgetter("time")):
        yield from annotator.lines(event)
    yield from annotator.finish()
    if trace.incomplete:
        yield "# the file ends in the middle of an event"
