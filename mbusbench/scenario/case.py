"""One variant of a scenario, run and judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mbusbench.scenario.observation import Observation
from mbusbench.scenario.verdict import Column, Finding, Verdict

__all__ = ["Finding", "Judgement"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """A case that ran, or why it did not. `columns` has only those that were looked at.

    `variant` is the letter and what the matrix chose ("b", "b baud=300"), empty where there is only one. `repeat` is
    the command that runs it alone.
    """

    id: str
    title: str
    variant: str
    columns: Mapping[Column, Verdict]
    verdict: Verdict
    findings: tuple[Finding, ...]
    observation: Observation | None
    seed: int
    repeat: str = ""
    reason: str = ""
    """Why it was not tried, or what broke."""
