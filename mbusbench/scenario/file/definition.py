"""The scenario file: a bus, what the master is asked to do, what is expected, and what may be tolerated."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from mbusbench.definition.fields import one_of
from mbusbench.definition.validation import Definition, did_you_mean, mistake, mistakes, shown
from mbusbench.meter.definition import Baud
from mbusbench.scenario.driver.action import Transport
from mbusbench.scenario.expectation.definition import Expectation, Forbidden, as_list
from mbusbench.scenario.file.step import Step, each_step
from mbusbench.scenario.verdict import Level

_ID = re.compile(r"[A-Z]{2,6}(?:-[A-Z0-9]{2,8})*")
INVARIANTS = tuple(f"INV-{number:02}" for number in range(1, 21))


def _id(value: str) -> str:
    if not _ID.fullmatch(value):
        raise mistake(f"{shown(value)} is not the id of a case such as LL-FCB-01")
    return value


def _invariant(value: str) -> str:
    if value not in INVARIANTS:
        raise mistake(f"{shown(value)} is no invariant{did_you_mean(value, INVARIANTS)}")
    return value


def _version(value: object) -> object:
    if type(value) is int and value == 1:
        return value
    raise mistake(f"{shown(value)} is not 1, the only version there is")


Steps = Annotated[tuple[Step, ...], BeforeValidator(as_list), Field(strict=False)]
Words = Annotated[tuple[str, ...], BeforeValidator(as_list), Field(strict=False)]


class ScenarioDefinition(Definition):
    """One variant of a scenario, everything in its place: letters, parameters and includes are resolved."""

    scenario: Annotated[int, BeforeValidator(_version)]
    id: Annotated[str, AfterValidator(_id)]
    title: str
    intent: str = ""
    rule: str = ""
    level: Annotated[Level, one_of(Level)] = Level.MUST
    source: str = ""
    mutant: str = ""
    passive: bool = False
    transports: Annotated[tuple[Transport, ...], BeforeValidator(as_list), Field(strict=False)] | None = None
    echo: bool = False
    served: bool = True
    devices: dict[str, Any] = Field(default={})
    bus: Any
    baud: Baud | None = None
    faults: list[Any] = Field(default=[])
    prime: bool = True
    setup: Steps = ()
    steps: Steps
    teardown: Steps = ()
    expect: Expectation = Expectation()
    tolerate: Annotated[tuple[Expectation, ...], BeforeValidator(as_list), Field(strict=False)] = ()
    never: Forbidden = Forbidden()
    assert_all_fired: bool = True
    without: Annotated[
        tuple[Annotated[str, AfterValidator(_invariant)], ...], BeforeValidator(as_list), Field(strict=False)
    ] = ()

    @model_validator(mode="after")
    def _consistent(self) -> ScenarioDefinition:
        wrong = list(self._unknown_names())
        if not any(step.is_masters for step in each_step(self.steps)):
            wrong.append((("steps",), "no step asks the master for anything"))
        if wrong:
            raise mistakes(wrong)
        return self

    def all_steps(self) -> Iterable[Step]:
        """Those of setup and teardown too."""
        return each_step((*self.setup, *self.steps, *self.teardown))

    def _unknown_names(self) -> Iterable[tuple[tuple[str | int, ...], str]]:
        faults = [str(each.get("name")) for each in self.faults if isinstance(each, dict)]
        inside = self.bus.get("faults", []) if isinstance(self.bus, dict) else []
        faults += [str(each.get("name")) for each in inside if isinstance(each, dict)]
        for index, step in enumerate(self.steps):
            for name in step.names():
                if name not in ("", "all") and name not in faults:
                    yield ("steps", index), f"no fault is called {shown(name)}{did_you_mean(name, faults)}"
        names = [step.name for step in self.all_steps() if step.name]
        for key, tier in [("expect", self.expect), *(("tolerate", each) for each in self.tolerate)]:
            for column in ("wire", "report", "timing"):
                for check in getattr(tier, column) or ():
                    if check.step is not None and check.step not in names:
                        yield (key, column), f"no step is called {shown(check.step)}{did_you_mean(check.step, names)}"
