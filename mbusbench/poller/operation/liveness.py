"""Whether a poller gets on: who runs has to do something from time to time.

It knows no clock: the time comes with each look, in ns. A bus where nobody answers gets on, since its meters fail one
after the other; one that waits for ever does not.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

DEFAULT_PATIENCE = 300_000_000_000
"""Longer than one meter may take: 20 telegrams at 300 baud with three tries each."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What is seen of one part. `mark` changes whenever it gets on; `due` is when it has to, None while it may rest."""

    name: str
    mark: Hashable
    due: int | None


class Liveness:
    """`look` from time to time, with everything there is to see."""

    def __init__(self, patience: int = DEFAULT_PATIENCE) -> None:
        self._patience = patience
        self._seen: dict[str, tuple[Hashable, int]] = {}
        self.stalled: tuple[str, ...] = ()
        """Who did not get on, as of the last look."""

    def look(self, progress: Iterable[Progress], now: int) -> bool:
        """Whether all get on."""
        seen: dict[str, tuple[Hashable, int]] = {}
        stalled: list[str] = []
        for each in progress:
            mark, since = self._seen.get(each.name, (None, now))
            if mark != each.mark:
                since = now
            seen[each.name] = (each.mark, since)
            if each.due is not None and now - max(since, each.due) > self._patience:
                stalled.append(each.name)
        self._seen = seen
        self.stalled = tuple(stalled)
        return not stalled
