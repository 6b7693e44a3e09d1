"""RFC 2217 without a socket: a serial port's bytes, settings, break and line states within one telnet connection.

`Rfc2217Client` is the side that uses the port, `Rfc2217Server` the side that has it. Both take input cut at any byte.
Lenient: unknown options are refused, unknown commands ignored, and nobody waits for an acknowledgement here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from mbusbench.transport.telnet import Connection, Negotiated, escape, subnegotiation

COM_PORT = 0x2C

SIGNATURE, SET_BAUDRATE, SET_DATASIZE, SET_PARITY, SET_STOPSIZE, SET_CONTROL = range(6)
NOTIFY_LINESTATE, NOTIFY_MODEMSTATE, FLOWCONTROL_SUSPEND, FLOWCONTROL_RESUME = range(6, 10)
SET_LINESTATE_MASK, SET_MODEMSTATE_MASK, PURGE_DATA = range(10, 13)
SERVER = 100
"""What the server adds to the number of a command."""

FLOW_QUERY, NO_FLOW_CONTROL = 0, 1
BREAK_QUERY, BREAK_ON, BREAK_OFF = 4, 5, 6
DTR_QUERY, DTR_ON, DTR_OFF = 7, 8, 9
RTS_QUERY, RTS_ON, RTS_OFF = 10, 11, 12
INBOUND_FLOW_QUERY, NO_INBOUND_FLOW_CONTROL = 13, 14

PURGE_RECEIVE, PURGE_TRANSMIT, PURGE_BOTH = 1, 2, 3

LINE_BREAK, LINE_FRAMING_ERROR, LINE_PARITY_ERROR = 0x10, 0x08, 0x04
"""Bits of the line state."""

MODEM_READY = 0xB0
"""Modem state: carrier, data set ready and clear to send."""

PortParity = Literal["none", "odd", "even", "mark", "space"]
_PARITIES: tuple[PortParity, ...] = ("none", "odd", "even", "mark", "space")
_STOP_BITS = (1, 2, 1.5)

Setting = Literal["baudrate", "data_bits", "parity", "stop_bits"]
_SETTINGS: dict[int, Setting] = {
    SET_BAUDRATE: "baudrate",
    SET_DATASIZE: "data_bits",
    SET_PARITY: "parity",
    SET_STOPSIZE: "stop_bits",
}


@dataclass(frozen=True, slots=True)
class PortSettings:
    """Format of a serial port; M-Bus is 8E1."""

    baudrate: int = 2400
    data_bits: int = 8
    parity: PortParity = "even"
    stop_bits: float = 1

    def encode(self, command: int) -> bytes:
        """Return the value of the setting that `command` (SET_BAUDRATE .. SET_STOPSIZE) sets, as it is sent."""
        match command:
            case 1:
                return self.baudrate.to_bytes(4, "big")
            case 2:
                return bytes([self.data_bits])
            case 3:
                return bytes([_PARITIES.index(self.parity) + 1])
            case _:
                return bytes([_STOP_BITS.index(self.stop_bits) + 1])

    def with_value(self, command: int, value: bytes) -> PortSettings | None:
        """Return the settings with the encoded `value` in place, None where there is no such value."""
        number = int.from_bytes(value[:4], "big") if command == SET_BAUDRATE else value[0] if value else 0
        if command == SET_BAUDRATE and len(value) >= 4 and 50 <= number <= 4_000_000:
            return replace(self, baudrate=number)
        if command == SET_DATASIZE and 5 <= number <= 8:
            return replace(self, data_bits=number)
        if command == SET_PARITY and 1 <= number <= 5:
            return replace(self, parity=_PARITIES[number - 1])
        if command == SET_STOPSIZE and 1 <= number <= 3:
            return replace(self, stop_bits=_STOP_BITS[number - 1])
        return None


@dataclass(frozen=True, slots=True)
class Supported:
    """The peer said whether it speaks RFC 2217."""

    offset: int
    supported: bool


@dataclass(frozen=True, slots=True)
class SettingChanged:
    """To the server: the client set this. To the client: the server answers that this is in force."""

    offset: int
    setting: Setting
    settings: PortSettings


@dataclass(frozen=True, slots=True)
class BreakChanged:
    """The client switched the break on or off."""

    offset: int
    on: bool


@dataclass(frozen=True, slots=True)
class Purged:
    """The client wants what is buffered to be dropped: towards itself (`receive`), towards the line (`transmit`)."""

    offset: int
    receive: bool
    transmit: bool


@dataclass(frozen=True, slots=True)
class LineState:
    """The server reports the line: bits LINE_BREAK, LINE_FRAMING_ERROR, LINE_PARITY_ERROR and others."""

    offset: int
    bits: int


@dataclass(frozen=True, slots=True)
class ModemState:
    """The server reports its modem lines."""

    offset: int
    bits: int


@dataclass(frozen=True, slots=True)
class FlowSuspended:
    """The peer asks to stop (`suspended`) or to go on sending data."""

    offset: int
    suspended: bool


Event = Supported | SettingChanged | BreakChanged | Purged | LineState | ModemState | FlowSuspended
"""Each has `offset`: how many bytes of this call's payload came before it."""


