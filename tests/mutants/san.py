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


def _in_litres(meters: list[MeterReport]) -> list[MeterReport]:
    """The number of another unit."""
    return [
        meter.model_copy(update={"records": tuple(record.model_copy(update={"unit": "l"}) for record in meter.records)})
        for meter in meters
    ]


def _nothing(meters: list[MeterReport]) -> list[MeterReport]:
    return [meter.model_copy(update={"records": ()}) for meter in meters]


MUTANTS = [
    Mutant(
        "MUT-SAN-01a", "SAN-01", "every value is ten times too high", Column.REPORT, lying(_ten_times), is_sane=False
    ),
    Mutant("MUT-SAN-01b", "SAN-01", "is ok without a value", Column.REPORT, lying(_nothing), is_sane=False),
    Mutant("MUT-SAN-02", "SAN-02", "every unit is litres", Column.REPORT, lying(_in_litres), is_sane=False),
]
