"""Whether the master sent what a scenario expects: which frames, in which order, how many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mbusbench.codec.frame import LongFrame
from mbusbench.scenario.expectation.definition import StateCheck, WireCheck
from mbusbench.scenario.expectation.seen import Seen
from mbusbench.scenario.file.pattern import MANY, FramePattern, Item, match_sequence
from mbusbench.scenario.judging.traffic import MasterFrame
from mbusbench.scenario.verdict import Column, Finding, Verdict
from mbusbench.trace.description import describe_frame, hex_text

_ANYTHING = Item(None, 0, MANY, text="..")


def judge_wire(checks: Sequence[WireCheck], seen: Seen) -> Iterator[Finding]:
    """A finding for each check that does not hold."""
    for check in checks:
        frames = seen.frames(check.step)
        found = _judge(check, frames)
        if found is not None:
            text, position = found
            where = f"step {check.step}: " if check.step else ""
            yield Finding(Column.WIRE, Verdict.FAIL, where + text, position)


def _judge(check: WireCheck, frames: Sequence[MasterFrame]) -> tuple[str, int | None] | None:
    if check.sequence is not None:
        return _sequence(check.sequence, frames)
    if check.order is not None:
        items = [_ANYTHING, *(each for item in check.order for each in (item, _ANYTHING))]
        return _sequence(items, frames)
    if check.only is not None:
        for frame in frames:
            if not any(_is(pattern, frame) for pattern in check.only):
                allowed = ", ".join(pattern.text for pattern in check.only)
                return f"expected nothing but {allowed}, saw {shown(frame)}", frame.position
        return None
    if check.never is not None:
        for frame in frames:
            for pattern in check.never:
                if _is(pattern, frame):
                    return f"expected no {pattern.text}, saw {shown(frame)}", frame.position
        return None
    assert check.frames is not None
    assert check.count is not None
    if check.each:
        alike: dict[object, list[MasterFrame]] = {}
        for frame in frames:
            item = frame.item
            content = (item.address, item.ci, item.data) if isinstance(item, LongFrame) else frame.raw
            alike.setdefault(content, []).append(frame)
        found = (_count(check.frames, check.count, None, same) for same in alike.values() if _is(check.frames, same[0]))
        return next((each for each in found if each is not None), None)
    return _count(check.frames, check.count, check.per, frames)


def _is(pattern: FramePattern, frame: MasterFrame) -> bool:
    return pattern.matches(*frame.sent)


def _sequence(items: Sequence[Item], frames: Sequence[MasterFrame]) -> tuple[str, int | None] | None:
    match = match_sequence(items, [frame.sent for frame in frames])
    if match.ok:
        return None
    if match.fitted < len(frames):
        frame = frames[match.fitted]
        return f"expected {match.expected} as frame {match.fitted + 1}, saw {shown(frame)}", frame.position
    position = frames[-1].position if frames else None
    return f"expected {match.expected} after {match.fitted} frames, saw no more", position


def _count(
    pattern: FramePattern, count: tuple[int, int], per: FramePattern | None, frames: Sequence[MasterFrame]
) -> tuple[str, int | None] | None:
    groups: list[list[MasterFrame]] = [[]]
    for frame in frames:
        if per is not None and _is(per, frame):
            groups.append([])
        if _is(pattern, frame):
            groups[-1].append(frame)
    if per is not None and len(groups) > 1 and not groups[0]:
        groups.pop(0)
    least, most = count
    for group in groups:
        if not least <= len(group) <= most:
            wanted = f"{least}" if least == most else f"{least} or more" if most == MANY else f"{least} to {most}"
            behind = f" for each {per.text}" if per is not None else ""
            position = group[min(most, len(group) - 1)].position if group else None
            return f"expected {wanted} of {pattern.text}{behind}, saw {len(group)}", position
    return None


def shown(frame: MasterFrame) -> str:
    """A frame as findings name it."""
    return f"{describe_frame(frame.item)[0]} ({hex_text(frame.raw)})"


def judge_state(checks: Sequence[StateCheck], seen: Seen, started: Sequence[int]) -> Iterator[Finding]:
    """What meters are afterwards; `started` are the primary addresses that they had."""
    for check in checks:
        meters = [
            meter
            for meter, address in zip(seen.meters, started, strict=True)
            if check.meter in (address, meter.name) and check.meter != ""
        ]
        if len(meters) != 1:
            yield Finding(Column.WIRE, Verdict.ERROR, f"{len(meters)} meters are called {check.meter!r}")
            continue
        meter = meters[0]
        now = max((step.result.ended for step in seen.observation.steps), default=0)
        actual: dict[str, object] = {
            "address": meter.address,
            "baud": meter.link.baud or seen.baud,
            "writes": meter.writes,
            "application": meter.link.application.selected_application,
            "clock": meter.clock(now).isoformat(timespec="minutes"),
            "selected": meter.link.is_selected,
        }
        for key in sorted(check.model_fields_set - {"meter", "values"}):
            wanted = getattr(check, key)
            if actual[key] != wanted:
                text = f"expected meter {check.meter} with {key} {wanted}, it has {actual[key]}"
                yield Finding(Column.WIRE, Verdict.FAIL, text)
        for name, value in check.values.items():
            reading = meter.reading(name, now)
            if reading.shown != value:
                text = f"expected meter {check.meter} with {name} {value}, it has {reading.shown}"
                yield Finding(Column.WIRE, Verdict.FAIL, text)
