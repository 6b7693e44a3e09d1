"""Values that repeat, made of few numbers: a year's profile, a random walk, draws of water; and series of CSV files.

What is random comes from the seed alone: a pattern is made once for each meter, and repeats after its `repeat`, so that
its integral is a closed form for all times.
"""

from __future__ import annotations

import calendar
import csv
import re
from datetime import datetime
from fractions import Fraction
from math import isqrt
from pathlib import Path
from random import Random
from typing import Annotated, Any

from pydantic import Field, PrivateAttr, ValidationInfo, model_validator

from mbusbench.definition.document import MAX_BYTES
from mbusbench.definition.fields import NANOSECONDS, Duration, Exact, duration, in_range, one_of
from mbusbench.definition.validation import Definition, did_you_mean, mistake, shown
from mbusbench.meter.value import curve
from mbusbench.meter.value.curve import Curve, Piece
from mbusbench.meter.value.points import Shape, points_field

DAY = NANOSECONDS["d"]
MAX_POINTS = 5000
MAX_ROWS = 50_000
_FOUR_YEARS = 1461 * DAY
_RESOLUTION = 10**6

_MONTH_DAY = re.compile(r"(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")


def _day_of_year(text: str) -> int | None:
    """A day that every year has, as month * 100 + day."""
    match = _MONTH_DAY.fullmatch(text)
    if match is None:
        return None
    month, day = int(match[1]), int(match[2])
    return month * 100 + day if day <= calendar.monthrange(2001, month)[1] else None


