"""Strict YAML: a file becomes plain data of which every part knows its line and column.

YAML 1.2 scalars (`on` is text, `12:30:45` too, and so are digits with a leading zero), keys are always text, duplicate
keys, merge keys and tags are mistakes. Size, depth and node count are bounded, aliases included, so that no input costs
more than its size.
"""

from __future__ import annotations

import math
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mbusbench.errors import DefinitionError

MAX_BYTES = 4 * 1024 * 1024
MAX_NODES = 100_000
MAX_DEPTH = 40
MAX_LINES = 100
MAX_KEY = 60

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,39})")
_LONG_INTEGER = re.compile(r"[-+]?[1-9][0-9]{40,}")
_OTHER_BASE = re.compile(r"0x[0-9a-fA-F]{1,32}|0o[0-7]{1,40}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_FLOAT_NAMES = {".inf": math.inf, "+.inf": math.inf, "-.inf": -math.inf, ".nan": math.nan}

type_names = {dict: "a mapping", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}

Path_ = tuple[str | int, ...]


class OtherBase(int):
    """A whole number that is written in hexadecimal or octal, for those who want digits as written."""


def path_text(path: Iterable[str | int]) -> str:
    """`("meters", 0, "address")` as `meters[0].address`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            word = part if part.isprintable() and len(part) <= MAX_KEY else repr(part[:MAX_KEY])
            text += f".{word}" if text else word
    return text


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """One thing that is wrong in a file; `line` and `column` count from 1, 0 where there is no place to point at."""

    file: str
    line: int
    column: int
    path: str
    text: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place} {self.path}: {self.text}" if self.path else f"{place}: {self.text}"


def definition_error(mistakes: Iterable[Mistake]) -> DefinitionError:
    """One exception for all mistakes: each one line, in the order of the file."""
    ordered = sorted(set(mistakes))
    lines = [str(mistake) for mistake in ordered[:MAX_LINES]]
    if len(ordered) > MAX_LINES:
        lines.append(f"{ordered[0].file}: and {len(ordered) - MAX_LINES} more mistakes")
    return DefinitionError("\n".join(lines))


@dataclass(slots=True, eq=False)
class _Node:
    line: int
    column: int
    data: Any = None
    size: int = 1
    children: dict[str | int, _Node] | None = None
    keys: dict[str, tuple[int, int]] | None = None


class Document:
    """The data of one file: `data` is made of dict, list, str, int, float, bool and None.

    `mistakes` did not keep the rest from being read; who validates the data reports them too.
    """

    def __init__(self, name: str, root: _Node, mistakes: Iterable[Mistake] = ()) -> None:
        self.name = name
        self.mistakes = tuple(mistakes)
        self.data: Any = root.data
        self._root = root

    def position(self, path: Iterable[str | int], *, key: bool = False) -> tuple[int, int]:
        """Line and column of the value at `path` (of its key with `key`), or of the nearest part that exists."""
        node = self._root
        place = (node.line, node.column)
        for part in path:
            child = (node.children or {}).get(part)
            if child is None:
                break
            place = (child.line, child.column)
            if key and node.keys and isinstance(part, str):
                place = node.keys[part]
            node = child
        return place

    def real_path(self, path: Iterable[str | int]) -> Path_:
        """`path` without the parts that are not in the file, which a validator puts there.

        They are names of alternatives, and indexes or keys of what was written as a value alone.
        """
        node: _Node | None = self._root
        real: list[str | int] = []
        for part in path:
            child = (node.children or {}).get(part) if node else None
            if child is None and isinstance(part, str) and part.startswith("<"):
                continue
            if child is None and real and node is not None and _is_value_alone(node, part):
                continue
            real.append(part)
            node = child
        return tuple(real)

    def mistake(self, path: Iterable[str | int], text: str, *, key: bool = False) -> Mistake:
        """A mistake of this file at `path`."""
        parts = self.real_path(path)
        line, column = self.position(parts, key=key)
        return Mistake(self.name, line, column, path_text(parts), text)

    def unknown_key(self, path: Iterable[str | int], key: str, text: str) -> Mistake:
        """A key that the mapping at `path` cannot have: the mistake is at the key."""
        parts = self.real_path(path)
        line, column = self.position((*parts, key), key=True)
        return Mistake(self.name, line, column, path_text(parts), text)


def _is_value_alone(node: _Node, part: str | int) -> bool:
    """Whether `part` would lead into what was written without it: a value, or a list where a mapping was meant."""
    return node.children is None or (isinstance(part, str) and isinstance(node.data, list))


class _Builder:
    """Turns the parser's events into nodes; collects mistakes that do not end the parse."""

    def __init__(self, name: str, events: Iterator[Any]) -> None:
        self.name = name
        self.mistakes: list[Mistake] = []
        self._events = events
        self._anchors: dict[str, _Node | None] = {}

    def fail(self, mark: Any, text: str) -> DefinitionError:
        return definition_error([*self.mistakes, Mistake(self.name, mark.line + 1, mark.column + 1, "", text)])

    def build(self) -> _Node:
        root: _Node | None = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise self.fail(event.start_mark, "a second document: one file holds one document")
                root = self._node(next(self._events), (), 1)
        if root is None or (root.data is None and root.children is None):
            raise definition_error([Mistake(self.name, 1, 1, "", "the file is empty")])
        return root

    def _node(self, event: Any, path: Path_, depth: int) -> _Node:
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            target = self._anchors.get(event.anchor or "")
            if target is None:
                reason = "refers to itself" if event.anchor in self._anchors else "refers to nothing before it"
                raise self.fail(mark, f"alias *{event.anchor} {reason}")
            return target
        if depth > MAX_DEPTH:
            raise self.fail(mark, f"nested deeper than {MAX_DEPTH} levels")
        tag = getattr(event, "tag", None)
        if tag not in (None, "!"):
            raise self.fail(mark, f"tags such as {tag} are not allowed")
        node = _Node(mark.line + 1, mark.column + 1)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            node.data = self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._sequence(node, path, depth)
        else:
            self._mapping(node, path, depth)
        if node.size > MAX_NODES:
            raise self.fail(mark, f"more than {MAX_NODES} values, aliases counted at each use")
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _sequence(self, node: _Node, path: Path_, depth: int) -> None:
        node.data, node.children = [], {}
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                return
            index = len(node.data)
            self._adopt(node, index, self._node(event, (*path, index), depth + 1), event)
            node.data.append(node.children[index].data)

    def _mapping(self, node: _Node, path: Path_, depth: int) -> None:
        node.data, node.children, node.keys = {}, {}, {}
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                return
            mark = event.start_mark
            if not isinstance(event, yaml.ScalarEvent):
                raise self.fail(mark, "a key must be plain text")
            key = event.value
            if key == "<<" and event.implicit[0]:
                raise self.fail(mark, "merge keys (<<) are not possible: write out what they stand for")
            value_event = next(self._events)
            child = self._node(value_event, (*path, key), depth + 1)
            if key in node.data:
                first = node.keys[key][0]
                text = f"key {key[:MAX_KEY]!r} is there twice, first in line {first}"
                self.mistakes.append(Mistake(self.name, mark.line + 1, mark.column + 1, path_text(path), text))
                continue
            node.keys[key] = (mark.line + 1, mark.column + 1)
            self._adopt(node, key, child, value_event)
            node.data[key] = child.data

    def _adopt(self, node: _Node, part: str | int, child: _Node, event: Any) -> None:
        assert node.children is not None
        node.children[part] = child
        node.size += child.size
        if node.size > MAX_NODES:
            raise self.fail(event.start_mark, f"more than {MAX_NODES} values, aliases counted at each use")

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        if not event.implicit[0]:
            return text
        if text in _NULLS:
            return None
        if text in _BOOLEANS:
            return _BOOLEANS[text]
        if _INTEGER.fullmatch(text):
            return int(text)
        if _OTHER_BASE.fullmatch(text):
            return OtherBase(int(text, 0))
        if _LONG_INTEGER.fullmatch(text):
            raise self.fail(event.start_mark, f"a number of {len(text.lstrip('+-'))} digits: 40 are possible")
        if _FLOAT.fullmatch(text):
            return float(text)
        return _FLOAT_NAMES.get(text.lower(), text)


def parse_document(text: str, name: str) -> Document:
    """The document in `text`. DefinitionError where it is not YAML, or not what a file of ours may hold."""
    if len(text) > MAX_BYTES:
        raise definition_error([Mistake(name, 0, 0, "", f"larger than {MAX_BYTES // 1024 // 1024} MB")])
    unprintable = _UNPRINTABLE.search(text)
    if unprintable is not None:
        line = text.count("\n", 0, unprintable.start()) + 1
        column = unprintable.start() - text.rfind("\n", 0, unprintable.start())
        reason = f"the character U+{ord(unprintable[0]):04X} is not possible in YAML"
        raise definition_error([Mistake(name, line, column, "", reason)])
    try:
        builder = _Builder(name, yaml.parse(text, Loader=_Loader))
        root = builder.build()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise definition_error([Mistake(name, line, column, "", _syntax(error, text, line, column))]) from None
    except yaml.YAMLError as error:
        reason = str(error).splitlines()[0]
        raise definition_error([Mistake(name, 0, 0, "", f"no valid YAML: {reason}")]) from None
    return Document(name, root, builder.mistakes)


_TAB = "a tab: indent with blanks"
_WORDS = {
    "found a tab character that violates indentation": _TAB,
    "mapping values are not allowed in this context": "a colon where no key can be: indent, or write a text in quotes",
    "did not find expected key": "no key where one must be: indent, or write a text in quotes",
    "did not find expected node content": "no value where one must be",
    "did not find expected ',' or '}'": "a comma is missing, or the brace { before it has no }",
    "did not find expected ',' or ']'": "a comma is missing, or the bracket [ before it has no ]",
    "did not find expected '-' indicator": "no entry of the list: begin it with - below the others, or indent",
    "could not find expected ':'": "a key without its colon and blank, or a text that needs quotes",
    "block sequence entries are not allowed in this context": "no list can begin here: begin it in a line of its own",
    "did not find expected alphabetic or numeric character": "a text that begins with & or * needs quotes",
    "found unknown escape character": "\\ in double quotes has a meaning: write it twice, or use single quotes",
    "found unexpected end of stream": "a quoted text without its closing quote",
    "found undefined tag handle": "tags are not allowed",
    "found incompatible YAML document": "not a version of YAML that can be read: leave the line out",
    "found unknown directive name": "not a directive of YAML: a text that begins with % needs quotes",
}


def _syntax(error: Any, text: str, line: int, column: int) -> str:
    """What the parser found wrong at `line` and `column`, in words that help."""
    problem = error.problem or "no valid YAML"
    if problem == "found character that cannot start any token":
        character = text.split("\n")[line - 1][column - 1 : column]
        return _TAB if character == "\t" else f"a text that begins with {character} needs quotes"
    if problem in _WORDS:
        return _WORDS[problem]
    return f"{problem} ({error.context})" if error.context else str(problem)


def read_document(path: str | Path) -> Document:
    """The document in the file `path`, which messages name as given. DefinitionError also where it cannot be read."""
    name = str(path)
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise definition_error([Mistake(name, 0, 0, "", "not a file of data, but a device or a pipe")])
            raw = file.read(MAX_BYTES + 1)
    except ValueError:
        raise definition_error([Mistake(name, 0, 0, "", "not the name of a file")]) from None
    except OSError as error:
        reason = (error.strerror or "it cannot be read").lower()
        raise definition_error([Mistake(name, 0, 0, "", reason)]) from None
    if len(raw) > MAX_BYTES:
        raise definition_error([Mistake(name, 0, 0, "", f"larger than {MAX_BYTES // 1024 // 1024} MB")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        raise definition_error([Mistake(name, line, column, "", "not UTF-8 text")]) from None
    return parse_document(text, name)


def _open_at_once(path: str, flags: int) -> int:
    """A pipe that nobody writes to is opened, not waited for."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
