"""What a master could know when it sent: the characters that had reached it by then, and what they made up.

The analyzer judges by what was on the line. Under faults that is sometimes more than a master can see: an answer with
junk around it may count or not, a character that nobody expects may begin while the master begins to send, and where
the connection was closed no answer is awaited any more. Only a breach that the master could see is one.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from mbusbench.codec.address import BROADCAST, BROADCAST_REPLY, SELECTED
from mbusbench.codec.control_field import ACD, DFC, PRM, RSP_UD, SND_NKE, function_code
from mbusbench.codec.frame import ACK, Frame, LongFrame, ShortFrame, SingleCharacter
from mbusbench.codec.frame_reader import candidate
from mbusbench.scenario.file.pattern import is_selection
from mbusbench.scenario.judging.traffic import MasterFrame, Traffic
from mbusbench.timing import bit_time, character_time, idle_time, response_window
from mbusbench.trace.assembly import TimedFrame
from mbusbench.trace.event import CLOSED, ECHO, FAULT, Kind, TraceEvent

_ROUNDING = 1_000
_REACTION = 2_000_000
"""ns before a transmission in which a master over a network or a terminal does not hear anything more."""
_LATE = 3_000_000_000
_HANG_UP = "disconnect"
_REQUESTS = (0xA, 0xB)


@dataclass(frozen=True, slots=True)
class Found:
    """A whole frame among received characters, whatever was around it and however long the pauses in it were."""

    item: Frame
    raw: bytes
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Content:
    """Characters that reached the master in some time: `starts` and `ends` of each, and which had errors."""

    data: bytes
    starts: Sequence[int]
    ends: Sequence[int]
    wrong: Sequence[bool]

    def frames(self) -> Iterable[Found]:
        """Every frame that a reader may find, wherever it begins; none inside another one."""
        position = 0
        while position < len(self.data):
            found = candidate(self.data, position)
            size = len(found.encode()) if isinstance(found, Frame) else 0
            if isinstance(found, Frame) and not any(self.wrong[position : position + size]):
                raw = self.data[position : position + size]
                yield Found(found, raw, self.starts[position], self.ends[position + size - 1])
                position += size
            else:
                position += 1


class Evidence:
    """Of one case. `is_virtual`: nothing is between the master and the line, in virtual time.

    `starts` are times at which a master began anew that knows nothing of what was before.
    """

    def __init__(self, traffic: Traffic, *, is_virtual: bool, starts: Sequence[int] = ()) -> None:
        self._starts = starts
        self._traffic = traffic
        self._reaction = 0 if is_virtual else _REACTION

    @cached_property
    def _characters(self) -> Content:
        """All that ever arrived, echoes aside, in the order of their ends."""
        events = [each for each in self._traffic.events if each.kind is Kind.RECEIVED and ECHO not in each.cause]
        found = sorted(
            ((end, start, byte, wrong) for each in events for start, end, byte, wrong in _single(each)),
            key=lambda character: character[0],
        )
        return Content(
            bytes(byte for _, _, byte, _ in found),
            [start for _, start, _, _ in found],
            [end for end, _, _, _ in found],
            [wrong for _, _, _, wrong in found],
        )

    @cached_property
    def _hang_ups(self) -> list[int]:
        """When the bus closed a connection: not the master itself."""
        times: list[int] = []
        since: int | None = None
        for event in self._traffic.events:
            if event.kind is not Kind.NOTE or not event.cause:
                continue
            if event.cause[0] == FAULT and len(event.cause) > 2 and _HANG_UP in event.cause[2]:
                since = event.time
            elif event.cause[0] == CLOSED and since is not None:
                times.append(event.time)
        return times

    def whole_frames(self) -> list[Found]:
        """Every frame in all that arrived."""
        return list(self._characters.frames())

    def hung_up(self, start: int, end: int) -> bool:
        """Whether the bus closed a connection in this time."""
        index = bisect_left(self._hang_ups, start)
        return index < len(self._hang_ups) and self._hang_ups[index] <= end

    def may_have_ended(self, frame: TimedFrame, until: int) -> bool:
        """Whether a request may have counted as answered before `until`, or its connection was closed."""
        if self.hung_up(frame.start, until):
            return True
        return any(fits(frame.item, each.item) for each in self.content(frame.end, until).frames())

    def content(self, start: int, end: int) -> Content:
        """What arrived in this time: characters that were over by `end`."""
        every = self._characters
        first, last = bisect_right(every.ends, start), bisect_right(every.ends, end)
        return Content(
            every.data[first:last], every.starts[first:last], every.ends[first:last], every.wrong[first:last]
        )

    def allows_to_send(self, time: int) -> bool:
        """Whether a master that sent then had reason to think that it may: of its time, not of what it sent."""
        sent = self._traffic.sent
        index = self._index(time)
        if index == 0:
            return True
        before = sent[index - 1]
        if self.hung_up(before.start, time) or any(before.start < each <= time for each in self._starts):
            return True
        return any(
            self._is_free(before, sent[index], self.content(before.start, until))
            for until in {time + _ROUNDING, time - self._reaction}
        )

    def could_not_know(self, raw: bytes, start: int, since: int) -> bool:
        """Whether this telegram is old by a fault's doing, and the master had not had it since `since`."""
        if not any(since <= time <= start for time in self._stale):
            return False
        # Of a meter that was heard once nobody knows what changes in its telegrams.
        heard = [each for each in self._traffic.heard if each.ok and since <= each.start < start]
        had = {each.raw for each in heard if each.raw[4:6] == raw[4:6]}
        return raw not in had or len(had) < 2

    @cached_property
    def _stale(self) -> list[int]:
        """When a fault made an answer an old one."""
        return [
            event.time
            for event in self._traffic.events
            if event.kind is Kind.NOTE and event.cause[:1] == (FAULT,) and any(map(_is_old, event.cause[2:3]))
        ]

    def _index(self, time: int) -> int:
        return bisect_left([each.start for each in self._traffic.sent], time)

    def _is_free(self, before: MasterFrame, frame: MasterFrame, content: Content) -> bool:
        """Nothing more was to come, as far as could be seen."""
        baud = frame.frame.baud or 2400
        if not content.data:
            waited = frame.start + _ROUNDING - before.end + self._queued(before)
            return waited >= response_window(baud)[1]
        # Where transmissions collide, a character may end a bit earlier than its place in the row says.
        doubt = character_time(baud) if any(content.wrong) else 0
        if frame.start + _ROUNDING - content.ends[-1] >= idle_time(baud) - doubt:
            return True
        answers = [each for each in content.frames() if fits(before.item, each.item)]
        if not answers or answers[-1].end != content.ends[-1]:
            return False
        return len(answers) == 1 or isinstance(answers[-1].item, LongFrame)

    def _queued(self, frame: MasterFrame) -> int:
        """How long it waited for the frame before it, which its master had taken for answered while it went out."""
        index = self._index(frame.start)
        if not index:
            return 0
        before = self._traffic.sent[index - 1]
        return before.end - before.start if frame.start - before.end <= _ROUNDING else 0

    def was_answered(self, time: int) -> bool | None:
        """Whether its last frames to the address that the master sent to then had been answered; None: who knows."""
        sent = self._traffic.sent
        end = self._index(time)
        frame = sent[end]
        before = next((at for at in range(end - 1, -1, -1) if _concerns(sent[at].item, frame.item)), None)
        if before is None:
            return None
        first = before
        while first and sent[first - 1].raw == sent[before].raw:
            first -= 1
        if self.hung_up(sent[first].start, frame.start) or self._owed_an_answer(first):
            return None
        return self._answered(sent[first], sent[before], frame.start + _ROUNDING)

    def _answered(self, first: MasterFrame, last: MasterFrame, until: int) -> bool | None:
        content = self.content(first.start, until)
        good = [each for each in content.frames() if may_fit(last.item, each.item)]
        if not good:
            return None if _is_reset(last.item) else False
        (answer, *others) = good
        baud = last.frame.baud or 2400
        delay = answer.start - last.end
        in_time = bit_time(baud, 11) - _ROUNDING <= delay <= response_window(baud)[1] + _ROUNDING
        is_alone = not others and len(content.data) == len(answer.raw) and fits(last.item, answer.item)
        in_one_go = answer.end - answer.start <= bit_time(baud, 11 * len(answer.raw)) + _ROUNDING
        return True if in_time and is_alone and in_one_go else None

    def heard_from(self, address: int, start: int, end: int) -> bool:
        """Whether what came after a frame to this address looked like its answer, whoever sent it."""
        sent = self._traffic.sent
        for index in range(self._index(start), len(sent)):
            frame = sent[index]
            if frame.start > end:
                break
            until = sent[index + 1].start if index + 1 < len(sent) else end
            if frame.address == address and any(
                fits(frame.item, each.item) for each in self.content(frame.end, until + _ROUNDING).frames()
            ):
                return True
        return False

    def _owed_an_answer(self, index: int) -> bool:
        """Whether a frame shortly before had no answer, which may come late and for that to this one."""
        sent = self._traffic.sent
        start = sent[index].start
        for at in range(index - 1, -1, -1):
            if sent[at].start < start - _LATE:
                break
            item = sent[at].item
            if isinstance(item, ShortFrame | LongFrame) and item.address == BROADCAST:
                continue
            if not self.content(sent[at].start, sent[at + 1].start).data:
                return True
        return False


