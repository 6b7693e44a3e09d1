"""Text with frames in it, as people and programs write them down, becomes events.

A line is: a time, a mark for the direction, a count of bytes, the bytes in hex; all but the bytes may be missing. What
is behind `#`, `//`, `;` or `|` is a comment. Bytes may have blanks, commas, colons, dashes or nothing between them, and
0x in front of them. A frame may go on in the next line. Directions only say where a frame begins: who sent it is told
by its C field.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from mbusbench.codec.frame_reader import FrameReader, Reject
from mbusbench.trace.capture import events_of_capture
from mbusbench.trace.event import TraceEvent

SECOND = 10**9
_STEP = SECOND
LONGEST_LINE = 100_000

_COMMENT = re.compile(r"\s*(?:#|//|;|\|).*$")
_TIME = re.compile(
    r"\s*[\[(]?(?:(?P<date>\d{4}-\d\d-\d\d|\d{4}/\d\d/\d\d)[T ])?(?P<clock>\d\d:\d\d:\d\d(?:[.,]\d{1,9})?)"
    r"(?:Z| ?UTC|[+-]\d\d:?\d\d)?[\])]?[\s:,-]*"
)
_SECONDS = re.compile(r"\s*\[?(?P<seconds>\d{1,12}\.\d{1,9})\]?:?\s+")
_OFFSET = re.compile(r"\s*(?P<offset>[0-9a-fA-F]{4,8})(?::\s+|\s{2,})")
_MASTER = r"-{0,2}>{1,3}|→|SEND|SENT|SND|TX|TXD|WRITE|OUT|REQ|REQUEST|MASTER|QUERY"
_SLAVE = r"<{1,3}-{0,2}|←|RECV|RECEIVED|RECEIVE|RCV|RX|RXD|READ|IN|RSP|RESP|RESPONSE|ANSWER|SLAVE|REPLY"
_MARK = re.compile(
    rf"(?<![A-Za-z0-9])(?:{_MASTER}|{_SLAVE})(?=[\s:=\])(]|[0-9A-Fa-f]{{2}}|$)[\s:=\])]*",
    re.IGNORECASE,
)
_COUNT = re.compile(r"[(\[]\s*(?:len\s*=?\s*)?\d{1,4}(?:\s*bytes?)?\s*[)\]]\s*:?\s*", re.IGNORECASE)
_BYTES = re.compile(r"(?:0[xX])?[0-9A-Fa-f]{2}(?:[\s,:_-]*(?:0[xX])?[0-9A-Fa-f]{2})*")
_SEPARATORS = re.compile(r"0[xX](?=[0-9A-Fa-f]{2})|[\s,:_-]+")


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    data: bytes
    time: int | None
    marked: bool


@dataclass(slots=True)
class TextRecording:
    """What a text held. `timed`: its lines have times; `unread` are the numbers of lines that are no bytes."""

    events: list[TraceEvent]
    timed: bool
    unread: list[int] = field(default_factory=list)
    rejects: int = 0


def read_text(text: str) -> TextRecording:
    """The frames in a text, in its order."""
    lines: list[_Line] = []
    unread: list[int] = []
    dumped = 0
    for number, line in enumerate(text.splitlines(), 1):
        body = _COMMENT.sub("", line[:LONGEST_LINE])
        if not body.strip():
            continue
        found = _line(body, number, dumped)
        if found is None:
            unread.append(number)
            continue
        lines.append(found)
        dumped = 0 if found.marked else dumped + len(found.data)
    timed = any(line.time is not None for line in lines)
    best = min((_pieces(lines, folded) for folded in (False, True)), key=_rejected)
    events = events_of_capture(best)
    return TextRecording(events, timed, unread, _rejected(best))


def _line(text: str, number: int, dumped: int) -> _Line | None:
    """What one line says, or None where it has no bytes, or something that is none beside them."""
    rest, time = _without_time(text)
    offset = _OFFSET.match(rest)
    if offset is not None and int(offset["offset"], 16) == dumped and _hex(rest[offset.end() :]) is not None:
        rest = rest[offset.end() :]
    mark = _mark(rest)
    if mark is not None:
        rest = rest[mark.end() :]
    count = _COUNT.match(rest.lstrip())
    if count is not None:
        rest = rest.lstrip()[count.end() :]
    data = _hex(rest)
    return None if data is None else _Line(number, data, time, mark is not None)


def _mark(text: str) -> re.Match[str] | None:
    """The mark of the direction: at the beginning, or behind words such as a logger's name."""
    return next((found for found in _MARK.finditer(text) if _hex(_behind(text, found)) is not None), None)


def _behind(text: str, mark: re.Match[str]) -> str:
    rest = text[mark.end() :].lstrip()
    count = _COUNT.match(rest)
    return rest if count is None else rest[count.end() :]


def _hex(text: str) -> bytes | None:
    stripped = text.strip().strip("'\"")
    if not _BYTES.fullmatch(stripped):
        return None
    digits = _SEPARATORS.sub("", stripped)
    return bytes.fromhex(digits) if len(digits) % 2 == 0 else None


def _without_time(text: str) -> tuple[str, int | None]:
    """The line behind its time, and the time in ns."""
    match = _TIME.match(text)
    if match is not None:
        day = match["date"].replace("/", "-") if match["date"] else "1970-01-01"
        clock, _, fraction = match["clock"].replace(",", ".").partition(".")
        try:
            moment = datetime.fromisoformat(f"{day}T{clock}")
        except ValueError:
            return text, None
        seconds = (moment - datetime(1970, 1, 1)).total_seconds()
        return text[match.end() :], int(seconds) * SECOND + int(fraction.ljust(9, "0") or 0)
    match = _SECONDS.match(text)
    if match is not None:
        whole, _, fraction = match["seconds"].partition(".")
        return text[match.end() :], int(whole) * SECOND + int(fraction.ljust(9, "0"))
    return text, None


def _pieces(lines: Sequence[_Line], folded: bool) -> list[tuple[int, bytes]]:
    """(time, bytes) of what was written down together: a line, or (`folded`) the lines up to a mark or time."""
    pieces: list[tuple[int, bytes]] = []
    now = 0
    for line in lines:
        begins = line.marked or line.time is not None or not folded or not pieces
        if begins:
            now = max(now + 1, line.time) if line.time is not None else now + _STEP
        pieces.append((now, line.data))
    return pieces


def _rejected(pieces: Sequence[tuple[int, bytes]]) -> int:
    """How many pieces are no frames."""
    rejects, reader, before = 0, FrameReader(), -1
    for time, data in pieces:
        items = reader.idle() if time != before else []
        items += reader.receive(data)
        rejects += sum(isinstance(item, Reject) for item in items)
        before = time
    return rejects + sum(isinstance(item, Reject) for item in reader.idle())
