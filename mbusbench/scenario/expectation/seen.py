"""What expectations and invariants look at: the observation of a case, with its line, its truth and its turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from mbusbench.meter.meter import Meter
from mbusbench.scenario.driver.claims import Claims
from mbusbench.scenario.file.definition import ScenarioDefinition
from mbusbench.scenario.judging.evidence import Evidence
from mbusbench.scenario.judging.traffic import MasterFrame, Traffic
from mbusbench.scenario.judging.truth import Truth
from mbusbench.scenario.judging.turn import Turn, turns_of
from mbusbench.scenario.observation import Observation, PerformedStep

REACTION = 30_000_000
"""ns between a character on the line and a process that knows of it, on the wall clock, its request included."""


@dataclass(eq=False)
class Seen:
    """`meters` are those that were put on the bus, with the primary addresses that they had then."""

    definition: ScenarioDefinition
    observation: Observation
    meters: Sequence[Meter]
    claims: Claims

    @cached_property
    def traffic(self) -> Traffic:
        return Traffic(self.observation.events, 0 if self.observation.lag is None else REACTION)

    @cached_property
    def truth(self) -> Truth:
        keys = [step.action.key for step in self.observation.steps if step.action.key]
        try:
            key = bytes.fromhex(keys[0]) if keys else None
        except ValueError:
            key = None
        usable = key if key and len(key) == 16 else None
        return Truth(self.traffic, self.meters, usable, self.observation.primed, self.evidence.whole_frames())

    @cached_property
    def evidence(self) -> Evidence:
        starts = [step.result.started for step in self.observation.steps]
        return Evidence(self.traffic, is_virtual=self.observation.lag is None, starts=starts)

    @cached_property
    def turns(self) -> list[list[Turn]]:
        """For each step of the master its turns."""
        return [turns_of(step, self.traffic, self.truth) for step in self.observation.steps]

    @property
    def lag(self) -> int:
        """How late the bench was at worst, with what it sent or in what it heard; ns."""
        return max(self.observation.lag or 0, self.observation.stall)

    @property
    def baud(self) -> int:
        return self.observation.baud

    def steps(self, name: str | None) -> list[PerformedStep]:
        """The master's steps of that name; all for None."""
        return [step for step in self.observation.steps if name is None or step.name == name]

    def frames(self, name: str | None) -> list[MasterFrame]:
        """What the master sent in the steps of that name; everything for None."""
        if name is None:
            return self.traffic.sent
        return [
            frame
            for step in self.steps(name)
            for frame in self.traffic.frames_between(step.result.started, step.result.ended)
        ]
