"""Verdicts: seven words, three columns, and what is worst. Nothing here knows what was judged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Verdict(StrEnum):
    """What came of a case, or of one column of it."""

    PASS = "pass"
    NON_STRICT = "non-strict"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    UNSUPPORTED = "unsupported"
    NOT_APPLICABLE = "not-applicable"
    ERROR = "error"


class Column(StrEnum):
    """What a verdict is about: the bytes on the line, what the user was told, the time."""

    WIRE = "W"
    REPORT = "R"
    TIMING = "T"


class Level(StrEnum):
    """How binding the rule of a case is."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"


class ExitCode(IntEnum):
    """Of `mbusbench run` and `conform`."""

    PASSED = 0
    FAILED = 1
    USAGE = 2
    NO_MASTER = 3
    BENCH = 4


_WORST_FIRST = (
    Verdict.ERROR,
    Verdict.FAIL,
    Verdict.INCONCLUSIVE,
    Verdict.NON_STRICT,
    Verdict.PASS,
    Verdict.UNSUPPORTED,
    Verdict.NOT_APPLICABLE,
)


def worst(verdicts: Iterable[Verdict | None]) -> Verdict | None:
    """The worst of them; a column that nobody looked at is None, and so is the worst of nothing.

    What was not tried (unsupported, not-applicable) counts only where nothing else is there.
    """
    return min((each for each in verdicts if each is not None), key=_WORST_FIRST.index, default=None)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a column was judged by. `text` says what was expected and what was seen.

    `position` is an index into the events of the observation, None where there is no one place. `invariant` is its
    name, INV-01 to INV-20, where it was one. `is_untrue`: the master said what is not so, which no level excuses.
    """

    column: Column
    verdict: Verdict
    text: str
    position: int | None = None
    invariant: str | None = None
    is_untrue: bool = False

    def __str__(self) -> str:
        named = f"{self.invariant}: " if self.invariant else ""
        return f"{self.column} {self.verdict}: {named}{self.text}"
