"""A scenario file becomes variants: includes, lettered variants, and every combination of the parameters.

Each variant is a whole scenario of its own; where something in it is wrong, the mistake is told where it was written.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mbusbench.bus.bus_file import BusFile
from mbusbench.definition import composition
from mbusbench.definition.document import Document, Mistake, definition_error, read_document
from mbusbench.definition.validation import combined, did_you_mean, shown
from mbusbench.errors import DefinitionError
from mbusbench.meter.definition import Device
from mbusbench.scenario.file.definition import ScenarioDefinition

MAX_VARIANTS = 500
MAX_DEPTH = 8
_ADDED = ("faults", "setup", "steps", "teardown", "tolerate", "without")
SHARED = ("devices", "buses", "bus", "faults", "setup", "teardown", "baud", "prime", "without", "transports")


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """One case that can be run. `letter` is that of the lettered variant, `chosen` what the parameters are.

    `whole` is what is written, with includes, letters and parameters in their places, and `bus` a bus file's data.
    """

    definition: ScenarioDefinition
    bus: BusFile
    path: Path
    letter: str = ""
    chosen: Mapping[str, Any] = field(default_factory=dict)
    whole: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.definition.id

    @property
    def label(self) -> str:
        """`b baud=300`; empty where there is only one."""
        words = [f"{name}={_text(value)}" for name, value in self.chosen.items()]
        return " ".join([*([self.letter] if self.letter else []), *words])

    @property
    def name(self) -> str:
        """`LL-RTY-01b[baud=300]`."""
        words = ",".join(f"{name}={_text(value)}" for name, value in self.chosen.items())
        return f"{self.id}{self.letter}" + (f"[{words}]" if words else "")


def _text(value: Any) -> str:
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        return str(value["name"])
    return str(value) if not isinstance(value, dict | list) else "..."


def read_scenario(path: str | os.PathLike[str]) -> list[Variant]:
    """All variants of a scenario file. DefinitionError with a line for each mistake."""
    path = Path(path)
    document = _with_includes(read_document(path), path, (os.path.realpath(path),))
    if document.mistakes:
        raise definition_error(document.mistakes)
    found: list[Variant] = []
    broken: list[DefinitionError] = []
    combinations = list(_combinations(document))
    for letter, chosen, whole in combinations:
        try:
            found.append(_variant(whole, path, letter, chosen))
        except DefinitionError as error:
            broken.append(error)
    if broken:
        raise combined(broken)
    return found


def _with_includes(document: Document, path: Path, above: tuple[str, ...]) -> Document:
    """The document, with what it includes below it."""
    if not isinstance(document.data, dict):
        raise definition_error([document.mistake((), f"{shown(document.data)} is not a scenario: a mapping is needed")])
    included = composition.part(document, ("include",))
    if included is None:
        return document
    files = composition.joined([included])
    below: Document | None = None
    for index, name in enumerate(files.data):
        target = path.parent / str(name)
        real = os.path.realpath(target)
        if real in above or len(above) > MAX_DEPTH:
            raise definition_error([document.mistake(("include", index), f"{target} includes itself")])
        if not target.is_file():
            raise definition_error(
                [document.mistake(("include", index), f"there is no file {shown(str(target), 300)}")]
            )
        each = _with_includes(read_document(target), target, (*above, real))
        if each.mistakes:
            raise definition_error(each.mistakes)
        _check_shared(each)
        below = each if below is None else _laid(below, each)
    own = composition.mapping(
        document, {key: _part(document, key) for key in composition.keys(document) if key != "include"}
    )
    return own if below is None else _laid(below, own)


def _check_shared(document: Document) -> None:
    wrong = [
        document.unknown_key((), key, f"an included file cannot have {key!r}: {', '.join(SHARED)}")
        for key in composition.keys(document)
        if key not in SHARED
    ]
    if wrong:
        raise definition_error(wrong)


def _part(document: Document, key: str) -> Document:
    found = composition.part(document, (key,))
    assert found is not None
    return found


def _laid(below: Document, above: Document, added: Sequence[str] = ("faults", "setup", "without")) -> Document:
    """`above` over `below`: lists named in `added` are joined, a `bus` is replaced, mappings are merged."""
    entries = {key: _part(below, key) for key in composition.keys(below)}
    for key in composition.keys(above):
        upper = _part(above, key)
        lower = entries.get(key)
        if lower is None or key == "bus":
            entries[key] = upper
        elif key in added:
            entries[key] = composition.joined([lower, upper])
        else:
            entries[key] = composition.laid_over(lower, upper)
    return composition.mapping(above, entries)


def _combinations(document: Document) -> Iterable[tuple[str, dict[str, Any], Document]]:
    """(letter, parameters, the scenario as it then is)."""
    base = {key: _part(document, key) for key in composition.keys(document) if key not in ("variants", "parameters")}
    bare = composition.mapping(document, base)
    letters = composition.part(document, ("variants",))
    if letters is not None and not (isinstance(letters.data, dict) and letters.data):
        raise definition_error([document.mistake(("variants",), "a mapping of letters is needed: {a: {..}, b: {..}}")])
    for letter in composition.keys(letters) if letters is not None else [""]:
        whole = bare
        parameters = composition.part(document, ("parameters",))
        if letters is not None:
            own = composition.part(letters, (letter,))
            assert own is not None
            if not isinstance(own.data, dict):
                raise definition_error([document.mistake(("variants", letter), "a mapping is needed")])
            if "parameters" in own.data:
                parameters = _part(own, "parameters")
                rest = {key: _part(own, key) for key in composition.keys(own) if key != "parameters"}
                own = composition.mapping(own, rest)
            whole = _laid(bare, own, _ADDED)
        yield from _chosen(document, whole, letter, parameters)


def _chosen(
    document: Document, whole: Document, letter: str, parameters: Document | None
) -> Iterable[tuple[str, dict[str, Any], Document]]:
    if parameters is None:
        yield letter, {}, whole
        return
    if not isinstance(parameters.data, dict):
        raise definition_error([document.mistake(("parameters",), "a mapping is needed: {baud: [300, 2400]}")])
    names = composition.keys(parameters)
    lists = [composition.joined([_part(parameters, name)]) for name in names]
    values = [[composition.part(each, (index,)) for index in range(len(each.data))] for each in lists]
    number = 1
    for each in values:
        number *= len(each)
    if not 0 < number <= MAX_VARIANTS:
        text = f"{number} combinations: 1 to {MAX_VARIANTS} are possible"
        raise definition_error([document.mistake(("parameters",), text)])
    for combination in itertools.product(*values):
        places = {name: value for name, value in zip(names, combination, strict=True) if value is not None}
        yield letter, {name: value.data for name, value in places.items()}, composition.filled(whole, places)


def _variant(document: Document, path: Path, letter: str, chosen: Mapping[str, Any]) -> Variant:
    entries = {key: _part(document, key) for key in composition.keys(document) if key != "buses"}
    buses = composition.part(document, ("buses",))
    definition = ScenarioDefinition.from_document(composition.mapping(document, entries))
    devices = _devices(document)
    bus = _bus(document, definition, buses, path)
    whole = {**{key: value for key, value in document.data.items() if key != "buses"}, "bus": bus.data}
    return Variant(definition, BusFile(path, document=bus, devices=devices), path, letter, chosen, whole)


def _devices(document: Document) -> dict[str, Device]:
    devices = composition.part(document, ("devices",))
    found: dict[str, Device] = {}
    for name in composition.keys(devices) if devices is not None else ():
        assert devices is not None
        own = _part(devices, name)
        if isinstance(own.data, dict) and "format" not in own.data:
            own = composition.laid_over(_extra(own, {"format": 1}), own)
        found[name] = Device.from_document(own)
    return found


def _extra(at: Document, values: Mapping[str, Any]) -> Document:
    return composition.mapping(at, {key: composition.constant(at, value) for key, value in values.items()})


def _bus(document: Document, definition: ScenarioDefinition, buses: Document | None, path: Path) -> Document:
    """The bus file that the scenario has in it, or names."""
    bus = _part(document, "bus")
    bus = _like(bus, buses, path, document)
    base = {"format": 1, "speed": "real"}
    whole = composition.laid_over(_extra(bus, base), bus)
    if definition.baud is not None:
        line = composition.mapping(bus, {"baud": composition.constant(_part(document, "baud"), definition.baud)})
        whole = composition.laid_over(whole, composition.mapping(bus, {"line": line}))
    faults = composition.part(document, ("faults",))
    if faults is not None:
        inside = composition.part(whole, ("faults",))
        both = faults if inside is None else composition.joined([inside, faults])
        entries = {key: _part(whole, key) for key in composition.keys(whole)}
        whole = composition.mapping(whole, {**entries, "faults": both})
    return whole


def _like(bus: Document, buses: Document | None, path: Path, document: Document) -> Document:
    """A bus by name, by file, or as a mapping that may be `like` one of those."""
    if isinstance(bus.data, str):
        name = bus.data
        if name.endswith((".yaml", ".yml")):
            target = path.parent / name
            if not target.is_file():
                raise definition_error([_at(bus, f"there is no file {shown(str(target), 300)}")])
            return read_document(target)
        known = composition.keys(buses) if buses is not None else []
        if buses is None or name not in known:
            raise definition_error([_at(bus, f"no bus is called {shown(name)}{did_you_mean(name, known)}")])
        return _like(_part(buses, name), buses, path, document)
    if not isinstance(bus.data, dict):
        raise definition_error([_at(bus, f"{shown(bus.data)} is not a bus: a name, a file, or a mapping")])
    if "like" not in bus.data:
        return bus
    below = _like(_part(bus, "like"), buses, path, document)
    own = composition.mapping(bus, {key: _part(bus, key) for key in composition.keys(bus) if key != "like"})
    return composition.laid_over(below, own)


def _at(part: Document, text: str) -> Mistake:
    line, column = part.position(())
    return Mistake(part.name, line, column, "bus", text)
