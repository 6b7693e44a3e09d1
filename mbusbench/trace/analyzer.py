"""Passive analyzer: characters of both directions become exchanges, judged by the rules of EN 13757-2.

It sees what was put on the line, or what one port saw. It never asks, and no finding is an error: what a rule says
stands beside it, whoever reads decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter

from mbusbench.codec import control_field
from mbusbench.codec.address import BROADCAST, BROADCAST_REPLY, SELECTED
from mbusbench.codec.frame import LongFrame, ShortFrame, SingleCharacter
from mbusbench.timing import bit_time, character_time, idle_time, response_window
from mbusbench.trace.assembly import Assembler, TimedFrame
from mbusbench.trace.description import hex_text
from mbusbench.trace.event import COLLISION, ECHO, Kind, TraceEvent
from mbusbench.trace.exchange import Exchange, Finding, Result, Role, Sequence
from mbusbench.trace.frame_count import FrameCounts
from mbusbench.trace.text import bit_times, milliseconds

ATTEMPTS_MAXIMUM = 3
_FUNCTIONS = (0x3, 0xA, 0xB)


class Analyzer:
    """Takes events in the order of time, gives the exchanges that are over.

    With `port` it judges what the master at that port saw (RECEIVED), otherwise what was put on the line. `tolerance`
    (ns) widens every limit: the measured lag of a host, the latency of an adapter. `reaction` is what a master takes to
    notice a character, and to hold back what it was about to send.
    """

    def __init__(self, *, port: int | None = None, tolerance: int = 0, reaction: int = 0) -> None:
        self._port = port
        self._tolerance = tolerance
        self._reaction = reaction
        self._answers = Kind.SLAVE if port is None else Kind.RECEIVED
        self._assembler = Assembler()
        self._counts = FrameCounts()
        self._open: Exchange | None = None
        self._before: Exchange | None = None
        self._answer_end: int | None = None
        self._answer_start = 0
        self._last_telegrams: dict[int, bytes] = {}
        self._closed: list[Exchange] = []

    def receive(self, event: TraceEvent) -> list[Exchange]:
        """The exchanges that ended before it."""
        if self._concerns(event):
            self._take(self._assembler.receive(event))
        return self._taken()

    def finish(self) -> list[Exchange]:
        """The rest."""
        self._take(self._assembler.finish())
        self._close()
        return self._taken()

    def _concerns(self, event: TraceEvent) -> bool:
        if event.kind is Kind.MASTER:
            return self._port in (None, event.port)
        if event.kind is Kind.NOISE:
            return self._port is None
        return event.kind is self._answers and self._port in (None, event.port)

    def _taken(self) -> list[Exchange]:
        closed, self._closed = self._closed, []
        return closed

    def _take(self, frames: Iterable[TimedFrame]) -> None:
        for frame in frames:
            if frame.kind is Kind.MASTER:
                self._request(frame)
            elif frame.kind is Kind.NOISE:
                self._current().others.append((Role.NOISE, frame))
            else:
                self._answer(frame)

    def _current(self) -> Exchange:
        """The open exchange; one without a request where nothing was asked yet."""
        if self._open is None:
            self._open = Exchange([])
        return self._open

    def _close(self) -> None:
        if self._open is not None:
            self._closed.append(self._open)
            self._before, self._open = self._open, None

    def _request(self, frame: TimedFrame) -> None:
        findings = self._spacing(frame)
        exchange = self._open
        if exchange is not None and frame.ok and _is_repeat(exchange, frame):
            exchange.attempts.append(frame)
            exchange.findings += findings
            if len(exchange.attempts) == ATTEMPTS_MAXIMUM + 1:
                self._find(exchange, frame.start, "too-many-attempts", f"attempt {len(exchange.attempts)}")
            return
        self._close()
        self._answer_end = None
        exchange = self._open = Exchange([frame], findings=findings)
        if frame.pause >= self._longest_pause(frame):
            self._find(exchange, frame.start, "pause-in-frame", f"pause of {milliseconds(frame.pause)}")
        item = frame.item
        if not frame.ok:
            self._find(exchange, frame.start, "garbled-request", hex_text(frame.raw))
        elif not isinstance(item, ShortFrame | LongFrame) or not _is_request(item.control):
            self._find(exchange, frame.start, "unknown-request", hex_text(frame.raw))
        else:
            exchange.sequence, rule = self._counts.judge(item)
            if rule is not None:
                self._find(exchange, frame.start, rule, control_field.describe(item.control))
            if item.address == BROADCAST and item.control == control_field.SND_NKE:
                self._counts.reset(SELECTED)

    def _spacing(self, frame: TimedFrame) -> list[Finding]:
        """What is wrong with when the master sends."""
        exchange = self._open
        if exchange is None or not exchange.attempts or not frame.baud:
            return []
        silence = frame.start - max(exchange.attempts[-1].end, self._answer_end or 0) + self._tolerance
        said = f"{milliseconds(silence)} after the last character"
        if self._answer_end is not None and silence < 0:
            known = character_time(frame.baud, 2) + self._reaction + self._tolerance
            if frame.start - self._answer_start < known:
                # Nobody who sends can know of so new an answer.
                return []
            return [Finding(frame.start, "request-during-answer", f"{milliseconds(-silence)} before its end")]
        if exchange.result is Result.ANSWERED or not exchange.expects_answer:
            return []
        if self._answer_end is not None:
            return [Finding(frame.start, "no-idle-time", said)] if silence < idle_time(frame.baud) else []
        if silence < response_window(exchange.attempts[-1].baud or frame.baud)[1]:
            return [Finding(frame.start, "request-before-timeout", said)]
        return []

    def _answer(self, frame: TimedFrame) -> None:
        exchange = self._current()
        ended_before = self._answer_end
        self._answer_end = max(frame.end, ended_before or frame.end)
        if frame.end == self._answer_end:
            self._answer_start = frame.start
        if not exchange.attempts:
            self._aside(exchange, frame, Role.UNASKED, "unasked-answer", "nothing was asked before")
            return
        request = exchange.attempts[-1]
        if self._port is not None and (ECHO in frame.cause or frame.raw == request.raw):
            self._answer_end = ended_before
            exchange.others.append((Role.ECHO, frame))
            return
        if frame.pause >= self._longest_pause(frame):
            self._find(exchange, frame.start, "pause-in-frame", f"pause of {milliseconds(frame.pause)}")
        item = request.item
        if not exchange.expects_answer or not isinstance(item, ShortFrame | LongFrame):
            to_all = isinstance(item, ShortFrame | LongFrame) and item.address == BROADCAST
            rule = "answer-to-broadcast" if to_all else "unasked-answer"
            self._aside(exchange, frame, Role.UNASKED, rule, hex_text(frame.raw))
        elif exchange.answer is not None:
            self._another(exchange, frame, exchange.answer)
        elif ended_before is not None and frame.start < ended_before:
            self._aside(exchange, frame, Role.COLLISION, "collision", f"{frame.source or 'a slave'} too")
        elif not frame.ok:
            self._aside(exchange, frame, Role.GARBLED, "garbled-answer", hex_text(frame.raw))
        else:
            self._judge_answer(exchange, frame, item)

    def _judge_answer(self, exchange: Exchange, frame: TimedFrame, asked: ShortFrame | LongFrame) -> None:
        """A valid frame while an answer is due."""
        delay = frame.start - exchange.attempts[-1].end
        answer = frame.item
        if self._is_late(exchange, frame, delay):
            self._aside(exchange, frame, Role.LATE, "late-answer", hex_text(frame.raw))
            return
        if isinstance(answer, ShortFrame | LongFrame):
            if answer.control & control_field.PRM:
                self._aside(exchange, frame, Role.WRONG, "wrong-answer", control_field.describe(answer.control))
                return
            if asked.address not in (SELECTED, BROADCAST_REPLY, answer.address):
                said = f"{asked.address} was asked, {answer.address} answers"
                self._aside(exchange, frame, Role.FOREIGN, "foreign-answer", said)
                return
        if not _fits(asked, frame):
            self._aside(exchange, frame, Role.WRONG, "wrong-answer", hex_text(frame.raw))
            return
        exchange.answer = frame
        exchange.response_delay = delay
        self._judge_delay(exchange, frame, delay)
        self._counts.answered(asked, isinstance(answer, SingleCharacter))
        if isinstance(answer, LongFrame):
            self._judge_repeat(exchange, frame, asked.address)

    def _is_late(self, exchange: Exchange, frame: TimedFrame, delay: int) -> bool:
        """It began before the last request was over, so it answers another one."""
        earlier = len(exchange.attempts) > 1 or (
            self._before is not None and self._before.result is not Result.ANSWERED
        )
        return earlier and delay < (bit_time(frame.baud, 11) if frame.baud else 0) - self._tolerance

    def _judge_delay(self, exchange: Exchange, frame: TimedFrame, delay: int) -> None:
        if not frame.baud:
            return
        shortest, longest = response_window(frame.baud)
        said = f"{milliseconds(delay)} = {bit_times(max(delay, 0), frame.baud)}"
        if delay < shortest - self._tolerance:
            self._find(exchange, frame.start, "answer-too-early", said)
        elif delay > longest + self._tolerance:
            self._find(exchange, frame.start, "answer-too-late", said)

    def _judge_repeat(self, exchange: Exchange, frame: TimedFrame, address: int) -> None:
        before = self._last_telegrams.get(address)
        self._last_telegrams[address] = frame.raw
        asked_again = exchange.sequence is Sequence.REPEAT
        if asked_again and before is not None and before != frame.raw:
            self._find(exchange, frame.start, "repeat-differs", hex_text(frame.raw))

    def _another(self, exchange: Exchange, frame: TimedFrame, answer: TimedFrame) -> None:
        """More after a good answer: a collision where nothing but one character was due, or both were sent at once."""
        due = response_window(frame.baud)[1] if frame.baud else 0
        soon = frame.start < exchange.attempts[-1].end + due
        at_once = frame.start < answer.end or COLLISION in frame.cause
        if at_once or (soon and isinstance(answer.item, SingleCharacter)):
            self._aside(exchange, frame, Role.COLLISION, "collision", f"{frame.source or 'a slave'} too")
            self._counts.unanswered(exchange.attempts[-1].item)
        else:
            self._aside(exchange, frame, Role.UNASKED, "unasked-answer", hex_text(frame.raw))

    def _aside(self, exchange: Exchange, frame: TimedFrame, role: Role, rule: str, text: str) -> None:
        exchange.others.append((role, frame))
        self._find(exchange, frame.start, rule, text)

    def _find(self, exchange: Exchange, time: int, rule: str, text: str) -> None:
        exchange.findings.append(Finding(time, rule, text))

    def _longest_pause(self, frame: TimedFrame) -> int:
        """Between two characters; 33 bit times have ended the frame already."""
        return character_time(frame.baud or 1) + self._tolerance


def _is_repeat(exchange: Exchange, frame: TimedFrame) -> bool:
    """The same request again, while its answer is still due. At another rate it is another one."""
    if exchange.result is Result.ANSWERED or not exchange.expects_answer:
        return False
    last = exchange.attempts[-1]
    return last.raw == frame.raw and last.baud == frame.baud


def _is_request(control: int) -> bool:
    if control == control_field.SND_NKE:
        return True
    known = control_field.function_code(control) in _FUNCTIONS
    return known and bool(control & control_field.PRM) and not control & 0x80


def _fits(asked: ShortFrame | LongFrame, answer: TimedFrame) -> bool:
    """Whether an answer is of a kind that the request can have."""
    function = control_field.function_code(asked.control)
    item = answer.item
    if isinstance(item, SingleCharacter):
        return item.code == 0xE5 or asked.control == control_field.SND_UD2
    if isinstance(item, ShortFrame):
        # A short frame of function 0 is the acknowledgement of IEC 60870-5-2; some devices send it.
        return control_field.function_code(item.control) in (0x0, 0x1, 0x9)
    if isinstance(item, LongFrame) and item.control & ~(control_field.ACD | control_field.DFC) != control_field.RSP_UD:
        return False
    return function in (0xA, 0xB) or asked.control == control_field.SND_UD2


def analyze(
    events: Iterable[TraceEvent], *, port: int | None = None, tolerance: int = 0, reaction: int = 0
) -> list[Exchange]:
    """All exchanges of a trace, in order."""
    analyzer = Analyzer(port=port, tolerance=tolerance, reaction=reaction)
    found = [exchange for event in sorted(events, key=attrgetter("time")) for exchange in analyzer.receive(event)]
    return found + analyzer.finish()
