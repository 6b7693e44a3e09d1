"""Fault schedules: a list of faults as a bus file has them, drawn at random or reduced, and a variant that has them.

Every kind that the bus knows is drawn, with parameters that it may have. The same seed gives the same schedule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from mbusbench.bus.fault_kinds import KINDS, Place
from mbusbench.scenario.driver.action import READS
from mbusbench.scenario.expectation.definition import Expectation, Forbidden
from mbusbench.scenario.file.matrix import Variant
from mbusbench.scenario.file.step import Step, each_step

Entry = dict[str, Any]
"""One fault, as it is written in a file."""
MOST_FAULTS = 5
_NKE, _READ, _WRITE, _SELECTION = "SND_NKE", "REQ_UD2", "SND_UD", "SELECTION"


def _ms(low: float, high: float, random: Random) -> str:
    return f"{round(random.uniform(low, high), 1):g}ms"


def _data(random: Random, longest: int) -> str:
    length = random.randint(1, longest)
    shape = random.randrange(4)
    if shape == 0:
        # What looks like the begin of a frame.
        head = bytes((0x68, 0x1F, 0x1F, 0x68, 0x08, 0x05)) if random.random() < 0.5 else bytes((0x10, 0x08, 0x05))
        return head[:length].hex(" ").upper()
    return bytes(random.randrange(256) for _ in range(length)).replace(b"\xe5", b"\xe4").hex(" ").upper()


def _wait(random: Random) -> str:
    return _ms(*random.choice(((1, 150), (150, 1000), (1000, 5000))), random)


def _cut(random: Random) -> int:
    return random.randrange(0, 40)


def _bits(random: Random) -> list[int]:
    return sorted(random.sample(range(220), random.choice((1, 1, 2, 3))))


def _gaps(random: Random) -> Entry:
    if random.random() < 0.5:
        return {"duration": _ms(1, 140, random), "every": random.randint(1, 12)}
    return {"duration": _ms(50, 3000, random), "after": random.randint(1, 30)}


def _noise(random: Random) -> Entry:
    delay = _ms(0, 900, random)
    if random.random() < 0.5:
        return {"count": random.randint(1, 5), "delay": delay}
    return {"data": _data(random, 6), "delay": delay}


def _checksum(random: Random) -> object:
    return random.choice(({"xor": random.randint(1, 255)}, {"set": random.randrange(256)}, "zero"))


_PARAMETERS: Mapping[str, Callable[[Random], object]] = {
    "drop": lambda random: None,
    "delay": _wait,
    "late": lambda random: _ms(0, 400, random),
    "truncate": lambda random: random.choice((-1, random.randint(1, 40))),
    "checksum": _checksum,
    "length": lambda random: {
        "difference": random.choice((-2, -1, 1, 7)),
        "which": random.choice(("both", "first", "second")),
    },
    "start": lambda random: {"value": random.choice((0x69, 0x10, 0x00)), "which": random.choice(("first", "second"))},
    "stop": lambda random: random.choice((0x17, 0x00)),
    "control": lambda random: random.choice((0x48, 0x7B, 0x0B, 0x00, 0x53, 0x18, 0x28)),
    "address": lambda random: random.choice((0, 2, 6, 77, 253, 254, 255)),
    "ci": lambda random: random.choice((0x70, 0x71, 0xB7, 0x00, 0x44)),
    "replace": lambda random: {"data": _data(random, 8), "at": random.randint(0, 24)},
    "leading": lambda random: _data(random, random.choice((1, 3, 12))),
    "trailing": lambda random: {"data": _data(random, 12), "pause": _ms(0, 400, random)},
    "duplicate": lambda random: {"times": random.randint(1, 3), "pause": _wait(random)},
    "gaps": _gaps,
    "dribble": lambda random: _ms(5, 130, random),
    "babble": lambda random: {"count": random.randint(5, 300), "pattern": f"{random.choice((0x55, 0xAA, 0x00)):02X}"},
    "bit_flips": _bits,
    "bit_errors": lambda random: round(random.uniform(0.001, 0.05), 4),
    "parity_errors": lambda random: {"characters": [random.randrange(20)]},
    "stale": lambda random: random.randint(1, 3),
    "corrupted_acknowledge": lambda random: random.choice((0xA5, 0xA2, 0xFC, 0x00)),
    "doubled_acknowledge": lambda random: _ms(0, 60, random),
    "noise": _noise,
    "stuck_fcb": lambda random: None,
    "power_cycle": lambda random: {
        "after": _cut(random),
        "off": _ms(10, 3000, random),
        "scope": random.choice(("bus", "meter")),
    },
    "disconnect": _cut,
}
"""What a file may have behind each kind's name."""
_OF_ACKNOWLEDGES = frozenset({"corrupted_acknowledge", "doubled_acknowledge"})
_LATE_REQUEST = 60.0


