"""A scenario under random faults: the schedule of each seed, and what came of it.

Faults that a scenario did not think of make its expectations void; what is judged is what holds whatever happens: the
invariants, the truth of the report, and that the master neither crashes nor hangs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mbusbench.scenario.case import Judgement, run_variant
from mbusbench.scenario.driver import MasterUnderTest
from mbusbench.scenario.driver.action import Transport
from mbusbench.scenario.matrix import Variant
from mbusbench.scenario.schedule import MOST_FAULTS, Entry, drawn, own_faults, with_faults
from mbusbench.scenario.verdict import Finding, Verdict


@dataclass(frozen=True, slots=True)
class Explored:
    """One variant under the schedule of one seed, on top of its own faults. `judgement` is without expectations."""

    variant: Variant
    seed: int
    schedule: Sequence[Entry]
    judgement: Judgement

    @property
    def failed(self) -> bool:
        return self.judgement.verdict is Verdict.FAIL


def explore(
    variant: Variant,
    seeds: Iterable[int],
    master: MasterUnderTest,
    *,
    bus_seed: int = 0,
    most: int = MOST_FAULTS,
    transport: Transport = "tcp",
) -> Iterator[Explored]:
    """Each seed in its turn. `seeds` choose the faults, `bus_seed` everything else that is random."""
    for seed in seeds:
        yield explore_one(variant, seed, master, bus_seed=bus_seed, most=most, transport=transport)


def explore_one(
    variant: Variant,
    seed: int,
    master: MasterUnderTest,
    *,
    bus_seed: int = 0,
    most: int = MOST_FAULTS,
    transport: Transport = "tcp",
) -> Explored:
    """One of them."""
    schedule = drawn(variant, seed, most)
    changed = with_faults(variant, [*own_faults(variant), *schedule])
    return Explored(variant, seed, schedule, run_variant(changed, master, bus_seed, transport=transport))


def failures(judgement: Judgement) -> frozenset[str]:
    """What failed, by invariant, or by the column where it was none."""
    return frozenset(_name(each) for each in judgement.findings if each.verdict is Verdict.FAIL)


def _name(finding: Finding) -> str:
    return finding.invariant or str(finding.column)
