"""A bus file with the files that it includes and its devices, every mistake found: what a bus is built from."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mbusbench.bus.definition import MAX_INCLUDES, OUTERMOST, BusDefinition, IncludedDefinition, IncludingDefinition
from mbusbench.bus.fault import MAX_FAULTS, FaultDefinition, mistakes_of_faults
from mbusbench.bus.meter_entry import MAX_METERS, MeterEntry
from mbusbench.bus.placement import SourceEntry, meter_mistakes, place
from mbusbench.bus.recipe import Recipe
from mbusbench.definition.composition import constant
from mbusbench.definition.document import Document, Mistake, definition_error, read_document
from mbusbench.definition.validation import combined, shown
from mbusbench.errors import DefinitionError
from mbusbench.meter import catalogue
from mbusbench.meter.definition import Device
from mbusbench.meter.meter import Meter


@dataclass(frozen=True, slots=True, eq=False)
class SourceFault:
    """A fault, where it stands, and what is written there."""

    document: Document
    index: int
    definition: FaultDefinition
    data: Any


class BusFile:
    """A bus file, read with everything that it names. `touched` are all files that were looked at."""

    def __init__(
        self,
        path: str | Path,
        touched: set[Path] | None = None,
        *,
        document: Document | None = None,
        devices: Mapping[str, Device] | None = None,
    ) -> None:
        """DefinitionError with a line for each mistake.

        `document` is what is in the file, where that is known already: a part of another one. `devices` have names
        that go before those of the catalogue.
        """
        self.touched = set[Path]() if touched is None else touched
        self._given = document
        self._devices = dict(devices or {})
        self.entries: list[SourceEntry] = []
        self.faults: list[SourceFault] = []
        self._included: dict[str, str] = {}
        self._read(Path(path), path)
        self._check_whole()
        self._load_devices()
        self._placed = place(self.entries, self.definition.allow_duplicate_addresses)

    @property
    def settings(self) -> dict[str, Any]:
        """What is written about the bus as a whole."""
        return {key: value for key, value in self._document.data.items() if key in OUTERMOST}

    def recipes(self, seed: int) -> list[Recipe]:
        """What the meters are made of: those of the file, then those of the files that it includes, in their order."""
        return self._placed.recipes(seed)

    def meters(self, seed: int) -> list[Meter]:
        """Fresh meters, in that order."""
        return [recipe.meter(seed, self.definition.epoch) for recipe in self.recipes(seed)]

    def with_faults(self, faults: Sequence[Mapping[str, Any]]) -> BusFile:
        """The same file with these faults, written as in a file, and no others. DefinitionError where one is wrong."""
        other = copy(self)
        other.faults = []
        for index, data in enumerate(faults):
            document = constant(self._document, dict(data))
            other.faults.append(SourceFault(document, index, FaultDefinition.from_document(document), dict(data)))
        found = list(mistakes_of_faults([fault.definition for fault in other.faults]))
        if found:
            raise definition_error(self._document.mistake(("faults", *path), text) for path, text in found)
        return other

    def _read(self, path: Path, name: str | Path) -> None:
        self.touched.add(path)
        document = self._document = self._given or read_document(name)
        self._included[os.path.realpath(path)] = str(name)
        includes = isinstance(document.data, dict) and "include" in document.data
        self.definition = (IncludingDefinition if includes else BusDefinition).from_document(document)
        self._add(document, path.parent, self.definition)
        mistakes: list[Mistake] = []
        broken: list[DefinitionError] = []
        waiting = [(document, path.parent, self.definition)]
        while waiting:
            including, base, definition = waiting.pop(0)
            following: list[tuple[Document, Path, Any]] = []
            for index, each in enumerate(definition.include):
                target = base / Path(each).expanduser()
                reason = self._obstacle(target, including)
                if reason:
                    mistakes.append(including.mistake(("include", index), reason))
                    continue
                try:
                    included = _included_document(target, document.name)
                    found = IncludedDefinition.from_document(included)
                except DefinitionError as error:
                    broken.append(error)
                    continue
                self._add(included, target.parent, found)
                following.append((included, target.parent, found))
            waiting = [*following, *waiting]
        if mistakes:
            broken.insert(0, definition_error(mistakes))
        if broken:
            raise combined(broken)

    def _obstacle(self, target: Path, including: Document) -> str | None:
        """Why a file cannot be included, or None; from then on it is."""
        self.touched.add(target)
        if not os.path.exists(target):
            return f"there is no file {shown(str(target), 300)}"
        if os.path.isdir(target):
            return f"{shown(str(target), 300)} is a directory"
        real = os.path.realpath(target)
        earlier = self._included.get(real)
        if earlier is not None:
            if real == os.path.realpath(including.name):
                return f"{including.name} includes itself"
            return f"{earlier} is read already: {including.name} cannot include it once more"
        if len(self._included) > MAX_INCLUDES:
            return f"more than {MAX_INCLUDES} files are included"
        self._included[real] = str(target)
        return None

    def _add(self, document: Document, base: Path, definition: IncludedDefinition) -> None:
        self.entries += [SourceEntry(document, index, base, each) for index, each in enumerate(definition.meters)]
        data = document.data.get("faults")
        self.faults += [SourceFault(document, index, each, data[index]) for index, each in enumerate(definition.faults)]

    def _check_whole(self) -> None:
        """What is wrong with all files together."""
        found: list[Mistake] = []
        total = sum(source.entry.count or 1 for source in self.entries)
        if total > MAX_METERS:
            text = f"{total} meters in all are more than the {MAX_METERS} that are possible"
            found.append(self._document.mistake(("meters",), text))
        if len(self.faults) > MAX_FAULTS:
            text = f"{len(self.faults)} in all are more than the {MAX_FAULTS} that are possible"
            found.append(self._document.mistake(("faults",), text))
        for path, text in mistakes_of_faults([fault.definition for fault in self.faults]):
            fault = self.faults[int(path[0])]
            found.append(fault.document.mistake(("faults", fault.index, *path[1:]), text))
        if found:
            raise definition_error(found)

    def _load_devices(self) -> None:
        mistakes: list[Mistake] = []
        broken: list[DefinitionError] = []
        known: dict[tuple[str, Path], object] = {}
        for source in self.entries:
            key = (source.entry.device, source.base)
            if key not in known:
                known[key] = self._loaded(source.entry, source.base)
            found = known[key]
            if isinstance(found, DefinitionError):
                broken.append(found)
            elif isinstance(found, str):
                mistakes.append(source.mistake(("device",), found))
            else:
                source.device = found
        if not mistakes and not broken:
            for source in self.entries:
                mistakes += [source.mistake((key,), text) for key, text in meter_mistakes(source)]
        if mistakes:
            broken.insert(0, definition_error(mistakes))
        if broken:
            raise combined(broken)

    def _loaded(self, entry: MeterEntry, base: Path) -> object:
        """The device, or what is wrong with the entry, or with the device's file."""
        if entry.device in self._devices:
            return self._devices[entry.device]
        if entry.device.endswith((".yaml", ".yml")):
            self.touched.add(base / Path(entry.device).expanduser())
        try:
            path = catalogue.find(entry.device, base)
        except LookupError as error:
            return str(error.args[0])
        self.touched.add(path)
        try:
            return catalogue.load_file(path)
        except DefinitionError as error:
            return error


def _included_document(path: Path, outermost: str) -> Document:
    document = read_document(path)
    data = document.data
    if isinstance(data, dict):
        if "device" in data and "meters" not in data:
            raise definition_error([document.mistake(("device",), "this is a device file, not a bus file", key=True)])
        own = [
            document.mistake((), f"{key!r} is for the outermost file, {outermost}") for key in data if key in OUTERMOST
        ]
        if own:
            places = [document.position((key,), key=True) for key in data if key in OUTERMOST]
            raise definition_error(Mistake(each.file, *at, "", each.text) for each, at in zip(own, places, strict=True))
    return document


__all__ = ["BusFile", "SourceFault"]
