"""The meters of a recording: who answered, which telegrams make a readout, and what else an emulation has to know.

It takes the exchanges that the trace analyzer finds, and telegrams that nobody is seen to have asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from mbusbench.codec.address import BROADCAST, SELECTED
from mbusbench.codec.control_field import ACD, PRM, REQ_UD1, REQ_UD2, SND_NKE, function_code
from mbusbench.codec.frame import LongFrame, ShortFrame, SingleCharacter
from mbusbench.codec.telegram import Telegram
from mbusbench.errors import DecodeError
from mbusbench.meter.recording import Identity, Readout, identity
from mbusbench.protocol.slave.settings import AfterLast
from mbusbench.trace.analyzer import analyze
from mbusbench.trace.event import TraceEvent
from mbusbench.trace.exchange import Exchange, Result, Role, Sequence

MAX_METERS = 2000
_HIGHEST_PRIMARY = 250
_APPLICATION_ERRORS = (0x6E, 0x6F, 0x70)
_ALARMS = (0x71, 0x74, 0x75)
_SELECTIONS = (0x52, 0x56)
_ANSWERING = (Role.FOREIGN, Role.WRONG, Role.UNASKED, Role.LATE)

Shape = tuple[int, tuple[bytes, ...], int]


@dataclass(slots=True)
class RecordedMeter:
    """One meter. `address` is the primary one that it was asked at, None where it was not; `delays` are ns."""

    identity: Identity
    address: int | None
    readouts: list[Readout] = field(default_factory=list)
    delays: list[int] = field(default_factory=list)
    baud: int = 0
    alarm: int | None = None
    after_last: AfterLast | None = None
    commands_taken: bool = False
    """Commands were acknowledged, and no error was reported after them."""
    short_acknowledgement: bool = False
    """It says 10 00 A CS 16 where others say E5."""
    selected_reset_unanswered: bool = False
    """SND_NKE to 253 while it was selected got no answer."""
    frames: list[LongFrame] = field(default_factory=list)
    """Of the readout under way."""
    asked: int | None = None
    time: int | None = None

    def begin(self, asked: int | None, time: int | None) -> None:
        """A new readout."""
        self.end()
        self.asked, self.time = asked, time

    def end(self) -> None:
        """The readout under way is over."""
        if self.frames:
            self.readouts.append(Readout(tuple(self.frames), self.asked, self.time))
            self.frames = []

    @property
    def answers_from(self) -> set[int]:
        """The A fields of its answers."""
        return {frame.address for frame in (*self.frames, *(f for each in self.readouts for f in each.frames))}


def survey(events: Iterable[TraceEvent], *, timed: bool) -> list[RecordedMeter]:
    """The meters that answered, in the order in which they first did. `timed`: the events' times mean something."""
    found = _Survey(timed)
    for exchange in analyze(events):
        found.take(exchange)
    return found.result()


