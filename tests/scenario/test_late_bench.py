"""A bench that stands still: what follows from that is inconclusive, and what does not is a failure all the same."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from mbusbench.scenario.case import Judgement, run_variant
from mbusbench.scenario.driver.action import Action, BusAccess
from mbusbench.scenario.driver.builtin import BuiltinMaster
from mbusbench.scenario.observation import StepResult
from mbusbench.scenario.report import MeterReport
from mbusbench.scenario.running import Running
from mbusbench.scenario.verdict import Column, Verdict
from mbusbench.trace.event import Kind, TraceEvent
from tests.scenario.cases import Liar, case

STANDSTILL = 1.5


class _Elsewhere:
    """Another master, as one outside of the bench: in a thread with a loop of its own, over TCP."""

    is_virtual = False
    name = "elsewhere"

    def __init__(self, inner: BuiltinMaster) -> None:
        self._inner = inner
        self.claims = inner.claims

    async def perform(self, action: Action, access: BusAccess) -> StepResult:
        started = access.now()
        result = await asyncio.to_thread(lambda: asyncio.run(self._inner.perform(action, access)))
        return replace(result, started=started, ended=access.now())


def _standing_still(monkeypatch: pytest.MonkeyPatch, kind: Kind, number: int) -> None:
    """The bench does nothing for a while, once, when it has seen so many events of a kind: as after a SIGSTOP."""
    record = Running._record
    seen = 0

    def recorded(self: Running, event: TraceEvent) -> None:
        nonlocal seen
        record(self, event)
        if event.kind is kind:
            seen += 1
            if seen == number:
                asyncio.get_running_loop().call_soon(time.sleep, STANDSTILL)

    monkeypatch.setattr(Running, "_record", recorded)


def _judged(master: BuiltinMaster) -> Judgement:
    return run_variant(case("SAN-01")[0], _Elsewhere(master), 7)


@pytest.mark.parametrize(
    ("kind", "number"), [(Kind.NOTE, 1), (Kind.MASTER, 1), (Kind.MASTER, 2), (Kind.RECEIVED, 2), (Kind.SLAVE, 1)]
)
def test_a_right_master_does_not_fail_where_the_bench_stood_still(
    monkeypatch: pytest.MonkeyPatch, kind: Kind, number: int
) -> None:
    _standing_still(monkeypatch, kind, number)
    judgement = _judged(BuiltinMaster())
    assert judgement.verdict in (Verdict.PASS, Verdict.INCONCLUSIVE), (judgement.reason, *map(str, judgement.findings))
    assert judgement.observation is not None
    assert judgement.observation.stall > 0.5e9


def test_what_follows_from_it_is_inconclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    _standing_still(monkeypatch, Kind.MASTER, 2)
    judgement = _judged(BuiltinMaster({"retries": 0}))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert any("the bench was late" in finding.text for finding in judgement.findings)


def _tenfold(meters: list[MeterReport]) -> list[MeterReport]:
    return [
        meter.model_copy(
            update={
                "records": tuple(
                    record.model_copy(update={"value": record.value * 10})
                    if isinstance(record.value, float)
                    else record
                    for record in meter.records
                )
            }
        )
        for meter in meters
    ]


@pytest.mark.parametrize(("kind", "number"), [(Kind.MASTER, 1), (Kind.RECEIVED, 2)])
def test_an_invented_value_is_a_failure_however_late_the_bench_was(
    monkeypatch: pytest.MonkeyPatch, kind: Kind, number: int
) -> None:
    _standing_still(monkeypatch, kind, number)
    judgement = _judged(Liar(_tenfold))
    assert judgement.columns[Column.REPORT] is Verdict.FAIL


def test_where_the_bench_was_in_time_it_is_as_in_virtual_time() -> None:
    assert _judged(BuiltinMaster()).verdict in (Verdict.PASS, Verdict.INCONCLUSIVE)
    assert _judged(Liar(_tenfold)).verdict is Verdict.FAIL