def drawn(variant: Variant, seed: int, most: int = MOST_FAULTS) -> list[Entry]:
    """One to `most` faults for this scenario; their names begin with `random`."""
    random = Random(f"{variant.name}/schedule/{seed}")
    frames = _frames(variant)
    addresses = [meter.address for meter in variant.bus.meters(0)]
    entries: list[Entry] = []
    for number in range(1, random.randint(1, most) + 1):
        entry = _entry(f"random {number}", random, frames, addresses)
        if entries and random.random() < 0.15:
            entry["after"] = random.choice(entries)["name"]
        entries.append(entry)
    return entries


def _frames(variant: Variant) -> list[str]:
    """Requests that the scenario's actions are made of, the frequent ones more often."""
    found = [_NKE]
    for step in each_step(variant.definition.steps):
        if step.action in READS:
            found += [_READ, _READ]
        if step.action in ("write", "set-address", "set-baud", "app-reset", "set-clock"):
            found.append(_WRITE)
        if step.action in ("search", "select") or (step.is_masters and isinstance(step.target, str)):
            found.append(_SELECTION)
    return found


def _entry(name: str, random: Random, frames: Sequence[str], addresses: Sequence[int]) -> Entry:
    kind = random.choice(list(_PARAMETERS))
    places = KINDS[kind].places
    entry: Entry = {"name": name}
    if Place.TIME in places and random.random() < 0.3:
        entry["at"] = _ms(0, 3000, random)
    else:
        if addresses and random.random() < 0.4:
            entry["on"] = random.choice(addresses)
        is_request = Place.REQUEST in places and random.random() < 0.15
        if kind not in _OF_ACKNOWLEDGES and random.random() < 0.5:
            entry["frame"] = random.choice(frames)
        if is_request:
            entry["direction"] = "request"
        _when(entry, random)
    parameters = _PARAMETERS[kind](random)
    if entry.get("direction") == "request" and kind in ("delay", "duplicate", "gaps", "trailing"):
        parameters = _soon(kind, random)
    entry["do"] = kind if parameters is None else {kind: parameters}
    return entry


def _soon(kind: str, random: Random) -> object:
    """What reaches the meters when its master has long given it up is the request of a second master."""
    pause = _ms(1, _LATE_REQUEST, random)
    return {
        "delay": pause,
        "duplicate": {"times": 1, "pause": pause},
        "gaps": {"duration": pause, "after": random.randint(1, 4)},
        "trailing": {"data": _data(random, 4), "pause": pause},
    }[kind]


def _when(entry: Entry, random: Random) -> None:
    """Which of the frames."""
    way = random.randrange(6)
    if way <= 2:
        count = random.choice((1, 1, 1, 2, 3))
        numbers = sorted({min(random.randint(1, 4), random.randint(1, 6)) for _ in range(count)})
        count = len(numbers)
        entry["exactly"] = numbers if count > 1 else numbers[0]
    elif way == 3:
        entry["skip"] = random.randint(0, 2)
        entry["times"] = random.choice((1, 2, 3, 6))
    elif way == 4:
        entry["every"] = random.randint(1, 3)
        entry["times"] = random.choice((1, 2, 3, 6))
    else:
        entry["probability"] = random.choice((0.1, 0.3, 0.5))


def own_faults(variant: Variant) -> list[Entry]:
    """Those that the scenario itself has, as they are written."""
    return [dict(fault.data) for fault in variant.bus.faults]


def patient(variant: Variant, factor: int) -> Variant:
    """The variant with `factor` times as much time for each step: faults cost time, and a hang is without end."""

    def slower(step: Step) -> Step:
        steps = tuple(map(slower, step.steps))
        deadline = round(step.as_action(0).deadline * factor * 1e9) if step.is_masters else None
        return step.model_copy(update={"deadline": deadline, "steps": steps})

    steps = {key: tuple(map(slower, getattr(variant.definition, key))) for key in ("setup", "steps", "teardown")}
    return replace(variant, definition=variant.definition.model_copy(update=steps))


def with_faults(variant: Variant, entries: Sequence[Entry], *, expects: bool = False) -> Variant:
    """The variant with these faults and no others. DefinitionError where they are none.

    Without `expects`, only what holds whatever happens is asked for: what the scenario expects is for its own faults.
    """
    definition = variant.definition.model_copy(update={"assert_all_fired": False, "faults": list(entries)})
    if not expects:
        definition = definition.model_copy(
            update={"expect": Expectation(), "tolerate": (), "never": Forbidden(), "title": definition.title}
        )
    return replace(variant, definition=definition, bus=variant.bus.with_faults(entries))
