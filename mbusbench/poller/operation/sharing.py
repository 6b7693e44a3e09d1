"""Who reads which connection, where several workers share a configuration: each worker decides alone, from one table.

A worker may have as many as are its fair share; the first workers by name have one more where the division leaves a
remainder. Who has too many gives up, who has too few takes what is free. Nothing else moves, so that a worker that
comes or goes disturbs as few buses as possible.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shares:
    """What a worker does now: keep and take together are what it has, give_up what it has no right to any more."""

    keep: tuple[str, ...]
    take: tuple[str, ...]
    give_up: tuple[str, ...]


def quota(worker: str, workers: Collection[str], connections: int) -> int:
    """How many connections are a worker's share."""
    ranked = sorted(workers)
    each, rest = divmod(connections, len(ranked))
    return each + (1 if ranked.index(worker) < rest else 0)


def shares(worker: str, workers: Collection[str], connections: Collection[str], holders: Mapping[str, str]) -> Shares:
    """What `worker` does. `workers` are those alive, it among them; `holders` says who has a lease that holds.

    Connections that are not in the configuration any more are given up.
    """
    wanted = sorted(set(connections))
    mine = [name for name in wanted if holders.get(name) == worker]
    allowed = quota(worker, workers, len(wanted))
    free = [name for name in wanted if name not in holders]
    gone = [name for name in sorted(holders) if holders[name] == worker and name not in set(wanted)]
    keep, surplus = mine[:allowed], mine[allowed:]
    return Shares(tuple(keep), tuple(free[: allowed - len(keep)]), (*surplus, *gone))
