"""What a search has learned, so that it can be stopped and go on later, in another process too.

Sans I/O: `to_dict` gives what `json.dumps` takes, `from_dict` takes it back.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from mbusbench.codec.frame import LongFrame, decode_frame
from mbusbench.errors import MBusDecodeError, MBusUsageError
from mbusbench.protocol.outcome import Failure, FailureKind
from mbusbench.protocol.procedures.search.ask import NOBODY_ANSWERS, Answer, Finding
from mbusbench.protocol.procedures.search.mask import Mask
from mbusbench.protocol.procedures.search.twins import Answers

FORMAT = 1
Question = tuple[Mask, int]
"""A mask, and the frame count bit of the selection."""


@dataclass(slots=True)
class Memory:
    """Answers to questions, and how often each was asked.

    `found` are the telegrams by address, and `found_by` the masks that they answered; `twins` those of slaves with one
    address, by that and their fabrication numbers; `unresolved` the failures by mask: all were reported. `doubted` says
    which addresses exist, `doubled` which several slaves have, `looked` what slaves at one moment sent, `fabrication`
    what was asked for by fabrication numbers. `one_code` says whether slaves understand only selections with the frame
    count bit 0, None as long as that was not asked.
    """

    answers: dict[Question, Answer] = field(default_factory=dict)
    selections: Counter[Question] = field(default_factory=Counter)
    found: dict[int, LongFrame] = field(default_factory=dict)
    found_by: dict[int, Mask] = field(default_factory=dict)
    twins: dict[tuple[int, str], LongFrame] = field(default_factory=dict)
    unresolved: dict[Mask, Failure] = field(default_factory=dict)
    doubted: dict[int, bool] = field(default_factory=dict)
    doubled: dict[int, bool] = field(default_factory=dict)
    looked: dict[Question, bytes] = field(default_factory=dict)
    fabrication: Answers = field(default_factory=dict)
    one_code: bool | None = None
    exchanges: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As plain lists, numbers and text."""
        return {
            "format": FORMAT,
            "one_code": self.one_code,
            "exchanges": self.exchanges,
            "found": [frame.encode().hex() for frame in self.found.values()],
            "found_at": [f"{address:016X}" for address in self.found],
            "found_by": {f"{address:016X}": str(mask) for address, mask in self.found_by.items()},
            "twins": [
                [f"{address:016X}", digits, frame.encode().hex()] for (address, digits), frame in self.twins.items()
            ],
            "unresolved": [[str(mask), *_failure_to_list(failure)] for mask, failure in self.unresolved.items()],
            "doubted": {f"{address:016X}": there for address, there in self.doubted.items()},
            "doubled": {f"{address:016X}": several for address, several in self.doubled.items()},
            "looked": [[str(mask), code, raw.hex()] for (mask, code), raw in self.looked.items()],
            "fabrication": [
                [f"{address:016X}", digits, code, *_answer_to_list(answer)]
                for (address, digits, code), answer in self.fabrication.items()
            ],
            "answers": [
                [str(mask), code, self.selections[mask, code], *_answer_to_list(answer)]
                for (mask, code), answer in self.answers.items()
            ],
        }

    @staticmethod
    def from_dict(data: Any) -> Memory:
        """MBusUsageError where the data are not those of a search."""
        memory = Memory()
        try:
            if data["format"] != FORMAT:
                raise MBusUsageError(f"format {data['format']!r} of a search is not {FORMAT}")
            memory.one_code = data["one_code"]
            memory.exchanges = int(data["exchanges"])
            for address, frame in zip(data["found_at"], data["found"], strict=True):
                memory.found[int(address, 16)] = _frame(frame)
            memory.found_by = {int(address, 16): Mask.parse(mask) for address, mask in data["found_by"].items()}
            for address, digits, frame in data["twins"]:
                memory.twins[int(address, 16), str(digits)] = _frame(frame)
            for mask, *failure in data["unresolved"]:
                memory.unresolved[Mask.parse(mask)] = _failure(failure)
            memory.doubted = {int(address, 16): bool(there) for address, there in data["doubted"].items()}
            memory.doubled = {int(address, 16): bool(several) for address, several in data["doubled"].items()}
            memory.looked = {(Mask.parse(mask), int(code)): bytes.fromhex(raw) for mask, code, raw in data["looked"]}
            for address, digits, code, *answer in data["fabrication"]:
                memory.fabrication[int(address, 16), str(digits), int(code)] = _answer(answer)
            for mask, code, count, *answer in data["answers"]:
                question = Mask.parse(mask), int(code)
                memory.selections[question] = int(count)
                memory.answers[question] = _answer(answer)
        except (KeyError, TypeError, ValueError, AttributeError, MBusDecodeError) as error:
            if isinstance(error, MBusUsageError):
                raise
            raise MBusUsageError(f"this is not the state of a search: {error!r}") from None
        return memory


def _frame(text: str) -> LongFrame:
    frame = decode_frame(bytes.fromhex(text))
    if not isinstance(frame, LongFrame):
        raise MBusUsageError(f"{text} is no telegram")
    return frame


def _failure_to_list(failure: Failure) -> list[str]:
    return [failure.kind.value, failure.doing, failure.detail]


def _failure(parts: list[str]) -> Failure:
    kind, doing, detail = parts
    return Failure(FailureKind(kind), doing, detail)


def _answer_to_list(answer: Answer) -> list[Any]:
    rest: list[Any] = []
    if answer.frame is not None:
        rest = [answer.frame.encode().hex()]
    elif answer.failure is not None:
        rest = _failure_to_list(answer.failure)
    elif answer.raw:
        rest = [answer.raw.hex()]
    return [answer.finding.value, *rest]


def _answer(parts: list[str]) -> Answer:
    finding = Finding(parts[0])
    if finding is Finding.NOBODY:
        return NOBODY_ANSWERS
    if finding is Finding.ONE:
        return Answer(finding, frame=_frame(parts[1]))
    if finding is Finding.MUTE:
        return Answer(finding, failure=_failure(parts[1:]))
    return Answer(finding, raw=bytes.fromhex(parts[1]) if len(parts) > 1 else b"")
