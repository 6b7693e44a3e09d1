"""Telnet as far as a serial port needs it: doubled IAC, BINARY and SGA both ways, options, subnegotiations.

No sockets; input may be cut at any byte. Options are answered only when something changes, so that two lenient ends
never talk in circles. A subnegotiation is bounded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

SE, SB, WILL, WONT, DO, DONT, IAC = 0xF0, 0xFA, 0xFB, 0xFC, 0xFD, 0xFE, 0xFF
BINARY, SUPPRESS_GO_AHEAD = 0, 3

SUBNEGOTIATION_LIMIT = 512
"""Bytes of a subnegotiation that are kept; the rest is dropped."""


class _State(Enum):
    DATA = "data"
    COMMAND = "after IAC"
    OPTION = "after WILL, WONT, DO or DONT"
    SUBNEGOTIATION = "in a subnegotiation"
    SUBNEGOTIATION_COMMAND = "after IAC in a subnegotiation"


class _Agreement(Enum):
    NO = "no"
    ASKED = "asked"
    YES = "yes"


@dataclass(frozen=True, slots=True)
class Negotiated:
    """An option came into force or was refused; `local` if it is about what we send."""

    option: int
    local: bool
    active: bool


class Parsed(NamedTuple):
    """Payload, bytes to send back, and (payload bytes before it, negotiation or content of a subnegotiation)."""

    payload: bytes
    reply: bytes
    events: tuple[tuple[int, Negotiated | bytes], ...]


def escape(data: bytes) -> bytes:
    """Return `data` with each FF doubled."""
    return data.replace(b"\xff", b"\xff\xff")


def subnegotiation(option: int, content: bytes) -> bytes:
    """Return the subnegotiation of `option` with `content`."""
    return bytes((IAC, SB, option)) + escape(content) + bytes((IAC, SE))


class Connection:
    """One end of a telnet connection. It agrees to BINARY, SGA and `options` both ways, and to nothing else."""

    def __init__(self, options: Iterable[int] = ()) -> None:
        self._options = {BINARY, SUPPRESS_GO_AHEAD, *options}
        self._agreed = {(option, local): _Agreement.NO for option in self._options for local in (True, False)}
        self._state = _State.DATA
        self._verb = 0
        self._content = bytearray()

    def open(self, *, local: Iterable[int], remote: Iterable[int]) -> bytes:
        """Return the request for BINARY and SGA both ways, and for the options `local` (ours) and `remote` (theirs)."""
        request = bytearray()
        for ours, options in ((True, local), (False, remote)):
            for option in (BINARY, SUPPRESS_GO_AHEAD, *options):
                if self._agreed[option, ours] is _Agreement.NO:
                    self._agreed[option, ours] = _Agreement.ASKED
                    request += bytes((IAC, WILL if ours else DO, option))
        return bytes(request)

    def receive(self, data: bytes) -> Parsed:
        """Take bytes from the connection."""
        if self._state is _State.DATA and IAC not in data:
            return Parsed(data, b"", ())
        payload, reply = bytearray(), bytearray()
        events: list[tuple[int, Negotiated | bytes]] = []
        position = 0
        while position < len(data):
            if self._state in (_State.DATA, _State.SUBNEGOTIATION):
                # Everything up to the next IAC at once.
                found = data.find(IAC, position)
                after = found if found >= 0 else len(data)
                self._take(data[position:after], payload)
                position = after + 1
                if found >= 0:
                    self._state = _State.COMMAND if self._state is _State.DATA else _State.SUBNEGOTIATION_COMMAND
                continue
            for happened in self._step(data[position], payload, reply):
                events.append((len(payload), happened))
            position += 1
        return Parsed(bytes(payload), bytes(reply), tuple(events))

    def _take(self, data: bytes, payload: bytearray) -> None:
        if self._state is _State.DATA:
            payload += data
        else:
            self._content += data[: SUBNEGOTIATION_LIMIT - len(self._content)]

    def _step(self, byte: int, payload: bytearray, reply: bytearray) -> list[Negotiated | bytes]:
        """Take the byte after an IAC, or the option after a verb."""
        if self._state is _State.OPTION:
            self._state = _State.DATA
            return self._negotiate(byte, reply)
        inside = self._state is _State.SUBNEGOTIATION_COMMAND
        if byte == IAC:
            self._state = _State.SUBNEGOTIATION if inside else _State.DATA
            self._take(b"\xff", payload)
        elif byte in (WILL, WONT, DO, DONT):
            self._state = _State.OPTION
            self._verb = byte
        elif byte == SB:
            self._state = _State.SUBNEGOTIATION
            self._content.clear()
        elif inside and byte == SE:
            self._state = _State.DATA
            return [bytes(self._content)]
        else:
            self._state = _State.SUBNEGOTIATION if inside else _State.DATA
        return []

    def _negotiate(self, option: int, reply: bytearray) -> list[Negotiated | bytes]:
        local = self._verb in (DO, DONT)
        positive = self._verb in (DO, WILL)
        yes, no = (WILL, WONT) if local else (DO, DONT)
        if option not in self._options:
            if positive:
                reply += bytes((IAC, no, option))
            return []
        before = self._agreed[option, local]
        after = _Agreement.YES if positive else _Agreement.NO
        if before is after:
            return []
        self._agreed[option, local] = after
        if before is not _Agreement.ASKED:
            reply += bytes((IAC, yes if positive else no, option))
        return [Negotiated(option, local, positive)]
