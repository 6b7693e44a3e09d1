"""What a master does because the bench tore an answer is not held against it."""

from __future__ import annotations

from dataclasses import replace

from mbusbench.scenario.case import judge, run_variant
from mbusbench.scenario.expectation.seen import Seen
from mbusbench.scenario.verdict import Verdict
from mbusbench.trace.event import Kind
from tests.mutants import every_mutant
from tests.scenario.cases import case

_LATE = 50_000_000


def _judged_with(lag: int) -> Verdict:
    (mutant,) = [each for each in every_mutant() if each.name == "MUT-BUS-BAB-01b"]
    (variant,) = case("BUS-BAB-01")
    with mutant.master() as master:
        observation = run_variant(variant, master, 7).observation
    assert observation is not None
    events = tuple(event._replace(lag=lag) if event.kind is Kind.RECEIVED else event for event in observation.events)
    seen = Seen(variant.definition, replace(observation, events=events, lag=lag), (), master.claims)
    return judge(seen, (5,), ())[1]


def test_request_into_characters_that_the_host_still_held_back_proves_nothing() -> None:
    assert _judged_with(_LATE) is Verdict.INCONCLUSIVE


def test_request_into_characters_that_came_in_time_is_a_fail() -> None:
    assert _judged_with(1_000_000) is Verdict.FAIL