class Incoming(NamedTuple):
    """What one piece of input meant: bytes of the line, what must be sent back, and what else happened, in order."""

    payload: bytes
    reply: bytes
    events: tuple[Event, ...]


def _command(number: int, value: bytes = b"") -> bytes:
    return subnegotiation(COM_PORT, bytes([number]) + value)


class Rfc2217Client:
    """The user's side of a remote serial port."""

    def __init__(self) -> None:
        self._telnet = Connection({COM_PORT})
        self._wanted = PortSettings()
        self._line_state_mask = 0
        self._unacknowledged: set[int] = set()
        self.settings: PortSettings = self._wanted
        self.supported: bool | None = None

    @property
    def wanted(self) -> PortSettings:
        """The settings that were asked for last; `settings` are those that the server has acknowledged."""
        return self._wanted

    @property
    def is_configured(self) -> bool:
        """The server has answered every setting; compare `settings` with `wanted` for whether it did as told."""
        return self.supported is True and not self._unacknowledged

    def open(self, settings: PortSettings, *, line_state_mask: int = 0) -> bytes:
        """Return what to send first. The settings follow by themselves when the server agrees to RFC 2217.

        With `line_state_mask` the server is asked to report these bits of the line state.
        """
        self._wanted = settings
        self._line_state_mask = line_state_mask
        return self._telnet.open(local=(COM_PORT,), remote=())

    def send(self, data: bytes) -> bytes:
        """Return `data` as it is sent."""
        return escape(data)

    def configure(self, settings: PortSettings) -> bytes:
        """Return what changes the port's settings."""
        changed = [command for command in _SETTINGS if settings.encode(command) != self._wanted.encode(command)]
        self._wanted = settings
        if not self.supported:
            return b""
        self._unacknowledged.update(changed)
        return b"".join(_command(command, settings.encode(command)) for command in changed)

    def set_break(self, on: bool) -> bytes:
        """Return what switches the break on or off."""
        return _command(SET_CONTROL, bytes([BREAK_ON if on else BREAK_OFF]))

    def purge(self, what: int = PURGE_BOTH) -> bytes:
        """Return what drops the server's buffers."""
        return _command(PURGE_DATA, bytes([what]))

    def receive(self, data: bytes) -> Incoming:
        """Take bytes from the connection, cut anywhere."""
        parsed = self._telnet.receive(data)
        if not parsed.events:
            return Incoming(parsed.payload, parsed.reply, ())
        reply = bytearray(parsed.reply)
        events: list[Event] = []
        for offset, happened in parsed.events:
            if isinstance(happened, Negotiated):
                reply += self._negotiated(offset, happened, events)
            elif happened[:1] == bytes([COM_PORT]) and len(happened) > 1:
                self._answered(offset, happened[1], happened[2:], events)
        return Incoming(parsed.payload, bytes(reply), tuple(events))

    def _negotiated(self, offset: int, happened: Negotiated, events: list[Event]) -> bytes:
        if happened.option != COM_PORT or not happened.local or happened.active is self.supported:
            return b""
        self.supported = happened.active
        events.append(Supported(offset, happened.active))
        if not happened.active:
            return b""
        self._unacknowledged = set(_SETTINGS)
        # Level converters take their power from these two lines.
        controls = (NO_FLOW_CONTROL, DTR_ON, RTS_ON)
        return b"".join(
            [
                *(_command(command, self._wanted.encode(command)) for command in _SETTINGS),
                *(_command(SET_CONTROL, bytes([control])) for control in controls),
                _command(SET_MODEMSTATE_MASK, b"\0"),
                _command(SET_LINESTATE_MASK, bytes([self._line_state_mask])),
                self.purge(),
            ]
        )

    def _answered(self, offset: int, number: int, value: bytes, events: list[Event]) -> None:
        command = number - SERVER
        if command in _SETTINGS:
            settings = self.settings.with_value(command, value)
            if settings is not None:
                self._unacknowledged.discard(command)
                self.settings = settings
                events.append(SettingChanged(offset, _SETTINGS[command], settings))
        elif command == NOTIFY_LINESTATE and value:
            events.append(LineState(offset, value[0]))
        elif command == NOTIFY_MODEMSTATE and value:
            events.append(ModemState(offset, value[0]))
        elif command in (FLOWCONTROL_SUSPEND, FLOWCONTROL_RESUME):
            events.append(FlowSuspended(offset, command == FLOWCONTROL_SUSPEND))


