"""The link layer of one slave (EN 13757-2): a request in, the answer out; selection, link reset, repeats.

Sans-IO and without time of its own: when an answer starts is the bus's matter. A broken frame never gets here, and
whatever is not answered is None.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from mbusbench.codec.address import BROADCAST, BROADCAST_REPLY, SELECTED
from mbusbench.codec.control_field import RSP_UD
from mbusbench.codec.frame import ACK, Frame, LongFrame, ShortFrame
from mbusbench.protocol.fcb import FcbMode, Sequence, Service, SlaveFcb
from mbusbench.protocol.slave_application import SlaveApplication

SELECTION = 0x52
SELECTION_MODE_2 = 0x56


class State(Enum):
    """Whether the slave answers to 253."""

    DESELECTED = "deselected"
    SELECTED = "selected"


class Event(Enum):
    """What a frame is to a slave: own address or 254, 253, 255, by service."""

    RESET = "SND_NKE to the slave"
    RESET_SELECTED = "SND_NKE to 253"
    RESET_ALL = "SND_NKE to 255"
    SEND = "SND_UD to the slave"
    SEND_SELECTED = "SND_UD to 253"
    SEND_ALL = "SND_UD to 255"
    SELECTION_MATCHES = "selection on 253 that names the slave"
    SELECTION_OF_OTHERS = "selection on 253 that does not name the slave"
    SELECTION_ELSEWHERE = "selection on another address than 253"
    REQUEST = "REQ_UD2 to the slave"
    REQUEST_SELECTED = "REQ_UD2 to 253"
    REQUEST_ALL = "REQ_UD2 to 255"
    ALARM_REQUEST = "REQ_UD1 to the slave"
    ALARM_REQUEST_SELECTED = "REQ_UD1 to 253"
    ALARM_REQUEST_ALL = "REQ_UD1 to 255"
    UNKNOWN = "anything else"
    POWER_UP = "power comes back"


class Control(NamedTuple):
    """A control field of a master as a slave understands it; `fcb` is None where FCV is 0."""

    own: Event
    selected: Event
    broadcast: Event
    fcb: int | None


_SHORT_SERVICES = {
    0x0: (Event.RESET, Event.RESET_SELECTED, Event.RESET_ALL),
    0xB: (Event.REQUEST, Event.REQUEST_SELECTED, Event.REQUEST_ALL),
    0xA: (Event.ALARM_REQUEST, Event.ALARM_REQUEST_SELECTED, Event.ALARM_REQUEST_ALL),
}
_LONG_SERVICES = {0x3: (Event.SEND, Event.SEND_SELECTED, Event.SEND_ALL)}


def _controls(services: dict[int, tuple[Event, Event, Event]]) -> dict[int, Control]:
    """Every legal control field with these function codes."""
    controls = {}
    for code, events in services.items():
        for fcb in (0, 1):
            controls[0x40 | fcb << 5 | code] = Control(*events, None)
            if code:
                controls[0x50 | fcb << 5 | code] = Control(*events, fcb)
    return controls


_SHORT = _controls(_SHORT_SERVICES)
_LONG = _controls(_LONG_SERVICES)


class SelectionMask(NamedTuple):
    """What a selection names: `value` in the bits of `care`, of the 8 bytes of the secondary address."""

    value: int
    care: int
    fabrication: tuple[int, int] | None

    def matches(self, wire_address: bytes, fabrication_number: bytes | None) -> bool:
        if (int.from_bytes(wire_address, "little") ^ self.value) & self.care:
            return False
        if self.fabrication is None:
            return True
        value, care = self.fabrication
        return fabrication_number is not None and (int.from_bytes(fabrication_number, "little") ^ value) & care == 0


@lru_cache(maxsize=256)
def selection_mask(data: bytes) -> SelectionMask | None:
    """The mask in a selection's data, or None where it has neither 8 bytes nor a fabrication number behind them."""
    if len(data) == 8:
        fabrication = None
    elif len(data) == 14 and data[8:10] == b"\x0c\x78":
        fabrication = (int.from_bytes(data[10:], "little"), _care_digits(data[10:]))
    else:
        return None
    care = _care_digits(data[:4])
    for index in range(4, 8):
        if data[index] != 0xFF:
            care |= 0xFF << 8 * index
    return SelectionMask(int.from_bytes(data[:8], "little"), care, fabrication)


def _care_digits(digits: bytes) -> int:
    """Digit F is the wildcard."""
    care = 0
    for index, byte in enumerate(digits):
        care |= (0x0F * (byte & 0x0F != 0x0F) | 0xF0 * (byte & 0xF0 != 0xF0)) << 8 * index
    return care


