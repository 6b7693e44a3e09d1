"""The steps of a scenario: what the master is asked to do, and what happens to the bus between."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field, PlainValidator, model_validator

from mbusbench.definition.fields import Duration, in_range
from mbusbench.definition.validation import Definition, did_you_mean, mistake, shown
from mbusbench.scenario.driver.action import ACTIONS, DEFAULT_DEADLINE, EVERYTHING, Action

BENCH_ACTIONS = ("wait", "power-cycle", "arm", "clear", "change", "remove", "restore", "parallel")
DEADLINE_OF_A_TURN = 30.0
"""Seconds, of each target and repetition but the first."""
_SECONDARY = re.compile(r"[0-9A-Fa-f]{16}")
_RANGE = re.compile(r"[0-9]{1,3}(-[0-9]{1,3})?")
_ARGUMENTS = {
    "set-address": {"to"},
    "set-baud": {"to"},
    "app-reset": {"subcode"},
    "set-clock": {"time"},
    "write": {"data"},
    "change": {"values"},
}


def _target(value: object) -> int | str:
    """A primary address, or 16 digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value < 10_000 else _digits(f"{value:016}")
    return _digits(value)


def _digits(value: object) -> str:
    if isinstance(value, str) and _SECONDARY.fullmatch(value):
        return value.upper()
    raise mistake(f"{shown(value)} is not an address, nor 16 digits of a secondary address", ["target"])


def _targets(value: object) -> tuple[int | str, ...]:
    found = tuple(_target(each) for each in (value if isinstance(value, list) else [value]))
    if not found or len({type(each) for each in found}) > 1:
        raise mistake("one address or several of one kind are needed", ["target"])
    return found


def _texts(value: object) -> tuple[str, ...]:
    """Names, or bytes in hex."""
    items = value if isinstance(value, list) else [value]
    return tuple("" if each is None else str(each) for each in items)


class Step(Definition):
    """One step. `action` is one of the driver protocol's, or of the bench; `target` is what stands behind its name."""

    action: str
    target: Any = None
    name: str = ""
    repeat: Annotated[int, in_range(1, 100_000)] | None = None
    interval: Duration | None = None
    timeout: Duration | None = None
    retries: Annotated[int, in_range(0, 100)] | None = None
    max_telegrams: Annotated[int, in_range(1, 1000)] | None = None
    key: str | None = None
    deadline: Duration | None = None
    to: int | None = None
    subcode: str | None = None
    time: str | None = None
    data: Annotated[tuple[str, ...], PlainValidator(_texts)] = ()
    values: dict[str, Any] = Field(default={})
    steps: tuple[Step, ...] = Field(default=(), strict=False)

    @model_validator(mode="before")
    @classmethod
    def _by_action(cls, data: object) -> object:
        if isinstance(data, str):
            data = {data: None}
        if not isinstance(data, dict):
            raise mistake(f"{shown(data)} is not a step such as {{read: 5}}")
        if "action" in data:
            return data
        plain = {str(key).replace("_", "-"): key for key in data}
        found = [name for name in (*ACTIONS, *BENCH_ACTIONS) if name in plain]
        if len(found) != 1:
            unknown = [key for key in plain if key not in cls.model_fields]
            hint = did_you_mean(unknown[0], (*ACTIONS, *BENCH_ACTIONS)) if unknown else ""
            what = f"{' and '.join(found)} are two steps" if found else f"no action is in it{hint}"
            raise mistake(what if found else f"{what}: {', '.join((*ACTIONS, *BENCH_ACTIONS))}")
        key = plain[found[0]]
        rest = {name: value for name, value in data.items() if name != key}
        if found[0] == "parallel":
            return {"action": "parallel", "steps": data[key], **rest}
        return {"action": found[0], "target": data[key], **rest}

    @model_validator(mode="after")
    def _complete(self) -> Step:
        wanted = _ARGUMENTS.get(self.action, set())
        given = {"to", "subcode", "time", "data", "values"} & self.model_fields_set
        for key in sorted(given - wanted):
            raise mistake(f"does not go together with {self.action}", [key])
        for key in sorted(wanted - given - {"subcode"}):
            raise mistake(f"{key!r} is missing")
        if self.action in ACTIONS and self.action != "describe":
            self._check_target()
        return self

    def _check_target(self) -> None:
        if self.action == "scan":
            if not _RANGE.fullmatch(str(self.target)):
                raise mistake(f"{shown(self.target)} is not a range such as 0-20", ["target"])
        elif self.action != "search" or self.target is not None:
            _targets(self.target)

    @property
    def is_masters(self) -> bool:
        """Whether the master does it."""
        return self.action in ACTIONS

    def names(self) -> tuple[str, ...]:
        """Faults that it arms or clears."""
        return _texts(self.target) if self.action in ("arm", "clear") else ()

    def as_action(self, number: int) -> Action:
        """What the master is asked for; `number` counts the steps."""
        searches = self.action == "search" and self.target is None
        targets: tuple[int | str, ...] = ()
        if self.action == "search":
            targets = (EVERYTHING,) if searches else _targets(self.target)
        elif self.action not in ("scan", "describe"):
            targets = _targets(self.target)
        return Action(
            self.action,
            addresses=tuple(each for each in targets if isinstance(each, int)),
            secondary=tuple(each for each in targets if isinstance(each, str)),
            repeat=self.repeat,
            interval=_seconds(self.interval),
            timeout=_seconds(self.timeout),
            retries=self.retries,
            max_telegrams=self.max_telegrams,
            key=self.key,
            range=str(self.target) if self.action == "scan" else None,
            new_address=self.to if self.action == "set-address" else None,
            new_baud=self.to if self.action == "set-baud" else None,
            subcode=self.subcode,
            time=self.time,
            data=self.data,
            deadline=_seconds(self.deadline) or _deadline(max(1, len(targets)) * (self.repeat or 1)),
            step=number,
        )


def _deadline(turns: int) -> float:
    """What even a master has that waits for seconds where nothing comes."""
    return DEFAULT_DEADLINE + (turns - 1) * DEADLINE_OF_A_TURN


def _seconds(duration: int | None) -> float | None:
    return None if duration is None else duration / 1e9


def each_step(steps: Iterable[Step]) -> Iterable[Step]:
    """All of them, those in parallel too."""
    for step in steps:
        yield step
        yield from each_step(step.steps)