class Rfc2217Server:
    """The side that has the port: it acknowledges what the client sets, and tells its owner by events."""

    def __init__(
        self,
        settings: PortSettings | None = None,
        *,
        signature: str = "mbusbench",
        is_possible: Callable[[PortSettings], bool] | None = None,
    ) -> None:
        """Settings for which `is_possible` returns false are not taken: the answer is what stays in force."""
        self._telnet = Connection({COM_PORT})
        self._is_possible = is_possible
        self._signature = signature.encode("ascii")
        self._line_state_mask = 0
        self._modem_state_mask = 0xFF
        self._states = {BREAK_QUERY: BREAK_OFF, DTR_QUERY: DTR_OFF, RTS_QUERY: RTS_OFF}
        self.settings = settings if settings is not None else PortSettings()

    def open(self) -> bytes:
        """Return what to send when a client connects."""
        # To ask for RFC 2217 is the client's part: pyserial's takes a DO that comes before its own WILL for the answer
        # to that and then never sends it.
        return self._telnet.open(local=(), remote=())

    def send(self, data: bytes) -> bytes:
        """Return `data` from the line as it is sent."""
        return escape(data)

    def report_line_state(self, bits: int) -> bytes:
        """Return what tells the client about errors on the line; nothing where it does not want to know of them."""
        masked = bits & self._line_state_mask
        return _command(SERVER + NOTIFY_LINESTATE, bytes([masked])) if masked else b""

    def receive(self, data: bytes) -> Incoming:
        """Take bytes from the connection, cut anywhere."""
        parsed = self._telnet.receive(data)
        if not parsed.events:
            return Incoming(parsed.payload, parsed.reply, ())
        reply = bytearray(parsed.reply)
        events: list[Event] = []
        for offset, happened in parsed.events:
            if isinstance(happened, Negotiated):
                if happened.option == COM_PORT and not happened.local:
                    events.append(Supported(offset, happened.active))
                    if happened.active:
                        reply += _command(SERVER + NOTIFY_MODEMSTATE, bytes([MODEM_READY]))
            elif happened[:1] == bytes([COM_PORT]) and len(happened) > 1:
                reply += self._commanded(offset, happened[1], happened[2:], events)
        return Incoming(parsed.payload, bytes(reply), tuple(events))

    def _commanded(self, offset: int, command: int, value: bytes, events: list[Event]) -> bytes:
        first = value[0] if value else 0
        answer = SERVER + command
        if command in _SETTINGS:
            settings = self.settings.with_value(command, value)
            if settings is not None and settings != self.settings and self._takes(settings):
                self.settings = settings
                events.append(SettingChanged(offset, _SETTINGS[command], settings))
            return _command(answer, self.settings.encode(command))
        if command == SET_CONTROL:
            return _command(answer, bytes([self._controlled(offset, first, events)]))
        match command:
            case 0:
                return _command(answer, self._signature) if not value else b""
            case 6:
                return _command(answer, b"\0")
            case 7:
                return _command(answer, bytes([MODEM_READY & self._modem_state_mask]))
            case 8 | 9:
                events.append(FlowSuspended(offset, command == FLOWCONTROL_SUSPEND))
            case 10:
                self._line_state_mask = first
                return _command(answer, bytes([first]))
            case 11:
                self._modem_state_mask = first
                return _command(answer, bytes([first]))
            case 12 if 1 <= first <= 3:
                events.append(Purged(offset, bool(first & PURGE_RECEIVE), bool(first & PURGE_TRANSMIT)))
                return _command(answer, bytes([first]))
        return b""

    def _takes(self, settings: PortSettings) -> bool:
        return self._is_possible is None or self._is_possible(settings)

    def _controlled(self, offset: int, control: int, events: list[Event]) -> int:
        """Carry out a SET-CONTROL and return the state to answer. There is no flow control to be had."""
        if control in (BREAK_ON, BREAK_OFF) and self._states[BREAK_QUERY] != control:
            events.append(BreakChanged(offset, control == BREAK_ON))
        for query in (BREAK_QUERY, DTR_QUERY, RTS_QUERY):
            if control in (query + 1, query + 2):
                self._states[query] = control
            if query <= control <= query + 2:
                return self._states[query]
        return NO_INBOUND_FLOW_CONTROL if INBOUND_FLOW_QUERY <= control <= 16 or control == 18 else NO_FLOW_CONTROL
