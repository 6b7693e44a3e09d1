"""Driver files: how a master under test is called. Either one command that speaks driver protocol 1, or templates.

A wrong file is a DefinitionError with a line for each mistake. Nothing is called here.
"""

from __future__ import annotations

import os
import re
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from xml.etree import ElementTree

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from mbusbench.definition import Definition, mistake, mistakes, read_document
from mbusbench.definition.fields import one_of
from mbusbench.definition.validation import did_you_mean, shown
from mbusbench.errors import DefinitionError
from mbusbench.scenario.driver.action import ActionName
from mbusbench.scenario.driver.claims import Claims
from mbusbench.scenario.report import FUNCTIONS, ErrorKind

PLACEHOLDERS = frozenset(
    {
        *("host", "port", "device", "url", "baud", "address", "secondary", "target", "secondary_wire", "id"),
        *("new_address", "new_baud", "subcode", "timeout_ms", "low", "high", "time", "data", "key"),
        *("targets", "repeat", "interval", "timeout", "retries", "max_telegrams", "python", "directory"),
    }
)
FIELDS = ("value", "unit", "storage", "tariff", "subunit", "function", "telegram")
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_LISTS = ("targets", "data")


def _pattern(value: object) -> re.Pattern[str]:
    if isinstance(value, re.Pattern):
        return value
    if not isinstance(value, str):
        raise mistake(f"{shown(value)} is no regular expression: write it as text in quotes")
    try:
        return re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        raise mistake(f"{shown(value)} is no regular expression: {error}") from None


Pattern = Annotated[re.Pattern[str], BeforeValidator(_pattern)]


def _word(value: str) -> str:
    for name in _PLACEHOLDER.findall(value):
        if name not in PLACEHOLDERS:
            raise mistake(f"there is no placeholder {{{name}}}{did_you_mean(name, PLACEHOLDERS)}")
        if name in _LISTS and value != f"{{{name}}}":
            raise mistake(f"{{{name}}} stands for several words, and has to be a word of its own")
    if "\0" in value:
        raise mistake("a command cannot hold the character 0")
    return value


def _not_empty(words: tuple[str, ...]) -> tuple[str, ...]:
    if not words or not words[0]:
        raise mistake("a command begins with the name of a program")
    return words


Words = Annotated[tuple[Annotated[str, AfterValidator(_word)], ...], Field(strict=False), AfterValidator(_not_empty)]


def _factor(value: object) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise mistake(f"{shown(value)} is no number")
    try:
        return Fraction(repr(value) if isinstance(value, float) else value)
    except (ValueError, ZeroDivisionError):
        raise mistake(f"{shown(value)} is no number") from None


class UnitRule(Definition):
    """A tool's text for a unit: `unit` is ours, null for none, and without it the group `unit`.

    `factor`, and the groups `factor` and `prefix` (my, m, k, M, G), multiply the value.
    """

    match: Pattern
    unit: str | None = ""
    factor: Annotated[Fraction, BeforeValidator(_factor)] = Fraction(1)

    @model_validator(mode="after")
    def _has_a_unit(self) -> Self:
        if self.unit == "" and "unit" not in self.match.groupindex:
            raise mistake("unit is missing, and match has no group (?P<unit>...)")
        return self


class ErrorRule(Definition):
    """What tells an error: all that is given has to fit. `text` is what the tool says about one meter."""

    error: Annotated[ErrorKind, one_of(ErrorKind)]
    stdout: Pattern | None = None
    stderr: Pattern | None = None
    text: Pattern | None = None
    exit: int | None = None

    @model_validator(mode="after")
    def _tells_something(self) -> Self:
        if self.stdout is None and self.stderr is None and self.text is None and self.exit is None:
            raise mistake("a rule needs stdout, stderr, text or exit")
        return self


class OkRule(Definition):
    """What tells that it worked: all of it."""

    exit: tuple[int, ...] = Field(default=(0,), strict=False)
    stdout: Pattern | None = None
    stderr: Pattern | None = None


class HeaderPlaces(Definition):
    """Where the fields of the header are."""

    id: str | None = None
    manufacturer: str | None = None
    version: str | None = None
    medium: str | None = None
    access: str | None = None
    status: str | None = None


class RecordPlaces(Definition):
    """Where the fields of a record are, from the record on."""

    value: str
    unit: str | None = None
    storage: str | None = None
    tariff: str | None = None
    subunit: str | None = None
    function: str | None = None
    telegram: str | None = None


