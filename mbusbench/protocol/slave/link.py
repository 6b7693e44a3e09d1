"""The link layer of one slave (EN 13757-2): a request in, the answer out; selection, link reset, repeats, baud rate.

Sans-IO and without time of its own: when an answer starts is the bus's matter. A broken frame never gets here, nor one
at a rate that the slave does not listen at. Whatever is not answered is None.
"""

from __future__ import annotations

from collections.abc import Callable

from mbusbench.codec.address import BROADCAST, BROADCAST_REPLY, SELECTED
from mbusbench.codec.control_field import ACD, DFC, RSP_UD, SND_UD2
from mbusbench.codec.frame import ACK, NACK, Frame, LongFrame, ShortFrame
from mbusbench.protocol.fcb import Sequence, Service, SlaveFcb
from mbusbench.protocol.slave.alarms import ALARM
from mbusbench.protocol.slave.application import NoData, SlaveApplication
from mbusbench.protocol.slave.event import LONG_CONTROLS, SHORT_CONTROLS, Event, State
from mbusbench.protocol.slave.path import LinkPath
from mbusbench.protocol.slave.selection import SELECTION, SELECTION_MODE_2, is_selected
from mbusbench.protocol.slave.settings import Acknowledgement, Answer, FcbPaths, Repeat, SlaveSettings, SndUd2


