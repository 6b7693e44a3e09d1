"""Points that a value goes through, as a device file gives them: a mapping of moments to numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from fractions import Fraction
from math import isfinite
from typing import Any

from pydantic import PlainValidator

from mbusbench.definition.fields import NANOSECONDS
from mbusbench.definition.validation import mistake, mistakes, shown


class Shape(Enum):
    LINE = "line"
    STEP = "step"


_TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")


def time_of_day(text: str) -> int | None:
    match = _TIME_OF_DAY.fullmatch(text)
    if match is None:
        return None
    hour, minute, second = (int(part or 0) for part in match.groups())
    return (hour * 3600 + minute * 60 + second) * NANOSECONDS["s"]


def points_field(read: Callable[[str], int | None], wanted: str) -> Any:
    """A mapping of moments to numbers, in the order of time."""

    def check(value: object) -> dict[int, Fraction]:
        if not isinstance(value, dict):
            raise mistake(f"{shown(value)} is not a mapping of {wanted} to numbers")
        points: dict[int, Fraction] = {}
        wrong: list[tuple[tuple[str | int, ...], str]] = []
        for key, point in value.items():
            moment = read(key)
            if moment is None:
                wrong.append(((key,), f"{key!r} is not {wanted}"))
            elif isinstance(point, bool) or not isinstance(point, int | float) or not isfinite(point):
                wrong.append(((key,), f"{shown(point)} is not a number"))
            elif moment in points:
                wrong.append(((key,), f"{key!r} is the same moment as one before"))
            else:
                points[moment] = Fraction(repr(point))
        if wrong:
            raise mistakes(wrong)
        if not points:
            raise mistake("must not be empty")
        return dict(sorted(points.items()))

    return PlainValidator(check)
