"""Masters that are wrong about line and time."""

from __future__ import annotations

from mbusbench.scenario.verdict import Column
from tests.mutants import Mutant
from tests.mutants.making import with_options

MUTANTS = [
    Mutant("MUT-PHY-RSP-03", "PHY-RSP-03", "waits 12 s", Column.TIMING, with_options(timeout=12)),
]
