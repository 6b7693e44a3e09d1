"""Masters that are wrong about primary addresses."""

from __future__ import annotations

from mbusbench.scenario.report import MeterReport
from mbusbench.scenario.verdict import Column
from tests.mutants import Mutant
from tests.mutants.making import lying


def _without_the_last(meters: list[MeterReport]) -> list[MeterReport]:
    return meters[:-1] if len(meters) > 1 else meters


MUTANTS = [
    Mutant("MUT-ADR-SCN-01", "ADR-SCN-01", "leaves out the last meter", Column.REPORT, lying(_without_the_last)),
]
