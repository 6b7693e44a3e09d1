"""Whether the master kept the times that a scenario expects.

On the wall clock, what is nearer to its limit than three times the measured lag is neither right nor wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mbusbench.scenario.expectation.definition import TimingCheck
from mbusbench.scenario.expectation.seen import Seen
from mbusbench.scenario.file.pattern import FramePattern
from mbusbench.scenario.judging.traffic import MasterFrame
from mbusbench.scenario.verdict import Column, Finding, Verdict
from mbusbench.trace.text import bit_times, milliseconds

LAG_FACTOR = 3


def judge_timing(checks: Sequence[TimingCheck], seen: Seen) -> Iterator[Finding]:
    """A finding for each time that is not as it should be, or that could not be told."""
    for check in checks:
        if check.growth is not None:
            yield from _judge_growth(check, check.growth, seen)
        if check.least is None and check.most is None:
            continue
        spans = list(_spans(check, seen))
        if not spans:
            what = check.from_ or check.idle_before or f"step {check.step}"
            yield Finding(Column.TIMING, Verdict.FAIL, f"nothing to measure: no {what} was seen")
        for name, span, position in spans:
            yield from _judge(check, name, span, position, seen)


def _judge_growth(check: TimingCheck, growth: float, seen: Seen) -> Iterator[Finding]:
    for step, turns in zip(seen.observation.steps, seen.turns, strict=True):
        tenth = len(turns) // 10
        if step.name != check.step or not tenth:
            continue
        first = turns[tenth].start - turns[0].start
        last = turns[-1].start - turns[-1 - tenth].start
        if last > growth * first + LAG_FACTOR * seen.lag:
            text = f"step {check.step}: expected the last {tenth} turns to take at most {growth:g} times as long as the"
            saw = f"first ones, saw {milliseconds(last)} and {milliseconds(first)}"
            yield Finding(Column.TIMING, Verdict.FAIL, f"{text} {saw}", seen.traffic.position(turns[-tenth].start))


def _spans(check: TimingCheck, seen: Seen) -> Iterator[tuple[str, int, int | None]]:
    """What is measured: its name, its length in ns, its place."""
    frames = seen.frames(check.step)
    if check.idle_before is not None:
        for frame in _chosen(check.idle_before, frames, check.nth):
            silence = seen.traffic.silence_before(frame.start)
            if silence is not None:
                yield f"silence before {check.idle_before.text}", silence, frame.position
        return
    if check.within is not None:
        for frame in _chosen(check.within, frames, check.nth):
            yield f"pause within {check.within.text}", frame.frame.pause, frame.position
        return
    if check.from_ is None:
        for step in seen.steps(check.step):
            yield f"step {check.step}", step.result.ended - step.result.started, None
        return
    for frame in _chosen(check.from_, frames, check.nth):
        end = _end(check, frame, frames, seen)
        if end is not None:
            yield f"from {check.from_.text} to {check.to}", end - frame.end, frame.position


def _chosen(pattern: FramePattern, frames: Sequence[MasterFrame], nth: int | None) -> list[MasterFrame]:
    found = [frame for frame in frames if pattern.matches(*frame.sent)]
    return found if nth is None else found[nth - 1 : nth]


def _end(check: TimingCheck, frame: MasterFrame, frames: Sequence[MasterFrame], seen: Seen) -> int | None:
    if check.to != "end":
        pattern = None if check.to == "next" else FramePattern(check.to)
        for later in frames:
            if later.start > frame.start and (pattern is None or pattern.matches(*later.sent)):
                return later.start
        if pattern is not None:
            return None
    steps = [step for step in seen.steps(check.step) if step.result.started <= frame.start <= step.result.ended]
    return steps[0].result.ended if steps else None


def _judge(check: TimingCheck, name: str, span: int, position: int | None, seen: Seen) -> Iterator[Finding]:
    # Characters that came together were sent together, however late they were seen.
    came_together = check.within is not None and not span
    margin = 0 if came_together else LAG_FACTOR * seen.lag
    saw = f"saw {milliseconds(span)} = {bit_times(max(0, span), seen.baud)}"
    limits = [(check.least, True), (check.most, False)]
    for limit, is_least in limits:
        if limit is None:
            continue
        wanted = limit.at(seen.baud)
        is_met = span >= wanted if is_least else span <= wanted
        word = "at least" if is_least else "at most"
        text = f"{name}: expected {word} {limit.text}, {saw}"
        if margin and abs(span - wanted) < margin:
            yield Finding(Column.TIMING, Verdict.INCONCLUSIVE, f"{text}, lag {milliseconds(seen.lag)}", position)
        elif not is_met:
            is_tolerated = not is_least and check.tolerated is not None and span <= check.tolerated.at(seen.baud)
            yield Finding(Column.TIMING, Verdict.NON_STRICT if is_tolerated else Verdict.FAIL, text, position)
