"""What a named quirk is: a row with its source and options, and the change that it makes to one meter.

A change is a set of slave settings, pieces around the slave machine, another identity, other telegrams, effects on what
the meter sends, or a second meter in the same housing. The rows are in table.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from pydantic import Field, create_model, model_validator

from mbusbench.definition.validation import Definition, did_you_mean, mistake, shown
from mbusbench.line.effect import Effect
from mbusbench.protocol.slave.quirk import SlaveQuirk

if TYPE_CHECKING:
    from mbusbench.meter.definition import Device

NO_SOURCE = "seen in no public source; kept for the judge"

Options = dict[str, Any]


@dataclass(frozen=True, slots=True)
class OnTheWire:
    """Effects on what the meter sends: on each `every`th answer called one of `frames`, as in a fault's `frame`."""

    effects: tuple[Effect, ...]
    frames: tuple[str, ...] = ("RSP_UD",)
    every: int = 1


@dataclass(frozen=True, slots=True)
class Change:
    """What a quirk does to one meter.

    `pieces` make the slave's own ones. `identity` and `second` map the 8 bytes of the header and the selection: the
    meter's own, and those of a second meter at its address. `response_delay` is in ns.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    pieces: tuple[Callable[[], SlaveQuirk], ...] = ()
    identity: Callable[[bytes], bytes] | None = None
    device: Callable[[Device], Device] | None = None
    response_delay: tuple[int, int] | None = None
    wire: OnTheWire | None = None
    second: Callable[[bytes], bytes] | None = None


@dataclass(frozen=True)
class Quirk:
    """One row: `what` it does, the public `source` (who is known for it), and `build`, which takes its options.

    `options` are types and what holds where nothing is given, as a file says it. `more` is what it decides beside slave
    settings. Schemas are made when they are needed: a meter has few of the quirks that there are.
    """

    name: str
    what: str
    source: str
    build: Callable[..., Change]
    options: Mapping[str, tuple[Any, Any]]
    more: tuple[str, ...]

    @property
    def written(self) -> Options:
        """Every option with what holds where it is not given, as a file says it."""
        return {key: default for key, (_, default) in self.options.items()}

    @cached_property
    def defaults(self) -> Options:
        """The same as `build` takes it."""
        model = self._schema()
        return {key: getattr(model, key) for key in self.options}

    @cached_property
    def decides(self) -> frozenset[str]:
        """What it lays down, slave settings among it: two quirks that decide the same thing contradict."""
        return frozenset((*self.more, *self.build(**self.defaults).settings))

    @cached_property
    def entry(self) -> type[Definition]:
        """The schema of a mapping with the quirk's name and its options."""
        return create_model(f"{self.name}_entry", __base__=Definition, **{self.name: (self._schema, ...)})  # type: ignore[call-overload,no-any-return]

    @cached_property
    def _schema(self) -> type[Definition]:
        def bare(data: object) -> object:
            return self._mapping(data)

        return create_model(  # type: ignore[call-overload,no-any-return]
            f"{self.name}_options",
            __base__=Definition,
            __validators__={"bare": model_validator(mode="before")(bare)},
            **{key: (kind, Field(default, validate_default=True)) for key, (kind, default) in self.options.items()},
        )

    def _mapping(self, data: object) -> object:
        """The options as a mapping; a bare value is the first of them."""
        if data is None:
            return {}
        if not isinstance(data, dict):
            if not self.options:
                raise mistake(f"{self.name} takes no options, and not {shown(data)}")
            return {next(iter(self.options)): data}
        for key in data:
            if key not in self.options:
                raise mistake(f"unknown key {shown(key)}{did_you_mean(str(key), self.options)}")
        return data


def quirk(
    name: str,
    what: str,
    source: str,
    build: Callable[..., Change] | Change,
    *decides: str,
    **options: tuple[Any, Any],
) -> Quirk:
    """A row. Each of `options` is a type and the value where none is given, as a file says it.

    The first option is what a bare value in a file is: `slow: 2s`.
    """
    return Quirk(name, what, source, partial(_same, build) if isinstance(build, Change) else build, options, decides)


