"""Runs cases against a master, many at a time, and makes one result of them; in the same order however many jobs.

A foreign master is probed first. `sanity` judges SAN-01 before all others and SAN-02 after them.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from time import monotonic

from mbusbench.bus.endpoints.driver import driver_of
from mbusbench.bus.engine import VirtualBus
from mbusbench.bus.server import BusServer
from mbusbench.errors import MBusError
from mbusbench.scenario.case import Judgement, run_variant
from mbusbench.scenario.driver import MasterUnderTest
from mbusbench.scenario.driver.action import BusAccess, Transport
from mbusbench.scenario.driver.claims import Claims
from mbusbench.scenario.driver.definition import find
from mbusbench.scenario.driver.opening import BUILTIN, PASSIVE, open_master
from mbusbench.scenario.driver.probe import describe, probe
from mbusbench.scenario.file.matrix import Variant, read_scenario
from mbusbench.scenario.output.recording import file_name, recorded
from mbusbench.scenario.output.results import CaseResult, MasterResult, VariantResult
from mbusbench.scenario.run.baseline import Baseline, excused
from mbusbench.scenario.run.pool import Broken, each_result
from mbusbench.scenario.run.selection import SANITY_FIRST, SANITY_LAST
from mbusbench.scenario.serving import ENDPOINTS
from mbusbench.scenario.verdict import Column, ExitCode, Verdict, worst
from mbusbench.trace.event import Kind, TraceEvent

LIMIT = 900.0
"""Seconds that a variant may take, or twice what its steps may, before it is the bench that hangs."""
LONG = 120.0
"""Seconds; a variant that took longer and was inconclusive is not run once more."""
VIRTUAL = "virtual"
Advance = Callable[[VariantResult], object]
Repeat = Callable[[Variant], str]


@dataclass(frozen=True, slots=True)
class Options:
    """How cases are run and what counts. `artifacts` is a directory for traces; `repeat` makes a command of a case."""

    seed: int = 0
    jobs: int | None = None
    without: tuple[str, ...] = ()
    strict: bool = False
    allow_inconclusive: bool = False
    artifacts: Path | None = None
    sanity: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """One variant for a worker, which reads the file again."""

    path: Path
    name: str
    master: str
    transport: Transport
    claims: Claims | None
    seed: int
    without: tuple[str, ...]
    directory: Path | None
    repeat: str = ""


@lru_cache(maxsize=256)
def _variants(path: Path) -> dict[str, Variant]:
    return {each.name: each for each in read_scenario(path)}


@lru_cache(maxsize=8)
def _master(name: str, claims: Claims | None) -> MasterUnderTest:
    return with_claims(open_master(name), claims)


def with_claims(master: MasterUnderTest, claims: Claims | None) -> MasterUnderTest:
    """The master, with what it claimed when it was asked."""
    if claims is not None and not master.is_virtual:
        master.claims = claims  # type: ignore[misc]
    return master


def perform(task: Task) -> VariantResult:
    """Run one variant, in this process."""
    variant = _variants(task.path)[task.name]
    started = monotonic()
    judgement = run_variant(
        without(variant, task.without), _master(task.master, task.claims), task.seed, transport=task.transport
    )
    judgement = replace(judgement, repeat=task.repeat)
    return recorded(variant, judgement, monotonic() - started, task.directory)


def without(variant: Variant, names: Sequence[str]) -> Variant:
    """The variant, with some invariants switched off."""
    if not names:
        return variant
    definition = variant.definition
    every = tuple(dict.fromkeys((*definition.without, *names)))
    return replace(variant, definition=definition.model_copy(update={"without": every}))


@dataclass
class MasterRun:
    """One master over one transport. `run` does it; after an interruption, `result` is what there is."""

    master: str
    transport: Transport
    variants: Sequence[Variant]
    options: Options
    repeat: Repeat
    baseline: Baseline | None = None
    _found: dict[str, VariantResult] = field(default_factory=dict)
    _problem: str | None = None

    def __post_init__(self) -> None:
        """DefinitionError where the driver is wrong or missing."""
        self._under_test = open_master(self.master)
        self.name = self._under_test.name
        self.claims = self._under_test.claims
        self.transport_shown = VIRTUAL if self._under_test.is_virtual else self.transport
        self._directory: Path | None = None
        if self.options.artifacts is not None:
            self._directory = self.options.artifacts / file_name(f"{self.name}-{self.transport_shown}")
            self._directory.mkdir(parents=True, exist_ok=True)

    @property
    def jobs(self) -> int:
        """As many as were asked for; otherwise, since foreign masters mostly wait, more than there are processors."""
        cpus = len(os.sched_getaffinity(0))
        return self.options.jobs or (cpus if self._under_test.is_virtual else JOBS_OF_PROCESSES * cpus)

    def run(self, advance: Advance = lambda _: None) -> None:
        """Probe, sanity, all cases, sanity. What is wrong with the master ends it early, and is in the result."""
        self._problem = self._probe()
        if self._problem is not None:
            return
        groups = [list(self.variants)]
        if self.options.sanity:
            groups = [
                [each for each in self.variants if each.id == SANITY_FIRST],
                [each for each in self.variants if each.id not in (SANITY_FIRST, SANITY_LAST)],
                [each for each in self.variants if each.id == SANITY_LAST],
            ]
        for number, group in enumerate(groups):
            for variant, result in self._results(group, self.jobs):
                self._found[variant.name] = result
                advance(result)
            self._again(group)
            if self.options.sanity and number != 1:
                self._judge_sanity(group)
            if self._problem is not None:
                return

    def _again(self, group: Sequence[Variant]) -> None:
        """What the bench could not see it looks at once more, with less to do at a time. A fail stays what it is."""
        unseen = [
            each
            for each in group
            if self._found[each.name].verdict is Verdict.INCONCLUSIVE and self._found[each.name].seconds < LONG
        ]
        if len(unseen) > max(1, len(group) // 3):
            return
        for variant, result in self._results(unseen, max(1, self.jobs // 4)):
            before = self._found[variant.name]
            again = (*before.again, *(str(each) for each in before.findings if each.verdict is Verdict.INCONCLUSIVE))
            self._found[variant.name] = result.model_copy(update={"again": again})

    def _probe(self) -> str | None:
        if self._under_test.is_virtual or self.master == PASSIVE:
            return None
        return asyncio.run(self._ask())

    async def _ask(self) -> str | None:
        """On a bus without meters."""
        bus = VirtualBus(meters=[])
        heard: list[int] = []

        def count(event: TraceEvent) -> None:
            if event.kind is Kind.MASTER:
                heard.append(len(event.data))

        bus.trace = count
        url = ENDPOINTS[self.transport]
        async with BusServer(bus, [(url, bus.options_of(url))]) as server:
            driver = driver_of(bus)
            access = BusAccess(
                server.url, self.transport, bus.baud, bus.parity.value, None, lambda: driver.now, lambda: sum(heard)
            )
            problem = await probe(self._under_test, access, self.options.seed)
            if problem is None:
                self.name, self.claims = await describe(self._under_test, access)
        return problem

    def _results(self, variants: Sequence[Variant], jobs: int) -> Iterator[tuple[Variant, VariantResult]]:
        claims = None if self._under_test.is_virtual else self.claims
        tasks = [
            Task(
                each.path,
                each.name,
                self.master,
                self.transport,
                claims,
                self.options.seed,
                self.options.without,
                self._directory,
                self.repeat(each),
            )
            for each in variants
        ]
        jobs = min(jobs, len(tasks))
        if jobs <= 1 and self._under_test.is_virtual:
            yield from ((variant, perform(task)) for variant, task in zip(variants, tasks, strict=True))
            return
        order = sorted(range(len(tasks)), key=lambda number: -_effort(variants[number]))
        for number, result in each_result(perform, [tasks[each] for each in order], jobs, _limit(variants)):
            variant = variants[order[number]]
            yield variant, _broken(variant, result, tasks[order[number]]) if isinstance(result, Broken) else result

    def _judge_sanity(self, group: Sequence[Variant]) -> None:
        for variant in group:
            result = self._found[variant.name]
            seen = {column: result.columns.get(column) for column in (Column.WIRE, Column.REPORT)}
            if all(verdict in (Verdict.PASS, Verdict.NON_STRICT) for verdict in seen.values()):
                continue
            why = next((str(each) for each in result.findings if each.verdict is Verdict.FAIL), result.reason)
            self._problem = f"{variant.name} ({variant.definition.title}) is not passed: {why or result.verdict}"
            if variant.id == SANITY_LAST:
                self._distrust()

    def _distrust(self) -> None:
        """After a sanity case that fails at the end, what passed before is not known to have passed."""
        for name, result in self._found.items():
            columns = {
                column: Verdict.INCONCLUSIVE if verdict in (Verdict.PASS, Verdict.NON_STRICT) else verdict
                for column, verdict in result.columns.items()
            }
            if result.verdict in (Verdict.PASS, Verdict.NON_STRICT) and not name.startswith("SAN-"):
                reason = f"{SANITY_LAST} is not passed"
                self._found[name] = result.model_copy(
                    update={"verdict": Verdict.INCONCLUSIVE, "columns": columns, "reason": reason}
                )

    def result(self) -> MasterResult:
        """What came of it, as far as it went."""
        cases = list(excused(_cases(self.variants, self._found), self.baseline))
        counts = {verdict: sum(case.verdict is verdict for case in cases) for verdict in Verdict}
        return MasterResult(
            master=self.master,
            name=self.name,
            transport=self.transport_shown,
            sha256=_hash_of_driver(self.master),
            claims=self.claims.model_dump(mode="json", exclude_none=True),
            problem=self._problem,
            counts=counts,
            xfail=sum(case.excused == "xfail" for case in cases),
            xpass=sum(case.excused == "xpass" for case in cases),
            exit_code=int(exit_code(cases, self.options, self._problem)),
            cases=tuple(cases),
        )


JOBS_OF_PROCESSES = 2
"""For each processor, where masters are processes."""


def _effort(variant: Variant) -> int:
    """A guess at how long it takes, so that the longest begin first."""
    steps = variant.definition.steps
    return sum((each.repeat or 1) * (50 if each.action in ("scan", "search") else 1) for each in steps)


def _limit(variants: Iterable[Variant]) -> float:
    """In seconds, for the longest of them. A tool may be called for each turn, and each call has its deadline."""
    longest = LIMIT
    for variant in variants:
        actions = [each.as_action(0) for each in variant.definition.all_steps() if each.is_masters]
        calls = sum(each.deadline * (each.repeat or 1) * max(1, len(each.targets)) for each in actions)
        longest = max(longest, 2 * calls)
    return longest


def _broken(variant: Variant, broken: Broken, task: Task) -> VariantResult:
    return VariantResult(
        name=variant.name,
        variant=variant.label,
        verdict=Verdict.ERROR,
        columns={},
        reason=broken.reason,
        repeat=task.repeat,
    )


def _cases(variants: Iterable[Variant], found: dict[str, VariantResult]) -> Iterator[CaseResult]:
    """Variants of one id together, in the order of the files."""
    groups: dict[str, list[Variant]] = {}
    for variant in variants:
        if variant.name in found:
            groups.setdefault(variant.id, []).append(variant)
    for group in groups.values():
        definition = group[0].definition
        results = tuple(found[each.name] for each in group)
        columns = {
            column: verdict
            for column in Column
            if (verdict := worst(each.columns.get(column) for each in results)) is not None
        }
        yield CaseResult(
            id=definition.id,
            title=definition.title,
            level=definition.level,
            rule=definition.rule,
            intent=definition.intent,
            source=definition.source,
            file=str(group[0].path),
            verdict=worst(each.verdict for each in results) or Verdict.ERROR,
            columns=columns,
            variants=results,
        )


def exit_code(cases: Sequence[CaseResult], options: Options, problem: str | None) -> ExitCode:
    """The highest that applies."""
    verdicts = {case.verdict for case in cases if case.excused is None}
    if Verdict.ERROR in verdicts:
        return ExitCode.BENCH
    if problem is not None:
        return ExitCode.NO_MASTER
    wrong = {Verdict.FAIL}
    if options.strict:
        wrong.add(Verdict.NON_STRICT)
    if not options.allow_inconclusive:
        wrong.add(Verdict.INCONCLUSIVE)
    passed = verdicts & {Verdict.PASS, Verdict.NON_STRICT}
    if verdicts & wrong or any(case.excused == "xpass" for case in cases) or not passed:
        return ExitCode.FAILED
    return ExitCode.PASSED


def _hash_of_driver(master: str) -> str | None:
    return None if master in (BUILTIN, PASSIVE) else sha256(find(master))


def sha256(path: Path) -> str:
    """Of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


__all__ = ["Judgement", "MBusError", "MasterRun", "Options", "Task", "exit_code", "perform"]
