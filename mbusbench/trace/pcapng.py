"""Traces as pcapng, for Wireshark and tshark: one packet for each frame, with its direction and a comment in words.

No link type is registered for wired M-Bus, so packets are USER0 (147): from the start byte to the stop byte, with
nothing in front of them. Interface 0 is the line, 1 what arrived at ports. What has no bytes (notes, breaks) is an
empty packet with a comment. Timestamps are ns; the epoch is taken as UTC.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from struct import pack

from mbusbench.codec.frame_reader import Reject, RejectReason
from mbusbench.trace.assembly import Assembler, TimedFrame
from mbusbench.trace.description import describe_frame, printable
from mbusbench.trace.event import Kind, TraceEvent
from mbusbench.trace.header import TraceHeader

LINKTYPE_USER0 = 147

_SECTION = 0x0A0D0D0A
_INTERFACE = 1
_ENHANCED_PACKET = 6
_BYTE_ORDER = 0x1A2B3C4D
_COMMENT = 1
_NAME = 2
_DESCRIPTION = 3
_APPLICATION = 4
_TIME_RESOLUTION = 9
_FLAGS = 2
_INBOUND = 1
_OUTBOUND = 2
_SYMBOL_ERROR = 1 << 31
_CRC_ERROR = 1 << 24

_DIRECTIONS = {Kind.MASTER: _OUTBOUND, Kind.SLAVE: _INBOUND, Kind.RECEIVED: _INBOUND}
_INTERFACES = (("line", "what was put on the wire"), ("ports", "what arrived at the masters' ports"))


class PcapngEncoder:
    """Events in, blocks of a pcapng file out. Outbound is from the master."""

    def __init__(self) -> None:
        self._assembler = Assembler()
        self._epoch = 0

    def header(self, header: TraceHeader) -> bytes:
        """The section header and both interfaces: the beginning of the file."""
        since = header.epoch - datetime(1970, 1, 1)
        self._epoch = (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000
        comment = printable(f"{header.bus or 'a bus'}, seed {header.seed}")
        options = _option(_COMMENT, comment.encode()) + _option(_APPLICATION, b"mbusbench")
        parts = [_block(_SECTION, pack("<IHHq", _BYTE_ORDER, 1, 0, -1) + _ended(options))]
        for name, description in _INTERFACES:
            options = _option(_NAME, name.encode()) + _option(_DESCRIPTION, f"wired M-Bus: {description}".encode())
            options += _option(_TIME_RESOLUTION, b"\x09")
            parts.append(_block(_INTERFACE, pack("<HHI", LINKTYPE_USER0, 0, 0) + _ended(options)))
        return b"".join(parts)

    def event(self, event: TraceEvent) -> bytes:
        """The packets that are complete with it."""
        if event.kind is not Kind.NOISE and event.data:
            return self._frames(self._assembler.receive(event))
        packets = self._frames(self._assembler.receive(event._replace(data=b"")))
        words = [event.kind.value, *event.cause]
        if event.baud and event.kind is Kind.NOTE:
            words.append(f"{event.baud} baud, parity {event.parity.value}")
        return packets + self._packet(event.time, 0, event.data, 0, _comment(event, ": ".join(words)))

    def finish(self) -> bytes:
        """What never became a whole frame."""
        return self._frames(self._assembler.finish())

    def _frames(self, frames: Iterable[TimedFrame]) -> bytes:
        return b"".join(map(self._frame, frames))

    def _frame(self, frame: TimedFrame) -> bytes:
        flags = _DIRECTIONS[frame.kind]
        if frame.parity_errors or frame.framing_errors:
            flags |= _SYMBOL_ERROR
        what = describe_frame(frame.item)[0]
        if isinstance(frame.item, Reject) and frame.item.reason is RejectReason.CHECKSUM:
            flags |= _CRC_ERROR
        if frame.cause:
            what += f" [{', '.join(frame.cause)}]"
        interface = 1 if frame.kind is Kind.RECEIVED else 0
        return self._packet(frame.start, interface, frame.raw, flags, _comment(frame, what))

    def _packet(self, time: int, interface: int, data: bytes, flags: int, comment: str) -> bytes:
        stamp = max(0, self._epoch + time)
        head = pack("<IIIII", interface, stamp >> 32, stamp & 0xFFFFFFFF, len(data), len(data))
        options = _option(_COMMENT, comment.encode()[:65_000])
        if flags:
            options = _option(_FLAGS, pack("<I", flags)) + options
        return _block(_ENHANCED_PACKET, head + _padded(data) + _ended(options))


def _comment(of: TraceEvent | TimedFrame, what: str) -> str:
    who = of.source or ("" if of.port is None else f"port {of.port}")
    return printable(f"{who}: {what}" if who else what)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _option(code: int, value: bytes) -> bytes:
    return pack("<HH", code, len(value)) + _padded(value)


def _ended(options: bytes) -> bytes:
    return options + bytes(4)


def _block(kind: int, body: bytes) -> bytes:
    length = len(body) + 12
    return pack("<II", kind, length) + body + pack("<I", length)
