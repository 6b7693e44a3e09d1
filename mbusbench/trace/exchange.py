"""What the analyzer finds: exchanges of a request and its answer, and findings, each by the name of a rule."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from mbusbench.codec.frame import LongFrame, ShortFrame, SingleCharacter
from mbusbench.codec.frame_reader import Reject
from mbusbench.trace.assembly import TimedFrame

RULES = {
    "answer-too-early": "A slave starts its answer 11 bit times after the end of the request, or later.",
    "answer-too-late": "A slave starts its answer within 330 bit times + 50 ms after the end of the request.",
    "answer-to-broadcast": "Nobody answers a frame to address 255.",
    "late-answer": "The answer belongs to a request that the master had given up, or was about to repeat.",
    "unasked-answer": "A slave sends only when it was asked, and once.",
    "foreign-answer": "The answer to a primary address carries that address.",
    "wrong-answer": "SND_NKE and SND_UD are answered by a single character, REQ_UD1 and REQ_UD2 by RSP_UD "
    "(C 08, 18, 28, 38) or E5.",
    "garbled-answer": "An answer is a valid frame, without parity and framing errors.",
    "collision": "One slave sends at a time.",
    "repeat-differs": "A request with an unchanged FCB is answered by the same telegram again.",
    "garbled-request": "What a master sends is a valid frame.",
    "unknown-request": "A master sends SND_NKE, SND_UD, REQ_UD1 and REQ_UD2, with the PRM bit set.",
    "request-during-answer": "A master does not send while a slave does; what has lasted less than two "
    "characters, it cannot know of.",
    "request-before-timeout": "A master waits 330 bit times + 50 ms for an answer before it sends again.",
    "no-idle-time": "After a faulty answer the line is idle for 33 bit times before the master sends again.",
    "too-many-attempts": "A request is repeated twice at most.",
    "fcb-after-reset": "The first FCB after SND_NKE or a selection is 1.",
    "fcb-not-toggled": "The FCB changes after an answer that was received.",
    "fcb-toggled-without-answer": "The FCB stays as it is until an answer was received.",
    "pause-in-frame": "The characters of a frame follow each other without a pause in which another one had room.",
}
"""Name and words of every rule. Times of a slave are those of the standard, without the latency of any adapter."""


class Sequence(StrEnum):
    """What the frame count bit says about a request, as far as the trace knows."""

    FIRST = "first"
    """The first one with a valid bit: to this address since the trace began, or since a reset."""
    NEW = "new"
    REPEAT = "repeat"


class Role(StrEnum):
    """What something that came besides the answer was."""

    ECHO = "echo"
    GARBLED = "garbled"
    COLLISION = "collision"
    FOREIGN = "foreign"
    WRONG = "wrong"
    LATE = "late"
    UNASKED = "unasked"
    NOISE = "noise"


class Result(StrEnum):
    """How an exchange ended."""

    ANSWERED = "answered"
    SILENCE = "silence"
    GARBLED = "garbled"
    COLLISION = "collision"
    FOREIGN = "foreign"
    NOT_EXPECTED = "not expected"
    """Nobody has to answer: a broadcast, or no valid request."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule was broken, or something happened that a person should know. `rule` is a key of RULES."""

    time: int
    rule: str
    text: str

    @property
    def words(self) -> str:
        """The rule."""
        return RULES[self.rule]


@dataclass(slots=True)
class Exchange:
    """A request, its repeats, and what came of it.

    `response_delay` is ns from the end of the last attempt to the start of the answer; None without one. `request` is
    None where something came before any request.
    """

    attempts: list[TimedFrame]
    answer: TimedFrame | None = None
    response_delay: int | None = None
    sequence: Sequence | None = None
    others: list[tuple[Role, TimedFrame]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def request(self) -> TimedFrame | None:
        return self.attempts[0] if self.attempts else None

    @property
    def address(self) -> int | None:
        """Of the request; None where it is no frame."""
        item = self.attempts[0].item if self.attempts else None
        return None if item is None or isinstance(item, Reject | SingleCharacter) else item.address

    @property
    def expects_answer(self) -> bool:
        """Whether anybody has to answer."""
        request = self.request
        if request is None or not request.ok or not isinstance(request.item, ShortFrame | LongFrame):
            return False
        return bool(request.item.control & 0x40) and request.item.address != 255

    @property
    def result(self) -> Result:
        """How it ended. A good answer counts also where more came."""
        roles = {role for role, _ in self.others}
        if Role.COLLISION in roles:
            return Result.COLLISION
        if self.answer is not None:
            return Result.ANSWERED
        if Role.GARBLED in roles or Role.WRONG in roles:
            return Result.GARBLED
        if Role.FOREIGN in roles:
            return Result.FOREIGN
        return Result.SILENCE if self.expects_answer else Result.NOT_EXPECTED
