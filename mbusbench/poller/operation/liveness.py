"""Whether a poller gets on: who has something to do has to do some of it from time to time.

It knows no clock: the time comes with each look, in ns of a clock that nobody sets. A bus where nobody answers gets on,
since its meters fail one after the other; one that waits for ever does not.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

DEFAULT_PATIENCE = 300_000_000_000
"""Longer than a meter takes: ten telegrams of 250 characters at 300 baud, each asked for three times."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What is seen of one part. `mark` changes whenever it gets on; `is_due` is whether it has to."""

    name: str
    mark: Hashable
    is_due: bool


class Liveness:
    """`look` from time to time, with everything there is to see."""

    def __init__(self, patience: int = DEFAULT_PATIENCE) -> None:
        self.patience = patience
        self.stalled: tuple[str, ...] = ()
        """Who did not get on, as of the last look."""
        self._overdue: dict[str, tuple[Hashable, int]] = {}

    def look(self, progress: Iterable[Progress], now: int) -> bool:
        """Whether all get on."""
        overdue: dict[str, tuple[Hashable, int]] = {}
        for each in progress:
            if each.is_due:
                mark, since = self._overdue.get(each.name, (None, now))
                overdue[each.name] = (each.mark, since if mark == each.mark else now)
        self._overdue = overdue
        self.stalled = tuple(name for name, (_, since) in overdue.items() if now - since > self.patience)
        return not self.stalled
