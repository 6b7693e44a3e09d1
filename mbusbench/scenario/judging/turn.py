"""Which part of the line belongs to which entry of a report: one turn for each target and repetition of a step.

A master does not say when it begins with the next one; it is told from whom it asks, from the pause, and from a link
reset after an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mbusbench.codec.address import BROADCAST_REPLY, SELECTED, SecondaryAddress
from mbusbench.codec.control_field import SND_NKE
from mbusbench.codec.frame import LongFrame, ShortFrame, SingleCharacter
from mbusbench.errors import MBusUsageError
from mbusbench.scenario.driver.action import READS, WITHOUT_TARGET
from mbusbench.scenario.file.pattern import is_selection
from mbusbench.scenario.judging.traffic import MasterFrame, Traffic
from mbusbench.scenario.judging.truth import Delivered, Truth
from mbusbench.scenario.observation import PerformedStep
from mbusbench.scenario.report import MeterReport
from mbusbench.timing import response_window
from mbusbench.trace.assembly import TimedFrame

Target = int | str


@dataclass(frozen=True, slots=True)
class Turn:
    """One entry: its number among all entries of the step, whom it is about, and its part of the line (ns)."""

    step: PerformedStep
    index: int
    target: Target | None
    start: int
    end: int
    entry: MeterReport | None

    @property
    def frames_of(self) -> tuple[int, int]:
        return self.start, self.end


def turns_of(step: PerformedStep, traffic: Traffic, truth: Truth) -> list[Turn]:
    """The turns of a step, in order; as many as were asked for, or as the report has entries."""
    action, result = step.action, step.result
    entries = result.report.meters if result.report is not None else ()
    end = result.ended
    if action.name in WITHOUT_TARGET or not action.targets:
        return [Turn(step, index, None, result.started, end, entry) for index, entry in enumerate(entries)]
    targets: list[Target] = [*action.targets] * max(1, action.repeat or 1)
    starts = _starts(targets, step, traffic, truth)
    turns = []
    for index, target in enumerate(targets):
        start = starts[index] if index < len(starts) else end
        following = starts[index + 1] if index + 1 < len(starts) else end + 1
        entry = entries[index] if index < len(entries) else None
        turns.append(Turn(step, index, target, start, following - 1, entry))
    return turns


def _starts(targets: Sequence[Target], step: PerformedStep, traffic: Traffic, truth: Truth) -> list[int]:
    """When each turn begins, as far as can be told."""
    frames = traffic.frames_between(step.result.started, step.result.ended)
    starts = [step.result.started]
    pause = round((step.action.interval or 0) * 0.9e9)
    if pause and len(set(targets)) == 1:
        return [*starts, *_after_pauses(len(targets) - 1, pause, frames, traffic, truth)]
    last: MasterFrame | None = None
    for frame in frames:
        current = len(starts) - 1
        if current + 1 == len(targets):
            break
        here, following = targets[current], targets[current + 1]
        if following != here:
            moved = is_for(frame, following) and not is_for(frame, here)
        elif pause:
            moved = last is not None and frame.start - _over(last, frame.start, traffic) >= pause
        else:
            moved = _begins_again(frame, truth.between(starts[-1], frame.start), step)
        if moved:
            starts.append(frame.start)
        last = frame
    return starts


def _is_good(answer: TimedFrame, request: MasterFrame) -> bool:
    item = answer.item
    if not answer.ok or isinstance(item, SingleCharacter):
        return answer.ok
    return request.address in (BROADCAST_REPLY, SELECTED) or getattr(item, "address", None) == request.address


def _after_pauses(count: int, pause: int, frames: Sequence[MasterFrame], traffic: Traffic, truth: Truth) -> list[int]:
    """The frames behind pauses between turns, at most `count`.

    A master may wait as long for an answer: what repeats a frame that got no data is less likely to be another turn,
    and so is what comes after a shorter pause.
    """
    found = []
    for before, frame in pairwise(frames):
        silence = frame.start - _over(before, frame.start, traffic)
        if silence >= pause:
            is_repeat = before.raw == frame.raw and not truth.between(before.start, frame.start)
            found.append((is_repeat, -silence, frame.start))
    return sorted(start for _, _, start in sorted(found)[:count])


def _over(frame: MasterFrame, before: int, traffic: Traffic) -> int:
    """When an exchange was over: with a good answer, or when nothing could come any more."""
    until = frame.end + response_window(frame.frame.baud or 2400)[1]
    came = traffic.heard_between(frame.start, min(before, until))
    good = [each.end for each in came if _is_good(each, frame)]
    return good[-1] if good else max([until, *(each.end for each in came)])


def _begins_again(frame: MasterFrame, before: Sequence[Delivered], step: PerformedStep) -> bool:
    """Whether, after these answers, the frame is a new readout."""
    if not before or step.action.name not in READS:
        return False
    item = frame.item
    if is_selection(item) or (isinstance(item, ShortFrame) and item.control == SND_NKE):
        return True
    return not before[-1].more


def is_for(frame: MasterFrame, target: Target) -> bool:
    """Whether a frame goes to this target: to its address, or to 253 by a selection of it."""
    item = frame.item
    if not isinstance(item, ShortFrame | LongFrame):
        return False
    if isinstance(target, int):
        return item.address == target
    if is_selection(item) and isinstance(item, LongFrame):
        wanted = _parsed(target)
        return wanted is not None and item.data[:8] == wanted.encode()
    return item.address == SELECTED


def _parsed(target: str) -> SecondaryAddress | None:
    try:
        return SecondaryAddress.parse(target)
    except MBusUsageError:
        return None


def fits(telegram: Delivered, target: Target | None) -> bool:
    """Whether a telegram is from the meter that was asked for."""
    if not telegram.is_response:
        return False
    if target is None or target in (BROADCAST_REPLY, SELECTED):
        return True
    if isinstance(target, int):
        return telegram.frame.address == target
    mask, own = _parsed(target), telegram.secondary
    if mask is None or own is None:
        return mask is not None
    return mask.matches(SecondaryAddress.parse(own))


def of_turn(turn: Turn, truth: Truth) -> list[Delivered]:
    """The telegrams that the entry may be made of: whole, from the right meter, made in this turn, each once."""
    found: list[Delivered] = []
    for each in truth.between(turn.start, turn.end):
        if fits(each, turn.target) and is_fresh(each, turn) and not any(each.frame == one.frame for one in found):
            found.append(each)
    return found


def is_fresh(telegram: Delivered, turn: Turn) -> bool:
    """Whether it was made for a request of this turn."""
    return telegram.made is None or telegram.made >= turn.start


def last_readout(turn: Turn, traffic: Traffic, telegrams: Sequence[Delivered]) -> list[Delivered]:
    """Those since the last link reset or selection that data followed."""
    if not telegrams:
        return []
    resets = [
        frame.start
        for frame in traffic.frames_between(turn.start, turn.end)
        if frame.start < telegrams[-1].start and _resets(frame)
    ]
    since = resets[-1] if resets else turn.start
    return [each for each in telegrams if each.start >= since]


def _resets(frame: MasterFrame) -> bool:
    item = frame.item
    return is_selection(item) or (isinstance(item, ShortFrame) and item.control == SND_NKE)


def all_turns(steps: Iterable[PerformedStep], traffic: Traffic, truth: Truth) -> list[Turn]:
    """Of all steps, in order."""
    return [turn for step in steps for turn in turns_of(step, traffic, truth)]
