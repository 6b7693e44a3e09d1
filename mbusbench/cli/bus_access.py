"""From a command's options to an open MBusMaster, and from its coroutine to an exit code."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

from mbusbench.master import MBusMaster

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
    )


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
