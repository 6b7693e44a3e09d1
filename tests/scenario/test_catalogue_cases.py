from __future__ import annotations

import pytest

from mbusbench.protocol.fcb import MasterFcb
from mbusbench.protocol.master_link import MasterLink
from mbusbench.scenario.case import run_variant
from mbusbench.scenario.driver.builtin import BuiltinMaster
from mbusbench.scenario.matrix import Variant
from mbusbench.scenario.report import MeterReport, RecordReport
from mbusbench.scenario.verdict import Column, Verdict
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


def _tenfold(record: RecordReport) -> RecordReport:
    assert isinstance(record.value, int | float)
    return record.model_copy(update={"value": record.value * 10})


def _ten_times(meters: list[MeterReport]) -> list[MeterReport]:
    return [meter.model_copy(update={"records": tuple(map(_tenfold, meter.records))}) for meter in meters]


def _first_telegram_only(meters: list[MeterReport]) -> list[MeterReport]:
    return [meter.model_copy(update={"records": meter.records[:1], "telegrams": 1, "more": False}) for meter in meters]


def _no_errors(meters: list[MeterReport]) -> list[MeterReport]:
    return [meter.model_copy(update={"ok": True, "error": None}) for meter in meters]


def _wrong_name(meters: list[MeterReport]) -> list[MeterReport]:
    return [meter if meter.ok else meter.model_copy(update={"error": "unspecified"}) for meter in meters]


@pytest.mark.parametrize(
    ("name", "change", "column"),
    [
        ("SAN-01", _ten_times, Column.REPORT),
        ("APL-MUL-01", _first_telegram_only, Column.REPORT),
        ("APL-MUL-02", _first_telegram_only, Column.REPORT),
        ("LL-ACK-01", _no_errors, Column.REPORT),
        ("BUS-COL-01", _no_errors, Column.REPORT),
        ("ADR-SCN-01", lambda meters: meters[:-1], Column.REPORT),
        ("SEC-SRC-01", lambda meters: meters[:1], Column.REPORT),
    ],
)
def test_a_master_that_tells_its_user_something_else_fails_its_case(name: str, change, column: Column) -> None:  # type: ignore[no-untyped-def]
    for variant in case(name):
        judgement = run_variant(variant, Liar(change), 7)
        assert judgement.columns[column] is Verdict.FAIL
        assert judgement.columns[Column.WIRE] is Verdict.PASS


def test_an_error_by_another_name_is_non_strict() -> None:
    (variant,) = case("LL-ACK-01")
    assert run_variant(variant, Liar(_wrong_name), 7).verdict is Verdict.NON_STRICT


@pytest.mark.parametrize(
    ("name", "letter", "options", "column"),
    [
        ("LL-RTY-01", "b", {"retries": 1}, Column.WIRE),
        ("PHY-RSP-03", "", {"timeout": 12}, Column.TIMING),
        ("APL-MUL-01", "", {"max_telegrams": 1}, Column.REPORT),
    ],
)
def test_a_master_with_other_limits_fails_its_case(name: str, letter: str, options: dict, column: Column) -> None:  # type: ignore[type-arg]
    master = BuiltinMaster(options)
    (variant,) = [each for each in case(name) if each.letter == letter]
    assert run_variant(variant, master, 7).columns[column] is Verdict.FAIL
    assert run_variant(case("SAN-01")[0], master, 7).verdict is Verdict.PASS


def test_a_master_that_begins_with_5b_fails_on_the_wire_and_in_what_it_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    right = MasterFcb.request_bit
    monkeypatch.setattr(MasterFcb, "request_bit", lambda self, *of: 1 - right(self, *of))
    (variant,) = case("LL-FCB-01")
    judgement = run_variant(variant, BuiltinMaster(), 7)
    assert judgement.columns[Column.WIRE] is Verdict.FAIL
    assert judgement.columns[Column.REPORT] is Verdict.FAIL
    assert {"INV-05", "INV-15"} <= {finding.invariant for finding in judgement.findings}


def test_a_master_that_takes_anybodys_answer_reports_poison(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MasterLink, "_take_foreign", lambda self, item, now: self._take_data(item, now, self._exchange))
    judgements = [run_variant(variant, BuiltinMaster(), 7) for variant in case("LL-CHK-04")]
    assert [judgement.columns[Column.REPORT] for judgement in judgements] == [Verdict.FAIL] * 2
    assert any("99999.999 m" in finding.text for finding in judgements[0].findings)
    assert run_variant(case("SAN-01")[0], BuiltinMaster(), 7).verdict is Verdict.PASS


def test_a_master_that_counts_a_frame_before_its_answer_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MasterFcb, "success", lambda self, *of: None)
    (variant,) = case("APL-MUL-01")
    judgement = run_variant(variant, BuiltinMaster(), 7)
    assert judgement.columns[Column.WIRE] is Verdict.FAIL
    assert "INV-05" in {finding.invariant for finding in judgement.findings}
