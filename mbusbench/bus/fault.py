"""A fault as it is declared: which frames or times it waits for, how often it acts, and what it does.

The keys are those of a bus file's `faults`; `Fault` takes the same in Python.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, ValidationError, model_validator

from mbusbench.bus.fault_action import StuckFcb
from mbusbench.bus.fault_kinds import KINDS, Do, Place, Probability
from mbusbench.codec.address import SecondaryAddress
from mbusbench.definition.document import Path_
from mbusbench.definition.fields import NANOSECONDS, Duration, each_once, in_range, one_of
from mbusbench.definition.validation import Definition, did_you_mean, mistake, mistakes, shown
from mbusbench.errors import MBusUsageError
from mbusbench.timing import MILLISECOND

MAX_FAULTS = 1000
MAX_NAMED = 250
MAX_NUMBER = 10**9
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. -]{0,63}")
_PATTERN = re.compile(r"(?:[0-9A-Fa-f?]{2}\s*)*\*?")
RESERVED = (251, 252)
_TIMES = ("from_", "until", "at", "period")
_WHILE_FRAMES_PASS = ("on", "frame", "direction", "pattern", "exactly", "every", "skip", "probability")


class Direction(Enum):
    """What a fault acts on: what slaves answer, or what masters send, as the slaves hear it."""

    ANSWER = "answer"
    REQUEST = "request"


class FrameName(Enum):
    """A frame by its name. Those of a master stand for the answers to them too."""

    SND_NKE = "SND_NKE"
    SND_UD = "SND_UD"
    SELECTION = "SELECTION"
    REQ_UD1 = "REQ_UD1"
    REQ_UD2 = "REQ_UD2"
    E5 = "E5"
    A2 = "A2"
    RSP_UD = "RSP_UD"


ANSWERS = frozenset({FrameName.E5, FrameName.A2, FrameName.RSP_UD})


class BytePattern:
    """Bytes with wildcards: `68 ?? ?? 68 08 0? *`, each ? any digit, a * at the end anything or nothing."""

    __slots__ = ("_care", "_open", "_value", "text")

    def __init__(self, text: str) -> None:
        """ValueError where it is no such pattern."""
        stripped = text.strip()
        if not stripped or not _PATTERN.fullmatch(stripped):
            raise ValueError(f"{shown(text)} is not a pattern of bytes such as 68 ?? ?? 68 08 05 *")
        self.text = text
        self._open = stripped.endswith("*")
        digits = re.sub(r"[\s*]", "", stripped)
        self._value = bytes.fromhex(digits.replace("?", "0"))
        self._care = bytes.fromhex("".join("0" if digit == "?" else "F" for digit in digits))

    def matches(self, data: bytes) -> bool:
        size = len(self._value)
        if len(data) < size or (len(data) > size and not self._open):
            return False
        return all(not (byte ^ value) & care for byte, value, care in zip(data, self._value, self._care, strict=False))

    def __repr__(self) -> str:
        return self.text


def _pattern(value: object) -> BytePattern:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise mistake(f'{value} is a number here, a pattern of bytes is wanted: write it in quotes ("{value}")')
    try:
        if isinstance(value, str):
            return BytePattern(value)
    except ValueError as error:
        raise mistake(str(error)) from None
    raise mistake(f"{shown(value)} is not a pattern of bytes such as 68 ?? ?? 68 08 05 *")


def _target(value: object) -> int | SecondaryAddress:
    if isinstance(value, SecondaryAddress):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value <= 255:
            raise mistake(f"{value} is not in 0..255")
        if value in RESERVED:
            raise mistake(f"{value} is reserved: nobody has it (0..250, 253 selected, 254 test, 255 all)")
        return value
    if not isinstance(value, str):
        raise mistake(f"{shown(value)} is not an address")
    try:
        return SecondaryAddress.parse(value)
    except MBusUsageError as error:
        raise mistake(str(error)) from None


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise mistake(f"{shown(value)} is not a name: up to 64 letters, digits, spaces and . _ -")
    return value


def _as_list(value: object) -> object:
    return list(value) if isinstance(value, list | tuple | set | range) else [value]


def _as_mapping(value: object) -> object:
    return {"fault": value} if isinstance(value, str) else value


Number = Annotated[int, in_range(1, MAX_NUMBER)]
Target = Annotated[object, PlainValidator(_target)]


class AfterFault(Definition):
    """Another fault that has to have fired so often before."""

    fault: str
    hits: Number = 1


class FaultDefinition(Definition):
    """One entry of `faults`."""

    name: Annotated[str, AfterValidator(_name)]
    on: Annotated[list[Target], Field(min_length=1, max_length=MAX_NAMED), BeforeValidator(_as_list)] | None = None
    frame: (
        Annotated[
            list[Annotated[FrameName, one_of(FrameName)]],
            Field(min_length=1, max_length=len(FrameName)),
            BeforeValidator(_as_list),
        ]
        | None
    ) = None
    direction: Annotated[Direction, one_of(Direction)] = Direction.ANSWER
    pattern: Annotated[BytePattern, PlainValidator(_pattern)] | None = Field(default=None, alias="bytes")
    exactly: (
        Annotated[
            list[Number], Field(min_length=1, max_length=1000), BeforeValidator(_as_list), AfterValidator(each_once)
        ]
        | None
    ) = None
    every: Number | None = None
    skip: Annotated[int, in_range(0, MAX_NUMBER)] = 0
    from_: Duration | None = Field(default=None, alias="from")
    until: Duration | None = None
    at: Annotated[list[Duration], Field(min_length=1, max_length=1000), BeforeValidator(_as_list)] | None = None
    period: Duration | None = None
    probability: Probability | None = None
    times: Number | None = None
    after: Annotated[AfterFault, BeforeValidator(_as_mapping)] | None = None
    do: Do

    @property
    def place(self) -> Place:
        """Where it happens."""
        if self.at is not None:
            return Place.TIME
        return Place.ANSWER if self.direction is Direction.ANSWER else Place.REQUEST

    @model_validator(mode="after")
    def _consistent(self) -> FaultDefinition:
        found = [(("at",), text) for text in self._mistakes_of_time()]
        found += [((key,), text) for key, text in self._mistakes_of_condition()]
        if found:
            raise mistakes(list(found))
        return self

    def _mistakes_of_time(self) -> Iterable[str]:
        if self.at is None:
            return
        for key in _WHILE_FRAMES_PASS:
            if key in self.model_fields_set:
                yield f"does not go together with {_shown_key(key)}: a fault waits for frames or for a time"

    def _mistakes_of_condition(self) -> Iterable[tuple[str, str]]:
        if self.period is not None and self.at is None:
            yield "period", "needs 'at', the first time"
        if self.period is not None and self.period < MILLISECOND:
            yield "period", "is shorter than 1ms"
        if self.exactly is not None and self.every is not None:
            yield "every", "does not go together with exactly"
        if self.from_ is not None and self.until is not None and self.from_ >= self.until:
            yield "until", "is not later than from"
        if self.after is not None and self.after.fault == self.name:
            yield "after", "a fault cannot wait for itself"
        frames = set(self.frame or ())
        if self.direction is Direction.REQUEST and frames & ANSWERS:
            yield "frame", f"{next(iter(frames & ANSWERS)).value} is no request"
        for effect in self.do:
            kind = KINDS.get(effect.name)
            if kind is not None and self.place not in kind.places:
                where = {Place.ANSWER: "an answer", Place.REQUEST: "a request", Place.TIME: "a time"}[self.place]
                yield "do", f"{kind.name} cannot happen to {where}"
            if isinstance(effect, StuckFcb) and (frames & ANSWERS or self.pattern is not None):
                yield "do", "stuck_fcb comes before there is an answer: it takes no bytes, and requests only"

    def condition(self) -> str:
        """When it acts, in the words of the file."""
        words = []
        for key, field in type(self).model_fields.items():
            if key in self.model_fields_set and key not in ("name", "do"):
                words.append(f"{field.alias or key} {_shown_value(getattr(self, key), key in _TIMES)}")
        return ", ".join(words) or "always"


def mistakes_of_faults(faults: Sequence[FaultDefinition]) -> Iterable[tuple[Path_, str]]:
    """What is wrong with a list of faults as a whole: names that are there twice, waits that cannot end."""
    first: dict[str, int] = {}
    for index, fault in enumerate(faults):
        if fault.name in first:
            yield (index, "name"), f"{fault.name!r} is the name of faults[{first[fault.name]}]"
        first.setdefault(fault.name, index)
    for index, fault in enumerate(faults):
        if fault.after is None:
            continue
        if fault.after.fault not in first:
            yield (index, "after"), f"there is no fault {fault.after.fault!r}{did_you_mean(fault.after.fault, first)}"
        elif _waits_for_itself(fault, faults, first):
            yield (index, "after"), f"{fault.name!r} and {fault.after.fault!r} wait for each other"


def _waits_for_itself(fault: FaultDefinition, faults: Sequence[FaultDefinition], index_of: dict[str, int]) -> bool:
    met: set[str] = set()
    each: FaultDefinition = fault
    while each.after is not None and each.after.fault in index_of and each.after.fault not in met:
        met.add(each.after.fault)
        each = faults[index_of[each.after.fault]]
    return fault.name in met


def _shown_key(key: str) -> str:
    return FaultDefinition.model_fields[key].alias or key


def _shown_value(value: object, is_time: bool) -> str:
    if isinstance(value, list):
        texts = [_shown_value(each, is_time) for each in value]
        return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    if is_time and isinstance(value, int):
        unit = next(unit for unit in ("h", "min", "s", "ms", "us", "ns") if value % NANOSECONDS[unit] == 0)
        return f"{value // NANOSECONDS[unit]}{unit}"
    if isinstance(value, Enum):
        return str(value.value)
    return f"{value.fault} ({value.hits})" if isinstance(value, AfterFault) else str(value)


class Fault(FaultDefinition):
    """A fault made in Python: `Fault("late", on=10, every=5, do={"delay": "600ms"})`, or `do=Delay(600_000_000)`.

    The keywords are a bus file's keys, `from` being `from_`; a time is text with a unit, or ns. MBusUsageError where a
    file would have a mistake.
    """

    def __init__(self, name: str, **keys: Any) -> None:
        given = {"name": name} | {key.rstrip("_"): value for key, value in keys.items()}
        for key in ("from", "until", "at", "period"):
            if key in given:
                given[key] = _with_unit(given[key])
        try:
            super().__init__(**given)
        except ValidationError as error:
            raise MBusUsageError(f"fault {name!r}: {_first(error)}") from None


def _with_unit(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_with_unit(each) for each in value]
    return f"{value}ns" if isinstance(value, int) and not isinstance(value, bool) else value


def _first(error: ValidationError) -> str:
    details = error.errors(include_url=False)[0]
    text = details["msg"] if details["type"] != "extra_forbidden" else "unknown key"
    at, text = details.get("ctx", {}).get("found", [((), text)])[0]
    path = ".".join(str(part) for part in (*details["loc"], *at) if not str(part).startswith("<"))
    return f"{path}: {text}" if path else text