class ResultTemplate(Definition):
    """How a tool's output becomes a report. Places are XPath (ElementTree's part of it) or JSON pointers.

    `lines`: every line of JSON is a document. `meters`: where the list of meters is, else the document is one; `meter`
    and `collision` are regular expressions for it, with the groups `address` and `secondary`. `failed`: where a meter
    says why it failed. `skip` and `more` name records by patterns for their fields: those that are left out, and those
    that say that more follow.
    """

    format: Literal["json", "xml", "regex", "exit"]
    ok: OkRule = OkRule()
    errors: tuple[ErrorRule, ...] = Field(default=(), strict=False)
    lines: bool = False
    meters: str | None = None
    meter: Pattern | None = None
    collision: Pattern | None = None
    address: str | None = None
    secondary: str | None = None
    failed: str | None = None
    alarm: str | None = None
    partial: str | None = None
    stale: str | None = None
    more_at: str | None = None
    telegrams: str | None = None
    header: HeaderPlaces = HeaderPlaces()
    records: str | None = None
    record: RecordPlaces | None = None
    record_pattern: Pattern | None = None
    units: tuple[UnitRule, ...] = Field(default=(), strict=False)
    functions: dict[str, str] = Field(default_factory=dict)
    skip: dict[str, Pattern] = Field(default_factory=dict)
    more: dict[str, Pattern] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _places_exist(self) -> Self:
        found: list[tuple[tuple[str | int, ...], str]] = []
        for path, place in self._places():
            text = _wrong_place(self.format, place)
            if text is not None:
                found.append((path, text))
        if (self.records is None) != (self.record is None):
            found.append(((), "records and record belong together"))
        for name in ("skip", "more"):
            found += [((name, key), f"there is no field {key!r}") for key in getattr(self, name) if key not in FIELDS]
        for key, function in self.functions.items():
            if function not in FUNCTIONS:
                found.append((("functions", key), f"{shown(function)} is not one of {', '.join(FUNCTIONS)}"))
        if self.format == "regex" and self.meter is None and self.record_pattern is None:
            found.append(((), "a result by regex needs meter or record_pattern"))
        if found:
            raise mistakes(found)
        return self

    def _places(self) -> list[tuple[tuple[str | int, ...], str]]:
        plain = (
            "meters",
            "address",
            "secondary",
            "failed",
            "alarm",
            "partial",
            "stale",
            "more_at",
            "telegrams",
            "records",
        )
        found: list[tuple[tuple[str | int, ...], str]] = []
        for name in plain:
            if getattr(self, name) is not None:
                found.append(((name,), getattr(self, name)))
        for name, places in (("header", self.header), ("record", self.record)):
            for key, place in places if places is not None else ():
                if place is not None:
                    found.append(((name, key), place))
        return found


def _wrong_place(form: str, place: str) -> str | None:
    if form == "json":
        return None if not place or place.startswith("/") else f"{shown(place)} is no JSON pointer: begin it with /"
    if form == "xml":
        try:
            ElementTree.Element("x").findall(place.partition("/@")[0] or ".")
        except (SyntaxError, KeyError, ValueError):
            return f"{shown(place)} is no XPath that can be used here"
        return None
    return f"places are for json and xml, not for {form}"


class ActionTemplate(Definition):
    """The commands for one action: by transport, or `any` for all of them."""

    any: Words | None = None
    tcp: Words | None = None
    tty: Words | None = None
    rfc2217: Words | None = None
    result: ResultTemplate

    @model_validator(mode="after")
    def _has_a_command(self) -> Self:
        if self.any is None and self.tcp is None and self.tty is None and self.rfc2217 is None:
            raise mistake("a command is missing: tcp, tty, rfc2217 or any")
        return self

    def command(self, transport: str) -> tuple[str, ...] | None:
        """The words for a transport, None where there are none."""
        words: tuple[str, ...] | None = getattr(self, transport)
        return self.any if words is None else words


def _version(value: object) -> object:
    if value != 1 or isinstance(value, bool):
        raise mistake(f"{shown(value)} is not 1, the only version that there is")
    return value


class DriverFile(Definition):
    """A driver file: `command` or `actions`."""

    driver: Annotated[int, BeforeValidator(_version)]
    name: Annotated[str, Field(min_length=1)]
    description: str = ""
    command: Words | None = None
    env: dict[str, str] = Field(default_factory=dict)
    claims: Claims | None = None
    actions: dict[ActionName, ActionTemplate] | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_way(cls, data: Any) -> Any:
        if isinstance(data, dict) and "command" not in data and "actions" not in data:
            raise mistake("command or actions is missing: how is the master called?")
        return data

    @model_validator(mode="after")
    def _not_both(self) -> Self:
        if self.command is not None and self.actions is not None:
            raise mistake("command and actions exclude each other: a command does all actions", at=("actions",))
        if self.command is not None:
            for index, word in enumerate(self.command):
                for name in _PLACEHOLDER.findall(word):
                    if name not in ("python", "directory"):
                        text = f"{{{name}}} is for actions: a command gets it in its environment"
                        raise mistake(text, at=("command", index))
        for name in self.env:
            if not name or "=" in name or "\0" in name + self.env[name]:
                raise mistake(f"{shown(name)} is no name of a variable", at=("env",))
        return self


SHIPPED = Path(__file__).with_name("shipped")
_SUFFIXES = (".yaml", ".yml")


def names() -> list[str]:
    """The drivers that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def find(name: str | os.PathLike[str]) -> Path:
    """The file of a driver: a path (with .yaml), or the name of a shipped one. DefinitionError where there is none."""
    text = os.fspath(name)
    if text.endswith(_SUFFIXES):
        return Path(text).expanduser()
    if text in names():
        return SHIPPED / f"{text}.yaml"
    raise DefinitionError(
        f"there is no driver {shown(text)}{did_you_mean(text, names())}; "
        f"give a file with .yaml or one of {', '.join(names())}"
    )


def read_driver_file(path: str | os.PathLike[str]) -> DriverFile:
    """The driver in a file. DefinitionError with a line for each mistake."""
    return DriverFile.from_document(read_document(os.fspath(path)))
