"""Masters that are wrong about the application layer."""

from __future__ import annotations

from mbusbench.protocol.fcb import MasterFcb
from mbusbench.scenario.report import MeterReport
from mbusbench.scenario.verdict import Column
from tests.mutants import Mutant
from tests.mutants.making import lying, patched, with_options


def _first_telegram_only(meters: list[MeterReport]) -> list[MeterReport]:
    return [meter.model_copy(update={"records": meter.records[:1], "telegrams": 1, "more": False}) for meter in meters]


MUTANTS = [
    Mutant(
        "MUT-APL-MUL-01a", "APL-MUL-01", "tells the first telegram only", Column.REPORT, lying(_first_telegram_only)
    ),
    Mutant("MUT-APL-MUL-01b", "APL-MUL-01", "stops after the first", Column.REPORT, with_options(max_telegrams=1)),
    Mutant(
        "MUT-APL-MUL-01c",
        "APL-MUL-01",
        "does not toggle within a readout",
        Column.WIRE,
        patched(MasterFcb, success=lambda self, *of: None),
    ),
    Mutant(
        "MUT-APL-MUL-02",
        "APL-MUL-02",
        "the first telegram is called all there is",
        Column.REPORT,
        lying(_first_telegram_only),
    ),
]
