"""A file that only grows, in lines, each of them once: for JSON lines, CSV and line protocol.

A line that was cut by a crash is removed when the file is opened again; lines that are there already, because the
process ended before it could note that they are, are not written twice. A file that was renamed (log rotation) is left
and a new one begun.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from mbusbench.sinks.sink import SinkError

# More than one batch: what may have been written without being noted as delivered.
_TAIL = 16 * 1024 * 1024


class AppendFile:
    """`header` is the first line of every file. Synchronous."""

    def __init__(self, path: Path, header: bytes = b"") -> None:
        self.path = path
        self._header = header
        self._file: BinaryIO | None = None
        self._recent: frozenset[bytes] = frozenset()

    def open(self) -> None:
        """SinkError where the file cannot be opened or repaired."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = file = self.path.open("ab+", buffering=0)
            start = max(0, file.seek(0, os.SEEK_END) - _TAIL)
            file.seek(start)
            tail = _read_all(file)
            whole = tail.rfind(b"\n") + 1
            if whole < len(tail):
                file.truncate(start + whole)
            self._recent = frozenset(tail[:whole].splitlines())
        except OSError as error:
            self.close()
            raise self._error(error) from error

    def write(self, lines: Sequence[bytes]) -> None:
        """Append lines (without their ends) that are not there yet. SinkError: none of them is."""
        assert self._file is not None, "the file is not open"
        try:
            if self._was_renamed():
                self.close()
                self.open()
            file = self._file
            new = [line for line in lines if line not in self._recent]
            size = file.seek(0, os.SEEK_END)
            if size == 0 and self._header:
                new.insert(0, self._header)
            if new:
                try:
                    _write_all(file, b"\n".join([*new, b""]))
                    os.fsync(file.fileno())
                except BaseException:
                    file.truncate(size)
                    raise
        except OSError as error:
            raise self._error(error) from error
        self._recent = frozenset(lines)

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _was_renamed(self) -> bool:
        assert self._file is not None
        try:
            return not os.path.samestat(os.fstat(self._file.fileno()), self.path.stat())
        except FileNotFoundError:
            return True

    def _error(self, error: OSError) -> SinkError:
        return SinkError(f"{self.path}: {error.strerror or error}")


def _read_all(file: BinaryIO) -> bytes:
    parts = []
    while part := file.read(1 << 20):
        parts.append(part)
    return b"".join(parts)


def _write_all(file: BinaryIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
