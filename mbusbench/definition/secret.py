"""Secrets in files that people write: a value of its own type that shows nothing, read from where it is kept.

`password: {env: NAME}` and `password: {file: PATH}` read the environment and a file; for a field `password` of a
`WithSecrets`, `password_env: NAME` and `password_file: PATH` say the same. What was read is known to `redacted`, which
takes it out of texts that come from elsewhere.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import PlainValidator, model_validator

from mbusbench.definition.validation import Definition, mistake, mistakes, shown

HIDDEN = "***"
SHORTEST_HIDDEN = 4
"""Shorter ones would also be found in words that have nothing to do with them."""
LONGEST = 65_536

_known: set[str] = set()


class Secret:
    """A text that only `reveal` tells. `file` is where it was read, None where it was not a file."""

    __slots__ = ("_text", "file")

    def __init__(self, text: str, file: Path | None = None) -> None:
        self._text = text
        self.file = file
        hide(text)

    def reveal(self) -> str:
        """The text itself, for whoever has to show it to a server."""
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __repr__(self) -> str:
        return f"Secret({HIDDEN!r})"

    def __str__(self) -> str:
        return HIDDEN

    def __reduce__(self) -> Any:
        raise TypeError("a secret is not pickled")


def hide(text: str) -> None:
    """From now on `redacted` takes this out. What is shorter than four characters stays."""
    if len(text) >= SHORTEST_HIDDEN:
        _known.add(text)


def redacted(text: str) -> str:
    """`text` without the secrets that were read in this process."""
    for secret in _known:
        if secret in text:
            text = text.replace(secret, HIDDEN)
    return text


def _read(value: object) -> Secret:
    if isinstance(value, Secret):
        return value
    if isinstance(value, str):
        return Secret(value)
    if isinstance(value, Mapping) and len(value) == 1:
        ((kind, source),) = value.items()
        if kind == "env":
            return Secret(_environment(source))
        if kind == "file":
            return _file(source)
    raise mistake(f"{shown(value)} is neither text nor {{env: NAME}} nor {{file: PATH}}")


def _environment(name: object) -> str:
    if not isinstance(name, str) or not name:
        raise mistake(f"{shown(name)} is not the name of a variable")
    try:
        return os.environ[name]
    except KeyError:
        raise mistake(f"the environment has no variable {shown(name)}") from None


def _file(name: object) -> Secret:
    if not isinstance(name, str) or not name or "\0" in name:
        raise mistake(f"{shown(name)} is not the name of a file")
    try:
        with open(name, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise mistake(f"{shown(name)} is not a file of data")
            raw = file.read(LONGEST + 1)
        text = raw.decode("utf-8")
    except OSError as error:
        raise mistake(f"{shown(name)}: {(error.strerror or 'it cannot be read').lower()}") from None
    except UnicodeDecodeError:
        raise mistake(f"{shown(name)} is not UTF-8 text") from None
    if len(raw) > LONGEST:
        raise mistake(f"{shown(name)} is larger than {LONGEST // 1024} kB")
    # Editors and `echo` end a line; a secret has none.
    return Secret(text.removesuffix("\n").removesuffix("\r"), Path(name))


SecretText = Annotated[Secret, PlainValidator(_read)]
"""A secret: as text, `{env: NAME}` or `{file: PATH}`."""


class WithSecrets(Definition):
    """A definition whose secrets may also be written `name_env: NAME` and `name_file: PATH`."""

    @model_validator(mode="before")
    @classmethod
    def _from_elsewhere(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        data = dict(data)
        found: list[tuple[tuple[str | int, ...], str]] = []
        for name, field in cls.model_fields.items():
            if not _is_secret(field.annotation):
                continue
            given = [key for key in (name, f"{name}_env", f"{name}_file") if key in data]
            if len(given) > 1:
                found += [((key,), f"{name} is given twice, as {given[0]} too") for key in given[1:]]
            for key in given:
                value = data.pop(key)
                try:
                    data[name] = _read(value if key == name else {key.removeprefix(f"{name}_"): value})
                except Exception as error:
                    if not hasattr(error, "context"):
                        raise
                    found.append(((key,), str(error)))
        if found:
            raise mistakes(found)
        return data

    def secret_files(self) -> list[Path]:
        """Where secrets of this definition were read."""
        values = (getattr(self, name) for name in type(self).model_fields)
        return [value.file for value in values if isinstance(value, Secret) and value.file is not None]


def _is_secret(annotation: object) -> bool:
    return annotation is Secret or any(_is_secret(part) for part in get_args(annotation))
