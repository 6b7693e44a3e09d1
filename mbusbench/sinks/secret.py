"""A password or token: out of the environment, out of a file, or as it is. Never shown."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import PlainValidator

from mbusbench.definition.validation import did_you_mean, mistake, shown
from mbusbench.errors import SinkError

_KINDS = ("env", "file")


@dataclass(frozen=True, slots=True)
class Secret:
    """One of the three. It is looked up when it is needed, so that a file may change while we run."""

    text: str | None = field(default=None, repr=False)
    env: str | None = None
    file: Path | None = None

    def reveal(self) -> str:
        """SinkError where the variable is not set or the file cannot be read. A file's last line end is no part."""
        if self.env is not None:
            found = os.environ.get(self.env)
            if found is None:
                raise SinkError(f"the environment variable {self.env} is not set")
            return found
        if self.file is not None:
            try:
                return self.file.read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "it is no text"
                raise SinkError(f"the secret in {self.file} cannot be read: {reason}") from error
        assert self.text is not None
        return self.text


def secret(value: object) -> Secret:
    """`text`, `{env: NAME}` or `{file: path}`; what is wrong is said without what was written."""
    if isinstance(value, Secret):
        return value
    if isinstance(value, str):
        return Secret(value)
    if isinstance(value, dict) and len(value) == 1:
        ((kind, name),) = value.items()
        if kind not in _KINDS:
            raise mistake(f"unknown key {shown(kind)}: only env and file are possible{did_you_mean(kind, _KINDS)}")
        if not isinstance(name, str) or not name:
            raise mistake(f"{kind} needs a name", (kind,))
        return Secret(env=name) if kind == "env" else Secret(file=Path(name))
    raise mistake('a secret is text in quotes, {env: NAME} or {file: "/run/secrets/name"}')


SecretField = Annotated[Secret, PlainValidator(secret)]
