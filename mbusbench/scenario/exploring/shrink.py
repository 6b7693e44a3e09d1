"""A failing fault schedule made as small as it can be: fewer faults, then fewer conditions, smaller numbers and data.

Delta debugging: whatever is left away and still fails the same is left away. What is left is written as a scenario.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mbusbench.errors import DefinitionError
from mbusbench.scenario.case import Judgement
from mbusbench.scenario.exploring.explore import failures
from mbusbench.scenario.exploring.schedule import Entry
from mbusbench.scenario.verdict import Verdict

BUDGET = 2000
_NEEDED = frozenset({"name", "do", "at"})
_SIMPLEST = "drop"
_HEX = re.compile(r"[0-9A-F]{2}(?: ?[0-9A-F]{2})+")
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|ms|s|min|h)")


@dataclass
class Shrinking:
    """`judge` runs a schedule. `needed` are names of faults that have to stay: a step of the scenario names them.

    At most `budget` schedules are run; `runs` counts them.
    """

    judge: Callable[[Sequence[Entry]], Judgement]
    needed: frozenset[str] = frozenset()
    budget: int = BUDGET
    runs: int = 0
    began: int = 0
    """How many faults there were."""
    _seen: dict[str, bool] = field(default_factory=dict)
    _wanted: frozenset[str] = frozenset()

    def shrink(self, schedule: Sequence[Entry]) -> list[Entry] | None:
        """The smallest that was found and fails as `schedule` does; None where that does not fail."""
        self.began = len(schedule)
        judgement = self.judge(schedule)
        if judgement.verdict is not Verdict.FAIL:
            return None
        self._wanted = failures(judgement)
        found = list(schedule)
        before: list[Entry] = []
        while before != found:
            before = found
            found = self._simplified(self._fewer(found))
        return self._named(found)

    def _fails(self, schedule: Sequence[Entry]) -> bool:
        """Whether it fails in a way in which the first one did."""
        key = json.dumps(schedule, sort_keys=True)
        known = self._seen.get(key)
        if known is None:
            if self.runs >= self.budget:
                return False
            self.runs += 1
            try:
                judgement = self.judge(schedule)
            except DefinitionError:
                known = False
            else:
                known = judgement.verdict is Verdict.FAIL and bool(failures(judgement) & self._wanted)
            self._seen[key] = known
        return known

    def _fewer(self, schedule: list[Entry]) -> list[Entry]:
        """Without any part that is not needed: halves first, single faults at last."""
        size = len(schedule)
        while size:
            start = 0
            while start < len(schedule):
                left = [
                    entry
                    for index, entry in enumerate(schedule)
                    if not start <= index < start + size or entry["name"] in self.needed
                ]
                left = _repaired(left)
                if len(left) < len(schedule) and self._fails(left):
                    schedule = left
                else:
                    start += size
            size //= 2
        return schedule

    def _simplified(self, schedule: list[Entry]) -> list[Entry]:
        """Each fault as simple as it can be while the others stay as they are."""
        for index in range(len(schedule)):
            progress = True
            while progress:
                progress = False
                for simpler in simpler_entries(schedule[index]):
                    candidate = [*schedule[:index], simpler, *schedule[index + 1 :]]
                    if self._fails(candidate):
                        schedule, progress = candidate, True
                        break
        return schedule

    def _named(self, schedule: list[Entry]) -> list[Entry]:
        """With names that say what a fault does, if it fails by these too: random numbers follow from the name."""
        names: dict[str, str] = {}
        for entry in schedule:
            word = _kind(entry["do"])
            same = [name for name in names.values() if name.split()[0] == word]
            names[entry["name"]] = word if not same else f"{word} {len(same) + 1}"
        renamed = [_renamed(entry, names) for entry in schedule if entry["name"] not in self.needed]
        if len(renamed) == len(schedule) and self._fails(renamed):
            return renamed
        return schedule


def _kind(do: Any) -> str:
    first = do[0] if isinstance(do, list) else do
    return str(first if isinstance(first, str) else next(iter(first)))


def _renamed(entry: Entry, names: Mapping[str, str]) -> Entry:
    found = {**entry, "name": names[entry["name"]]}
    after = entry.get("after")
    if isinstance(after, str):
        found["after"] = names[after]
    elif isinstance(after, dict):
        found["after"] = {**after, "fault": names[after["fault"]]}
    return found


def _repaired(schedule: Sequence[Entry]) -> list[Entry]:
    """Without waits for faults that are not there any more."""
    names = {entry["name"] for entry in schedule}

    def waits_in_vain(entry: Entry) -> bool:
        after = entry.get("after")
        return after is not None and (after["fault"] if isinstance(after, dict) else after) not in names

    return [
        {key: value for key, value in entry.items() if key != "after"} if waits_in_vain(entry) else entry
        for entry in schedule
    ]


def simpler_entries(entry: Entry) -> Iterator[Entry]:
    """The fault with one thing less, or one thing smaller. So it comes to an end."""
    do = entry["do"]
    if do != _SIMPLEST and "at" not in entry:
        yield {**entry, "do": _SIMPLEST}
    for key in entry:
        if key not in _NEEDED:
            yield {other: value for other, value in entry.items() if other != key}
    if "exactly" not in entry and "at" not in entry:
        rest = {key: value for key, value in entry.items() if key not in ("skip", "times", "every", "probability")}
        if len(rest) < len(entry):
            for number in range(1, 7):
                yield {"name": rest.pop("name", entry["name"]), **rest, "exactly": number, "do": do}
    for key, value in entry.items():
        if key not in ("name", "on", "frame", "direction", "after"):
            for smaller in _smaller(value, is_address=key in ("address",)):
                yield {**entry, key: smaller}


def _smaller(value: Any, *, is_address: bool = False) -> Iterator[Any]:
    """Values that are simpler than this one."""
    if isinstance(value, bool) or value is None or is_address:
        return
    if isinstance(value, Mapping):
        yield from _smaller_mapping(value)
    elif isinstance(value, list):
        if len(value) == 1:
            yield value[0]
        for index in range(len(value)):
            if len(value) > 1:
                yield [*value[:index], *value[index + 1 :]]
        for index, each in enumerate(value):
            for smaller in _smaller(each):
                yield [*value[:index], smaller, *value[index + 1 :]]
    elif isinstance(value, int):
        for number in dict.fromkeys((0, 1, value // 2, value - 1)):
            if 0 <= number < value:
                yield number
    elif isinstance(value, float):
        for rate in (1.0, 0.5, 0.1, 0.01):
            if len(str(rate)) < len(str(value)):
                yield rate
    elif isinstance(value, str):
        yield from _smaller_text(value)


def _smaller_mapping(value: Mapping[str, Any]) -> Iterator[Any]:
    """Of a step of `do`: its name alone, or with less."""
    if len(value) == 1:
        (name, parameters), *_ = value.items()
        yield name
        if isinstance(parameters, Mapping) and len(parameters) == 1:
            yield {name: next(iter(parameters.values()))}
    else:
        for key in value:
            yield {other: each for other, each in value.items() if other != key}
    for key, each in value.items():
        for smaller in _smaller(each):
            if not (len(value) == 1 and smaller is None):
                yield {**value, key: smaller}


def _smaller_text(value: str) -> Iterator[str]:
    duration = _DURATION.fullmatch(value)
    if duration:
        number = float(duration[1])
        for candidate in (0.0, 1.0, 10.0, 50.0, 100.0, 200.0, 500.0, round(number / 2), float(int(number))):
            if candidate < number:
                yield f"{candidate:g}{duration[2]}"
    elif _HEX.fullmatch(value):
        digits = value.replace(" ", "")
        count = len(digits) // 2
        for size in dict.fromkeys((1, count // 2, count - 1)):
            yield bytes.fromhex(digits)[:size].hex(" ").upper()
        zeros = "00 " * (count - 1) + "00"
        if value != zeros:
            yield zeros
