"""What a device does while a value is beyond a limit, and how well its clock goes."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, PlainValidator, model_validator

from mbusbench.definition.fields import Byte, duration, in_range
from mbusbench.definition.validation import Definition, mistake, shown
from mbusbench.meter.value.generator import Condition


class ConditionDefinition(Definition):
    """Bits of the status byte, and of the alarm that REQ_UD1 reports, as long as `when` holds."""

    when: Condition
    status: Byte = 0
    alarm: Byte = 0

    @model_validator(mode="after")
    def _says_something(self) -> ConditionDefinition:
        if not self.status and not self.alarm:
            raise mistake("needs status or alarm, at least one bit of it")
        return self


def _offset(value: object) -> int:
    """A duration that may be negative."""
    found = None
    if isinstance(value, str):
        match = re.fullmatch(r"([-+]?)\s*(.+)", value.strip())
        size = duration(match[2]) if match else None
        if match is not None and size is not None:
            found = -size if match[1] == "-" else size
    elif value == 0 and not isinstance(value, bool):
        found = 0
    if found is None:
        raise mistake(f"{shown(value)} is not a duration such as 90s or -2min")
    return found


class ClockDefinition(Definition):
    """How the meter's clock differs from the bus's time.

    `drift` is in ppm, positive where it is fast; `offset` is what it is ahead at the epoch. A clock that is not `set`
    shows no valid date until a master sets it. `summer_time`: it is put forward by the EU's rule, and its times say so.
    """

    drift: Annotated[int, in_range(-100_000, 100_000)] = 0
    offset: Annotated[int, PlainValidator(_offset)] = 0
    set: bool = Field(default=True)
    summer_time: bool = False
