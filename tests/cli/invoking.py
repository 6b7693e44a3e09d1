"""The command line called inside the test's process: quick, and without a terminal."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from typing import NamedTuple

import pytest

from mbusbench.cli.main import run


class Result(NamedTuple):
    code: int
    stdout: str
    stderr: str


class _Stream(io.TextIOWrapper):
    def __init__(self, content: bytes = b"") -> None:
        super().__init__(io.BytesIO(content), encoding="utf-8", newline="\n")

    def text(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode("utf-8")  # type: ignore[attr-defined]


def invoke(*arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None) -> Result:
    """Exit code, stdout and stderr of `mbusbench ARGUMENTS`."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MBUSBENCH_KEY", "MBUSBENCH_DEBUG"):
            patch.delenv(name, raising=False)
        for name, value in (environment or {}).items():
            patch.setenv(name, value)
        out, err = _Stream(), _Stream()
        patch.setattr(sys, "stdin", _Stream(stdin))
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        code = run(list(arguments))
        return Result(code, out.text(), err.text())