class SlaveLink:
    """One slave on the line. Its primary address is the device's.

    `baud` is the rate that it listens and answers at, None for every rate that the device knows. An answer goes out at
    the rate that its request came at, also where the request has changed `baud`.
    """

    __slots__ = (
        "_alarm_reply",
        "_control",
        "_deaf_until",
        "_executed",
        "_fallback",
        "_heard",
        "_last_reply",
        "_missing",
        "_original_baud",
        "_own",
        "_row",
        "_selected",
        "_watch",
        "application",
        "baud",
        "is_repeat",
        "state",
    )

    def __init__(self, application: SlaveApplication, *, baud: int | None = None) -> None:
        settings = application.settings
        self.application = application
        self.baud = baud
        self._original_baud = baud
        self._control = RSP_UD | settings.response_bits
        self._own = LinkPath(settings, settings.reply_address)
        shared = self._own if settings.fcb_paths is FcbPaths.SHARED else None
        self._selected = LinkPath(settings, settings.selected_reply_address, shared)
        self._last_reply: Frame | None = None
        self._alarm_reply: Frame | None = None
        self._executed = False
        self.is_repeat = False
        self._fallback: tuple[int, int | None] | None = None
        self._deaf_until = 0
        self._missing = 0
        self._heard = 0
        self._watch = settings.missed_after_idle is not None
        self._enter(State.DESELECTED)

    @property
    def address(self) -> int:
        return self.application.device.address

    @property
    def settings(self) -> SlaveSettings:
        return self.application.settings

    @property
    def is_selected(self) -> bool:
        return self.state is State.SELECTED

    def fcb(self, service: Service, *, selected: bool = False) -> SlaveFcb:
        """The memory of the frame count bit, to look at: of the slave's own address, or of 253."""
        return (self._selected if selected else self._own).of(service)

    def receive(self, frame: Frame, now: int) -> Frame | None:
        """The answer to a valid frame that a master sent, or None for silence. `now` is ns since the bus's epoch."""
        if self._watch and not self._hears(now):
            return None
        if type(frame) is ShortFrame:
            control = SHORT_CONTROLS.get(frame.control)
        elif type(frame) is LongFrame:
            control = LONG_CONTROLS.get(frame.control)
        else:
            return None
        address = frame.address
        if address == self.application.device.address or (
            address == BROADCAST_REPLY and self.application.settings.test_address
        ):
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

    def hears(self, baud: int, now: int) -> bool:
        """Whether the slave understands characters at this rate. `receive` is for frames that it does."""
        if self._fallback is not None:
            self.poll(now)
        return baud == self.baud or (self.baud is None and baud in self.application.device.baud_rates)

    def power_up(self, now: int) -> None:
        """The bus was without power until now, and with it the slave."""
        self._on(Event.POWER_UP, ACK, None, now)

    def next_wakeup(self) -> int | None:
        """When `poll` has something to do, ns since the epoch; None where it never has."""
        return None if self._fallback is None else self._fallback[0]

    def poll(self, now: int) -> None:
        """Back to the old baud rate where nothing valid came at the new one."""
        if self._fallback is not None and self._fallback[0] <= now:
            self.baud = self._fallback[1]
            self._fallback = None

    def set_baud(self, baud: int, now: int) -> None:
        """Switch the rate; back again where no valid frame comes at the new one."""
        if self.settings.baud_detection:
            return
        former, self.baud = self.baud, baud
        if self.settings.baud_fallback is not None and former != baud:
            self._fallback = (now + self.settings.baud_fallback, former)
            self._watch = True

    def _hears(self, now: int) -> bool:
        """Whether the slave is up and awake. A frame that it hears confirms a new baud rate."""
        settings = self.settings
        slept = settings.missed_after_idle is not None and now - self._heard >= settings.missed_after_idle
        self._heard = now
        if now < self._deaf_until:
            return False
        if self._missing or slept:
            self._missing -= self._missing > 0
            return False
        self.poll(now)
        self._fallback = None
        self._watch = settings.missed_after_idle is not None
        return True

    def _selection(self, event: Event, frame: LongFrame) -> Event:
        if event is Event.SEND_SELECTED:
            device = self.application.device
            named = is_selected(frame.ci, frame.data, self.settings, device.wire_address, device.fabrication_number)
            return Event.SELECTION_MATCHES if named else Event.SELECTION_OF_OTHERS
        return Event.SELECTION_ELSEWHERE if event is Event.SEND else Event.SELECTION_TO_ALL

    def _on(self, event: Event, frame: Frame, fcb: int | None, now: int) -> Frame | None:
        state, action = self._row[event]
        if state is not self.state:
            self._enter(state)
        return action(self, frame, fcb, now)

    def _enter(self, state: State) -> None:
        self.state = state
        self._row = TRANSITIONS[state]

    def _acknowledgement(self, path: LinkPath) -> Frame:
        if self.application.settings.acknowledgement is Acknowledgement.CHARACTER:
            return ACK
        return ShortFrame(0x00, self._reply_address(path))

    def _reply_address(self, path: LinkPath) -> int:
        return self.application.device.address if path.reply_address is None else path.reply_address

    def _silence(self, _frame: Frame, _fcb: int | None, _now: int) -> None:
        return None

    def _reset(self, _frame: Frame, _fcb: int | None, _now: int) -> Frame:
        self._own.reset()
        self.application.link_reset()
        return self._acknowledgement(self._own)

    def _reset_selected(self, _frame: Frame, _fcb: int | None, _now: int) -> Frame | None:
        self._selected.reset()
        self.application.link_reset()
        if self.settings.selected_reset is Answer.SILENCE:
            return None
        return self._acknowledgement(self._selected)

    def _reset_all(self, _frame: Frame, _fcb: int | None, _now: int) -> None:
        self._own.reset()
        self._selected.reset()
        self.application.link_reset()

    def _select(self, _frame: Frame, _fcb: int | None, _now: int) -> Frame:
        self._selected.reset()
        return self._acknowledgement(self._selected)

    def _deselect(self, _frame: Frame, _fcb: int | None, _now: int) -> None:
        self._selected.reset()

    def _stray_selection(self, _frame: Frame, _fcb: int | None, _now: int) -> Frame | None:
        return self._acknowledgement(self._own) if self.settings.stray_selection is Answer.ACKNOWLEDGE else None

    def _power_up(self, _frame: Frame, _fcb: int | None, now: int) -> None:
        settings = self.settings
        self._own.reset()
        self._selected.reset()
        self._last_reply = self._alarm_reply = None
        self._executed = False
        self._heard = now
        self._deaf_until = now + settings.start_up
        self._missing = settings.missed_after_power_up
        if not settings.baud_kept:
            self.baud, self._fallback = self._original_baud, None
        self._watch = bool(settings.start_up or self._missing or self._fallback)
        self._watch = self._watch or settings.missed_after_idle is not None
        self.application.power_up()

    def _send(self, frame: Frame, fcb: int | None, now: int) -> Frame | None:
        return self._execute(self._own, frame, fcb, now)

    def _send_selected(self, frame: Frame, fcb: int | None, now: int) -> Frame | None:
        return self._execute(self._selected, frame, fcb, now)

    def _send_all(self, frame: Frame, _fcb: int | None, now: int) -> None:
        assert isinstance(frame, LongFrame)
        if frame.control != SND_UD2 or self.settings.snd_ud2 is not SndUd2.REFUSE:
            self._command(frame, now)

    def _execute(self, path: LinkPath, frame: Frame, fcb: int | None, now: int) -> Frame | None:
        assert isinstance(frame, LongFrame)
        # An address that is written is valid after the answer.
        reply = self._acknowledgement(path)
        if fcb is not None:
            # What was never executed cannot be a repeat, even where the strict rule takes the bit for one.
            if self._executed and path.send.judge(fcb) is Sequence.REPEAT:
                return reply
            path.send.store(fcb)
        elif frame.control == SND_UD2 and self.settings.snd_ud2 is not SndUd2.ACKNOWLEDGE:
            if self.settings.snd_ud2 is SndUd2.REFUSE:
                return NACK
            self._command(frame, now)
            return self._respond(path, None, now)
        self._executed = True
        self._command(frame, now)
        if path.send is path.request:
            self._last_reply = self._alarm_reply = reply
        return reply

    def _command(self, frame: LongFrame, now: int) -> None:
        consequence = self.application.execute(frame.ci, frame.data, now)
        if consequence is None:
            return
        if consequence.baud is not None:
            self.set_baud(consequence.baud, now)
        if consequence.deselects:
            self._selected.reset()
            self._enter(State.DESELECTED)

    def _request(self, _frame: Frame, fcb: int | None, now: int) -> Frame | None:
        return self._respond(self._own, fcb, now)

    def _request_selected(self, _frame: Frame, fcb: int | None, now: int) -> Frame | None:
        return self._respond(self._selected, fcb, now)

    def _respond(self, path: LinkPath, fcb: int | None, now: int) -> Frame | None:
        application = self.application
        memory = path.request
        own = path.reply_address
        address = application.device.address if own is None else own
        self.is_repeat = False
        if fcb is not None:
            sequence = memory.judge(fcb)
            if sequence is Sequence.REPEAT and self._last_reply is not None:
                return self._repeated(address, now)
            if sequence is not Sequence.NEW:
                application.restart()
        datagram = application.next_datagram(now)
        reply: Frame
        if type(datagram) is tuple:
            quiet = application.alarms is None and not application.may_be_busy
            control = self._control if quiet else self._response_control(now)
            reply = LongFrame(control, address, datagram[0], datagram[1])
        elif datagram is NoData.SILENCE:
            return None
        else:
            reply = self._acknowledgement(path)
            if not application.settings.empty_answer_counts:
                return reply
        if fcb is not None:
            memory.store(fcb)
        self._last_reply = reply
        if path.alarm_request is memory:
            self._alarm_reply = reply
        return reply

    def _repeated(self, address: int, now: int) -> Frame | None:
        reply = self._last_reply
        self.is_repeat = self.settings.repeat is not Repeat.REFRESHED
        if not isinstance(reply, LongFrame):
            return reply
        datagram = self.application.again(now)
        if datagram is not None:
            reply = LongFrame(reply.control, address, *datagram)
        elif reply.address != address:
            reply = LongFrame(reply.control, address, reply.ci, reply.data)
        self._last_reply = reply
        return reply

    def _response_control(self, now: int) -> int:
        """RSP_UD with the bits for an alarm that waits and for a slave that takes no data now."""
        application = self.application
        control = self._control
        if application.settings.alarm_acd and application.alarms is not None and application.alarms.state(now):
            control |= ACD
        if application.settings.busy_dfc and application.is_busy(now):
            control |= DFC
        return control

    def _alarm(self, _frame: Frame, fcb: int | None, now: int) -> Frame:
        return self._report_alarm(self._own, fcb, now)

    def _alarm_selected(self, _frame: Frame, fcb: int | None, now: int) -> Frame:
        return self._report_alarm(self._selected, fcb, now)

    def _report_alarm(self, path: LinkPath, fcb: int | None, now: int) -> Frame:
        alarms = self.application.alarms
        memory = path.alarm_request
        arrived = True
        if fcb is not None:
            sequence = memory.judge(fcb)
            if sequence is Sequence.REPEAT and self._alarm_reply is not None:
                return self._alarm_reply
            memory.store(fcb)
            if sequence is not Sequence.NEW:
                arrived = False
        if arrived and alarms is not None:
            alarms.delivered()
        state = 0 if alarms is None else alarms.report(now)
        reply = self._acknowledgement(path)
        if state:
            control = self._response_control(now)
            reply = LongFrame(control, self._reply_address(path), ALARM, bytes([state]))
        self._alarm_reply = reply
        if path.alarm_request is path.request:
            self._last_reply = reply
        return reply


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
        Event.SELECTION_ELSEWHERE: (State.DESELECTED, SlaveLink._stray_selection),
        Event.SELECTION_TO_ALL: (State.DESELECTED, SlaveLink._silence),
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
        Event.SELECTION_ELSEWHERE: (State.SELECTED, SlaveLink._stray_selection),
        Event.SELECTION_TO_ALL: (State.SELECTED, SlaveLink._silence),
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
