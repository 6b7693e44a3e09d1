"""A scenario under random faults: the schedule of each seed, and what came of it.

Faults that a scenario did not think of make its expectations void. What is judged is what holds whatever happens: the
invariants, the truth of the report, and that the master neither crashes nor hangs. Where no random fault acted, the
run is the scenario's own, and it is judged by its expectations too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from mbusbench.scenario.case import Judgement, run_variant
from mbusbench.scenario.driver import MasterUnderTest
from mbusbench.scenario.driver.action import Transport
from mbusbench.scenario.driver.opening import open_master
from mbusbench.scenario.exploring.schedule import MOST_FAULTS, Entry, drawn, own_faults, patient, with_faults
from mbusbench.scenario.file.matrix import Variant, read_scenario
from mbusbench.scenario.run.pool import Broken, each_result
from mbusbench.scenario.run.runner import without
from mbusbench.scenario.verdict import Finding, Verdict

_PATIENCE = 20
_BATCH = 20
_LIMIT = 900.0
_WORTH_A_WORKER = 300


@dataclass(frozen=True, slots=True)
class Setting:
    """How schedules are run. `bus_seed` is for everything random but the schedules, of at most `most` faults each."""

    bus_seed: int = 0
    most: int = MOST_FAULTS
    transport: Transport = "tcp"
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Explored:
    """One variant under the schedule of one seed, on top of its own faults.

    `is_plain`: no random fault acted, and the scenario's expectations were judged as well.
    """

    seed: int
    schedule: Sequence[Entry]
    judgement: Judgement
    is_plain: bool = False


def explore(
    variant: Variant, seeds: Iterable[int], master: MasterUnderTest, setting: Setting | None = None
) -> Iterator[Explored]:
    """Each seed in its turn."""
    for seed in seeds:
        yield explore_one(variant, seed, master, setting or Setting())


def explore_one(variant: Variant, seed: int, master: MasterUnderTest, setting: Setting) -> Explored:
    """One of them."""
    schedule = drawn(variant, seed, setting.most)
    every = [*own_faults(variant), *schedule]
    judgement = run_schedule(variant, every, master, setting)
    fired = judgement.observation.fired if judgement.observation is not None else {}
    if judgement.verdict not in (Verdict.PASS, Verdict.NON_STRICT) or any(fired.get(each["name"]) for each in schedule):
        return Explored(seed, schedule, judgement)
    return Explored(seed, schedule, run_schedule(variant, every, master, setting, expects=True), is_plain=True)


def run_schedule(
    variant: Variant, schedule: Sequence[Entry], master: MasterUnderTest, setting: Setting, *, expects: bool = False
) -> Judgement:
    """The variant with these faults and no others; DefinitionError where they are none."""
    changed = without(with_faults(variant, schedule, expects=expects), setting.without)
    if master.is_virtual and not expects:
        changed = patient(changed, _PATIENCE)
    return run_variant(changed, master, setting.bus_seed, transport=setting.transport)


def failures(judgement: Judgement) -> frozenset[str]:
    """What failed: invariants by name, a crash or hang, or the column of an expectation."""
    return frozenset(_name(each, judgement) for each in judgement.findings if each.verdict is Verdict.FAIL)


def _name(finding: Finding, judgement: Judgement) -> str:
    if finding.invariant is not None:
        return finding.invariant
    for step in judgement.observation.steps if judgement.observation is not None else ():
        if step.result.outcome in ("crash", "hang") and finding.text.startswith(f"{step.action.name}: "):
            return step.result.outcome
    return str(finding.column)


@dataclass(frozen=True, slots=True)
class Task:
    """Some seeds of one variant for a worker, which reads the file again."""

    path: Path
    name: str
    master: str
    seeds: Sequence[int]
    setting: Setting


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one seed, in words. `acted` of its `faults` faults did something."""

    name: str
    seed: int
    verdict: Verdict
    failures: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    reason: str = ""
    faults: int = 0
    acted: int = 0
    is_plain: bool = False


@lru_cache(maxsize=16)
def _variants(path: Path) -> dict[str, Variant]:
    return {each.name: each for each in read_scenario(path)}


@lru_cache(maxsize=4)
def _master(name: str) -> MasterUnderTest:
    return open_master(name)


def perform(task: Task) -> list[Outcome]:
    """Run the seeds, in this process."""
    variant, master = _variants(task.path)[task.name], _master(task.master)
    return [outcome(variant, each) for each in explore(variant, task.seeds, master, task.setting)]


def outcome(variant: Variant, explored: Explored) -> Outcome:
    """The words of it."""
    judgement = explored.judgement
    fired = judgement.observation.fired if judgement.observation is not None else {}
    failed = [each for each in judgement.findings if each.verdict is Verdict.FAIL]
    return Outcome(
        variant.name,
        explored.seed,
        judgement.verdict,
        tuple(sorted(failures(judgement))),
        tuple(map(str, failed)),
        judgement.reason,
        len(explored.schedule),
        sum(bool(fired.get(each["name"])) for each in explored.schedule),
        explored.is_plain,
    )


def explore_all(
    variants: Sequence[Variant], seeds: Sequence[int], master: str, setting: Setting, jobs: int
) -> Iterator[Outcome]:
    """All seeds of all variants, `jobs` at a time; in order, however many jobs. DefinitionError for the driver."""
    is_virtual = open_master(master).is_virtual
    batch = _BATCH if is_virtual else 1
    tasks = [
        Task(variant.path, variant.name, master, seeds[start : start + batch], setting)
        for variant in variants
        for start in range(0, len(seeds), batch)
    ]
    if jobs <= 1 or (is_virtual and len(variants) * len(seeds) < _WORTH_A_WORKER):
        for task in tasks:
            yield from perform(task)
        return
    waiting: dict[int, list[Outcome]] = {}
    turn = 0
    for number, result in each_result(perform, tasks, jobs, _LIMIT):
        waiting[number] = _broken(tasks[number], result) if isinstance(result, Broken) else result
        while turn in waiting:
            yield from waiting.pop(turn)
            turn += 1


def _broken(task: Task, broken: Broken) -> list[Outcome]:
    nothing = Outcome(task.name, 0, Verdict.ERROR, reason=broken.reason)
    return [replace(nothing, seed=seed) for seed in task.seeds]
