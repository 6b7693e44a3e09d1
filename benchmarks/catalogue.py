"""The judge: the whole conformance catalogue against our own master, in virtual time and in one process."""

from __future__ import annotations

from benchmarks.measure import Result, timed
from mbusbench.scenario.run.runner import MasterRun, Options
from mbusbench.scenario.run.selection import catalogue, read_cases

LIMIT = 60.0


def whole() -> Result:
    """At most a minute, reading of the files included."""
    runs: list[MasterRun] = []

    def judge() -> None:
        run = MasterRun("builtin", "tcp", read_cases([catalogue()]), Options(jobs=1), lambda _: "")
        runs.append(run)
        run.run()

    seconds = timed(judge)
    result = runs[0].result()
    count = len(result.cases)
    passed = result.exit_code == 0
    note = f"{count} cases against a minute" if passed else f"{count} cases, and not all of them pass"
    return Result("catalogue", "run", seconds, LIMIT, seconds / LIMIT if passed else None, 1.0, False, note)
