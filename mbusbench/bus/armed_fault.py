"""A fault that is armed: what it has seen, how often it fired, and whether it acts on the frame that passes now."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from mbusbench.bus.fault import ANSWERS, Direction, FaultDefinition, FrameName
from mbusbench.bus.fault_kinds import Place
from mbusbench.codec.address import SELECTED, SecondaryAddress
from mbusbench.codec.control_field import PRM, function_code
from mbusbench.codec.frame import LongFrame, ShortFrame
from mbusbench.protocol.slave.selection import SELECTION, SELECTION_MODE_2

_SERVICES = {
    0x0: FrameName.SND_NKE,
    0x3: FrameName.SND_UD,
    0xA: FrameName.REQ_UD1,
    0xB: FrameName.REQ_UD2,
}
_SINGLE = {b"\xe5": FrameName.E5, b"\xa2": FrameName.A2}


class Passing(NamedTuple):
    """A frame that passes: `data` is what a fault would change, `request` the master's frame that it belongs to.

    `meter_address` and `wire_address` are of the meter that answers. `names` are all that the frame is called.
    """

    request: LongFrame | ShortFrame | None
    data: bytes
    names: frozenset[FrameName]
    meter_address: int | None = None
    wire_address: bytes | None = None

    def __str__(self) -> str:
        requests = " ".join(sorted(name.value for name in self.names - ANSWERS))
        if self.meter_address is None:
            return requests or f"{len(self.data)} bytes"
        answer = next((name.value for name in self.names & ANSWERS), "answer")
        return f"{answer} of slave {self.meter_address} to {requests or 'no request'}"


def names_of(request: LongFrame | ShortFrame | None, answer: bytes = b"") -> frozenset[FrameName]:
    """What a fault's `frame` may call the request, and the answer to it."""
    names = set()
    if request is not None and request.control & PRM:
        service = _SERVICES.get(function_code(request.control))
        if service is not None:
            names.add(service)
        if type(request) is LongFrame and request.ci in (SELECTION, SELECTION_MODE_2):
            names.add(FrameName.SELECTION)
    if answer:
        names.add(_SINGLE.get(answer, FrameName.RSP_UD))
    return frozenset(names)


class ArmedFault:
    """`seen` frames passed while it was armed, `met` of them were those that it is for, and `hits` times it acted."""

    __slots__ = ("_addresses", "_masks", "definition", "hits", "last_hit", "met", "random", "seen")

    def __init__(self, definition: FaultDefinition, seed: int | str) -> None:
        self.definition = definition
        self.random = Random(f"{seed}/fault/{definition.name}")
        self.seen = 0
        self.met = 0
        self.hits = 0
        self.last_hit: int | None = None
        """When it acted last, ns since the bus's epoch."""
        targets = definition.on or []
        self._addresses = frozenset(target for target in targets if isinstance(target, int))
        self._masks = [target for target in targets if isinstance(target, SecondaryAddress)]

    @property
    def name(self) -> str:
        return self.definition.name

    @property
    def does(self) -> str:
        """The kinds of its steps."""
        return ", ".join(effect.name for effect in self.definition.do)

    def never(self) -> str:
        """What it waited for and what it has seen, of one that never acted."""
        what = f"{self.name} ({self.definition.condition()}; {self.does})"
        if self.definition.place is Place.TIME:
            return f"{what}: its time came {self.seen} times"
        passed = "answers" if self.definition.direction is Direction.ANSWER else "requests"
        return f"{what}: {self.seen} {passed} passed, {self.met} met its condition"

    @property
    def worn_off(self) -> bool:
        """It has acted as often as it may."""
        return self.definition.times is not None and self.hits >= self.definition.times

    def in_time(self, now: int) -> bool:
        """Inside its time window."""
        definition = self.definition
        return (definition.from_ is None or now >= definition.from_) and (
            definition.until is None or now < definition.until
        )

    def chooses(self, passing: Passing, now: int) -> bool:
        """Whether it acts on the frame. Counts: it is asked once about each frame, and not before its turn."""
        self.seen += 1
        if self.worn_off or not self.in_time(now) or not self._is_for(passing):
            return False
        self.met += 1
        definition = self.definition
        number = self.met - definition.skip
        if number <= 0:
            return False
        if definition.exactly is not None and number not in definition.exactly:
            return False
        if definition.every is not None and number % definition.every:
            return False
        return definition.probability is None or self.random.random() < definition.probability

    def _is_for(self, passing: Passing) -> bool:
        definition = self.definition
        if definition.frame is not None and not self._is_named(passing.names):
            return False
        if definition.on is not None and not self._is_on(passing):
            return False
        return definition.pattern is None or definition.pattern.matches(passing.data)

    def _is_named(self, names: frozenset[FrameName]) -> bool:
        """Names of requests are alternatives, those of answers too; where both are given, both have to fit."""
        wanted = frozenset(self.definition.frame or ())
        answers = wanted & ANSWERS
        requests = wanted - ANSWERS
        return (not answers or bool(answers & names)) and (not requests or bool(requests & names))

    def _is_on(self, passing: Passing) -> bool:
        request = passing.request
        if passing.meter_address in self._addresses:
            return True
        if request is not None and request.address in self._addresses:
            return True
        if not self._masks:
            return False
        wire = passing.wire_address
        if wire is None:
            if type(request) is not LongFrame or request.ci != SELECTION or request.address != SELECTED:
                return False
            wire = request.data[:8]
        if len(wire) != 8:
            return False
        address = SecondaryAddress.decode(wire)
        return any(mask.matches(address) for mask in self._masks)
