"""Side by side timing: two things run in turn in one process, the figure is the median of the ratios of neighbours."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table.

    `ours` and `peer` are seconds for one unit of work (`unit` says which). `ratio` is compared with `bound`: it must be
    at least that where `at_least`, else at most. None where the peer is missing: `note` says which.
    """

    name: str
    unit: str
    ours: float | None
    peer: float | None
    ratio: float | None
    bound: float
    at_least: bool
    note: str = ""

    @property
    def verdict(self) -> str:
        if self.ratio is None:
            return "missing"
        met = self.ratio >= self.bound if self.at_least else self.ratio <= self.bound
        return "ok" if met else "short"


def timed(work: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def interleaved(
    ours: Callable[[], object],
    peer: Callable[[], object],
    *,
    rounds: int,
    before_ours: Callable[[], object] | None = None,
) -> tuple[float, float, float]:
    """(median seconds of ours, of the peer, median of peer / ours of each round).

    The order changes from round to round. Within a round the faster side runs as often as takes it about as long as the
    other, so that both run as warm. `before_ours` runs untimed before each run of ours, which then runs once a round.
    """
    mine, theirs = min(timed(ours) for _ in range(3)), min(timed(peer) for _ in range(3))
    our_runs = 1 if before_ours is not None else max(1, round(theirs / mine))
    peer_runs = max(1, round(mine / theirs))
    pairs: list[tuple[float, float]] = []
    gc.collect()
    gc.disable()
    try:
        for number in range(rounds):
            if number % 2:
                theirs = _repeated(peer, peer_runs)
            if before_ours is not None:
                before_ours()
            mine = _repeated(ours, our_runs)
            if not number % 2:
                theirs = _repeated(peer, peer_runs)
            pairs.append((mine, theirs))
    finally:
        gc.enable()
    mine_median = statistics.median(mine for mine, _ in pairs)
    peer_median = statistics.median(theirs for _, theirs in pairs)
    return mine_median, peer_median, statistics.median(theirs / mine for mine, theirs in pairs)


def _repeated(work: Callable[[], object], runs: int) -> float:
    start = time.perf_counter()
    for _ in range(runs):
        work()
    return (time.perf_counter() - start) / runs


def _time_text(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds < 1e-3:
        return f"{seconds * 1e6:.2f} us"
    return f"{seconds * 1e3:.2f} ms"


def table(results: Iterable[Result]) -> str:
    """The results as an aligned table."""
    rows = [("name", "per", "ours", "peer/limit", "ratio", "bound", "")]
    for result in results:
        sign = ">=" if result.at_least else "<="
        ratio = "-" if result.ratio is None else f"{result.ratio:.2f}"
        rows.append(
            (
                result.name,
                result.unit,
                _time_text(result.ours),
                _time_text(result.peer),
                ratio,
                f"{sign} {result.bound:g}",
                " ".join(filter(None, (result.verdict, result.note))),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
