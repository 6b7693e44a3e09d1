"""Search for the slaves behind a mask, whatever their addresses have in common (EN 13757-3, wildcard search).

A mask that several slaves answer is split by one field into parts that are asked one by one, until each part has at
most one slave. Digits go to E, the wildcard aside. How to split, and which parts need no question, `Survey` says.
What was asked is kept: a search that was stopped is begun anew and answers itself up to where it was.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace

from mbusbench.codec.address import SELECTED, SecondaryAddress
from mbusbench.codec.frame import LongFrame
from mbusbench.protocol.exchange import Exchange
from mbusbench.protocol.fcb import MasterFcb
from mbusbench.protocol.outcome import Failure, FailureKind, Outcome
from mbusbench.protocol.procedures.readout import DOING as READING
from mbusbench.protocol.procedures.search.ask import (
    DESELECT,
    MOST_SELECTIONS,
    RESET_ALL,
    SEVERAL,
    SILENCES,
    Answer,
    Finding,
    address_of,
    any_that_know_only,
    ask,
    exists,
    is_disturbed,
)
from mbusbench.protocol.procedures.search.collision import common_bits, explains, hides, resembles_collision
from mbusbench.protocol.procedures.search.mask import (
    ALL,
    DEVICE_TYPE,
    DIGITS,
    FIELDS,
    ID_FIELDS,
    MANUFACTURER_HIGH,
    MANUFACTURER_LOW,
    VERSION,
    Field,
    Mask,
)
from mbusbench.protocol.procedures.search.memory import Memory
from mbusbench.protocol.procedures.search.split import DECIMAL, Survey, crossing, likely_manufacturers
from mbusbench.protocol.procedures.search.twins import ask_again, by_fabrication_number, look

_TRUSTED = 3  # splits in a row for which a disturbed acknowledge is reason enough
_PRESUMED = 5  # splits in a row without proof, after which it may be the line that is disturbed
_NARROW = 2  # open digits from which on it is not
_CROWDED = 5  # slaves in each of the first parts that make the others likely to have several too
_LIKELY = 0.02  # expected slaves from which on a question is worth it
_ALIGNED = 8  # of so many collisions one in which the slaves began at the same moment
_FIELDS_TRIED = 2
_ONES = 1.5  # in a digit of a real address, on average
_FEWER_ONES = 1.2
_SERIAL = 2  # last digits in which serial numbers of the same delivery differ
_TWINS = 2
_BEHIND_DIGITS = 0xFFFFFFFF
_MANUFACTURER_BITS = 0xFFFF << 16
_FEW = 4  # telegrams that do not tell yet how different those of this bus are


@dataclass(frozen=True, slots=True)
class Found:
    """A slave, and the telegram in which it said so. `fabrication` where only that tells it from others."""

    address: SecondaryAddress
    frame: LongFrame
    fabrication: str | None = None


@dataclass(frozen=True, slots=True)
class Unresolved:
    """Somebody is behind this mask who cannot be told apart or does not say who it is."""

    mask: SecondaryAddress
    failure: Failure


@dataclass(frozen=True, slots=True)
class Asked:
    """A question was answered. `part` is how much of the search is done, from 0 to 1."""

    mask: SecondaryAddress
    part: float


@dataclass(frozen=True, slots=True)
class _Node:
    """A mask that several slaves answer: `start` and `span` are its place in the whole.

    `presumed` counts the splits from the last mask on that showed it by more than a disturbed acknowledge.
    """

    mask: Mask
    answer: Answer = SEVERAL
    start: float = 0.0
    span: float = 1.0
    presumed: int = 0


Event = Found | Unresolved | Asked
Walk = Generator[Exchange | Event, Outcome | None, None]
Question = Generator[Exchange | Event, Outcome | None, Answer]
Decision = Generator[Exchange | Event, Outcome | None, bool]


class _DisturbedError(Exception):
    """Every question is answered by noise: a search would have no end."""


class Search:
    """One search, from `events` to its end. `memory` is what earlier runs of it learned, and learns with it.

    `hints` are addresses that may be there.
    """

    def __init__(
        self, mask: SecondaryAddress, fcb: MasterFcb, memory: Memory, hints: Iterable[SecondaryAddress] = ()
    ) -> None:
        self._root = Mask.of(mask)
        self._fcb = fcb
        self._memory = memory
        inside = [value for hint in hints if self._root.contains(value := Mask.of(hint).value)]
        self._survey = Survey(self._root, tuple(dict.fromkeys(inside)))
        self._code = 1
        self._exploring = True
        self._verifying = False
        self._collisions = self._aligned = 0
        self._depths = [[0, 0] for _ in range(DIGITS + 1)]
        self._done = 0.0

    def events(self) -> Walk:
        """Exchanges, and between them what they showed as soon as it is sure."""
        yield RESET_ALL
        yield DESELECT
        self._fcb.forget(SELECTED)
        try:
            yield from self._passes()
        except _DisturbedError:
            yield from self._report(self._root, Failure(FailureKind.GARBLED, READING, "the line is disturbed"))

    def _passes(self) -> Walk:
        memory = self._memory
        if memory.one_code is None:
            memory.one_code = yield from any_that_know_only(0, self._root.address())
        yield from self._pass()
        if memory.one_code:
            yield DESELECT
            self._code = 0
            self._survey = Survey(self._root, tuple(self._survey.found))
            yield from self._pass()

    def _pass(self) -> Walk:
        """Find all slaves that understand selections with the frame count bit in use."""
        self._exploring = not self._survey.sampled
        answer = yield from self._ask(self._root, confirm=True)
        node = _Node(self._root, answer)
        if not (yield from self._settles(node)):
            if self._survey.hints:
                self._verifying = True
                yield from self._resolve(node)
                self._verifying = False
            yield from self._resolve(node)
            if self._exploring and self._survey.sampled:
                self._exploring = False
                yield from self._resolve(node)
        self._exploring = False
        while self._is_aligned and (yield from self._audit()):
            pass

    # -- questions

    def _ask(self, mask: Mask, *, confirm: bool = True, selections: int = MOST_SELECTIONS) -> Question:
        """Who is behind `mask`, from memory where it was asked before."""
        memory = self._memory
        key = mask, self._code
        answer = memory.answers.get(key)
        if answer is None:
            left = min(selections, max(SILENCES, MOST_SELECTIONS - memory.selections[key]))
            answer, used = yield from ask(mask, self._code, self._fcb, left, confirm=confirm)
            memory.selections[key] += used
            if answer.finding is not Finding.NOBODY or used > 1:
                memory.answers[key] = answer
            yield Asked(mask.address(), self._done)
        if answer.finding is Finding.SEVERAL:
            self._depths[mask.open_count][1] += 1
            self._collisions += 1
            self._aligned += bool(common_bits(answer.raw))
        elif answer.finding is Finding.NOBODY and key in memory.answers:
            self._survey.add_empty(mask)
        return answer

    @property
    def _is_aligned(self) -> bool:
        """Whether slaves of this bus may well answer at the same moment: then telegrams, too, can hide one another."""
        return self._collisions < _ALIGNED or self._aligned * _ALIGNED >= self._collisions

    def _settles(self, node: _Node) -> Decision:
        """Take the answer for `node` where it needs no split: nobody, one slave, or one that does not say who it is."""
        mask, answer = node.mask, node.answer
        if answer.finding is Finding.ONE:
            assert answer.frame is not None
            address = address_of(answer.frame)
            assert address is not None
            value = Mask.of(address).value
            if not (yield from self._is_there(mask, value)):
                return False
            self._survey.add_single(mask, value)
            if value not in self._memory.found:
                self._memory.found[value] = answer.frame
                self._memory.found_by[value] = mask
                yield Found(address, answer.frame)
            return True
        if answer.finding is Finding.MUTE and not mask.open_count:
            assert answer.failure is not None
            yield from self._report(mask, answer.failure)
            return True
        return answer.finding is Finding.NOBODY

    def _is_there(self, mask: Mask, value: int) -> Decision:
        """Whether a slave has this address: the telegrams of two at once may look like that of a third."""
        alone, together = self._depths[mask.open_count]
        self._depths[mask.open_count][0] += 1
        if value in self._memory.found or (self._survey.is_sequence and alone >= _ALIGNED and not together):
            return True
        few_ones = _ONES if self._is_aligned else _FEWER_ONES
        is_common = any(not (value ^ address) & _BEHIND_DIGITS for address in self._memory.found)
        if is_common and not resembles_collision((value & ~mask.care) >> 32, mask.open_count, few_ones):
            return True
        there = self._memory.doubted.get(value)
        if there is None:
            there = yield from exists(Mask(value, ALL), self._code, self._fcb)
            self._memory.doubted[value] = there
        return there

    def _report(self, mask: Mask, failure: Failure) -> Walk:
        if mask not in self._memory.unresolved:
            self._memory.unresolved[mask] = failure
            yield Unresolved(mask.address(), failure)

    # -- splitting

    def _resolve(self, node: _Node) -> Walk:
        """Find all slaves behind a mask that has several."""
        mask = node.mask
        if node.presumed > _PRESUMED and (yield from is_disturbed(self._code)):
            raise _DisturbedError
        tried: list[Field] = []
        self._exploring = self._exploring and mask.open_count > 0
        if not (mask.open_count or self._verifying):
            node = yield from self._look(node)
            yield from self._try_manufacturers(node)
            if (yield from self._is_doubled(node)):
                return
        for _ in range(_FIELDS_TRIED):
            split = self._survey.choose(mask, common_bits(node.answer.raw), tried)
            if split is None:
                break
            tried.append(split.field)
            yield from self._split(node, split.field, split.first)
            if self._stops_exploring or self._verifying:
                return
            if split.excluded and not self._is_explained(node):
                yield from self._split(node, split.field, split.excluded)
            if self._is_resolved(mask):
                return
            key = mask, self._code
            if self._memory.selections[key] >= MOST_SELECTIONS:
                continue
            self._memory.answers.pop(key, None)
            answer = yield from self._ask(mask)
            node = replace(node, answer=answer)
            if (yield from self._settles(node)):
                return
        if not self._is_resolved(mask):
            failure = node.answer.failure or Failure(FailureKind.COLLISION, READING, "slaves that cannot be told apart")
            yield from self._report(mask, failure)

    def _is_resolved(self, mask: Mask) -> bool:
        """Whether those found behind `mask` are enough for a collision."""
        unresolved = sum(mask.covers(other) for other in self._memory.unresolved)
        twins = sum(mask.contains(address) for address, _ in self._memory.twins)
        return len(self._survey.found_inside(mask)) + 2 * unresolved + twins > 1

    def _is_explained(self, node: _Node) -> bool:
        frames = (self._memory.found[address] for address in self._survey.found_inside(node.mask))
        return explains(frames, node.answer.raw)

    @property
    def _stops_exploring(self) -> bool:
        return self._exploring and self._survey.sampled

    def _split(self, node: _Node, field: Field, values: list[int]) -> Walk:
        """Ask the parts of a mask by `field`, and resolve those that have several slaves."""
        several: list[_Node] = []
        resolved: list[int] = []
        crowded = False
        alone = 0
        span = node.span / max(1, len(values))
        for index, value in enumerate(values):
            mask = node.mask.fix(field, value)
            if self._verifying and not self._survey.hinted(mask):
                continue
            part = _Node(mask, SEVERAL, node.start + index * span, span, node.presumed + 1)
            if (yield from self._is_settled(mask, field, value)):
                continue
            part = yield from self._ask_part(part, crowded and value in DECIMAL)
            crowded = crowded and part.answer.finding is not Finding.NOBODY
            self._done = max(self._done, part.start)
            if not (yield from self._settles(part)):
                several.append(part)
            alone += part.answer.finding is Finding.ONE
            if self._exploring and several:
                yield from self._resolve(several.pop())
            if len(several) == 3 and not (alone or resolved or self._exploring) and field in ID_FIELDS:
                # The first ones tell how crowded the others are.
                for each in several:
                    yield from self._resolve(each)
                    resolved.append(len(self._survey.found_inside(each.mask)))
                several.clear()
                crowded = min(resolved) >= _CROWDED
            if self._stops_exploring:
                return
        if several and not self._verifying:
            yield from self._cross(node, field, several, len(values))
        for part in several:
            yield from self._resolve(part)

    def _is_settled(self, mask: Mask, field: Field, value: int) -> Decision:
        """Whether `mask` needs no question; where its value is rare, more than the mask is asked for it first."""
        if self._survey.is_settled(mask):
            return True
        around = self._root if field in ID_FIELDS else mask.with_bytes_of(self._root)
        everywhere = around.fix(field, value)
        if everywhere != mask and self._survey.is_rare(field, value):
            answer = yield from self._ask(everywhere)
            if answer.finding in (Finding.NOBODY, Finding.ONE):
                yield from self._settles(_Node(everywhere, answer))
            return self._survey.is_settled(mask)
        return False

    def _ask_part(self, part: _Node, crowded: bool) -> Generator[Exchange | Event, Outcome | None, _Node]:
        """`part` with its answer, which needs no question where more than one slave behind it is known."""
        mask = part.mask
        if len(self._survey.inside(mask)) > 1:
            return replace(part, presumed=0)
        if crowded:
            split = self._survey.choose(mask, 0)
            if split is not None:
                probe = mask.fix(split.field, self._survey.commonest(split))
                answer = yield from self._ask(probe)
                if answer.finding is not Finding.NOBODY:
                    return replace(part, presumed=0)
        narrow = mask.open_count <= _NARROW
        answer = yield from self._ask(mask, confirm=narrow or part.presumed > _TRUSTED)
        return replace(part, answer=answer, presumed=0 if answer.raw else part.presumed)

    def _cross(self, node: _Node, field: Field, several: list[_Node], asked: int) -> Walk:
        """Where many parts have several slaves, ask the whole mask by another field: that settles parts of each."""
        parts = [(part.mask, common_bits(part.answer.raw)) for part in several]
        across = crossing(self._survey, node.mask, field, parts, asked)
        if across is None:
            return
        for value in across.first:
            mask = node.mask.fix(across.field, value)
            if (yield from self._is_settled(mask, across.field, value)):
                continue
            part = yield from self._ask_part(_Node(mask, presumed=node.presumed + 1), False)
            if part.answer.finding is Finding.ONE:
                yield from self._settles(part)

    def _try_manufacturers(self, node: _Node) -> Walk:
        """Equal identifications mostly come from different manufacturers. What this finds need not be all."""
        mask, bits = node.mask, common_bits(node.answer.raw) & _MANUFACTURER_BITS
        if not (mask.is_open(MANUFACTURER_LOW) and mask.is_open(MANUFACTURER_HIGH)):
            return
        for code in likely_manufacturers(self._survey.found):
            part = mask.fix_manufacturer(code)
            if part.value & bits == bits and not self._survey.is_settled(part):
                answer = yield from self._ask(part, selections=1)
                if answer.finding is Finding.ONE:
                    yield from self._settles(_Node(part, answer))

    # -- equal addresses

    def _look(self, node: _Node) -> Generator[Exchange | Event, Outcome | None, _Node]:
        """Bytes have so many values that it pays to read slaves until it shows which ones they have in common."""
        key = node.mask, self._code
        if node.mask.is_exact or common_bits(node.answer.raw) or self._memory.selections[key] >= MOST_SELECTIONS:
            return node
        if key not in self._memory.looked:
            self._memory.selections[key] += 1
            self._memory.looked[key] = yield from look(node.mask.address(), self._code)
        raw = self._memory.looked[key]
        return replace(node, answer=Answer(Finding.SEVERAL, raw=raw)) if raw else node

    def _is_doubled(self, node: _Node) -> Decision:
        """Whether all slaves behind a mask without open digits have one address, as far as their bits say."""
        inside = self._survey.found_inside(node.mask)
        bits = common_bits(node.answer.raw)
        if node.mask.is_exact:
            inside = [node.mask.value]
        elif not inside and bits and node.mask.contains(bits):
            inside = [bits]
        if len(inside) != 1:
            return False
        twin = Mask(inside[0], ALL)
        if twin.value not in self._memory.doubled:
            self._memory.doubled[twin.value] = yield from self._are_twins(twin)
        if not self._memory.doubled[twin.value]:
            return False
        yield from self._tell_apart(twin)
        return twin.value in (bits, node.mask.value)

    def _are_twins(self, twin: Mask) -> Decision:
        # Slaves that take no selection without a wildcard are asked with one, and two of them, since others may answer.
        for masks in ([twin], [twin.open(VERSION), twin.open(DEVICE_TYPE)]):
            findings = []
            for mask in masks:
                key = mask, self._code
                left = MOST_SELECTIONS - self._memory.selections[key]
                answer = self._memory.answers.get(key)
                if answer is None or (answer.finding is not Finding.SEVERAL and left > 0):
                    answer, used = yield from ask_again(mask, self._code, self._fcb, max(SILENCES, left))
                    self._memory.selections[key] += used
                    self._memory.answers[key] = answer
                findings.append(answer.finding)
            if any(finding is not Finding.NOBODY for finding in findings) or twin.value not in self._memory.found:
                break
        return all(finding is Finding.SEVERAL for finding in findings)

    def _tell_apart(self, twin: Mask) -> Walk:
        memory = self._memory
        found = yield from by_fabrication_number(twin, self._code, self._fcb, memory.fabrication)
        for digits, frame in found.items():
            if (twin.value, digits) not in memory.twins:
                memory.twins[twin.value, digits] = frame
                yield Found(twin.address(), frame, digits)
        if len(found) < _TWINS or any(
            digits.isdecimal() and answer.finding is Finding.SEVERAL
            for (address, digits, _), answer in memory.fabrication.items()
            if address == twin.value
        ):
            failure = Failure(FailureKind.COLLISION, READING, "several meters have this address")
            yield from self._report(twin, failure)

    # -- what telegrams may hide

    def _audit(self) -> Decision:
        """Ask for slaves whose telegram, bit by bit, another one's may have hidden; whether that showed any."""
        before = len(self._survey.found)
        for mask, address in list(self._survey.single):
            few = len(self._memory.found) < _FEW
            if not few and (self._survey.expected_above(mask, address) < _LIKELY or not self._may_hide(address)):
                continue
            last = list(mask.open_digits())[-_SERIAL:]
            for field in FIELDS:
                if not mask.is_open(field):
                    continue
                for value in self._survey.above(field, address, unseen=few and field in last):
                    part = mask.fix(field, value)
                    if not self._survey.is_settled(part, but=mask):
                        node = _Node(part, (yield from self._ask(part)))
                        if not (yield from self._settles(node)):
                            yield from self._resolve(node)
        return len(self._survey.found) > before

    def _may_hide(self, address: int) -> bool:
        """Whether what the slave says could hide what another one says, as the telegrams of this bus are."""
        telegram = self._memory.found[address]
        others = [frame for other, frame in self._memory.found.items() if other != address]
        return len(others) < _FEW or any(hides(telegram, other) for other in others)
