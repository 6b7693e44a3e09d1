"""Start-up: `mbusbench --version` against an empty Python, each a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from benchmarks.measure import Result, interleaved

ROUNDS = 15
LIMIT = 0.150
FACTOR = 3.0
_VERSION = "import sys; sys.argv = ['mbusbench', '--version']; from mbusbench.cli.main import main; main()"


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def version() -> Result:
    """At most 150 ms or three times an empty Python, whichever is more."""
    mine, theirs, ratio = interleaved(
        lambda: _run([sys.executable, "-c", _VERSION]),
        lambda: _run([sys.executable, "-c", "pass"]),
        rounds=ROUNDS,
    )
    bound = max(FACTOR, LIMIT / theirs)
    return Result(
        "mbusbench --version", "start", mine, theirs, 1 / ratio, round(bound, 2), False, "against `python -c pass`"
    )