class _Survey:
    def __init__(self, timed: bool) -> None:
        self._timed = timed
        self._meters: list[RecordedMeter] = []
        self._reset: set[int] = set()
        self._commanded: set[int] = set()
        self._short: set[int] = set()
        self._last_at: dict[int, RecordedMeter] = {}

    def result(self) -> list[RecordedMeter]:
        for meter in self._meters:
            meter.end()
        return [meter for meter in self._meters if meter.readouts]

    def take(self, exchange: Exchange) -> None:
        request = exchange.request.item if exchange.request is not None and exchange.request.ok else None
        asked: int | None = None
        if isinstance(request, ShortFrame | LongFrame) and request.control & PRM:
            asked = request.address
            self._note_acknowledgement(exchange, request)
            if isinstance(request, LongFrame) and request.ci not in _SELECTIONS and exchange.answer is not None:
                self._commanded.add(asked)
            self._note_reset(request)
            if function_code(request.control) == function_code(REQ_UD1):
                self._take_alarm(exchange, asked)
                return
        for frame, started, delay in _answers(exchange):
            meter = self._take_answer(frame, asked, started, exchange)
            if meter is not None and delay is not None and exchange.answer is not None:
                self._take_delay(meter, delay, exchange.answer.baud)
        self._take_no_data(exchange, request, asked)

    def _note_acknowledgement(self, exchange: Exchange, request: ShortFrame | LongFrame) -> None:
        if exchange.answer is not None and isinstance(exchange.answer.item, ShortFrame):
            self._short.add(request.address)
        if request.address != SELECTED:
            return
        selects = isinstance(request, LongFrame) and request.ci in _SELECTIONS
        if request.control == SND_NKE or selects:
            selected = self._last_at.pop(SELECTED, None)
            if selected is not None and not selects:
                selected.selected_reset_unanswered = exchange.result is Result.SILENCE

    def _note_reset(self, request: ShortFrame | LongFrame) -> None:
        if request.control == SND_NKE:
            self._reset |= set(self._last_at) if request.address == BROADCAST else {request.address}
        elif isinstance(request, LongFrame) and request.ci in _SELECTIONS:
            self._reset.add(SELECTED)

    def _take_answer(self, frame: LongFrame, asked: int | None, time: int, exchange: Exchange) -> RecordedMeter | None:
        meter = self._meter(frame, asked)
        if meter is None:
            return None
        repeated = exchange.sequence is Sequence.REPEAT and meter.frames and meter.frames[-1] == frame
        only_an_error = frame.ci in _APPLICATION_ERRORS and bool(meter.frames or meter.readouts)
        begins = asked in self._reset
        if asked is not None:
            self._reset.discard(asked)
            self._last_at[asked] = meter
            meter.short_acknowledgement |= asked in self._short
        if asked in self._commanded:
            self._commanded.discard(asked)
            meter.commands_taken = frame.ci not in _APPLICATION_ERRORS
        if repeated or only_an_error:
            return meter
        if asked is not None and not begins and _is_last_again(meter.frames, frame):
            meter.after_last = AfterLast.REPEAT
            return meter
        if not meter.frames or begins or _begins_again(meter.frames, frame, known_order=asked is not None):
            meter.begin(asked, time if self._timed else None)
        meter.frames.append(frame)
        return meter

    def _take_delay(self, meter: RecordedMeter, delay: int, baud: int) -> None:
        if baud and delay > 0:
            meter.delays.append(delay)
            meter.baud = baud

    def _take_no_data(self, exchange: Exchange, request: object, asked: int | None) -> None:
        """E5 to REQ_UD2 after the last telegram."""
        answer = exchange.answer.item if exchange.answer is not None else None
        if not isinstance(answer, SingleCharacter | ShortFrame) or not isinstance(request, ShortFrame) or asked is None:
            return
        meter = self._last_at.get(asked)
        if meter is not None and meter.frames and function_code(request.control) == function_code(REQ_UD2):
            meter.after_last = AfterLast.ACKNOWLEDGE

    def _take_alarm(self, exchange: Exchange, asked: int) -> None:
        meter = self._last_at.get(asked)
        for frame, _, _ in _answers(exchange):
            if meter is not None and frame.ci in _ALARMS:
                meter.alarm = _alarm(frame)

    def _meter(self, frame: LongFrame, asked: int | None) -> RecordedMeter | None:
        own = identity(frame)
        address = asked if asked is not None and asked <= _HIGHEST_PRIMARY else None
        if own is None:
            meter = self._last_at.get(asked) if asked is not None else None
            if meter is None:
                meter = next((each for each in self._meters if frame.address in each.answers_from), None)
            return meter or self._new(Identity(), address)
        for meter in self._meters:
            if meter.identity != own:
                continue
            if address is None or meter.address is None or meter.address == address:
                known = meter.answers_from
                if address is None and meter.address is None and known and frame.address not in known:
                    continue  # equal identities at two addresses are two meters
                meter.address = meter.address if address is None else address
                return meter
        return self._new(own, address)

    def _new(self, own: Identity, address: int | None) -> RecordedMeter | None:
        if len(self._meters) >= MAX_METERS:
            return None
        meter = RecordedMeter(own, address)
        self._meters.append(meter)
        return meter


def _answers(exchange: Exchange) -> Iterator[tuple[LongFrame, int, int | None]]:
    """(a slave's telegram, when it began, how long after the request)."""
    frames = [] if exchange.answer is None else [exchange.answer]
    frames += [frame for role, frame in exchange.others if role in _ANSWERING and frame.ok]
    for frame in frames:
        if isinstance(frame.item, LongFrame) and not frame.item.control & PRM:
            yield frame.item, frame.start, exchange.response_delay if frame is exchange.answer else None


def shape(frame: LongFrame) -> Shape:
    """What two telegrams have in common that differ in values only."""
    try:
        telegram = Telegram.decode(frame.ci, frame.data)
    except DecodeError:
        return frame.ci, (), len(frame.data)
    if telegram.encrypted or not telegram.records:
        return frame.ci, (), len(frame.data)
    return frame.ci, tuple(record.field.header.raw for record in telegram.records), 0


def _begins_again(frames: list[LongFrame], frame: LongFrame, *, known_order: bool) -> bool:
    """Whether the telegram is the first of another readout, as far as nobody said so."""
    if shape(frame) not in map(shape, frames):
        return False
    return not (known_order and _more_follows(frames[-1]) and all(_body(frame) != _body(each) for each in frames))


def _is_last_again(frames: list[LongFrame], frame: LongFrame) -> bool:
    """Whether the last of several telegrams came once more."""
    return len(frames) > 1 and not _more_follows(frames[-1]) and shape(frame) == shape(frames[-1])


def _more_follows(frame: LongFrame) -> bool:
    try:
        return Telegram.decode(frame.ci, frame.data).more_records_follow
    except DecodeError:
        return False


def _body(frame: LongFrame) -> bytes:
    return frame.data[12:] if frame.ci == 0x72 else frame.data


def _alarm(frame: LongFrame) -> int | None:
    try:
        return Telegram.decode(frame.ci, frame.data).alarm
    except DecodeError:
        return None


def has_alarm(meter: RecordedMeter) -> bool:
    """Whether its first answer says that an alarm waits."""
    return bool(meter.readouts[0].frames[0].control & ACD)
