"""What `import` takes: traces, logs, dumps, XML, or the bytes themselves. What it is shows in its first characters."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from mbusbench.codec.frame import LongFrame
from mbusbench.codec.frame_reader import FrameReader, Reject
from mbusbench.errors import MBusUsageError
from mbusbench.recording.text import read_text
from mbusbench.recording.xml import read_xml
from mbusbench.trace import files
from mbusbench.trace.capture import events_of_capture
from mbusbench.trace.event import Kind, TraceEvent

LARGEST = 16 * 2**20
_PCAPNG = b"\x0a\x0d\x0d\x0a"
_TEXT = frozenset({*range(0x20, 0x7F), *b"\t\r\n\f", *range(0x80, 0x100)})
_SECOND = 10**9
_NAMED_LINES = 3


@dataclass(slots=True)
class Recording:
    """Events of one input. `timed` where their times mean something; `epoch` is their time 0 where it is known.

    `built` says that the telegrams were put together again from something else. `notes` are for a person.
    """

    events: list[TraceEvent]
    timed: bool = False
    epoch: datetime | None = None
    built: bool = False
    notes: list[str] = field(default_factory=list)


def read_recording(data: bytes, name: str) -> Recording:
    """What was recorded; MBusUsageError, which names the input, where there is nothing in it to be read."""
    if len(data) > LARGEST:
        raise MBusUsageError(f"{name}: larger than {LARGEST // 2**20} MiB: cut out what is of interest")
    if not data.strip():
        raise MBusUsageError(f"{name}: empty")
    if data.startswith(_PCAPNG):
        raise MBusUsageError(f"{name}: pcapng is written for Wireshark, not read: give the .jsonl of the same trace")
    try:
        recording = _read(data, name)
    except MBusUsageError as error:
        text = str(error)
        raise MBusUsageError(text if text.startswith(name) else f"{name}: {text}") from None
    if not any(_has_answer(event.data) for event in recording.events):
        raise MBusUsageError(f"{name}: no whole telegram of a slave in it{_reason(recording)}")
    return recording


def _read(data: bytes, name: str) -> Recording:
    start = data.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"{") and b'"format"' in start.split(b"\n", 1)[0]:
        trace = files.read(io.BytesIO(data), name)
        notes = ["the trace ends in the middle of an event"] if trace.incomplete else []
        return Recording(_sent(trace.events), True, trace.header.epoch, notes=notes)
    if start[:1] == b"<" and (start[1:2].isalpha() or start[1:2] in (b"?", b"!")):
        return _from_xml(data)
    if not _TEXT.issuperset(data[:65536]) or _begins_with_frame(data):
        return Recording(_untimed(_frames_of(data)))
    found = read_text(_decoded(data))
    if not found.events:
        raise MBusUsageError("neither a trace, nor XML, nor hex, nor frames as bytes")
    notes = []
    if found.unread:
        lines = ", ".join(map(str, found.unread[:_NAMED_LINES])) + (", ..." if len(found.unread) > _NAMED_LINES else "")
        notes.append(f"left out {_count(len(found.unread), 'line')} without bytes (line {lines})")
    if found.rejects:
        notes.append(f"left out {_count(found.rejects, 'piece')} of bytes that are no valid frame")
    return Recording(found.events, found.timed, notes=notes)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _from_xml(data: bytes) -> Recording:
    found = read_xml(_decoded(data))
    events = _untimed(frame.encode() for frame in found.frames)
    notes = ["built from values: how libmbus's meter coded them is not in XML (data fields, VIFEs, address)"]
    return Recording(events, built=True, notes=notes + found.notes)


def _begins_with_frame(data: bytes) -> bool:
    return len(data) > 3 and data[0] == data[3] == 0x68 and data[1] == data[2] and data[1] + 6 <= len(data)


def _frames_of(data: bytes) -> Iterator[bytes]:
    reader = FrameReader()
    for item in (*reader.receive(data), *reader.idle()):
        yield item.raw if isinstance(item, Reject) else item.encode()


def _untimed(pieces: Iterator[bytes]) -> list[TraceEvent]:
    return events_of_capture((number * _SECOND, piece) for number, piece in enumerate(pieces))


def _sent(events: tuple[TraceEvent, ...]) -> list[TraceEvent]:
    """What slaves sent; where only a port's side was recorded, what arrived there."""
    if any(event.kind is Kind.SLAVE for event in events):
        return [event for event in events if event.kind is not Kind.RECEIVED]
    return [event._replace(kind=Kind.SLAVE) if event.kind is Kind.RECEIVED else event for event in events]


def _has_answer(data: bytes) -> bool:
    return any(isinstance(item, LongFrame) and not item.control & 0x40 for item in _items(data))


def _items(data: bytes) -> list[object]:
    reader = FrameReader()
    return [*reader.receive(data), *reader.idle()]


def _reason(recording: Recording) -> str:
    """Why, by the first piece that is no frame."""
    for event in recording.events:
        for item in _items(event.data):
            if isinstance(item, Reject):
                return f" (the first bytes that are no frame: {item.reason.value})"
    return ": only requests and acknowledgements"
