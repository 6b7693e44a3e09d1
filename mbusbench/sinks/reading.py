"""What a sink gets: one readout of one meter, its values with quality and unit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Quality(StrEnum):
    """Whether a value can be trusted: read now, an old one, or none."""

    GOOD = "good"
    STALE = "stale"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Value:
    """One value; what it is follows the record that it comes from."""

    tag: str
    name: str
    value: int | float | str | bool | None
    unit: str | None
    quality: Quality
    reason: str | None
    quantity: str | None
    storage: int
    tariff: int
    subunit: int
    function: str


@dataclass(frozen=True, slots=True)
class Reading:
    """One readout. `key` is unique: what is read for one instant is kept once."""

    key: str
    connection: str
    meter: str
    address: str
    time: datetime
    quality: Quality
    reason: str | None
    medium: str | None
    manufacturer: str | None
    version: int | None
    access_number: int | None
    status: int | None
    values: tuple[Value, ...]