def _is_old(does: str) -> bool:
    return "stale" in does or "stuck_fcb" in does


def _single(event: TraceEvent) -> Iterable[tuple[int, int, int, bool]]:
    """Start, end, value of each character, and whether it had an error."""
    count = len(event.data)
    errors = {*event.parity_errors, *event.framing_errors}
    for index, byte in enumerate(event.data):
        start = event.time + event.duration * index // count
        yield start, event.time + event.duration * (index + 1) // count, byte, index in errors


def _is_reset(item: object) -> bool:
    if isinstance(item, LongFrame):
        return is_selection(item)
    return isinstance(item, ShortFrame) and item.control == SND_NKE


def _concerns(before: object, item: object) -> bool:
    """Whether it went to the same address, or reset it."""
    if not isinstance(before, ShortFrame | LongFrame) or not isinstance(item, ShortFrame | LongFrame):
        return False
    if before.address != item.address:
        return False
    return _is_reset(before) or function_code(before.control) == function_code(item.control)


def may_fit(request: object, item: Frame) -> bool:
    """Whether some master may take it for the answer."""
    if item is ACK:
        return True
    if isinstance(item, SingleCharacter) or not isinstance(request, ShortFrame | LongFrame):
        return False
    if item.control & PRM:
        return False
    return item.address == request.address or request.address in (SELECTED, BROADCAST_REPLY)


def fits(request: object, item: Frame) -> bool:
    """Whether it is the answer that the request wants."""
    if not may_fit(request, item) or not isinstance(request, ShortFrame | LongFrame):
        return False
    if function_code(request.control) in _REQUESTS:
        return not isinstance(item, LongFrame) or item.control & ~(ACD | DFC) == RSP_UD
    return not isinstance(item, LongFrame)
