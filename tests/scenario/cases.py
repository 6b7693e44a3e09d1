"""Runs scenarios against masters of this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mbusbench.scenario.case import Judgement, run_variant
from mbusbench.scenario.driver.action import Action, BusAccess
from mbusbench.scenario.driver.builtin import BuiltinMaster
from mbusbench.scenario.file.matrix import Variant, read_scenario
from mbusbench.scenario.observation import StepResult
from mbusbench.scenario.report import MeterReport

CATALOGUE = Path(__file__).parents[2] / "scenarios" / "conformance"
COMMON = """\
scenario: 1
id: TST-01
title: a test
include: {common}
bus: ONE
"""


def catalogue() -> list[Variant]:
    paths = sorted(path for path in CATALOGUE.glob("*.yaml") if path.name != "common.yaml")
    return [variant for path in paths for variant in read_scenario(path)]


def case(name: str) -> list[Variant]:
    return read_scenario(CATALOGUE / f"{name}.yaml")


def written(directory: Path, text: str) -> list[Variant]:
    """A scenario on bus ONE, with what `text` says."""
    path = directory / "case.yaml"
    path.write_text(COMMON.format(common=CATALOGUE / "common.yaml") + text, encoding="utf-8")
    return read_scenario(path)


def judged(directory: Path, text: str, master: BuiltinMaster | None = None) -> Judgement:
    (variant,) = written(directory, text)
    return run_variant(variant, master or BuiltinMaster(), 1)


class Liar(BuiltinMaster):
    """Does everything right, and then changes the entries of its report."""

    def __init__(self, change: Callable[[list[MeterReport]], list[MeterReport]]) -> None:
        super().__init__()
        self._change = change

    async def perform(self, action: Action, access: BusAccess) -> StepResult:
        result = await super().perform(action, access)
        if result.report is None:
            return result
        meters = tuple(self._change(list(result.report.meters)))
        failed = [meter.error for meter in meters if not meter.ok]
        ok = result.report.ok if action.name in ("scan", "search") else not failed
        report = result.report.model_copy(
            update={"meters": meters, "ok": ok, "error": None if ok else failed[0] if failed else "unspecified"}
        )
        return StepResult(
            result.step, result.action, report, result.outcome, result.started, result.ended, int(not report.ok)
        )
