"""`mbusbench` as a user runs it: a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

COMMAND = (sys.executable, "-m", "mbusbench")
TIME_LIMIT = 60


def environment(**changes: str) -> dict[str, str]:
    """This process's environment without what changes the output."""
    kept = {name: value for name, value in os.environ.items() if name not in ("MBUSBENCH_DEBUG", "MBUSBENCH_KEY")}
    return {**kept, "PYTHONWARNINGS": "error", **changes}


def run(
    *arguments: str, stdin: str | bytes = b"", limit: float = TIME_LIMIT, **changes: str
) -> subprocess.CompletedProcess[str]:
    """Run to the end; stdout and stderr as text."""
    given = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run(
        [*COMMAND, *arguments],
        input=given,
        capture_output=True,
        timeout=limit,
        env=environment(**changes),
        check=False,
    )
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8")
    )


def json_lines(text: str) -> list[dict[str, Any]]:
    """The objects of `--json`, one from each line."""
    return [json.loads(line) for line in text.splitlines()]


class Served:
    """A `serve` process that is ready."""

    def __init__(self, process: subprocess.Popen[bytes], ready: dict[str, Any]) -> None:
        self.process = process
        self.ready = ready
        self.url: str = ready["endpoints"][0]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for the end, return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(TIME_LIMIT)


@contextmanager
def served(*arguments: str) -> Iterator[Served]:
    """`mbusbench serve ARGUMENTS` while the block runs."""
    process = subprocess.Popen(
        [*COMMAND, "serve", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process, process.stdout, process.stderr:
        try:
            line = process.stdout.readline()
            assert line, process.stderr.read().decode()
            yield Served(process, json.loads(line))
        finally:
            process.kill()
            process.wait()
