"""Masters that are wrong about everything."""

from __future__ import annotations

from mbusbench.scenario.report import MeterReport, RecordReport
from mbusbench.scenario.verdict import Column
from tests.mutants import Mutant
from tests.mutants.making import lying


def _tenfold(record: RecordReport) -> RecordReport:
    assert isinstance(record.value, int | float)
    return record.model_copy(update={"value": record.value * 10})


def _ten_times(meters: list[MeterReport]) -> list[MeterReport]:
    return [meter.model_copy(update={"records": tuple(map(_tenfold, meter.records))}) for meter in meters]


MUTANTS = [
    Mutant(
        "MUT-SAN-01", "SAN-01", "every value is ten times too high", Column.REPORT, lying(_ten_times), is_sane=False
    ),
]
