"""One variant of a scenario, run and judged: its bus, its faults and its steps, and a verdict for each column.

A master of this process runs in virtual time; any other on the wall clock, with the bus served on a port of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mbusbench.clock import run as run_in_virtual_time
from mbusbench.errors import MBusError
from mbusbench.scenario.driver import MasterUnderTest
from mbusbench.scenario.driver.action import Transport
from mbusbench.scenario.expectation.definition import Expectation
from mbusbench.scenario.expectation.result import judge_report, mismatch, told
from mbusbench.scenario.expectation.seen import Seen
from mbusbench.scenario.expectation.timing import LAG_FACTOR, judge_timing
from mbusbench.scenario.expectation.wire import judge_state, judge_wire, shown
from mbusbench.scenario.file.matrix import Variant
from mbusbench.scenario.file.step import each_step
from mbusbench.scenario.judging.invariants import invented, judge_invariants
from mbusbench.scenario.judging.load import bus_load
from mbusbench.scenario.observation import Observation
from mbusbench.scenario.running import Running
from mbusbench.scenario.verdict import Column, Finding, Level, Verdict, worst
from mbusbench.timing import idle_time, response_window
from mbusbench.trace.event import Kind, TraceEvent

__all__ = ["Finding", "Judgement", "judge", "run_variant"]

_TRUTH = frozenset({"INV-15", "INV-16", "INV-17"})
_WHATEVER_THE_LAG = frozenset({"INV-04", "INV-09", "INV-10", "INV-11", "INV-12", "INV-17"})
_LONGEST_HOLE = 50_000_000
"""ns by which characters may be late, and no master gives their answer up for it."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A case that ran, or why it did not. `columns` has only those that were looked at.

    `variant` is the letter and what the matrix chose ("b", "b baud=300"), empty where there is only one. `repeat` is
    the command that runs it alone. `reason` is why it was not tried, or what broke. `load` is what its readouts cost on
    the line.
    """

    id: str
    title: str
    variant: str
    columns: Mapping[Column, Verdict]
    verdict: Verdict
    findings: tuple[Finding, ...]
    observation: Observation | None
    seed: int
    repeat: str = ""
    reason: str = ""
    name: str = ""
    level: Level = Level.MUST
    load: str | None = None


def run_variant(
    variant: Variant,
    master: MasterUnderTest,
    seed: int = 0,
    *,
    transport: Transport = "tcp",
    driver: str = "",
    endpoint: str | None = None,
) -> Judgement:
    """Run it on a bus of its own and judge it. Nothing is raised: what breaks in the bench is the verdict `error`.

    `driver` is what `--master` named, for the command that repeats it; `endpoint` is where the bus is served, a free
    port of this machine if not given.
    """
    definition = variant.definition
    blank = Judgement(
        definition.id,
        definition.title,
        variant.label,
        {},
        Verdict.NOT_APPLICABLE,
        (),
        None,
        seed,
        _command(variant, seed, driver),
        name=variant.name,
        level=definition.level,
    )
    reason = _not_applicable(variant, master, transport)
    if reason is not None:
        return replace(blank, reason=reason)
    try:
        running = Running(variant, master, seed, transport, endpoint)
        run = run_in_virtual_time if master.is_virtual else asyncio.run
        observation = run(running.perform())
        seen = Seen(definition, observation, running.meters, master.claims)
        columns, verdict, findings, why = judge(seen, running.addresses, running.unfired)
        load = bus_load(seen)
    except (MBusError, AssertionError, LookupError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        return replace(blank, verdict=Verdict.ERROR, reason=f"{type(error).__name__}: {error}")
    return replace(
        blank,
        columns=columns,
        verdict=verdict,
        findings=tuple(findings),
        observation=observation,
        reason=why,
        load=None if load is None else str(load),
    )


def _not_applicable(variant: Variant, master: MasterUnderTest, transport: Transport) -> str | None:
    definition = variant.definition
    if definition.transports is not None and transport not in definition.transports and not master.is_virtual:
        return f"only for {', '.join(definition.transports)}"
    if definition.echo and master.claims.echo is False:
        return "echo is claimed not to be possible"
    for number, step in enumerate(each_step(definition.steps)):
        if step.is_masters:
            reason = master.claims.exclude(step.as_action(number), transport)
            if reason is not None:
                return reason
    return None


def _command(variant: Variant, seed: int, driver: str) -> str:
    """What repeats it alone."""
    of = f" --master {driver}" if driver else ""
    return f"mbusbench run {variant.path}{of} -k '{variant.name}' --seed {seed}"


def judge(
    seen: Seen, addresses: Sequence[int], unfired: Sequence[str]
) -> tuple[dict[Column, Verdict], Verdict, list[Finding], str]:
    """Columns, verdict, findings, and why the case as a whole was not judged."""
    unsupported = [step for step in seen.observation.steps if step.result.outcome == "unsupported"]
    findings = [*_outcomes(seen)]
    if unsupported and not findings:
        name = unsupported[0].action.name
        if seen.claims.supports(name) is not True:
            return {}, Verdict.UNSUPPORTED, [], f"the master does not know {name}"
        findings.append(Finding(Column.REPORT, Verdict.FAIL, f"{name} is claimed, and unsupported"))
    ended = [step.result.outcome == "done" for step in seen.observation.steps]
    if all(ended):
        findings += _expected(seen, addresses)
        findings += _forbidden(seen)
    findings += judge_invariants(seen)
    findings = _with_lag(seen, findings)
    columns = _columns(seen, findings)
    verdict = worst(columns.values()) or Verdict.ERROR
    if unfired and seen.definition.assert_all_fired and verdict in (Verdict.PASS, Verdict.NON_STRICT):
        return columns, Verdict.ERROR, findings, "; ".join(unfired)
    return columns, verdict, findings, "; ".join(unfired)


def _outcomes(seen: Seen) -> list[Finding]:
    """Processes that crashed, or did not end."""
    found = []
    for step in seen.observation.steps:
        what = f"{step.action.name}: {step.result.problem or step.result.outcome}"
        if step.result.outcome in ("crash", "hang"):
            found.append(Finding(Column.REPORT, Verdict.FAIL, what))
        if step.result.outcome == "hang":
            found.append(Finding(Column.TIMING, Verdict.FAIL, what, None, "INV-18"))
    return found


def _expected(seen: Seen, addresses: Sequence[int]) -> list[Finding]:
    """What was expected and is not so: a fail, or less where the scenario tolerates it or its level is low."""
    definition = seen.definition
    found = []
    for column, findings in _by_column(definition.expect, seen, addresses).items():
        if worst(each.verdict for each in findings) is not Verdict.FAIL:
            found += findings
        elif _tolerated(column, seen, addresses):
            found += [_as(each, Verdict.NON_STRICT, "tolerated: ") for each in findings]
        elif definition.level is not Level.MUST:
            found += [
                each if each.is_untrue else _as(each, Verdict.NON_STRICT, f"{definition.level}: ") for each in findings
            ]
        else:
            found += findings
    return found


def _as(finding: Finding, verdict: Verdict, before: str) -> Finding:
    if finding.verdict is not Verdict.FAIL:
        return finding
    return Finding(finding.column, verdict, before + finding.text, finding.position, finding.invariant)


def _tolerated(column: Column, seen: Seen, addresses: Sequence[int]) -> bool:
    """Whether one of the tolerated forms that speak of this column is met."""
    for tier in seen.definition.tolerate:
        if column not in _columns_of(tier):
            continue
        found = _by_column(tier, seen, addresses).get(column, [])
        if all(each.verdict is not Verdict.FAIL for each in found):
            return True
    return False


def _columns_of(tier: Expectation) -> set[Column]:
    given = set()
    if tier.wire is not None or tier.state is not None:
        given.add(Column.WIRE)
    if tier.report is not None:
        given.add(Column.REPORT)
    if tier.timing is not None:
        given.add(Column.TIMING)
    return given


def _by_column(tier: Expectation, seen: Seen, addresses: Sequence[int]) -> dict[Column, list[Finding]]:
    found: dict[Column, list[Finding]] = {column: [] for column in Column if column in _columns_of(tier)}
    every = [
        *judge_wire(tier.wire or (), seen),
        *judge_state(tier.state or (), seen, addresses),
        *judge_report(tier.report or (), seen),
        *judge_timing(tier.timing or (), seen),
    ]
    for finding in every:
        found.setdefault(finding.column, []).append(finding)
    return found


def _forbidden(seen: Seen) -> list[Finding]:
    """What makes it a fail, whatever the level is."""
    never = seen.definition.never
    found = []
    for frame in seen.traffic.sent:
        for pattern in never.wire:
            if pattern.matches(*frame.sent):
                text = f"never {pattern.text}. Saw {shown(frame)}"
                found.append(Finding(Column.WIRE, Verdict.FAIL, text, frame.position))
    for turns in seen.turns:
        for turn in turns:
            for entry in never.report:
                if turn.entry is None:
                    continue
                for words in entry.alternatives:
                    if mismatch(words, entry, turn, seen) == ([], []):
                        text = f"never {entry.is_}. Saw {told(turn.entry)}"
                        found.append(Finding(Column.REPORT, Verdict.FAIL, text))
    return found


def _with_lag(seen: Seen, findings: list[Finding]) -> list[Finding]:
    """Where the bench itself answered too late, nothing that follows from that is held against the master.

    Where it tore an answer, a master may have acted too soon, but was not made to tell what was not so.
    """
    if not seen.lag:
        return findings
    answered_late = seen.observation.stall >= _shortest_standstill(seen.baud) or _answered_late(seen)
    if not answered_late and not _tore(seen):
        return findings
    return [
        replace(each, verdict=Verdict.INCONCLUSIVE, text=f"the bench was late: {each.text}")
        if each.verdict in (Verdict.FAIL, Verdict.NON_STRICT)
        and not _is_certain(each, seen)
        and (answered_late or not (each.is_untrue or each.invariant in _TRUTH))
        else each
        for each in findings
    ]


def _shortest_standstill(baud: int) -> int:
    """ns for which a bench has to stand still until a master may give up waiting for it."""
    return max(_LONGEST_HOLE, response_window(baud)[1] - _LONGEST_HOLE)


def _is_certain(finding: Finding, seen: Seen) -> bool:
    """Whether no lag can explain it: what is no frame, a command that nobody asked for, an invented value, a crash."""
    if finding.invariant in _WHATEVER_THE_LAG:
        return True
    if finding.invariant == "INV-15":
        return any(invented(turn, seen) for turns in seen.turns for turn in turns)
    if finding.invariant == "INV-16":
        return not seen.truth.telegrams and not seen.truth.acknowledges(0, seen.observation.events[-1].end)
    return any(
        step.result.outcome == "crash" and finding.text.startswith(f"{step.action.name}: ")
        for step in seen.observation.steps
    )


def _answered_late(seen: Seen) -> bool:
    """Whether an answer was late, or had a hole, and might not have been so without the host's lag."""
    if any((frame.lag or 0) >= _LONGEST_HOLE for frame in seen.traffic.heard):
        return True
    late = {
        (finding.time, finding.rule)
        for exchange in seen.traffic.exchanges
        for finding in exchange.findings
        if finding.rule == "answer-too-late" and exchange.answer is not None and exchange.answer.lag
    }
    if not late:
        return False
    meant = seen.traffic.analyzed(LAG_FACTOR * seen.lag)
    return bool(late - {(finding.time, finding.rule) for exchange in meant for finding in exchange.findings})


