"""INV-20: what the readouts of a case cost on the line, beside the least that they can cost. A figure, never judged.

The least is a link reset or selection for each meter, with its acknowledge, and a request for each telegram that came
whole, with nothing sent twice and no time lost.
"""

from __future__ import annotations

from dataclasses import dataclass

from mbusbench.codec.frame import SHORT_LENGTH
from mbusbench.scenario.driver.action import READS
from mbusbench.scenario.expectation.seen import Seen
from mbusbench.scenario.judging.turn import of_turn
from mbusbench.timing import bit_time, character_time
from mbusbench.trace.event import Kind

_SELECTION_LENGTH = 17
_RESPONSE = 11
"""Bit times between a request and its answer at the least."""
_ON_THE_LINE = (Kind.MASTER, Kind.SLAVE)


@dataclass(frozen=True, slots=True)
class Load:
    """Of all readouts of a case: characters and time (ns) on the line, and the least of both."""

    readouts: int
    characters: int
    time: int
    least_characters: int
    least_time: int

    def __str__(self) -> str:
        readouts = "1 readout" if self.readouts == 1 else f"{self.readouts} readouts"
        return (
            f"{readouts}: {self.characters} characters, at least {self.least_characters}; "
            f"{self.time / 1e6:.0f} ms, at least {self.least_time / 1e6:.0f} ms"
        )


def bus_load(seen: Seen) -> Load | None:
    """None where nothing was read, or the line has no speed."""
    steps = [step for step in seen.observation.steps if step.action.name in READS]
    if not steps or seen.observation.speed is None:
        return None
    readouts = characters = time = least = answers = 0
    for step, turns in zip(seen.observation.steps, seen.turns, strict=True):
        if step.action.name not in READS:
            continue
        begun = set()
        for turn in turns:
            events = [
                event for event in seen.traffic.events_between(turn.start, turn.end + 1) if event.kind in _ON_THE_LINE
            ]
            if not events:
                continue
            readouts += 1
            characters += sum(len(event.data) for event in events)
            time += max(event.end for event in events) - events[0].time
            telegrams = of_turn(turn, seen.truth)
            answers += len(telegrams)
            least += sum(SHORT_LENGTH + len(each.frame.encode()) for each in telegrams)
            if turn.target not in begun:
                begun.add(turn.target)
                least += 1 + (_SELECTION_LENGTH if isinstance(turn.target, str) else SHORT_LENGTH)
                answers += 1
    if not readouts:
        return None
    least_time = character_time(seen.baud, least) + answers * bit_time(seen.baud, _RESPONSE)
    return Load(readouts, characters, time, least, least_time)
