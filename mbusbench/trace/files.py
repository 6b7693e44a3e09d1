"""Trace files: their formats by suffix, a file that takes events while they happen, and reading one back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from operator import attrgetter
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

    What was recorded is in the file after `flush`. Where the file cannot be written any more (disk full), the bus goes
    on: `failure` says why, and what comes after is lost.
    """

    def __init__(self, path: str | Path, header: TraceHeader) -> None:
        """MBusUsageError where the suffix names no format, OSError where the file cannot be written."""
        self.failure: OSError | None = None
        self._encoder = FORMATS[format_of(path)]()
        self._encode = self._encoder.event
        self._file: BinaryIO = Path(path).open("wb", buffering=BUFFER)  # noqa: SIM115
        self._write = self._file.write
        try:
            self._write(self._encoder.header(header))
            self._file.flush()
        except OSError:
            with suppress(OSError):
                self._file.close()
            raise

    def record(self, event: TraceEvent) -> None:
        """Take an event."""
        if self.failure is None:
            try:
                self._write(self._encode(event))
            except OSError as error:
                self.failure = error

    def flush(self) -> None:
        """Put what was recorded where others can read it."""
        if self.failure is None:
            try:
                self._file.flush()
            except OSError as error:
                self.failure = error

    def close(self) -> None:
        """Write what is left and close the file. Again does nothing."""
        if self._file.closed:
            return
        try:
            with self._file:
                self._write(self._encoder.finish())
        except OSError as error:
            self.failure = self.failure or error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def encode(trace: Trace, encoder: Encoder) -> bytes:
    """The whole trace in another format, in the order of time."""
    parts = [encoder.header(trace.header)]
    parts += (encoder.event(event) for event in sorted(trace.events, key=attrgetter("time")))
    return b"".join((*parts, encoder.finish()))


def load(path: str | Path) -> Trace:
    """Read a JSONL trace; MBusUsageError with a line number where it is none, OSError where it cannot be read."""
    with Path(path).open("rb") as file:
        return read(file, str(path))


def read(file: BinaryIO, name: str) -> Trace:
    """As `load`, from an open file that is called `name`."""
    try:
        return read_trace((line.decode("ascii") for line in iter(lambda: file.readline(LONGEST_LINE + 1), b"")), name)
    except UnicodeDecodeError:
        raise MBusUsageError(f"{name}: this is no trace: it is no text") from None
