"""`python -m benchmarks [NAME...]`: the promised speed, measured side by side. Exit code 1 where a bound is missed.

Names: decoding, exchange, bus, line, startup, poller, pacing, search, catalogue. A bound whose peer is not installed
is shown as missing and is not met.
"""

from __future__ import annotations

import argparse
import importlib
import platform
import sys
from collections.abc import Callable, Sequence

from benchmarks.measure import Result, table

GROUPS: dict[str, tuple[str, tuple[str, ...]]] = {
    "decoding": (
        "benchmarks.decoding",
        (
            "warm_against_pymbusparser",
            "warm_against_pymeterbus",
            "cold_against_pymbusparser",
            "result_against_pymbusparser",
        ),
    ),
    "exchange": ("benchmarks.exchange", ("one_read",)),
    "bus": ("benchmarks.bus_day", ("day", "against_the_bus", "many_meters", "memory")),
    "line": ("benchmarks.bus_time", ("scan", "read")),
    "startup": ("benchmarks.startup", ("version",)),
    "poller": ("benchmarks.poller", ("core",)),
    "pacing": ("benchmarks.pacing", ("on_a_terminal",)),
    "search": (
        "benchmarks.search",
        ("random_100", "random_250", "sequence_100", "sequence_250", "equal_20"),
    ),
    "catalogue": ("benchmarks.catalogue", ("whole",)),
}


def _measure(group: str) -> list[Result]:
    module_name, names = GROUPS[group]
    module = importlib.import_module(module_name)
    found: list[Result] = []
    for name in names:
        measure: Callable[[], Result | list[Result]] = getattr(module, name)
        measured = measure()
        found += measured if isinstance(measured, list) else [measured]
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(GROUPS)}; all by default")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(GROUPS)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
    results = [result for group in GROUPS if group in (options.names or GROUPS) for result in _measure(group)]
    print(f"Python {platform.python_version()}, {platform.machine()}")
    print(table(results))
    return 0 if all(result.verdict == "ok" for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
