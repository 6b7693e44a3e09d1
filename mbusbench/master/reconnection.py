"""When a lost connection is tried again: at once, then after waits that double, for so many seconds in all."""

from __future__ import annotations

FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0


class Reconnection:
    """The waits of one call that goes on for `limit` seconds from `now` on, in seconds of the loop's time."""

    __slots__ = ("_until", "_wait")

    def __init__(self, limit: float, now: float) -> None:
        self._until = now + limit
        self._wait = 0.0

    def next_wait(self, now: float, *, refused: bool) -> float | None:
        """Seconds to wait before the next attempt, the last of which is when the time is over; None after that.

        `refused`: the last one brought no connection, so that the next one is not at once.
        """
        wait = max(self._wait, FIRST_WAIT) if refused else self._wait
        if wait and now >= self._until:
            return None
        self._wait = min(max(FIRST_WAIT, 2 * wait), LONGEST_WAIT)
        return min(wait, self._until - now)

    def worked(self) -> None:
        """There was a connection in between: the waits begin anew, the end stays."""
        self._wait = min(self._wait, FIRST_WAIT)