def _tore(seen: Seen) -> bool:
    """Whether the master did something while characters that it should have had were still with the host."""
    idle = idle_time(seen.baud)
    worst = seen.observation.lag or 0
    if worst <= idle:
        return False
    ends = [step.result.ended for step in seen.observation.steps]
    before: TraceEvent | None = None
    for event in seen.observation.events:
        if event.kind is not Kind.RECEIVED:
            continue
        is_several = len(event.data) > 1 or (before is not None and event.time - before.end < idle)
        before = event
        lag = worst if event.lag is None else event.lag
        if not is_several or lag <= idle:
            continue
        end = min((each for each in ends if each >= event.time), default=event.time)
        acted = [frame.start for frame in seen.traffic.frames_between(event.time + 1, end)]
        if not acted or acted[0] < event.end + lag:
            return True
    return False


def _columns(seen: Seen, findings: Sequence[Finding]) -> dict[Column, Verdict]:
    """The verdict of each column that was looked at: the invariants look at wire and time whenever there is any."""
    looked = _columns_of(seen.definition.expect)
    if seen.traffic.sent:
        looked.add(Column.WIRE)
        if seen.observation.speed is not None:
            looked.add(Column.TIMING)
    if any(step.result.report is not None for step in seen.observation.steps):
        looked.add(Column.REPORT)
    looked |= {each.column for each in findings}
    return {
        column: worst([Verdict.PASS, *(each.verdict for each in findings if each.column is column)]) or Verdict.PASS
        for column in Column
        if column in looked
    }
