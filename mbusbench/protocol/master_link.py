"""The master's side of the link layer (EN 13757-2): one request at a time, its repeats, its answer.

Sans I/O: the caller writes the bytes that `start` and `poll` return, passes on what arrives, and calls `poll` when
`next_wakeup` is due. Frame count bits are the procedures' business; here a repeat is the identical frame.
"""

from __future__ import annotations

from collections.abc import Sequence

from mbusbench.codec.address import BROADCAST_REPLY, SELECTED
from mbusbench.codec.control_field import PRM
from mbusbench.codec.frame import ACK, FRAME_MAXIMUM, LongFrame, ShortFrame, SingleCharacter
from mbusbench.codec.frame_reader import FrameReader, Reject, RejectReason
from mbusbench.protocol.exchange import Exchange, Expect
from mbusbench.protocol.late_answers import LateAnswers
from mbusbench.protocol.link_state import TRANSITIONS, LinkEvent, LinkState
from mbusbench.protocol.outcome import Collision, Garbled, Outcome, Received, Reply, Silence, WrongAddress
from mbusbench.timing import bit_time, character_time, first_character_timeout, idle_time

APPLICATION_ERROR = 0x70
ANSWERS = frozenset((0x08, 0x18, 0x28, 0x38))  # RSP_UD without and with ACD and DFC

_ANY_ADDRESS = (SELECTED, BROADCAST_REPLY)
_DAMAGED = (RejectReason.CHECKSUM, RejectReason.STOP, RejectReason.TRUNCATED, RejectReason.PARITY)
_SHORTEST_FRAME = 5
_FUNCTION, _POSITIVE, _NEGATIVE = 0x4F, 0x00, 0x01  # of a short frame that answers (IEC 60870-5-2)
_LEAST_GAP = 100_000_000  # drivers and gateways add holes of this size to an answer
_DRIBBLE = 5_000_000_000
# Names of their own: reached through its class a member costs as much as a call (CPython 3.11).
_IDLE, _QUIET, _AWAITING, _SETTLING = LinkState
_BUSY, _SEND, _HOLD, _REFUTE, _RETRY, _FINISH, _CANCEL = LinkEvent
_ACKNOWLEDGE, _DATA, _EITHER, _NOTHING = Expect


