"""Trace files: their formats by suffix, a file that takes events while they happen, and reading one back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self

from mbusbench.errors import MBusUsageError
from mbusbench.trace.event import TraceEvent
from mbusbench.trace.header import TraceHeader
from mbusbench.trace.jsonl import LONGEST_LINE, encode_event, encode_header, read_trace
from mbusbench.trace.pcapng import PcapngEncoder
from mbusbench.trace.recorder import Trace
from mbusbench.trace.text import Annotator

BUFFER = 256 * 1024


class Encoder(Protocol):
    """A format: what to write first, for each event, and last."""

    def header(self, header: TraceHeader) -> bytes: ...

    def event(self, event: TraceEvent) -> bytes: ...

    def finish(self) -> bytes: ...


class JsonlEncoder:
    """docs/trace.md."""

    def header(self, header: TraceHeader) -> bytes:
        return (encode_header(header) + "\n").encode("ascii")

    def event(self, event: TraceEvent) -> bytes:
        return (encode_event(event) + "\n").encode("ascii")

    def finish(self) -> bytes:
        return b""


class TextEncoder:
    """For people; `annotator` says how much of it."""

    def __init__(self, annotator: Annotator | None = None) -> None:
        self._annotator = annotator or Annotator()

    def header(self, header: TraceHeader) -> bytes:
        return f"{self._annotator.heading(header)}\n".encode()

    def event(self, event: TraceEvent) -> bytes:
        return "".join(f"{line}\n" for line in self._annotator.lines(event)).encode()

    def finish(self) -> bytes:
        return "".join(f"{line}\n" for line in self._annotator.finish()).encode()


FORMATS: dict[str, Callable[[], Encoder]] = {"jsonl": JsonlEncoder, "txt": TextEncoder, "pcapng": PcapngEncoder}


def format_of(path: str | Path) -> str:
    """The format that the suffix of a file names; MBusUsageError where it names none."""
    name = Path(path).suffix.removeprefix(".").lower()
    if name not in FORMATS:
        raise MBusUsageError(f"{path}: the name of a trace ends with .{', .'.join(FORMATS)}")
    return name


class TraceFile:
    """Writes events to a file, in the order in which they come: `record` is a TraceSink. Close it, or use `with`.

    What was recorded is in the file after `flush`.
    """

    def __init__(self, path: str | Path, header: TraceHeader) -> None:
        """MBusUsageError where the suffix names no format, OSError where the file cannot be written."""
        self._encoder = FORMATS[format_of(path)]()
        self._encode = self._encoder.event
        self._file: BinaryIO = Path(path).open("wb", buffering=BUFFER)  # noqa: SIM115
        self._write = self._file.write
        self._write(self._encoder.header(header))
        self.flush()

    def record(self, event: TraceEvent) -> None:
        """Take an event."""
        self._write(self._encode(event))

    def flush(self) -> None:
        """Put what was recorded where others can read it."""
        self._file.flush()

    def close(self) -> None:
        """Write what is left and close the file. Again does nothing."""
        if not self._file.closed:
            with self._file:
                self._write(self._encoder.finish())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def encode(trace: Trace, encoder: Encoder) -> bytes:
    """The whole trace in another format, in the order of time."""
    parts = [encoder.header(trace.header)]
    parts += (encoder.event(event) for event in sorted(trace.events, key=_time))
    return b"".join((*parts, encoder.finish()))


def _time(event: TraceEvent) -> int:
    return event.time


def load(path: str | Path) -> Trace:
    """Read a JSONL trace; MBusUsageError with a line number where it is none, OSError where it cannot be read."""
    name = str(path)
    with Path(path).open(encoding="utf-8", newline="\n") as file:
        try:
            return read_trace(iter(lambda: file.readline(LONGEST_LINE + 1), ""), name)
        except UnicodeDecodeError:
            raise MBusUsageError(f"{name}: this is no trace: it is no text") from None
