from __future__ import annotations

from dataclasses import replace

import pytest

from mbusbench.clock import run
from mbusbench.protocol.fcb import MasterFcb
from mbusbench.protocol.master_link import MasterLink
from mbusbench.scenario.case import judge, run_variant
from mbusbench.scenario.driver.builtin import BuiltinMaster
from mbusbench.scenario.expectation.seen import Seen
from mbusbench.scenario.file.matrix import Variant
from mbusbench.scenario.report import HeaderReport, MeterReport
from mbusbench.scenario.running import Running
from mbusbench.scenario.verdict import Column, Verdict
from mbusbench.trace.event import Kind
from tests.scenario.cases import Liar, case, catalogue


@pytest.mark.parametrize("variant", catalogue(), ids=lambda variant: variant.name)
def test_our_master_passes(variant: Variant) -> None:
    judgement = run_variant(variant, BuiltinMaster(), 7)
    assert judgement.verdict is Verdict.PASS, (judgement.reason, *map(str, judgement.findings))


def test_the_same_seed_gives_the_same_trace_and_verdict() -> None:
    (variant,) = case("LL-RTY-03")
    first, second, other = (run_variant(variant, BuiltinMaster(), seed) for seed in (3, 3, 4))
    assert first.observation is not None
    assert second.observation is not None
    assert other.observation is not None
    assert first.observation.events == second.observation.events
    assert first.findings == second.findings
    assert first.observation.events != other.observation.events


def _wrong_name(meters: list[MeterReport]) -> list[MeterReport]:
    return [meter if meter.ok else meter.model_copy(update={"error": "unspecified"}) for meter in meters]


@pytest.mark.parametrize(
    "change",
    [
        {"address": 6},
        {"secondary": "8765432124232807"},
        {"header": HeaderReport(status=4)},
        {"header": HeaderReport(id="87654321", manufacturer="HYD")},
    ],
)
def test_what_else_is_told_of_a_meter_has_to_be_true(change: dict[str, object]) -> None:
    (variant,) = case("SAN-01")
    judgement = run_variant(variant, Liar(lambda meters: [each.model_copy(update=change) for each in meters]), 7)
    assert [finding.invariant for finding in judgement.findings] == ["INV-15"]
    assert judgement.columns[Column.REPORT] is Verdict.FAIL


@pytest.mark.parametrize("told", [{"address": None}, {"secondary": "12345678FFFFFFFF"}, {"header": None}])
def test_less_may_be_told_of_a_meter(told: dict[str, object]) -> None:
    (variant,) = case("SAN-01")
    judgement = run_variant(variant, Liar(lambda meters: [each.model_copy(update=told) for each in meters]), 7)
    assert judgement.verdict is Verdict.PASS


def test_an_error_by_another_name_is_non_strict() -> None:
    (variant,) = case("LL-ACK-01")
    assert run_variant(variant, Liar(_wrong_name), 7).verdict is Verdict.NON_STRICT


def test_a_master_that_begins_with_5b_breaks_invariants_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    right = MasterFcb.request_bit
    monkeypatch.setattr(MasterFcb, "request_bit", lambda self, *of: 1 - right(self, *of))
    (variant,) = case("LL-FCB-01")
    judgement = run_variant(variant, BuiltinMaster(), 7)
    assert judgement.columns[Column.WIRE] is Verdict.FAIL
    assert judgement.columns[Column.REPORT] is Verdict.FAIL
    assert {"INV-05", "INV-15"} <= {finding.invariant for finding in judgement.findings}


def test_poison_is_named_in_what_was_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MasterLink, "_take_foreign", lambda self, item, now: self._take_data(item, now, self._exchange))
    judgements = [run_variant(variant, BuiltinMaster(), 7) for variant in case("LL-CHK-04")]
    assert [judgement.columns[Column.REPORT] for judgement in judgements] == [Verdict.FAIL] * 2
    assert any("99999.999 m" in finding.text for finding in judgements[0].findings)


@pytest.mark.parametrize(("lag", "verdict"), [(5_000_000, Verdict.FAIL), (60_000_000, Verdict.INCONCLUSIVE)])
def test_a_hole_that_the_host_made_in_an_answer_makes_failures_inconclusive(lag: int, verdict: Verdict) -> None:
    (variant,) = case("LL-RTY-04")
    master = BuiltinMaster({"timeout": 0.02})
    running = Running(variant, master, 1, "tcp")
    observation = run(running.perform())
    events = tuple(event._replace(lag=lag) if event.kind is Kind.RECEIVED else event for event in observation.events)
    seen = Seen(variant.definition, replace(observation, events=events, lag=lag), running.meters, master.claims)
    assert judge(seen, running.addresses, running.unfired)[1] is verdict


def test_a_master_that_breaks_in_this_process_has_crashed_and_not_the_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MasterFcb, "success", lambda self: None)
    (variant,) = case("SAN-01")
    judgement = run_variant(variant, BuiltinMaster(), 7)
    assert judgement.verdict is Verdict.FAIL
    assert any(finding.text.startswith("read: TypeError") for finding in judgement.findings)
