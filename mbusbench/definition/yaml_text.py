"""Plain data as YAML that a person would write: blocks outside, short things in one line, long hex folded.

The counterpart of document.py: what is written here is read there as the same data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from mbusbench.definition.document import parse_document
from mbusbench.errors import DefinitionError

LINE = 120
_PLAIN = re.compile(r"[A-Za-z°µ][A-Za-z0-9°µ³²/%._ +-]*(?<![ ])")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2})?)?")
_DURATION = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:ns|us|ms|s|min|h|d)")
_HEX = re.compile(r"[0-9A-F]{2}(?: [0-9A-F]{2})*")
_LONG_HEX = re.compile(r"(?:[0-9A-F]{2} ){30,}[0-9A-F]{2}")
_BYTES_IN_LINE = 36
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off"})


class Hexadecimal(int):
    """A number that is written as 0x2C."""


def yaml_text(data: Mapping[str, Any], comments: Sequence[str] = ()) -> str:
    """A whole file, with comment lines first. The data is of dict, list, str, int, float, bool and None."""
    lines = [f"# {line}" if line else "#" for comment in comments for line in comment.splitlines()]
    for key, value in data.items():
        lines += _entry(key, value, 0, block=isinstance(value, Mapping) and len(value) > 3)
    return "\n".join(lines) + "\n"


def reads_back(text: str, data: Mapping[str, Any]) -> bool:
    """Whether this YAML means that data."""
    try:
        return bool(parse_document(text, "").data == data)
    except DefinitionError:
        return False


def _entry(key: str, value: Any, indent: int, *, block: bool = False) -> list[str]:
    """`key: value` at this indent."""
    head = f"{' ' * indent}{scalar(key)}:"
    if not block and not _holds_mappings(value):
        line = f"{head} {_flow(value)}"
        if len(line) <= LINE:
            return [line]
    if isinstance(value, str) and _LONG_HEX.fullmatch(value):
        return [f"{head} >-", *_folded(value, indent + 2)]
    if isinstance(value, Mapping):
        return [head, *(line for name, each in value.items() for line in _entry(name, each, indent + 2))]
    if isinstance(value, list):
        return [head, *_items(value, indent + 2)]
    return [f"{head} {_flow(value)}"]


def _items(values: Sequence[Any], indent: int) -> list[str]:
    lines: list[str] = []
    for value in values:
        flow = f"{' ' * indent}- {_flow(value)}"
        if not isinstance(value, Mapping) or (len(flow) <= LINE and not _holds_mappings(list(value.values()))):
            lines.append(flow)
            continue
        entries = [line for key, each in value.items() for line in _entry(key, each, indent + 2)]
        lines += [f"{' ' * indent}- {entries[0].lstrip()}", *entries[1:]]
    return lines


def _holds_mappings(value: Any) -> bool:
    """Whether a list of mappings is in it: it gets lines of its own."""
    if not isinstance(value, list):
        return False
    return any(isinstance(each, Mapping) or _holds_mappings(each) for each in value)


def _folded(value: str, indent: int) -> list[str]:
    words = value.split()
    return [
        " " * indent + " ".join(words[start : start + _BYTES_IN_LINE]) for start in range(0, len(words), _BYTES_IN_LINE)
    ]


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(key)}: {_flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(each) for each in value) + "]"
    return scalar(value)


def scalar(value: object) -> str:
    """One value in one line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Hexadecimal):
        return f"0x{int(value):02X}"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, str):
        plain = (
            _DATE.fullmatch(value)
            or _DURATION.fullmatch(value)
            or (_PLAIN.fullmatch(value) and value.lower() not in _WORDS)
        )
        return value if plain and not _HEX.fullmatch(value) else _quoted(value)
    return str(value)


def _number(value: float) -> str:
    text = format(Decimal(repr(value)), "f")
    return text if "." in text or not text.lstrip("-").isdigit() else f"{text}.0"


def _quoted(text: str) -> str:
    escaped = "".join(
        f"\\{character}"
        if character in '"\\'
        else character
        if character.isprintable() and ord(character) < 0x10000
        else f"\\x{ord(character):02x}"
        if ord(character) < 0x100
        else f"\\U{ord(character):08x}"
        for character in text
    )
    return f'"{escaped}"'