class MasterLink:
    """The link of one master to one line. All times in ns.

    `latency` is what the transport adds to an answer; `window` overrides how long the first character is waited for
    after the end of the request, `attempts` is how often a request is sent at most. `wake_up` is sent to a bus that
    sleeps: once before the request, and again before a repeat.
    """

    __slots__ = (
        "_asleep",
        "_attempt",
        "_attempts",
        "_began",
        "_character",
        "_collided",
        "_contradicted",
        "_damaged",
        "_deadline",
        "_doubtful",
        "_exchange",
        "_foreign",
        "_gap",
        "_held",
        "_hold_until",
        "_last",
        "_late",
        "_late_until",
        "_latency",
        "_left",
        "_limit",
        "_longest",
        "_reader",
        "_received",
        "_request",
        "_sent",
        "_settle",
        "_state",
        "_traffic_end",
        "_unanswered",
        "_wake_up",
        "_wake_up_time",
        "_window_end",
        "_window_override",
        "outcome",
        "window",
    )

    def __init__(
        self,
        baudrate: int,
        *,
        latency: int = 0,
        window: int | None = None,
        attempts: int = 3,
        wake_up: bytes = b"",
    ) -> None:
        self._wake_up = wake_up
        self._asleep = bool(wake_up)
        self._latency = latency
        self._window_override = window
        self._attempts = attempts
        self._reader = FrameReader()
        self._state = _IDLE
        self._exchange: Exchange | None = None
        self._request = b""
        self._left = 0
        self._attempt = 0
        self._received: list[Received] = []
        self._foreign: ShortFrame | LongFrame | None = None
        self._held: SingleCharacter | ShortFrame | LongFrame | None = None
        self._collided = False
        self._unanswered = False
        self._damaged = False
        self._contradicted = False
        self._doubtful = False
        self._late = LateAnswers()
        self._hold_until = 0
        self._began = 0
        self._sent = 0
        self._window_end = 0
        self._deadline = 0
        self._limit = 0
        self._last = 0
        self._traffic_end = 0
        self._late_until = 0
        self.outcome: Outcome | None = None
        self.set_baudrate(baudrate)

    def set_baudrate(self, baudrate: int) -> None:
        """The rate of the line from the next request on."""
        self._character = character_time(baudrate)
        self._longest = character_time(baudrate, FRAME_MAXIMUM)
        self.window = self._window_override or first_character_timeout(baudrate) + self._latency
        self._settle = idle_time(baudrate) + self._latency // 10
        self._gap = bit_time(baudrate, 44) + max(self._latency, _LEAST_GAP)
        # A bit longer than the slaves wait for: they are deaf until the line was idle.
        self._wake_up_time = character_time(baudrate, len(self._wake_up)) + idle_time(baudrate) + bit_time(baudrate)

    def sleep(self) -> None:
        """Who is asked next may not be awake any more."""
        self._asleep = bool(self._wake_up)

    @property
    def state(self) -> LinkState:
        return self._state

    def start(self, exchange: Exchange, now: int) -> bytes:
        """Begin `exchange`; the bytes to send now, none where the line has to become idle first."""
        self.outcome = None
        self._exchange = exchange
        self._request = exchange.request_bytes
        self._left = min(exchange.attempts or self._attempts, self._attempts)
        self._attempt = 0
        self._unanswered = False
        self._received = []
        if now >= self._idle_at() and not self._asleep:
            return self._send(now)
        self._move(_BUSY)
        self._limit = now + self.window + self._longest
        return self._rouse(now) if now >= self._idle_at() else b""

    def receive(self, data: bytes, now: int, wrong: Sequence[int] = ()) -> None:
        """Take bytes from the line. `outcome` is set when they, or nothing more, were to come.

        `wrong` are the indexes of characters with a parity or framing error.
        """
        self._last = now
        state = self._state
        if state is _IDLE or state is _QUIET:
            self._reader.receive(data, wrong)
            self._traffic_end = now + (self._gap if self._reader.pending else self._settle)
            return
        for item in self._reader.receive(data, wrong):
            self._take(item, now)
            if self.outcome is not None:
                if self._reader.pending:
                    self._traffic_end = now + self._gap
                return
        settling = self._state is _SETTLING
        self._deadline = self._hold_until if settling else self._window_end
        if self._exchange is not None and self._exchange.patient and not settling:
            # Of answers on top of each other most characters are lost: a pause says little.
            self._deadline = max(self._deadline, min(now + self._gap, self._hard_limit()))
        if self._reader.pending:
            gap_end = min(now + self._gap, self._hard_limit())
            self._deadline = max(self._deadline, gap_end) if settling else gap_end

    def poll(self, now: int) -> bytes:
        """Let time pass; the bytes to send now, if any."""
        state = self._state
        if state is _IDLE:
            return b""
        if state is _QUIET:
            if now >= self._idle_at():
                return self._rouse(now) if self._asleep else self._send(now)
            if now >= self._limit:
                self._finish(Garbled(tuple(self._received), self._attempt), now)
            return b""
        if now < self._deadline:
            return b""
        for item in self._reader.idle():
            self._take(item, now)
            if self.outcome is not None:
                return b""
        if self._state is _AWAITING and now < self._window_end:
            self._deadline = self._window_end
            return b""
        if self._state is _SETTLING:
            if now < self._hold_until:
                self._deadline = self._hold_until
                return b""
            assert self._held is not None
            if not self._has_company():
                # Somebody may still send behind it.
                self._traffic_end = max(self._traffic_end, self._last + self._settle)
                self._finish(Reply(self._held, self._attempt), now)
                return b""
            self._received.insert(0, self._held)
            self._held = None
            self._collided = True
            self._move(_REFUTE)
        if self._heard() and now < (quiet := min(self._last + self._settle, self._hard_limit())):
            # Somebody still sends, be it junk: the answer may be right behind it, and no request may go out before.
            self._deadline = quiet
            return b""
        return self._attempt_failed(now)

    def _has_company(self) -> bool:
        """Whether data that were to stand alone do not: somebody else's answer was heard, whole or damaged."""
        assert self._exchange is not None
        return (
            self._exchange.patient
            and isinstance(self._held, LongFrame)
            and any(not isinstance(item, Reject) or len(item.raw) >= _SHORTEST_FRAME for item in self._received)
        )

    def next_wakeup(self) -> int | None:
        """When `poll` is due next, None while no exchange is under way. Earlier calls do no harm."""
        if self._state is _IDLE:
            return None
        if self._state is _QUIET:
            return min(self._idle_at(), self._limit)
        return self._deadline

    def cancel(self, now: int) -> None:
        """Give the exchange up. Its answer may still come; the next request waits until it can not."""
        if self._state is _IDLE:
            return
        if self._state is not _QUIET:
            self._owes_an_answer(now)
            self._late_until = self._sent + self.window
            if self._heard():
                self._traffic_end = self._last + (self._gap if self._reader.pending else self._settle)
        self._move(_CANCEL)

    @property
    def busy_until(self) -> int:
        """Until when the answer to what was sent last may be on the line, as things look now."""
        return self._idle_at()

    def wait_until(self, time: int) -> None:
        """Send nothing before: an answer that is asked for on another connection may be on the line."""
        self._late_until = max(self._late_until, time)

    def reset(self) -> None:
        """Forget everything about the line: the connection is a new one."""
        self._reader.clear()
        self._late.clear()
        self._state = _IDLE
        self._traffic_end = self._late_until = self._last = 0
        self.outcome = None

    def _move(self, event: LinkEvent) -> None:
        self._state = TRANSITIONS[self._state][event]

    def _idle_at(self) -> int:
        """When a request may go out, as things look now."""
        return max(self._traffic_end, self._late_until)

    def _heard(self) -> bool:
        """Whether anything came since the request began to go out."""
        return self._last > self._began

    def _hard_limit(self) -> int:
        """However a frame dribbles or phantom headers follow each other: here an attempt ends."""
        return self._sent + self.window + 2 * self._longest + _DRIBBLE

    def _rouse(self, now: int) -> bytes:
        """The wake-up characters; the request follows after an idle line."""
        self._asleep = False
        duration = self._wake_up_time
        self._traffic_end = now + duration
        self._limit += duration
        return self._wake_up

    def _send(self, now: int) -> bytes:
        exchange = self._exchange
        assert exchange is not None
        self._state = TRANSITIONS[self._state][_SEND]
        self._reader.clear()
        self._received = []
        self._foreign = None
        self._held = None
        self._collided = False
        self._damaged = False
        self._contradicted = False
        self._doubtful = self._late.may_come_from(exchange.request.address, now)
        self._attempt += 1
        self._left -= 1
        self._began = now
        self._sent = now + self._character * len(self._request)
        wait = self._settle if exchange.expect is _NOTHING else self.window
        self._window_end = self._deadline = self._sent + wait
        self._limit = self._window_end + self._longest
        return self._request

    def _take(self, item: Received, now: int) -> None:
        exchange = self._exchange
        assert exchange is not None
        if item is ACK:
            self._take_acknowledge(ACK, now, exchange)
        elif isinstance(item, (LongFrame, ShortFrame)):
            address = exchange.request.address
            if item.control & PRM:
                if item != exchange.request:
                    self._note(item, now)
                    self._wait_again(now)
            elif item.address != address and address not in _ANY_ADDRESS:
                self._take_foreign(item, now)
            elif isinstance(item, LongFrame):
                self._take_data(item, now, exchange)
            elif item.control & _FUNCTION == _POSITIVE:
                self._take_acknowledge(item, now, exchange)  # the short frame of IEC 60870-5-2 for it
            elif item.control & _FUNCTION == _NEGATIVE:
                self._take_refusal(item, now, exchange)
            else:
                self._note(item, now)
        elif isinstance(item, SingleCharacter):
            self._take_refusal(item, now, exchange)
        else:
            self._note(item, now)

    def _take_data(self, frame: LongFrame, now: int, exchange: Exchange) -> None:
        if frame.control not in ANSWERS:
            self._note(frame, now)
        elif exchange.accepts is not None and not exchange.accepts(frame):
            self._take_foreign(frame, now)
        elif exchange.expect is _NOTHING:
            self._note(frame, now)
        elif exchange.expect is _ACKNOWLEDGE and self._is_of_before(frame, now, exchange):
            if not exchange.alone:
                self._received.append(frame)
            self._wait_again(now)
        elif exchange.expect is _ACKNOWLEDGE or self._late.is_copy(frame, now):
            # A late answer to an earlier request, most likely: what was asked for may be right behind it.
            if not isinstance(self._held, LongFrame):
                self._hold(frame, max(self._window_end, now + self._settle))
        elif exchange.patient and isinstance(self._held, LongFrame):
            if frame != self._held:
                self._note(frame, now)
        elif exchange.patient:
            self._hold(frame, max(self._window_end, now + self._settle))
        elif self._doubtful:
            self._take_doubtful(frame, now)
        else:
            self._finish(Reply(frame, self._attempt), now)

    def _is_of_before(self, frame: LongFrame, now: int, exchange: Exchange) -> bool:
        """Whether data instead of an acknowledge answer an earlier request: their slave did not hear this one then.

        To a link reset nobody answers with data; to a command an error may be reported so.
        """
        if type(exchange.request) is ShortFrame:
            return True
        return frame.ci != APPLICATION_ERROR and (self._doubtful or self._late.is_copy(frame, now))

    def _take_doubtful(self, frame: LongFrame, now: int) -> None:
        """An answer while another one, to an earlier request, may be late: which it is shows if both come."""
        held = self._held if isinstance(self._held, LongFrame) else None
        if self._contradicted:
            self._note(frame, now)
        elif held is None or held == frame or self._late.is_copy(held, now):
            self._held = None
            self._hold(frame, max(self._window_end, now + self._settle))
        else:
            self._contradicted = True
            self._received += (held, frame)
            self._held = None
            self._move(_REFUTE)

    def _take_acknowledge(self, frame: SingleCharacter | ShortFrame, now: int, exchange: Exchange) -> None:
        if (exchange.alone or exchange.expect is _DATA) and (self._held is not None or self._received):
            self._note(frame, now)  # one of several, or a byte of a damaged frame
        elif exchange.alone or exchange.expect is _DATA:
            # Alone: another slave's may follow. Instead of data: it may be a late one, with the data behind it.
            quiet = now + self._settle
            waits = exchange.patient or exchange.expect is _DATA
            self._hold(frame, max(self._window_end, quiet) if waits else quiet)
        elif exchange.expect is not _NOTHING:
            self._finish(Reply(frame, self._attempt), now)

    def _take_refusal(self, frame: SingleCharacter | ShortFrame, now: int, exchange: Exchange) -> None:
        """A2, or the short frame for it: an answer to one slave's command, if no acknowledge is right behind it."""
        is_command = type(exchange.request) is LongFrame and exchange.expect is _ACKNOWLEDGE
        if exchange.expect is _EITHER:
            self._finish(Reply(frame, self._attempt), now)
        elif is_command and not exchange.alone and self._held is None:
            self._hold(frame, now + self._settle)
        else:
            self._note(frame, now)

    def _take_foreign(self, frame: ShortFrame | LongFrame, now: int) -> None:
        self._foreign = frame
        self._wait_again(now)

    def _wait_again(self, now: int) -> None:
        """The line was somebody else's; the slave that was asked begins its answer after that."""
        self._window_end = min(now + self.window, self._hard_limit())
        if self._state is _AWAITING:
            self._deadline = self._window_end

    def _note(self, item: Received, now: int) -> None:
        """Keep what is no answer, and see what it means for the wait."""
        exchange = self._exchange
        assert exchange is not None
        # A damaged answer ends the wait; noise leaves the window as it is.
        damaged = isinstance(item, Reject) and len(item.raw) >= _SHORTEST_FRAME and item.reason in _DAMAGED
        if self._state is _SETTLING and not isinstance(self._held, LongFrame):
            assert self._held is not None
            self._received.append(self._held)
            self._held = None
            self._collided = exchange.alone
            self._move(_REFUTE)
            damaged = True
        self._received.append(item)
        if damaged:
            self._damaged = True
            quiet = self._last + self._gap
            end = max(self._window_end, now)
            self._window_end = max(end, quiet) if exchange.patient else min(end, quiet)
            self._deadline = self._window_end

    def _hold(self, frame: SingleCharacter | ShortFrame | LongFrame, until: int) -> None:
        if self._held is None or isinstance(frame, LongFrame):
            self._held = frame
        self._hold_until = self._deadline = until
        self._move(_HOLD)

    def _attempt_failed(self, now: int) -> bytes:
        outcome = self._judge()
        if not self._damaged:
            self._unanswered = True
            self._owes_an_answer(now)
        if self._heard():
            self._traffic_end = self._last + self._settle
        self.sleep()
        exchange = self._exchange
        assert exchange is not None
        if not self._left or exchange.expect is _NOTHING:
            self._finish(outcome, now)
            return b""
        self._move(_RETRY)
        if now < self._idle_at():
            return b""
        return self._rouse(now) if self._asleep else self._send(now)

    def _judge(self) -> Outcome:
        exchange = self._exchange
        assert exchange is not None
        if self._collided or (exchange.alone and self._received):
            return Collision(tuple(self._received), self._attempt)
        if self._foreign is not None:
            return WrongAddress(self._foreign, self._attempt)
        if self._received:
            return Garbled(tuple(self._received), self._attempt)
        return Silence(self._attempt)

    def _owes_an_answer(self, now: int) -> None:
        """The answer did not come in time, so it may come late."""
        exchange = self._exchange
        assert exchange is not None
        if exchange.expect in (_DATA, _EITHER):
            self._late.expect_from(exchange.request.address, now)

    def _finish(self, outcome: Outcome, now: int) -> None:
        self._state = TRANSITIONS[self._state][_FINISH]
        self.outcome = outcome
        if type(outcome) is not Reply:
            return
        if self._unanswered:
            # This may be the late answer to an attempt before, and the answer to the last one still under way.
            self._late_until = self._sent + self.window
        frame = outcome.frame
        if type(frame) is LongFrame:
            self._late.remember(frame, now)
        elif self._exchange is not None and self._exchange.expect is _DATA:
            self._owes_an_answer(now)
