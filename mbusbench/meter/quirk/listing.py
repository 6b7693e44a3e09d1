"""The `quirks` of a device or bus file: names, or names with options, in any order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, PlainValidator, TypeAdapter, ValidationError

from mbusbench.definition.validation import did_you_mean, mistake, mistakes, shown
from mbusbench.errors import MBusUsageError
from mbusbench.meter.quirk.quirk import Quirk, Quirks, UsedQuirk, contradictions
from mbusbench.meter.quirk.table import QUIRKS

MAX_QUIRKS = len(QUIRKS)


def _used(value: object) -> UsedQuirk:
    if isinstance(value, UsedQuirk):
        return value
    if not isinstance(value, str | dict):
        raise mistake(f"{shown(value)} is not the name of a quirk")
    if isinstance(value, str):
        return UsedQuirk(_row(value))
    if len(value) != 1:
        raise mistake("needs exactly one quirk: write each as an item of the list")
    (name,) = value
    row = _row(str(name))
    # Its mistakes have their place below the quirk's name.
    options = getattr(row.entry.model_validate(value), row.name)
    return UsedQuirk(row, tuple((key, getattr(options, key)) for key in sorted(options.model_fields_set)))


def _row(name: str) -> Quirk:
    if name not in QUIRKS:
        raise mistake(f"there is no quirk {shown(name)}{did_you_mean(name, QUIRKS)}")
    return QUIRKS[name]


def _consistent(used: list[UsedQuirk]) -> tuple[UsedQuirk, ...]:
    found = contradictions(used)
    if found:
        raise mistakes([((index,), text) for index, text in found])
    return tuple(used)


if TYPE_CHECKING:
    QuirkList = tuple[UsedQuirk, ...]
else:
    QuirkList = Annotated[
        list[Annotated[object, PlainValidator(_used)]], Field(max_length=MAX_QUIRKS), AfterValidator(_consistent)
    ]
"""What `quirks` holds."""


@cache
def _adapter() -> TypeAdapter[tuple[UsedQuirk, ...]]:
    return TypeAdapter(QuirkList)


def quirks_of(entries: Iterable[str | Mapping[str, Any] | UsedQuirk]) -> tuple[UsedQuirk, ...]:
    """Quirks as a file gives them: `["fcb_ignored", {"slow": {"delay": "2s"}}]`. MBusUsageError for a wrong one."""
    try:
        return _adapter().validate_python([dict(each) if isinstance(each, Mapping) else each for each in entries])
    except ValidationError as error:
        details = error.errors(include_url=False)[0]
        context = details.get("ctx", {})
        place = ".".join(str(part) for part in details["loc"])
        raise MBusUsageError(f"quirks.{place}: {context.get('text', details['msg'])}") from None


__all__ = ["MAX_QUIRKS", "QuirkList", "Quirks", "quirks_of"]
