"""What the host's lag explains is inconclusive, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mbusbench.clock import run
from mbusbench.scenario.case import judge
from mbusbench.scenario.driver.builtin import BuiltinMaster
from mbusbench.scenario.expectation.seen import Seen
from mbusbench.scenario.running import Running
from mbusbench.scenario.verdict import Verdict
from mbusbench.trace.event import Kind
from tests.scenario.cases import written

MS = 1_000_000


@pytest.mark.parametrize(
    ("delay", "lag", "verdict"),
    [
        ("", 5 * MS, Verdict.FAIL),
        ("165ms", 0, Verdict.FAIL),
        ("165ms", MS // 2, Verdict.FAIL),
        ("165ms", 5 * MS, Verdict.INCONCLUSIVE),
        ("300ms", 5 * MS, Verdict.FAIL),
    ],
)
def test_failure_is_inconclusive_only_where_lag_made_an_answer_late(
    tmp_path: Path, delay: str, lag: int, verdict: Verdict
) -> None:
    late = f"faults: [{{name: late, on: 5, frame: RSP_UD, exactly: 1, do: {{delay: {delay}}}}}]\n" if delay else ""
    (variant,) = written(tmp_path, f"{late}steps: {{read: 5}}\nexpect: {{report: no-answer}}\n")
    running = Running(variant, BuiltinMaster(), 1, "tcp")
    observation = run(running.perform())
    late_kinds = (Kind.SLAVE, Kind.RECEIVED)
    events = tuple(event._replace(lag=lag) if event.kind in late_kinds else event for event in observation.events)
    seen = Seen(
        variant.definition, replace(observation, events=events, lag=lag), running.meters, BuiltinMaster().claims
    )
    assert judge(seen, running.addresses, running.unfired)[1] is verdict
