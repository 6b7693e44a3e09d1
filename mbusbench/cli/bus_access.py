"""From a command's options to an open MBusMaster, and from its coroutine to an exit code."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click

from mbusbench.cli.output import message
from mbusbench.master import MBusMaster
from mbusbench.trace.event import TraceSink

Result = TypeVar("Result")


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a command's coroutine; what libraries log is one line a record on stderr, without a traceback."""
    _configure_logging()
    return asyncio.run(work)


def master(url: str, options: dict[str, Any]) -> MBusMaster:
    """The master for the options of `arguments.connection_options` and `arguments.key_option`."""
    return MBusMaster(
        url,
        baudrate=options["baudrate"],
        parity=options["parity"],
        timeout=options["timeout"],
        retries=options["retries"],
        keys=options.get("key"),
        wake_up=options["wake_up"],
        latency=options["latency"],
        reconnect=options["reconnect"],
        trace=_trace_to(options["trace"], url),
    )


def _trace_to(path: Path | None, url: str) -> TraceSink | None:
    """A file that takes events until the command ends."""
    if path is None:
        return None
    from datetime import datetime

    from mbusbench.trace.files import TraceFile
    from mbusbench.trace.header import TraceHeader

    file = TraceFile(path, TraceHeader(url, 0, datetime.now().replace(microsecond=0)))
    context = click.get_current_context()

    def close() -> None:
        file.close()
        if file.failure is not None:
            message(f"mbusbench: {path}: the trace is not complete: {file.failure.strerror}")

    context.call_on_close(close)
    return file.record


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        text = f"mbusbench: {record.levelname.lower()}: {record.getMessage()}"
        if record.exc_info and record.exc_info[1] is not None:
            text += f" ({record.exc_info[1]!r})"
        return " ".join(text.split())


def _configure_logging() -> None:
    if os.environ.get("MBUSBENCH_DEBUG"):
        logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
