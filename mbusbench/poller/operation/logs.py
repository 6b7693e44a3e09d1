"""Logs as lines: JSON for machines, text for people, and with the journal's priority where systemd reads them.

What a record was given as `extra` goes along by name. Secrets are taken out of every line, whoever wrote it.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import TextIO

from mbusbench.definition.secret import redacted


class LogFormat(StrEnum):
    """How a line looks."""

    TEXT = "text"
    JSON = "json"


LEVELS = ("debug", "info", "warning", "error")

_ORDINARY = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName"}
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (0, 7))


def extras(record: logging.LogRecord) -> dict[str, object]:
    """What the record carries beside its message."""
    return {name: value for name, value in vars(record).items() if name not in _ORDINARY}


class JsonFormatter(logging.Formatter):
    """One object a line: time (UTC), level, logger, message, what else the record carries, the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in extras(record).items() if name not in line}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return redacted(json.dumps(line, ensure_ascii=False, default=str))


class TextFormatter(logging.Formatter):
    """`time level logger: message key=value`; in the journal, which has the time, `<priority>logger: message ...`."""

    def __init__(self, *, journal: bool = False) -> None:
        super().__init__()
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        more = "".join(f" {name}={_word(value)}" for name, value in extras(record).items())
        text = f"{record.name.removeprefix('mbusbench.')}: {message}{more}"
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        if self._journal:
            priority = next(number for least, number in _PRIORITIES if record.levelno >= least)
            text = "\n".join(f"<{priority}>{line}" for line in text.splitlines())
        else:
            time = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            text = f"{time} {record.levelname.lower():7} {text}"
        return redacted(text)


def _word(value: object) -> str:
    text = str(value)
    return text if text and not set(text) & set(' "=\n') else json.dumps(text, ensure_ascii=False)


def is_journal(stream: TextIO, environment: Mapping[str, str] | None = None) -> bool:
    """Whether what is written to the stream goes to systemd's journal, which says so by device and inode."""
    told = (os.environ if environment is None else environment).get("JOURNAL_STREAM", "")
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return told == f"{found.st_dev}:{found.st_ino}"


def configure(form: LogFormat = LogFormat.TEXT, level: str = "info", stream: TextIO | None = None) -> logging.Handler:
    """Send what `mbusbench` logs to a stream, stderr if none is given; what other libraries log from warnings on."""
    stream = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if form is LogFormat.JSON else TextFormatter(journal=is_journal(stream)))
    root, ours = logging.getLogger(), logging.getLogger("mbusbench")
    for old in [each for each in root.handlers if getattr(each, "is_ours", False)]:
        root.removeHandler(old)
    handler.is_ours = True  # type: ignore[attr-defined]
    root.addHandler(handler)
    ours.setLevel(level.upper())
    return handler
