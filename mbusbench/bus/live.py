"""A bus and the files that it was built from: `reload` makes the bus what the files say now, while it is served.

Meters that are unchanged are not touched. It does not watch the files: `definition.watching` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mbusbench.bus.bus_file import BusFile, SourceFault
from mbusbench.bus.engine import VirtualBus
from mbusbench.bus.recipe import DeviceList, Recipe
from mbusbench.meter.meter import Meter

Source = BusFile | DeviceList
MAX_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Changes:
    """What a `reload` did: meters by name or address, faults by name; `ignored` are keys that need a new start."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    kept: int = 0
    faults: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [
            f"{len(who)} {what} ({', '.join(who[:MAX_SHOWN])}{', ...' * (len(who) > MAX_SHOWN)})"
            for what, who in (("added", self.added), ("changed", self.changed), ("removed", self.removed))
            if who
        ]
        text = f"meters: {', '.join([*parts, f'{self.kept} kept'])}"
        if self.faults:
            text += f"; faults: {', '.join(self.faults[:MAX_SHOWN])}{', ...' * (len(self.faults) > MAX_SHOWN)}"
        if self.ignored:
            text += f"; as before until the next start: {', '.join(self.ignored)}"
        return text


class LiveBus:
    """`bus`, and the `files` that it depends on, those of the last attempt to read them included."""

    def __init__(self, load: Callable[[set[Path]], Source], build: Callable[[Source], VirtualBus]) -> None:
        """`load` reads everything again, and notes the files; `build` makes the bus of it. Both as they raise."""
        self._load = load
        self.files: set[Path] = set()
        source = load(self.files)
        self.bus = build(source)
        self._settings = dict(source.settings)
        self._faults = {fault.definition.name: fault for fault in source.faults}
        self._served = list(zip(source.recipes(self.bus.seed), self.bus.housings, strict=True))

    @classmethod
    def from_yaml(cls, path: str | Path, seed: int | None = None) -> LiveBus:
        """As `VirtualBus.from_yaml`."""

        def build(source: Source) -> VirtualBus:
            assert isinstance(source, BusFile)
            return VirtualBus.from_file(source, seed)

        return cls(lambda touched: BusFile(path, touched), build)

    @classmethod
    def from_devices(cls, names: Iterable[str], seed: int = 0) -> LiveBus:
        """As `VirtualBus.from_devices`."""
        names = list(names)
        return cls(
            lambda touched: DeviceList(names, touched), lambda _source: VirtualBus.from_devices(names, seed=seed)
        )

    def reload(self, time: int | None = None) -> Changes:
        """Read the files again, and let the bus follow, at a time of the line (now if not given).

        DefinitionError with a line for each mistake: then nothing has changed. A meter that has changed is replaced:
        it begins as after power-up, and keeps what `Meter.continue_from` says, besides an address, an identification
        and a baud rate that a master wrote where the file's own is the same as before.
        """
        touched: set[Path] = set()
        try:
            source = self._load(touched)
            recipes = source.recipes(self.bus.seed)
        finally:
            self.files |= touched
        self.files = touched
        changes = self._exchange(recipes, time)
        faults = tuple(self._rearm(source.faults))
        keys = sorted(self._settings.keys() | source.settings.keys())
        ignored = tuple(key for key in keys if self._settings.get(key) != source.settings.get(key))
        return Changes(*changes, faults=faults, ignored=ignored)

    def _exchange(
        self, recipes: list[Recipe], time: int | None
    ) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], int]:
        """Names of what was added, changed and removed, and how many were kept."""
        bus = self.bus
        on_line = set(bus.housings)
        here = [(recipe, meter) for recipe, meter in self._served if meter in on_line]
        partner = _partners(recipes, [recipe for recipe, _ in here])
        gone = set(range(len(here))) - {index for index in partner if index is not None}
        removed = [here[each] for each in sorted(gone)]
        for _, meter in removed:
            bus.remove_meter(meter, time)
        served: list[tuple[Recipe, Meter]] = []
        added: list[str] = []
        changed: list[str] = []
        for recipe, index in zip(recipes, partner, strict=True):
            if index is None:
                stream = recipe.name or str(bus.meters_ever)
                meter = bus.add_meter(recipe.meter(bus.seed, bus.epoch, stream), time)
                added.append(_called(recipe))
            elif recipe.makes_the_same_as(here[index][0]):
                meter = here[index][1]
            else:
                former = here[index]
                meter = _successor(recipe, *former, bus)
                bus.replace_meter(former[1], meter, time)
                changed.append(_called(recipe))
            served.append((recipe, meter))
        self._served = served
        kept = len(recipes) - len(added) - len(changed)
        return tuple(added), tuple(changed), tuple(_called(each) for each, _ in removed), kept

    def _rearm(self, faults: Iterable[SourceFault]) -> Iterable[str]:
        """Faults of the files: those that are unchanged stay armed, with what they have counted."""
        wanted = {fault.definition.name: fault for fault in faults}
        armed = self.bus.faults
        gone = [name for name, fault in self._faults.items() if name not in wanted or wanted[name].data != fault.data]
        new = [fault for name, fault in wanted.items() if name not in self._faults or name in gone]
        for name in gone:
            if name in armed:
                armed.disarm(name)
        armed.arm_all(fault.definition for fault in new if fault.definition.name not in armed)
        if self.bus.driver is not None:
            self.bus.driver.wake()
        for name in gone:
            yield f"{name} {'changed' if name in wanted else 'removed'}"
        yield from (f"{fault.definition.name} added" for fault in new if fault.definition.name not in gone)
        self._faults = wanted


def _partners(new: list[Recipe], old: list[Recipe]) -> list[int | None]:
    """For each new meter the old one that it goes on from: the same, or that of its name, or that of its address."""
    found: list[int | None] = [None] * len(new)
    left = dict.fromkeys(range(len(old)))

    def pair(key: Callable[[Recipe], Any], fits: Callable[[Recipe, Recipe], bool]) -> None:
        by_key: dict[Any, list[int]] = {}
        for index in left:
            by_key.setdefault(key(old[index]), []).append(index)
        for number, recipe in enumerate(new):
            if found[number] is None:
                candidates = by_key.get(key(recipe), [])
                partner = next((each for each in candidates if fits(recipe, old[each])), None)
                if partner is not None:
                    candidates.remove(partner)
                    del left[partner]
                    found[number] = partner

    pair(lambda each: (each.address, each.identification), Recipe.makes_the_same_as)
    pair(lambda each: each.name, lambda recipe, _: bool(recipe.name))
    pair(lambda each: each.address, lambda recipe, other: not (recipe.name and other.name))
    return found


def _successor(recipe: Recipe, former_recipe: Recipe, former: Meter, bus: VirtualBus) -> Meter:
    meter = recipe.meter(bus.seed, bus.epoch, former.seed.removeprefix(f"{bus.seed}/meter/"))
    as_made = former_recipe.meter(bus.seed, bus.epoch)
    meter.continue_from(former)
    if former_recipe.address == recipe.address:
        meter.address = former.address
    if as_made.wire_address == meter.wire_address:
        meter.set_wire_address(former.wire_address)
    if as_made.baud == meter.baud and former.link.baud in meter.baud_rates:
        meter.link.baud = former.link.baud
    return meter


def _called(recipe: Recipe) -> str:
    return recipe.name or str(recipe.address)
