"""The `quirks` of a device or bus file: names, or names with options, in any order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    TypeAdapter,
    ValidationError,
    create_model,
    model_validator,
)

from mbusbench.definition.validation import Definition, did_you_mean, mistake, mistakes, shown
from mbusbench.errors import MBusUsageError
from mbusbench.meter.quirk import Quirks, UsedQuirk, contradictions
from mbusbench.meter.quirks import QUIRKS

MAX_QUIRKS = len(QUIRKS)


class _Entry(Definition):
    @model_validator(mode="after")
    def _one_quirk(self) -> _Entry:
        if len(self.model_fields_set) != 1:
            raise mistake("needs exactly one quirk: write each as an item of the list")
        return self

    def used(self) -> UsedQuirk:
        (name,) = self.model_fields_set
        given = getattr(self, name)
        return UsedQuirk(QUIRKS[name], tuple((key, getattr(given, key)) for key in sorted(given.model_fields_set)))


Entry: type[_Entry] = create_model(  # type: ignore[call-overload]
    "Entry", __base__=_Entry, **{row.name: (row.options, None) for row in QUIRKS.values()}
)


def _name_alone(value: object) -> UsedQuirk:
    if isinstance(value, UsedQuirk):
        return value
    if not isinstance(value, str):
        raise mistake(f"{shown(value)} is not the name of a quirk")
    if value not in QUIRKS:
        raise mistake(f"there is no quirk {value!r}{did_you_mean(value, QUIRKS)}")
    return UsedQuirk(QUIRKS[value])


def _consistent(used: list[UsedQuirk]) -> tuple[UsedQuirk, ...]:
    found = contradictions(used)
    if found:
        raise mistakes([((index,), text) for index, text in found])
    return tuple(used)


if TYPE_CHECKING:
    QuirkList = tuple[UsedQuirk, ...]
else:
    _EACH = Annotated[
        Annotated[Entry, AfterValidator(lambda entry: entry.used()), Tag("<entry>")]
        | Annotated[object, PlainValidator(_name_alone), Tag("<text>")],
        Discriminator(lambda value: "<entry>" if isinstance(value, dict | _Entry) else "<text>"),
    ]
    QuirkList = Annotated[list[_EACH], Field(max_length=MAX_QUIRKS), AfterValidator(_consistent)]
"""What `quirks` holds."""

_ADAPTER: TypeAdapter[tuple[UsedQuirk, ...]] = TypeAdapter(QuirkList)


def quirks_of(entries: Iterable[str | Mapping[str, Any] | UsedQuirk]) -> tuple[UsedQuirk, ...]:
    """Quirks as a file gives them: `["fcb_ignored", {"slow": {"delay": "2s"}}]`. MBusUsageError for a wrong one."""
    try:
        return _ADAPTER.validate_python([dict(each) if isinstance(each, Mapping) else each for each in entries])
    except ValidationError as error:
        details = error.errors(include_url=False)[0]
        context = details.get("ctx", {})
        place = ".".join(str(part) for part in details["loc"] if not str(part).startswith("<"))
        raise MBusUsageError(f"quirks.{place}: {context.get('text', details['msg'])}") from None


__all__ = ["MAX_QUIRKS", "QuirkList", "Quirks", "quirks_of"]
