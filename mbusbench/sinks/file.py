"""Sinks that write lines: to standard output, or to a file that only grows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from mbusbench.sinks.append_file import AppendFile
from mbusbench.sinks.lines import LineFormat
from mbusbench.sinks.reading import Reading
from mbusbench.sinks.sink import SinkError
from mbusbench.sinks.threads import SideThread

Lines = Callable[[Reading], list[str]]


class ConsoleSink:
    """Readings on standard output, or on `stream`. What a process had written when it was killed may come again."""

    def __init__(self, name: str, lines: Lines, *, header: str = "", stream: TextIO | None = None) -> None:
        self.name = name
        self._lines = lines
        self._header = header
        self._stream = stream
        self._thread = SideThread("mbusbench-console")

    async def open(self) -> None:
        if self._header:
            await self._thread.call(self._print, self._header + "\n")
            self._header = ""

    async def write(self, readings: Sequence[Reading]) -> None:
        text = "".join(f"{line}\n" for reading in readings for line in self._lines(reading))
        await self._thread.call(self._print, text)

    def _print(self, text: str) -> None:
        stream = self._stream or sys.stdout
        try:
            stream.write(text)
            stream.flush()
        except (OSError, ValueError) as error:
            raise SinkError(f"standard output: {error}") from error

    async def close(self) -> None:
        self._thread.stop()


class FileSink:
    """Readings in a file, each line once, on the disk when `write` returns."""

    def __init__(self, name: str, path: Path, lines: Lines, *, header: str = "") -> None:
        self.name = name
        self._lines = lines
        self._file = AppendFile(path, header.encode())
        self._thread = SideThread(f"mbusbench-{name}")

    async def open(self) -> None:
        await self._thread.call(self._file.open)

    async def write(self, readings: Sequence[Reading]) -> None:
        await self._thread.call(self._write, readings)

    def _write(self, readings: Sequence[Reading]) -> None:
        self._file.write([line.encode() for reading in readings for line in self._lines(reading)])

    async def close(self) -> None:
        await self._thread.call(self._file.close)
        self._thread.stop()


def file_sink(name: str, path: Path, line_format: LineFormat) -> FileSink:
    return FileSink(name, path, line_format.lines, header=line_format.header)
