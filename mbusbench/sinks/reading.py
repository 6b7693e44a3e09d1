"""A reading as every sink gets it: one meter, one moment, its values; and the same as JSON, for the store.

Knows nothing of masters and telegrams: the poller makes readings, sinks and the store carry them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from math import isfinite
from typing import Any

Scalar = int | float | str | bool | None


class Quality(StrEnum):
    """How far a value can be trusted. STALE: an earlier one, shown again. BAD: there is none; `reason` says why."""

    GOOD = "good"
    STALE = "stale"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Value:
    """One binding's value.

    `tag` is unique within the meter and what sinks file it under; `name` is for people. `value` is in `unit`, a number
    wherever the meter sent one, dates and times as ISO 8601 text, None where there is none. `quantity`, `storage`,
    `tariff`, `subunit` and `function` are the record's own (docs/results.md); `quantity` is None where it is unknown.
    """

    tag: str
    name: str
    value: Scalar
    unit: str | None = None
    quality: Quality = Quality.GOOD
    reason: str | None = None
    quantity: str | None = None
    storage: int = 0
    tariff: int = 0
    subunit: int = 0
    function: str = "instantaneous"

    def __post_init__(self) -> None:
        assert not isinstance(self.value, float) or isfinite(self.value), f"{self.tag} is {self.value}"

    @property
    def number(self) -> int | float | None:
        """The value where it is a number (true and false are 1 and 0), else None."""
        return self.value if isinstance(self.value, int | float) else None


@dataclass(frozen=True, slots=True)
class Reading:
    """What one meter said at one scheduled instant.

    `key` is unique and stable, "<connection>/<meter>/<scheduled instant>": what "exactly once" is about. `meter` is
    the meter's identity (`KAM-12345678-1b-04`), and its configured name until it has answered for the first time.
    `address` is how it was reached. `time` is when it was read, in UTC. A reading of quality BAD has `reason`.
    """

    key: str
    connection: str
    meter: str
    address: str
    time: datetime
    values: tuple[Value, ...] = ()
    quality: Quality = Quality.GOOD
    reason: str | None = None
    medium: str | None = None
    manufacturer: str | None = None
    version: int | None = None
    access_number: int | None = None
    status: int | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        assert self.time.tzinfo is not None, f"{self.key} has a time without zone"

    def completed_by(self, earlier: Reading | None) -> Reading:
        """With the earlier reading's values of tags that this one leaves out: a deadband keeps what did not change.

        For sinks that show how a meter is now. A bad reading has nothing to complete.
        """
        if earlier is None or self.quality is Quality.BAD:
            return self
        given = {value.tag for value in self.values}
        left_out = tuple(value for value in earlier.values if value.tag not in given)
        return replace(self, values=(*self.values, *left_out)) if left_out else self

    def as_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON: fields that say nothing are left out."""
        found = _without_defaults(self, _READING_DEFAULTS)
        found["time"] = utc_text(self.time)
        found["values"] = [_without_defaults(value, _VALUE_DEFAULTS) for value in self.values]
        return found

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(self.as_dict(), ensure_ascii=False, allow_nan=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Reading:
        """What `to_json` wrote. Fields that this version does not know are ignored."""
        data = json.loads(text)
        values = tuple(Value(**_known(each, _VALUE_NAMES)) for each in data["values"])
        fields = _known(data, _READING_NAMES)
        fields.update(time=datetime.fromisoformat(data["time"]), values=values)
        return cls(**fields)


_VALUE_DEFAULTS = {
    "tag": ...,
    "name": ...,
    "value": ...,
    "unit": None,
    "quality": Quality.GOOD,
    "reason": None,
    "quantity": None,
    "storage": 0,
    "tariff": 0,
    "subunit": 0,
    "function": "instantaneous",
}
_READING_DEFAULTS = {
    "key": ...,
    "time": ...,
    "connection": ...,
    "meter": ...,
    "name": None,
    "address": ...,
    "medium": None,
    "manufacturer": None,
    "version": None,
    "access_number": None,
    "status": None,
    "quality": Quality.GOOD,
    "reason": None,
    "values": ...,
}
_VALUE_NAMES = frozenset(_VALUE_DEFAULTS)
_READING_NAMES = frozenset(_READING_DEFAULTS)


def utc_text(time: datetime) -> str:
    """RFC 3339 in UTC: `2026-11-21T10:00:00Z`, with microseconds where there are any."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _without_defaults(part: object, defaults: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for name, default in defaults.items():
        value = getattr(part, name)
        if value != default or value is False:
            found[name] = value
    return found


def _known(data: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    fields = {name: value for name, value in data.items() if name in names}
    if "quality" in fields:
        fields["quality"] = Quality(fields["quality"])
    return fields
