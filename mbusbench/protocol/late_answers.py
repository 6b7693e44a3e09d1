"""What a master remembers of a moment ago, to tell a late answer, or a late copy of one, from the answer it waits for.

An answer does not say which request it belongs to. All times in ns.
"""

from __future__ import annotations

from mbusbench.codec.frame import LongFrame

LATEST = 6_000_000_000  # how late an answer may come, or a second copy of it
_REMEMBERED = 64


class LateAnswers:
    """Which addresses owe an answer, and which telegrams were answers already, for the last 6 s."""

    __slots__ = ("_owing", "_recent")

    def __init__(self) -> None:
        self._owing: dict[int, int] = {}
        self._recent: dict[tuple[int, int, bytes], int] = {}

    def clear(self) -> None:
        self._owing.clear()
        self._recent.clear()

    def expect_from(self, address: int, now: int) -> None:
        """A request to `address` was not answered in time."""
        self._owing[address] = now + LATEST

    def may_come_from(self, address: int, now: int) -> bool:
        """Whether a late answer to a request to `address` may still come."""
        if not self._owing:
            return False
        until = self._owing.get(address, now)
        if now >= until:
            self._owing.pop(address, None)
            return False
        return True

    def remember(self, frame: LongFrame, now: int) -> None:
        """`frame` was the answer to a request."""
        recent = self._recent
        telegram = (frame.address, frame.ci, frame.data)
        recent.pop(telegram, None)
        recent[telegram] = now + LATEST
        if len(recent) > _REMEMBERED:
            for old in list(recent)[: _REMEMBERED // 2]:
                del recent[old]

    def is_copy(self, frame: LongFrame, now: int) -> bool:
        """Whether the same telegram, access number and all, was an answer a moment ago."""
        return now < self._recent.get((frame.address, frame.ci, frame.data), now)

    def __len__(self) -> int:
        return len(self._owing) + len(self._recent)