class _Memory:
    """The frame count bits of one addressing path."""

    __slots__ = ("alarm_request", "request", "send")

    def __init__(self, mode: FcbMode) -> None:
        self.request = SlaveFcb(mode)
        self.send = SlaveFcb(mode)
        self.alarm_request = SlaveFcb(mode)

    def reset(self) -> None:
        self.request.reset()
        self.send.reset()
        self.alarm_request.reset()

    def of(self, service: Service) -> SlaveFcb:
        return {Service.REQ_UD2: self.request, Service.SND_UD: self.send, Service.REQ_UD1: self.alarm_request}[service]


class SlaveLink:
    """One slave on the line. Its primary address is the device's."""

    __slots__ = ("_executed", "_last_reply", "_own", "_row", "_selected", "application", "state")

    def __init__(self, application: SlaveApplication, *, fcb: FcbMode = FcbMode.STRICT) -> None:
        self.application = application
        self._own = _Memory(fcb)
        self._selected = _Memory(fcb)
        self._last_reply: Frame | None = None
        self._executed = False
        self._enter(State.DESELECTED)

    @property
    def address(self) -> int:
        return self.application.device.address

    @property
    def is_selected(self) -> bool:
        return self.state is State.SELECTED

    def fcb(self, service: Service, *, selected: bool = False) -> SlaveFcb:
        """The memory of the frame count bit, to look at: of the slave's own address, or of 253."""
        return (self._selected if selected else self._own).of(service)

    def receive(self, frame: Frame, now: int) -> Frame | None:
        """The answer to a valid frame that a master sent, or None for silence. `now` is ns since the bus's epoch."""
        if type(frame) is ShortFrame:
            control = _SHORT.get(frame.control)
        elif type(frame) is LongFrame:
            control = _LONG.get(frame.control)
        else:
            return None
        address = frame.address
        if address in (self.application.device.address, BROADCAST_REPLY):
            event = Event.UNKNOWN if control is None else control.own
        elif address == SELECTED:
            event = Event.UNKNOWN if control is None else control.selected
        elif address == BROADCAST:
            event = Event.UNKNOWN if control is None else control.broadcast
        else:
            return None
        if type(frame) is LongFrame and frame.ci in (SELECTION, SELECTION_MODE_2) and event is not Event.UNKNOWN:
            event = self._selection(event, frame)
        return self._on(event, frame, None if control is None else control.fcb, now)

    def power_up(self, now: int) -> None:
        """The bus was without power, and with it the slave."""
        self._on(Event.POWER_UP, ACK, None, now)

    def _selection(self, event: Event, frame: LongFrame) -> Event:
        if event is not Event.SEND_SELECTED:
            return Event.SELECTION_ELSEWHERE
        mask = selection_mask(frame.data) if frame.ci == SELECTION else None
        device = self.application.device
        if mask is not None and mask.matches(device.wire_address, device.fabrication_number):
            return Event.SELECTION_MATCHES
        return Event.SELECTION_OF_OTHERS

    def _on(self, event: Event, frame: Frame, fcb: int | None, now: int) -> Frame | None:
        state, action = self._row[event]
        reply = action(self, frame, fcb, now)
        if state is not self.state:
            self._enter(state)
        return reply

    def _enter(self, state: State) -> None:
        self.state = state
        self._row = TRANSITIONS[state]

    def _silence(self, _frame: Frame, _fcb: int | None, _now: int) -> None:
        return None

    def _reset(self, _frame: Frame, _fcb: int | None, _now: int) -> Frame:
        self._own.reset()
        self.application.restart()
        return ACK

    def _reset_selected(self, _frame: Frame, _fcb: int | None, _now: int) -> Frame:
        self._selected.reset()
        self.application.restart()
        return ACK

    def _reset_all(self, _frame: Frame, _fcb: int | None, _now: int) -> None:
        self._own.reset()
        self._selected.reset()
        self.application.restart()

    def _select(self, _frame: Frame, _fcb: int | None, _now: int) -> Frame:
        self._selected.reset()
        return ACK

    def _deselect(self, _frame: Frame, _fcb: int | None, _now: int) -> None:
        self._selected.reset()

    def _power_up(self, _frame: Frame, _fcb: int | None, _now: int) -> None:
        self._own.reset()
        self._selected.reset()
        self._last_reply = None
        self._executed = False
        self.application.power_up()

    def _send(self, frame: Frame, fcb: int | None, now: int) -> Frame:
        return self._execute(self._own.send, frame, fcb, now)

    def _send_selected(self, frame: Frame, fcb: int | None, now: int) -> Frame:
        return self._execute(self._selected.send, frame, fcb, now)

    def _send_all(self, frame: Frame, _fcb: int | None, now: int) -> None:
        assert isinstance(frame, LongFrame)
        self.application.execute(frame.ci, frame.data, now)

    def _execute(self, memory: SlaveFcb, frame: Frame, fcb: int | None, now: int) -> Frame:
        assert isinstance(frame, LongFrame)
        if fcb is not None:
            # What was never executed cannot be a repeat, even where the strict rule takes the bit for one.
            if self._executed and memory.judge(fcb) is Sequence.REPEAT:
                return ACK
            memory.store(fcb)
        self._executed = True
        self.application.execute(frame.ci, frame.data, now)
        return ACK

    def _request(self, _frame: Frame, fcb: int | None, now: int) -> Frame:
        return self._respond(self._own.request, fcb, now)

    def _request_selected(self, _frame: Frame, fcb: int | None, now: int) -> Frame:
        return self._respond(self._selected.request, fcb, now)

    def _respond(self, memory: SlaveFcb, fcb: int | None, now: int) -> Frame:
        application = self.application
        if fcb is not None:
            sequence = memory.judge(fcb)
            if sequence is Sequence.REPEAT and self._last_reply is not None:
                return self._last_reply
            if sequence is not Sequence.NEW:
                application.restart()
            memory.store(fcb)
        datagram = application.next_datagram(now)
        reply: Frame = ACK
        if datagram is not None:
            reply = LongFrame(RSP_UD, application.device.address, datagram[0], datagram[1])
        self._last_reply = reply
        return reply

    def _alarm(self, _frame: Frame, fcb: int | None, _now: int) -> Frame:
        return self._no_alarm(self._own.alarm_request, fcb)

    def _alarm_selected(self, _frame: Frame, fcb: int | None, _now: int) -> Frame:
        return self._no_alarm(self._selected.alarm_request, fcb)

    def _no_alarm(self, memory: SlaveFcb, fcb: int | None) -> Frame:
        if fcb is not None:
            memory.store(fcb)
        return ACK