class Yearly(Definition):
    """The same every year, by month and day of the bus's time."""

    points: Annotated[dict[int, Fraction], points_field(_day_of_year, 'a day of every year such as "11-30"')]
    shape: Annotated[Shape, one_of(Shape)] = Shape.LINE

    def curve(self, epoch: datetime) -> Curve:
        first = epoch.year - epoch.year % 4
        since = datetime(first, 1, 1)
        points = [
            ((datetime(year, day // 100, day % 100) - since).days * DAY, value)
            for year in range(first, first + 4)
            for day, value in self.points.items()
        ]
        phase = (epoch - since).days * DAY + midnight_phase(epoch)
        build = curve.through if self.shape is Shape.LINE else curve.steps
        return build(points, period=_FOUR_YEARS, phase=phase)


def midnight_phase(epoch: datetime) -> int:
    """ns from midnight to the epoch."""
    since = epoch - datetime(epoch.year, epoch.month, epoch.day)
    return since.seconds * 10**9 + since.microseconds * 1000


def _weeks_phase(epoch: datetime, repeat: int) -> int:
    """Where a pattern that began at a Monday's midnight is at the epoch."""
    return (epoch.weekday() * DAY + midnight_phase(epoch)) % repeat


class RandomWalk(Definition):
    """Wanders between two numbers: a new one after each `every`, straight lines between, near ones near each other."""

    between: list[Exact] = Field(min_length=2, max_length=2)
    every: Duration = NANOSECONDS["h"]
    repeat: Duration = 7 * DAY
    shape: Annotated[Shape, one_of(Shape)] = Shape.LINE

    @model_validator(mode="after")
    def _whole(self) -> RandomWalk:
        _check_repeat(self.repeat)
        if not self.every or self.repeat % self.every:
            raise mistake("'repeat' must be a multiple of it", ["every"])
        if self.repeat // self.every > MAX_POINTS:
            raise mistake(f"more than {MAX_POINTS} points until it repeats", ["every"])
        return self

    def curve(self, rng: Random, epoch: datetime) -> Curve:
        low, high = sorted(self.between)
        points = [
            (index * self.every, low + (high - low) * Fraction(level, _RESOLUTION))
            for index, level in enumerate(_walk(rng, self.repeat // self.every))
        ]
        build = curve.through if self.shape is Shape.LINE else curve.steps
        return build(points, period=self.repeat, phase=_weeks_phase(epoch, self.repeat))


def _check_repeat(repeat: int) -> None:
    if not repeat or repeat % DAY:
        raise mistake("a number of whole days such as 7d", ["repeat"])


def _walk(rng: Random, size: int) -> list[int]:
    """A round walk: the middle between two points is off their mean by the more, the further they are apart."""
    levels = [0] * size + [0]
    levels[0] = levels[size] = rng.randrange(_RESOLUTION // 4, 3 * _RESOLUTION // 4 + 1)
    gaps = [(0, size)]
    for left, right in gaps:
        if right - left < 2:
            continue
        middle = (left + right) // 2
        reach = isqrt(_RESOLUTION**2 * (right - left) // size) // 2
        level = (levels[left] + levels[right]) // 2 + rng.randrange(-reach, reach + 1)
        levels[middle] = min(max(level, 0), _RESOLUTION)
        gaps += [(left, middle), (middle, right)]
    return levels[:size]


# How many of a household's draws begin in each hour of the day, of about 100.
_HOURS = (1, 0, 0, 0, 1, 3, 9, 11, 7, 5, 4, 4, 6, 5, 3, 3, 4, 6, 8, 7, 5, 4, 3, 1)


class Draws(Definition):
    """Water that is drawn: so many times a day (most in the morning and evening), each with a flow, for some time."""

    per_day: Annotated[int, in_range(1, 500)] = 20
    flow: list[Exact] = Field(min_length=2, max_length=2)
    last: list[Duration] = Field(default=[20 * 10**9, 480 * 10**9], min_length=2, max_length=2)
    repeat: Duration = 7 * DAY

    @model_validator(mode="after")
    def _whole(self) -> Draws:
        _check_repeat(self.repeat)
        if self.per_day * self.repeat // DAY > MAX_POINTS // 2:
            raise mistake(f"more than {MAX_POINTS // 2} draws until it repeats", ["repeat"])
        if not 0 < min(self.last) <= max(self.last) < DAY:
            raise mistake("a draw lasts longer than 0s and less than 1d", ["last"])
        return self

    def curve(self, rng: Random, epoch: datetime) -> Curve:
        second = NANOSECONDS["s"]
        low, high = sorted(self.flow)
        short, long = (each // second for each in sorted(self.last))
        changes: dict[int, Fraction] = {0: Fraction(0)}
        starts = [hour for hour, count in enumerate(_HOURS) for _ in range(count)]
        for day in range(self.repeat // DAY):
            for _ in range(max(1, self.per_day + rng.randrange(-(self.per_day // 4), self.per_day // 4 + 1))):
                begin = day * DAY + (starts[rng.randrange(len(starts))] * 3600 + rng.randrange(3600)) * second
                end = begin + max(1, rng.randrange(short, long + 1)) * second
                flow = low + (high - low) * Fraction(rng.randrange(1001), 1000)
                changes[begin] = changes.get(begin, Fraction(0)) + flow
                changes[end % self.repeat] = changes.get(end % self.repeat, Fraction(0)) - flow
                if end >= self.repeat:
                    changes[0] += flow
        level = Fraction(0)
        pieces = []
        for time in sorted(changes):
            level += changes[time]
            pieces.append(Piece(time, level))
        return Curve(tuple(pieces), self.repeat, _weeks_phase(epoch, self.repeat))


class Series(Definition):
    """A column of a CSV file over time: durations since the bus's epoch, or dates and times of its clock."""

    file: str
    time: str
    value: str
    shape: Annotated[Shape, one_of(Shape)] = Shape.LINE
    repeat: Duration | None = None
    _points: list[tuple[int | datetime, Fraction]] = PrivateAttr(default_factory=list)

    @model_validator(mode="after")
    def _read(self, info: ValidationInfo) -> Series:
        directory = (info.context or {}).get("directory") or Path()
        self._points.extend(_rows(Path(directory) / self.file, self))
        last = self._points[-1][0]
        if self.repeat is not None and isinstance(last, int) and self.repeat <= last:
            raise mistake("must be later than the last row", ["repeat"])
        if self.repeat is not None and not isinstance(last, int):
            raise mistake("goes together with times as durations, not with dates", ["repeat"])
        return self

    def curve(self, epoch: datetime) -> Curve:
        points = [
            ((at - epoch).days * DAY + (at - epoch).seconds * 10**9 if isinstance(at, datetime) else at, value)
            for at, value in self._points
        ]
        before = points[0][0] if points[0][0] < 0 else 0
        build = curve.through if self.shape is Shape.LINE else curve.steps
        return build([(at - before, value) for at, value in points], period=self.repeat, phase=-before)


def _rows(path: Path, series: Series) -> list[tuple[int | datetime, Fraction]]:
    try:
        if path.exists() and not path.is_file():
            raise OSError(0, "not a file")
        with open(path, newline="", encoding="utf-8-sig") as file:
            text = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise mistake(f"{path}: {reason.lower()}", ["file"]) from None
    if len(text) > MAX_BYTES:
        raise mistake(f"{path}: larger than {MAX_BYTES // 1024 // 1024} MB", ["file"])
    lines = text.splitlines()
    reader = csv.reader(lines, delimiter=";" if lines and ";" in lines[0] else ",")
    try:
        header = [name.strip() for name in next(reader, [])]
        for key, column in (("time", series.time), ("value", series.value)):
            if column not in header:
                raise mistake(f"{path}:1 has no column {shown(column)}{did_you_mean(column, header)}", [key])
        columns = header.index(series.time), header.index(series.value)
        rows: list[tuple[int | datetime, Fraction]] = []
        for cells in reader:
            if cells:
                rows.append(_row(f"{path}:{reader.line_num}", cells, columns, rows))
            if len(rows) > MAX_ROWS:
                raise mistake(f"{path}: more than {MAX_ROWS} rows", ["file"])
    except csv.Error as error:
        raise mistake(f"{path}:{reader.line_num}: {error}", ["file"]) from None
    if not rows:
        raise mistake(f"{path} has no rows", ["file"])
    return rows


def _row(
    place: str, cells: list[str], columns: tuple[int, int], before: list[tuple[int | datetime, Fraction]]
) -> tuple[int | datetime, Fraction]:
    if len(cells) <= max(columns):
        raise mistake(f"{place}: {len(cells)} columns, {max(columns) + 1} needed", ["file"])
    when, number = cells[columns[0]].strip(), cells[columns[1]].strip()
    at: Any = duration(when)
    if at is None:
        try:
            at = datetime.fromisoformat(when)
        except ValueError:
            at = None
        if at is None or at.tzinfo is not None:
            raise mistake(f"{place}: {shown(when)} is no duration (15min) and no date and time", ["time"])
    if not re.fullmatch(r"[-+]?[0-9]{1,20}(\.[0-9]{1,20})?", number):
        raise mistake(f"{place}: {shown(number)} is not a number", ["value"])
    last: Any = before[-1][0] if before else None
    if before and (type(last) is not type(at) or last >= at):
        raise mistake(f"{place}: {shown(when)} is not later than the row before", ["time"])
    return at, Fraction(number)
