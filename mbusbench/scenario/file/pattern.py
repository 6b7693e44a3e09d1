"""What a master sends, as a scenario writes it: `REQ_UD2 5 fcb=1`, `10 7B ?? *`, and sequences of such.

A text says which frames are meant; behind it how often (`x3`, `x1-3`, `x0-`), and `same` where repeats must be
identical. `A | B` is either, `..` is anything or nothing. Nothing here knows about time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mbusbench.bus.fault import BytePattern
from mbusbench.codec import control_field
from mbusbench.codec.commands import CI_SELECTION, CI_SELECTION_REVERSED
from mbusbench.codec.control_field import FCV, PRM
from mbusbench.codec.frame import Frame, LongFrame, ShortFrame
from mbusbench.codec.frame_reader import Reject
from mbusbench.definition.validation import did_you_mean, shown
from mbusbench.timing import BAUD_RATES

MANY = 1_000_000
_FUNCTIONS = {"SND_NKE": 0x0, "SND_UD": 0x3, "REQ_UD1": 0xA, "REQ_UD2": 0xB}
_NAMES = (*_FUNCTIONS, "SELECTION", "ANY", "GARBAGE")
_COUNT = re.compile(r"x([0-9]{1,5})(?:(-)([0-9]{1,5})?)?")
_BYTE = re.compile(r"[0-9A-Fa-f?]{2}")
_FIELD = re.compile(r"(fcb|fcv|ci|data|c|baud)=([0-9A-Fa-f?*]+)")

Sent = tuple[bytes, Frame | Reject, int]
"""What a master sent: its bytes, the frame or what it is instead, and the baud rate."""
Check = Callable[[bytes, Frame | Reject, int], bool]


def is_selection(frame: Frame | Reject) -> bool:
    """Whether the frame selects by secondary address."""
    return isinstance(frame, LongFrame) and frame.address == 253 and frame.ci in (CI_SELECTION, CI_SELECTION_REVERSED)


class FramePattern:
    """Which frames are meant: alternatives separated by `|`."""

    __slots__ = ("_alternatives", "text")

    def __init__(self, text: str) -> None:
        """ValueError, in words for whoever wrote it, where it is none."""
        self.text = " ".join(text.split())
        self._alternatives = [_alternative(each) for each in self.text.split("|")]

    def matches(self, raw: bytes, frame: Frame | Reject, baud: int = 0) -> bool:
        return any(check(raw, frame, baud) for check in self._alternatives)

    def __repr__(self) -> str:
        return self.text


def _alternative(text: str) -> Check:
    words = text.split()
    if not words:
        raise ValueError("a frame is missing: a name such as REQ_UD2 5 fcb=1, or hexadecimal bytes")
    if _BYTE.fullmatch(words[0]):
        return _bytes(text)
    name = words[0].upper()
    if name not in _NAMES:
        raise ValueError(
            f"{shown(words[0])} is no frame: {', '.join(_NAMES)} or hexadecimal bytes{did_you_mean(name, _NAMES)}"
        )
    addresses: frozenset[int] | None = None
    fields: dict[str, str] = {}
    for index, word in enumerate(words[1:]):
        match = _FIELD.fullmatch(word)
        if match:
            fields[match[1]] = match[2]
        elif index == 0:
            addresses = _addresses(word)
        else:
            raise ValueError(f"{shown(word)} is none of fcb=1, fcv=0, ci=50, c=73, data=017A09, baud=2400")
    return _named(name, addresses, fields)


def _bytes(text: str) -> Check:
    pattern = BytePattern(text)
    return lambda raw, _frame, _baud: pattern.matches(raw)


def _addresses(word: str) -> frozenset[int] | None:
    if word == "*":
        return None
    parts = word.split(",")
    if not all(part.isascii() and part.isdecimal() and int(part) <= 255 for part in parts):
        raise ValueError(f"{shown(word)} is not an address (0..255), several (5,6), or *")
    return frozenset(map(int, parts))


def _named(name: str, addresses: frozenset[int] | None, fields: dict[str, str]) -> Check:
    bit = {key: int(fields[key]) for key in ("fcb", "fcv") if fields.get(key) in ("0", "1")}
    if len(bit) != len({"fcb", "fcv"} & fields.keys()):
        raise ValueError("fcb and fcv are 0 or 1")
    data = BytePattern(fields["data"]) if "data" in fields else None
    ci = BytePattern(fields["ci"]) if "ci" in fields else None
    code = BytePattern(fields["c"]) if "c" in fields else None
    if "baud" in fields and fields["baud"] not in map(str, BAUD_RATES):
        raise ValueError(f"{shown(fields['baud'])} is none of the baud rates {', '.join(map(str, BAUD_RATES))}")
    rate = int(fields["baud"]) if "baud" in fields else None

    def check(raw: bytes, frame: Frame | Reject, baud: int) -> bool:
        if rate is not None and baud != rate:
            return False
        if not isinstance(frame, ShortFrame | LongFrame):
            return name == "GARBAGE"
        if name == "GARBAGE" or (addresses is not None and frame.address not in addresses):
            return False
        if name == "SELECTION" and not is_selection(frame):
            return False
        if name in _FUNCTIONS and not _is_service(name, frame):
            return False
        control = frame.control
        if ("fcb" in bit and control >> 5 & 1 != bit["fcb"]) or ("fcv" in bit and bool(control & FCV) != bit["fcv"]):
            return False
        if code is not None and not code.matches(bytes([control])):
            return False
        if ci is None and data is None:
            return True
        if not isinstance(frame, LongFrame):
            return False
        return (ci is None or ci.matches(bytes([frame.ci]))) and (data is None or data.matches(frame.data))

    return check


def _is_service(name: str, frame: ShortFrame | LongFrame) -> bool:
    if not frame.control & PRM or control_field.function_code(frame.control) != _FUNCTIONS[name]:
        return False
    if name == "SND_UD":
        return isinstance(frame, LongFrame) and not is_selection(frame)
    return isinstance(frame, ShortFrame)


@dataclass(frozen=True, slots=True)
class Item:
    """A place in a sequence: a pattern (None: any frame), and how often."""

    pattern: FramePattern | None
    least: int = 1
    most: int = 1
    same: bool = False
    text: str = ""

    @staticmethod
    def parse(text: str) -> Item:
        """ValueError where it is none."""
        words = text.split()
        if words == [".."]:
            return Item(None, 0, MANY, text="..")
        same = words[-1:] == ["same"]
        if same:
            words.pop()
        least, most = 1, 1
        match = _COUNT.fullmatch(words[-1]) if words else None
        if match:
            words.pop()
            least = int(match[1])
            most = int(match[3]) if match[3] else MANY if match[2] else least
        if most < least:
            raise ValueError(f"{shown(text)}: the most is below the least")
        return Item(FramePattern(" ".join(words)), least, most, same, " ".join(text.split()))


@dataclass(frozen=True, slots=True)
class Match:
    """Whether frames are the sequence; if not, how many fitted, and what was expected behind them."""

    ok: bool
    fitted: int = 0
    expected: str = ""


def match_sequence(items: Sequence[Item], frames: Sequence[Sent]) -> Match:
    """Whether all frames, in their order, are what the items say."""
    furthest, expected = 0, ""
    dead: set[tuple[int, int]] = set()

    def search(index: int, position: int) -> bool:
        nonlocal furthest, expected
        if (index, position) in dead:
            return False
        if index == len(items):
            if position == len(frames):
                return True
            if position >= furthest:
                furthest, expected = position, "nothing more"
            dead.add((index, position))
            return False
        item = items[index]
        count = 0
        ends = [position] if item.least == 0 else []
        while count < item.most and position + count < len(frames) and _fits(item, frames, position, count):
            count += 1
            if count >= item.least:
                ends.append(position + count)
        if position + count >= furthest and count < max(item.least, 1) and item.pattern is not None:
            furthest, expected = position + count, item.text
        if any(search(index + 1, end) for end in reversed(ends)):
            return True
        dead.add((index, position))
        return False

    return Match(True, len(frames)) if search(0, 0) else Match(False, furthest, expected)


def _fits(item: Item, frames: Sequence[Sent], start: int, count: int) -> bool:
    raw, frame, baud = frames[start + count]
    if item.pattern is not None and not item.pattern.matches(raw, frame, baud):
        return False
    return not (item.same and count and raw != frames[start][0])
