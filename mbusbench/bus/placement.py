"""Who the meters of a bus file are: entries that stand for many become single ones, each with what makes it itself.

Addresses that are given come first, wherever they stand; `addresses` then take what is left, in the order of the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from mbusbench.bus.meter_entry import (
    HIGHEST_ADDRESS,
    IdentificationSeries,
    MeterEntry,
    RandomIdentification,
    is_name,
)
from mbusbench.bus.recipe import Recipe, counted_up
from mbusbench.definition.document import Document, Mistake, Path_, definition_error
from mbusbench.definition.fields import IDENTIFICATION_NUMBER
from mbusbench.definition.template import Template, TemplateError, filled
from mbusbench.definition.validation import shown
from mbusbench.meter.definition import Device
from mbusbench.meter.overriding import with_values
from mbusbench.meter.quirk.quirk import Quirks, contradictions, merged
from mbusbench.protocol.slave.security import record_space


@dataclass(slots=True, eq=False)
class SourceEntry:
    """An entry, where it stands, and its device once that is loaded."""

    document: Document
    index: int
    base: Path
    entry: MeterEntry
    device: Any = None

    def mistake(self, path: Path_, text: str, key: str | None = None) -> Mistake:
        """A mistake at `path` of the entry; with `key`, one that what is there cannot have."""
        where = ("meters", self.index, *path)
        return self.document.mistake(where, text) if key is None else self.document.unknown_key(where, key, text)

    def called(self, document: Document) -> str:
        """`meters[2]`, with its file for those who read another."""
        return f"meters[{self.index}]" + ("" if document is self.document else f" in {self.document.name}")


@dataclass(slots=True, eq=False)
class _Placed:
    """One meter of an entry. `number` counts from 0 in the entry."""

    source: SourceEntry
    number: int
    address: int
    device: Device
    name: str = ""
    identification: str | None = None
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def places(self) -> dict[str, int]:
        return {"n": self.number, "address": self.address}


class Placement:
    """All meters of a bus file."""

    def __init__(self, placed: Sequence[_Placed]) -> None:
        self._placed = placed

    def recipes(self, seed: int) -> list[Recipe]:
        """What they are made of; only random identification numbers depend on the seed."""
        used = {each.identification for each in self._placed if each.identification is not None}
        recipes = []
        for index, each in enumerate(self._placed):
            stream = each.name or str(index)
            identification = each.identification
            if identification is None:
                random = Random(f"{seed}/meter/{stream}/id")
                while identification is None or identification in used:
                    identification = f"{int(random.random() * 10**8):08d}"
                used.add(identification)
            recipes.append(Recipe(each.device, each.address, identification, stream, each.name, each.options))
        return recipes


def place(entries: Sequence[SourceEntry], allow_duplicate_addresses: bool) -> Placement:
    """Every meter. DefinitionError with a line for each mistake."""
    mistakes: list[Mistake] = []
    placed = _addressed(entries, allow_duplicate_addresses, mistakes)
    if not mistakes:
        _identify(placed, mistakes)
        _name(placed, mistakes)
        _give_values(placed, mistakes)
    if mistakes:
        raise definition_error(mistakes)
    return Placement(placed)


def meter_mistakes(source: SourceEntry) -> Iterator[tuple[str, str]]:
    """(key of the entry, what is wrong with it on its device)."""
    entry, device = source.entry, source.device
    yield from (("quirks", text) for text in _quirk_mistakes(entry, device))
    device = Quirks(merged(device.quirks, entry.quirks)).device(device)
    security = device.device.security if entry.security is None else entry.security
    if entry.key is not None and security is None:
        yield "key", "neither the entry nor the device says which security: 5 or 7"
    if entry.security is not None:
        longest, space = max(map(device.record_bytes, range(len(device.telegrams)))), record_space(entry.security)
        if entry.key is None and device.device.key is None:
            yield "security", "neither the entry nor the device has a key"
        elif longest > space:
            yield "security", f"a telegram of the device has {longest} bytes of records, an encrypted one holds {space}"
    if entry.baud is not None and entry.baud not in device.device.baud:
        yield "baud", f"the device knows {', '.join(map(str, device.device.baud))}"


def _quirk_mistakes(entry: MeterEntry, device: Device) -> Iterator[str]:
    """What does not go together of the entry and its device."""
    decided = {key: f"behaviour.{key}" for key in entry.behaviour.model_fields_set}
    decided |= {key: f"{key}" for key in ("fcb", "after_last", "response_delay") if key in entry.model_fields_set}
    yield from (text for _, text in contradictions(merged(device.quirks, entry.quirks), decided))


def _addressed(entries: Sequence[SourceEntry], duplicates: bool, mistakes: list[Mistake]) -> list[_Placed]:
    """The meters with their addresses, in the order of the file."""
    found: dict[int, list[int]] = {}
    taken: dict[int, SourceEntry] = {}
    for index, source in enumerate(entries):
        if source.entry.addresses is None:
            found[index] = _fixed(source, taken, duplicates, mistakes)
    for index, source in enumerate(entries):
        if source.entry.addresses is not None:
            found[index] = _from_pool(source, taken, mistakes)
    return [
        _Placed(source, number, address, source.device)
        for index, source in enumerate(entries)
        for number, address in enumerate(found[index])
    ]


def _fixed(source: SourceEntry, taken: dict[int, SourceEntry], duplicates: bool, mistakes: list[Mistake]) -> list[int]:
    entry, count = source.entry, source.entry.count or 1
    path: Path_ = () if entry.address is None else ("address",)
    if isinstance(entry.address, Template):
        try:
            addresses = [_whole(entry.address.value({"n": number})) for number in range(count)]
        except ValueError as error:
            mistakes.append(source.mistake(path, str(error)))
            return []
        wrong = next((address for address in addresses if not 0 <= address <= HIGHEST_ADDRESS), None)
        if wrong is not None:
            text = f"{wrong}, for the meter with n = {addresses.index(wrong)}, is not in 0..{HIGHEST_ADDRESS}"
            mistakes.append(source.mistake(path, text))
            return []
    else:
        first = source.device.device.address if entry.address is None else entry.address
        addresses = list(range(first, first + count))
        if addresses[-1] > HIGHEST_ADDRESS:
            text = f"{count} meters from address {first} on end at {addresses[-1]}, beyond {HIGHEST_ADDRESS}"
            mistakes.append(source.mistake(path, text))
            return []
    if not duplicates:
        double = next((address for address in addresses if address in taken), None)
        twice = next((address for address in addresses if addresses.count(address) > 1), None)
        if double is not None or twice is not None:
            whose = taken[double].called(source.document) if double is not None else "several meters of the entry"
            text = f"address {twice if double is None else double} is that of {whose}"
            mistakes.append(source.mistake(path, f"{text} (allow_duplicate_addresses: true permits it)"))
    for address in addresses:
        taken.setdefault(address, source)
    return addresses


def _from_pool(source: SourceEntry, taken: dict[int, SourceEntry], mistakes: list[Mistake]) -> list[int]:
    pool, count = source.entry.addresses, source.entry.count
    assert pool is not None
    free = [address for address in pool if address not in taken]
    if len(free) < (count or 1):
        text = f"{len(free)} of the {len(pool)} are free, for {count or 1} meter{'s' * (count not in (None, 1))}"
        mistakes.append(source.mistake(("addresses",), text))
    free = free[:count]
    taken.update(dict.fromkeys(free, source))
    return free


def _whole(value: str | float) -> int:
    if not isinstance(value, int):
        raise ValueError(f"{value} is not a whole number")
    return value


def _identify(placed: Sequence[_Placed], mistakes: list[Mistake]) -> None:
    used: dict[str, int] = {}
    wrong: set[SourceEntry] = set()
    for each in placed:
        given = each.source.entry.id
        if given is RandomIdentification.RANDOM or each.source in wrong:
            continue
        if given is None:
            # Nobody asked for two meters with one secondary address.
            device = each.source.entry.device
            serial = used.get(device, 0)
            used[device] = serial + 1
            each.identification = counted_up(each.device.device.id, serial)
        elif isinstance(given, Template):
            try:
                text = given.text(each.places)
                if not IDENTIFICATION_NUMBER.fullmatch(text):
                    raise ValueError(f"{shown(text)} is not an identification number of up to 8 digits")
            except ValueError as error:
                mistakes.append(each.source.mistake(("id",), f"{error} (n = {each.number})"))
                wrong.add(each.source)
                continue
            each.identification = text.upper().zfill(8)
        elif isinstance(given, IdentificationSeries):
            each.identification = counted_up(given.start, each.number * given.step)
        else:
            assert isinstance(given, str)
            each.identification = counted_up(given, each.number)


def _name(placed: Sequence[_Placed], mistakes: list[Mistake]) -> None:
    named: dict[str, SourceEntry] = {}
    wrong: set[SourceEntry] = set()
    for each in placed:
        source = each.source
        if source.entry.name is None or source in wrong:
            continue
        try:
            each.name = source.entry.name.text(each.places)
            reason = "" if is_name(each.name) else f"{shown(each.name)} is not a name"
        except ValueError as error:
            reason = str(error)
        if each.name in named:
            reason = f"{each.name!r} is the name of {named[each.name].called(source.document)}"
            if named[each.name] is source:
                reason = f"{each.name!r} would be the name of several meters: write {{n}} or {{address}} into it"
        if reason:
            mistakes.append(source.mistake(("name",), reason))
            wrong.add(source)
        named.setdefault(each.name, source)


def _give_values(placed: Sequence[_Placed], mistakes: list[Mistake]) -> None:
    wrong: set[SourceEntry] = set()
    shared: dict[SourceEntry, tuple[object, Device]] = {}
    options: dict[SourceEntry, dict[str, Any]] = {}
    for each in placed:
        source, entry = each.source, each.source.entry
        if source not in options:
            settings = entry.behaviour.applied_to(each.device.settings)
            quirks = merged(each.device.quirks, entry.quirks)
            options[source] = {**entry.options, "settings": settings, "quirks": quirks}
        each.options = options[source]
        if not entry.values or source in wrong:
            continue
        numbered = f" (n = {each.number})" if each.number else ""
        try:
            values = filled(entry.values, each.places)
        except TemplateError as error:
            mistakes.append(source.mistake(("values", *error.path), str(error)))
            wrong.add(source)
            continue
        assert isinstance(values, dict)
        if source in shared and shared[source][0] == values:
            each.device = shared[source][1]
            continue
        found = with_values(each.device, values)
        if isinstance(found, Device):
            each.device = found
            shared[source] = values, found
        else:
            mistakes += [source.mistake(("values", *path), text + numbered, key) for path, text, key in found]
            wrong.add(source)
