"""What was seen while a case ran."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mbusbench.scenario.driver.action import Action
from mbusbench.scenario.report import DriverReport
from mbusbench.trace.event import TraceEvent

StepOutcome = Literal["done", "unsupported", "crash", "hang"]


@dataclass(frozen=True, slots=True)
class StepResult:
    """What came of one action. Times are ns of the bus; `output` is what the master printed, for the report."""

    step: int
    action: str
    report: DriverReport | None
    outcome: StepOutcome
    started: int
    ended: int
    exit_status: int | None = None
    output: str = ""
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class PerformedStep:
    """A step of the master as it was asked for, and what came of it. `name` is that of the step in the scenario."""

    name: str
    action: Action
    result: StepResult


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything that a case is judged by. `events` are in the order of time; `fired` are hits of each fault by name.

    `lag` is the longest that the host was late, in ns, None in virtual time; `steps` are the master's own.
    """

    events: tuple[TraceEvent, ...]
    steps: tuple[PerformedStep, ...]
    fired: Mapping[str, int] = field(default_factory=dict)
    lag: int | None = None
    stall: int = 0
    """The longest that the bench itself stood still, in ns; 0 in virtual time."""
    baud: int = 2400
    addresses: tuple[int, ...] = ()
    telegrams: int = 1
    """The most telegrams that a readout of one of the meters has."""
    speed: float | None = 1.0
    primed: frozenset[bytes] = frozenset()
    """Telegrams that meters had sent before the case began."""
