"""A bus under observation: what happened on it, and what of that a test should not let pass.

Unexpected is a rule that a master did not keep, as the passive analyzer names it, and a request to an address where no
meter is. Unfired is an armed fault that never acted. What meters did wrong is none of both: faults make them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from fnmatch import fnmatchcase
from operator import attrgetter
from pathlib import Path

from mbusbench.bus import VirtualBus
from mbusbench.errors import MBusUsageError
from mbusbench.timing import MILLISECOND
from mbusbench.trace import Recorder, Trace, TraceEvent, TraceHeader
from mbusbench.trace.analyzer import analyze
from mbusbench.trace.description import describe_frame
from mbusbench.trace.event import Kind
from mbusbench.trace.exchange import RULES, Exchange, Finding, Result
from mbusbench.trace.files import FORMATS, encode, format_of
from mbusbench.trace.text import annotated, seconds

MASTER_RULES = frozenset(
    {
        "garbled-request",
        "unknown-request",
        "request-during-answer",
        "request-before-timeout",
        "no-idle-time",
        "too-many-attempts",
        "fcb-after-reset",
        "fcb-not-toggled",
        "fcb-toggled-without-answer",
        "pause-in-frame",
    }
)
"""Of the analyzer's rules those that a master keeps or not."""
NOBODY_THERE = "nobody-there"
NOBODY_THERE_WORDS = "A test expects requests to meters of its bus only, unless it allows others."
REMEMBERED = 200_000
"""Events; of a longer test the last ones."""
PAUSE_OF_A_HOST = 50 * MILLISECOND
"""Of what arrives over a network or a terminal, a pause below is no master's doing."""
HIGHEST_METER = 252


class Check(Enum):
    """What is looked at when a test is over."""

    ALL = "all"
    UNEXPECTED = "unexpected"
    UNFIRED = "unfired"
    NONE = "none"

    @classmethod
    def of(cls, value: object) -> Check:
        """Of its name, or True for all and False for nothing. MBusUsageError for anything else."""
        if isinstance(value, bool):
            return cls.ALL if value else cls.NONE
        try:
            return cls(value)
        except ValueError:
            names = ", ".join(each.value for each in cls)
            raise MBusUsageError(f"{value!r} is nothing that can be checked: {names}") from None

    @property
    def sees_unexpected(self) -> bool:
        return self in (Check.ALL, Check.UNEXPECTED)

    @property
    def sees_unfired(self) -> bool:
        return self in (Check.ALL, Check.UNFIRED)


