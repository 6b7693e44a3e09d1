"""Data against a schema: pydantic decides, this says what is wrong in words that someone who writes YAML knows.

Every mistake is reported, not only the first. An unknown key names the nearest known one. Nothing here knows which
schemas there are.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Self, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from mbusbench.definition.document import MAX_KEY, MAX_LINES, Document, Mistake, Path_, definition_error
from mbusbench.errors import DefinitionError

_OURS = "mbusbench"
_T = TypeVar("_T", bound="Definition")


class Definition(BaseModel):
    """Base of every schema: no unknown keys, no conversions behind the writer's back, immutable."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True)

    @classmethod
    def from_document(cls, document: Document, context: Mapping[str, Any] | None = None) -> Self:
        """The document as this model. DefinitionError with a line for each mistake."""
        try:
            model = cls.model_validate(document.data, context=dict(context or {}))
        except ValidationError as error:
            raise definition_error([*document.mistakes, *_mistakes_of(error, document, cls)]) from None
        if document.mistakes:
            raise definition_error(document.mistakes)
        return model


def mistake(text: str, at: Iterable[str | int] = ()) -> PydanticCustomError:
    """What a validator raises: `text` is shown as it is, `at` leads from the validated part to the wrong one."""
    return mistakes([(tuple(at), text)])


def mistakes(found: Sequence[tuple[Path_, str]]) -> PydanticCustomError:
    """Several mistakes of one validator at once."""
    # Braces would be taken for placeholders, hence the text travels in the context.
    return PydanticCustomError(_OURS, "{text}", {"text": found[0][1], "found": list(found)})


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that a mistyped one was probably meant to be."""
    if len(word) > MAX_KEY:
        return None
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`, did you mean 'address'?`, or nothing."""
    near = nearest(word, known)
    return f", did you mean {near!r}?" if near else ""


def shown(value: object, length: int = 60) -> str:
    """A value as the writer of a file knows it, in one line of at most that length."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(value)
    return text if len(text) <= length else f"{text[: length - 4]}..."


_WANTED = {
    "int": "a whole number",
    "int_from_float": "a whole number",
    "float": "a number",
    "string": "text",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "dict": "a mapping (key: value)",
    "model": "a mapping (key: value)",
    "bytes": "bytes",
}


def _is_number_in_quotes(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdigit()


def _words(error: ErrorDetails) -> str:
    kind, value, context = error["type"], error.get("input"), error.get("ctx", {})
    if kind in ("less_than_equal", "less_than", "greater_than_equal", "greater_than"):
        limit, relation = next((context[k], k) for k in ("le", "lt", "ge", "gt") if k in context)
        words = {"le": "more than", "lt": "not below", "ge": "less than", "gt": "not above"}[relation]
        return f"{shown(value)} is {words} {limit}"
    if kind == "too_short":
        return f"at least {context['min_length']} needed" if context["min_length"] > 1 else "must not be empty"
    if kind == "too_long":
        return f"{context['actual_length']} are more than the {context['max_length']} that are possible"
    if kind == "literal_error":
        return f"{shown(value)} is not {context['expected'].replace(chr(39), '')}"
    wanted = _WANTED.get(kind.removesuffix("_type").removesuffix("_parsing"))
    if wanted == "text" and isinstance(value, int | float) and not isinstance(value, bool):
        return f'{shown(value)} is a number here, text is wanted: write it in quotes ("{value}")'
    if wanted:
        hint = ": write it without quotes" if wanted == "a whole number" and _is_number_in_quotes(value) else ""
        return f"{shown(value)} is not {wanted}{hint}"
    return f"{shown(value)} is not possible here"


def _mistakes_of(error: ValidationError, document: Document, model: type[BaseModel]) -> list[Mistake]:
    found: list[Mistake] = []
    for path, text, key in mistakes_in(error, model):
        found.append(document.mistake(path, text) if key is None else document.unknown_key(path, key, text))
    return found


def mistakes_in(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[Path_, str, str | None]]:
    """(path, text, None) of each mistake; of an unknown key the path of what has it, the text, and the key."""
    guesses = MAX_LINES
    for details in error.errors(include_url=False):
        path: Path_ = details["loc"]
        if details["type"] == "extra_forbidden":
            key = str(path[-1])
            guesses -= 1
            meant = did_you_mean(key, _known_keys(model, path[:-1])) if guesses >= 0 else ""
            yield path[:-1], f"unknown key {shown(key)}{meant}", key
        elif details["type"] == "missing":
            yield path[:-1], f"{str(path[-1])!r} is missing", None
        elif details["type"] == _OURS:
            yield from (((*path, *at), text, None) for at, text in details["ctx"]["found"])
        else:
            yield path, _words(details), None


def _known_keys(model: type[BaseModel], path: Iterable[str | int]) -> set[str]:
    """The keys that the models at `path` know; where alternatives are possible, those of all of them."""
    candidates: list[Any] = [model]
    for part in path:
        following: list[Any] = []
        for candidate in _alternatives(candidates):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                field = candidate.model_fields.get(str(part))
                if field is not None:
                    following.append(field.annotation)
            elif get_args(candidate):
                following.append(get_args(candidate)[-1 if get_origin(candidate) is dict else 0])
        if following or not str(part).startswith("<"):
            candidates = following
    models = [c for c in _alternatives(candidates) if isinstance(c, type) and issubclass(c, BaseModel)]
    return {field.alias or name for each in models for name, field in each.model_fields.items()}


def _alternatives(annotations: Iterable[Any]) -> list[Any]:
    flat: list[Any] = []
    for annotation in annotations:
        origin = get_origin(annotation)
        if origin is Annotated:
            flat += _alternatives(get_args(annotation)[:1])
        elif origin in (Union, types.UnionType):
            flat += _alternatives(get_args(annotation))
        else:
            flat.append(annotation)
    return flat


def combined(errors: Iterable[DefinitionError]) -> DefinitionError:
    """Several files' mistakes as one exception."""
    return DefinitionError("\n".join(dict.fromkeys(line for error in errors for line in str(error).splitlines())))