Action = Callable[[SlaveLink, Frame, int | None, int], Frame | None]

TRANSITIONS: dict[State, dict[Event, tuple[State, Action]]] = {
    State.DESELECTED: {
        Event.RESET: (State.DESELECTED, SlaveLink._reset),
        Event.RESET_SELECTED: (State.DESELECTED, SlaveLink._silence),
        Event.RESET_ALL: (State.DESELECTED, SlaveLink._reset_all),
        Event.SEND: (State.DESELECTED, SlaveLink._send),
        Event.SEND_SELECTED: (State.DESELECTED, SlaveLink._silence),
        Event.SEND_ALL: (State.DESELECTED, SlaveLink._send_all),
        Event.SELECTION_MATCHES: (State.SELECTED, SlaveLink._select),
        Event.SELECTION_OF_OTHERS: (State.DESELECTED, SlaveLink._deselect),
        Event.SELECTION_ELSEWHERE: (State.DESELECTED, SlaveLink._silence),
        Event.REQUEST: (State.DESELECTED, SlaveLink._request),
        Event.REQUEST_SELECTED: (State.DESELECTED, SlaveLink._silence),
        Event.REQUEST_ALL: (State.DESELECTED, SlaveLink._silence),
        Event.ALARM_REQUEST: (State.DESELECTED, SlaveLink._alarm),
        Event.ALARM_REQUEST_SELECTED: (State.DESELECTED, SlaveLink._silence),
        Event.ALARM_REQUEST_ALL: (State.DESELECTED, SlaveLink._silence),
        Event.UNKNOWN: (State.DESELECTED, SlaveLink._silence),
        Event.POWER_UP: (State.DESELECTED, SlaveLink._power_up),
    },
    State.SELECTED: {
        Event.RESET: (State.SELECTED, SlaveLink._reset),
        Event.RESET_SELECTED: (State.DESELECTED, SlaveLink._reset_selected),
        Event.RESET_ALL: (State.DESELECTED, SlaveLink._reset_all),
        Event.SEND: (State.SELECTED, SlaveLink._send),
        Event.SEND_SELECTED: (State.SELECTED, SlaveLink._send_selected),
        Event.SEND_ALL: (State.SELECTED, SlaveLink._send_all),
        Event.SELECTION_MATCHES: (State.SELECTED, SlaveLink._select),
        Event.SELECTION_OF_OTHERS: (State.DESELECTED, SlaveLink._deselect),
        Event.SELECTION_ELSEWHERE: (State.SELECTED, SlaveLink._silence),
        Event.REQUEST: (State.SELECTED, SlaveLink._request),
        Event.REQUEST_SELECTED: (State.SELECTED, SlaveLink._request_selected),
        Event.REQUEST_ALL: (State.SELECTED, SlaveLink._silence),
        Event.ALARM_REQUEST: (State.SELECTED, SlaveLink._alarm),
        Event.ALARM_REQUEST_SELECTED: (State.SELECTED, SlaveLink._alarm_selected),
        Event.ALARM_REQUEST_ALL: (State.SELECTED, SlaveLink._silence),
        Event.UNKNOWN: (State.SELECTED, SlaveLink._silence),
        Event.POWER_UP: (State.DESELECTED, SlaveLink._power_up),
    },
}