@dataclass(slots=True)
class Watch:
    """Records a bus from now on. `name` is for people; `allow` are names of rules and faults, * and ? in them."""

    bus: VirtualBus
    name: str = ""
    check: Check = Check.ALL
    allow: Iterable[str] = ()
    lag: int = 0
    """By how much, at worst, whoever serves the bus saw its host late; ns."""
    _recorder: Recorder = field(init=False)
    _addresses: set[int] = field(init=False)

    def __post_init__(self) -> None:
        self._recorder = Recorder(TraceHeader(self.name, self.bus.seed, self.bus.epoch), limit=REMEMBERED)
        self._addresses = {meter.address for meter in self.bus.meters}
        before, record = self.bus.trace, self._recorder.record
        if before is None:
            self.bus.trace = record
        else:
            other = before

            def both(event: TraceEvent) -> None:
                other(event)
                record(event)

            self.bus.trace = both

    @property
    def trace(self) -> Trace:
        """Everything up to now."""
        return self._recorder.trace

    @property
    def events(self) -> list[TraceEvent]:
        return self._recorder.events

    def exchanges(self) -> list[Exchange]:
        """Requests and their answers as the masters saw them, in order. One connection after another is one master."""
        # Three times how late the host was: below, nobody can say whose fault it is.
        tolerance = 3 * self._worst_lag()
        found: list[Exchange] = []
        for port, events in _by_master(self._recorder.events).items():
            found += analyze(events, port=port, tolerance=tolerance)
        return sorted(found, key=_start)

    def unexpected(self) -> list[str]:
        """A line for each rule that was not kept, and for each request that nobody is there for."""
        lines: list[str] = []
        known = self._known_addresses()
        for exchange in self.exchanges():
            for finding in exchange.findings:
                if _is_masters(exchange, finding) and not self._allows(finding.rule):
                    lines.append(_line(exchange, finding.time, finding.rule, finding.text, RULES[finding.rule]))
            address = exchange.address
            if address is None or address > HIGHEST_METER or address in known or self._allows(NOBODY_THERE):
                continue
            if exchange.expects_answer and exchange.result is Result.SILENCE:
                text = f"no meter of the bus has address {address}"
                lines.append(_line(exchange, _start(exchange), NOBODY_THERE, text, NOBODY_THERE_WORDS))
        return lines

    def unfired(self) -> list[str]:
        """A line for each armed fault that never acted."""
        return [armed.never() for armed in self.bus.faults if not armed.hits and not self._allows(armed.name)]

    def problems(self) -> str:
        """What is checked and was not right, in lines; empty where all was."""
        parts: list[str] = []
        unexpected = self.unexpected() if self.check.sees_unexpected else []
        unfired = self.unfired() if self.check.sees_unfired else []
        if unexpected:
            parts += [f"{self._called()}: {len(unexpected)} unexpected:", *(f"  {line}" for line in unexpected)]
        if unfired:
            count = f"{len(unfired)} of {len(self.bus.faults)} faults never fired"
            parts += [f"{self._called()}: {count}:", *(f"  {line}" for line in unfired)]
        return "\n".join(parts)

    def verify(self) -> None:
        """AssertionError with the `problems`, and how to allow them, where there are any."""
        found = self.problems()
        if found:
            raise AssertionError(found)

    def text(self, limit: int | None = None) -> str:
        """The annotated trace; of more than `limit` lines the heading and the last ones."""
        heading, *lines = annotated(self.trace)
        if limit is not None and len(lines) > limit:
            left_out = len(lines) - limit
            lines = [f"({left_out} lines before)", *lines[left_out:]]
        return "\n".join([heading, *lines])

    def save(self, path: Path) -> None:
        """Write the trace to a file, in the format of its suffix."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(self.trace, FORMATS[format_of(path)]()))

    def _called(self) -> str:
        return self.name or "the bus"

    def _allows(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.allow)

    def _known_addresses(self) -> set[int]:
        known = self._addresses | {meter.address for meter in self.bus.meters}
        for event in self._recorder.events:
            last = event.source.rpartition(" ")[2]
            if last.isdecimal():
                known.add(int(last))
        return known

    def _worst_lag(self) -> int:
        lag = getattr(self.bus.driver, "lag", None)
        return max(self.lag, 0 if lag is None else int(lag.worst))


def _start(exchange: Exchange) -> int:
    return exchange.attempts[0].start if exchange.attempts else exchange.others[0][1].start


def _line(exchange: Exchange, time: int, rule: str, text: str, words: str) -> str:
    request = exchange.request
    asked = "" if request is None else f" ({describe_frame(request.item)[0]})"
    return f"at {seconds(time)}{asked}: {rule}: {text}. {words}"


def _is_masters(exchange: Exchange, finding: Finding) -> bool:
    if finding.rule not in MASTER_RULES:
        return False
    if finding.rule != "pause-in-frame":
        return True
    return any(frame.start == finding.time and frame.pause >= PAUSE_OF_A_HOST for frame in exchange.attempts)


def _by_master(events: Iterable[TraceEvent]) -> dict[int, list[TraceEvent]]:
    """The events at the masters' ports, each as of the master that it belongs to.

    A port that sends when another has stopped sending goes on as the same master: one that connects anew each time.
    """
    in_order = sorted((event for event in events if event.port is not None), key=attrgetter("time"))
    sent: dict[int, tuple[int, int]] = {}
    for event in in_order:
        if event.kind is Kind.MASTER and event.port is not None:
            sent[event.port] = (sent.get(event.port, (event.time, 0))[0], event.time)
    masters: dict[int, int] = {}
    followed_at: dict[int, int] = {}
    latest: dict[int, int] = {}
    for port, (first, _) in sent.items():
        free = [(sent[former][1], number) for number, former in latest.items() if sent[former][1] < first]
        masters[port] = max(free)[1] if free else len(latest) + 1
        if free:
            followed_at[latest[masters[port]]] = first
        latest[masters[port]] = port
    found: dict[int, list[TraceEvent]] = {}
    for event in in_order:
        port = event.port or 0
        if port not in masters:
            continue
        # Where every port hears every answer, those from before and after its turn are another port's.
        heard = event.kind is Kind.RECEIVED and sent[port][0] <= event.time < followed_at.get(port, event.time + 1)
        if heard or event.kind is Kind.MASTER:
            found.setdefault(masters[port], []).append(event._replace(port=masters[port]))
    return found


__all__ = ["MASTER_RULES", "NOBODY_THERE", "Check", "Watch"]