def _same(change: Change) -> Change:
    return change


@dataclass(frozen=True, slots=True)
class UsedQuirk:
    """A quirk of a meter, with the options given."""

    row: Quirk
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def name(self) -> str:
        return self.row.name

    def change(self) -> Change:
        return self.row.build(**{**self.row.defaults, **dict(self.options)})


def written_options(options: Mapping[str, Any]) -> str:
    """Options as a file has them: `delay: 3s, idle: 1min`."""
    return ", ".join(f"{key}: {'none' if value is None else value}" for key, value in options.items())


def contradictions(used: Sequence[UsedQuirk], decided: Mapping[str, str] | None = None) -> list[tuple[int, str]]:
    """(index, what it contradicts) of each quirk that does not go with an earlier one, or with what is `decided`.

    `decided` maps names of settings to where the file gives them.
    """
    found = []
    for index, each in enumerate(used):
        for earlier in used[:index]:
            if each.name == earlier.name:
                found.append((index, f"{each.name!r} is listed twice"))
                break
            common = sorted(each.row.decides & earlier.row.decides)
            if common:
                found.append((index, f"{each.name!r} contradicts {earlier.name!r}: both decide {common[0]}"))
                break
        else:
            given = sorted(each.row.decides & set(decided or ()))
            if given and decided is not None:
                found.append((index, f"{each.name!r} contradicts {decided[given[0]]}: both decide {given[0]}"))
    return found


def merged(own: Sequence[UsedQuirk], more: Sequence[UsedQuirk]) -> tuple[UsedQuirk, ...]:
    """The quirks of a device and those that a bus file adds; a name that is in both has the options of the latter."""
    added = {each.name: each for each in more}
    kept = [added.pop(each.name, each) for each in own]
    return (*kept, *added.values())


class Quirks:
    """All quirks of one meter, applied in their order; the first piece stands outermost."""

    __slots__ = ("_changes", "used")

    def __init__(self, used: Iterable[UsedQuirk]) -> None:
        self.used = tuple(used)
        self._changes = [(each, each.change()) for each in self.used]

    @property
    def settings(self) -> dict[str, Any]:
        """The slave settings that they change."""
        return {key: value for _, change in self._changes for key, value in change.settings.items()}

    @property
    def response_delay(self) -> tuple[int, int] | None:
        return next((change.response_delay for _, change in self._changes if change.response_delay), None)

    @property
    def wire(self) -> list[tuple[str, OnTheWire]]:
        """(name of the quirk, what it does to the meter's transmissions)."""
        return [(each.name, change.wire) for each, change in self._changes if change.wire is not None]

    def pieces(self) -> list[SlaveQuirk]:
        """New ones, for one slave."""
        return [make() for _, change in self._changes for make in change.pieces]

    def identity(self, wire_address: bytes) -> bytes:
        """The meter's header address as they show it."""
        for _, change in self._changes:
            if change.identity is not None:
                wire_address = change.identity(wire_address)
        return wire_address

    def second(self, wire_address: bytes) -> bytes | None:
        """The header address of the second meter in the housing, None where there is one only."""
        return next((change.second(wire_address) for _, change in self._changes if change.second is not None), None)

    def without_second(self) -> tuple[UsedQuirk, ...]:
        """The quirks of the second meter, which is built on what the first has made of the device."""
        return tuple(each for each, change in self._changes if change.second is None and change.device is None)

    def device(self, device: Device) -> Device:
        """The device with the telegrams that they make of its own; the same object at each call."""
        key = ("quirks", *((each.name, each.options) for each, change in self._changes if change.device is not None))
        if len(key) == 1:
            return device
        found = device.compiled.get(key)
        if found is None:
            found = device
            for _, change in self._changes:
                if change.device is not None:
                    found = change.device(found)
            device.compiled[key] = found
        return found  # type: ignore[return-value]
