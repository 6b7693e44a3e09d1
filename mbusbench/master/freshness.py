"""Recognises a telegram that an earlier readout has brought already: some slaves repeat themselves for ever.

Only a meter whose access number counts can be judged so. Where that number stays the same, equal telegrams may as well
mean that nothing has changed.
"""

from __future__ import annotations

from collections.abc import Sequence

from mbusbench.codec.header import LongHeader
from mbusbench.codec.telegram import Telegram

REMEMBERED = 16
"""Telegrams of each slave: less than access numbers take to come round, even where each readout has several."""
_SLAVES = 1024

_Key = tuple[int, bytes]


class _Past:
    __slots__ = ("access_number", "counts", "telegrams")

    def __init__(self) -> None:
        self.access_number: int | None = None
        self.counts = False
        self.telegrams: dict[tuple[int, bytes], None] = {}


def _differ(telegrams: Sequence[Telegram]) -> bool:
    """Whether the access number counts within a readout already."""
    if len(telegrams) == 1:
        return False
    return len({each.header.access_number for each in telegrams if each.header is not None}) > 1


class Freshness:
    """The last telegrams of each slave, known by its primary address and the secondary one in its header."""

    def __init__(self) -> None:
        self._slaves: dict[_Key, _Past] = {}

    def is_stale(self, address: int, telegrams: Sequence[Telegram]) -> bool:
        """Whether a readout has a telegram of an earlier one, access number included. Remembers the readout."""
        first = telegrams[0]
        header = first.header
        if header is None:
            return False
        key = (address, first.data[:8] if isinstance(header, LongHeader) else b"")
        past = self._slaves.pop(key, None) or _Past()
        self._slaves[key] = past
        if len(self._slaves) > _SLAVES:
            del self._slaves[next(iter(self._slaves))]
        if past.access_number not in (None, header.access_number) or _differ(telegrams):
            past.counts = True
        past.access_number = header.access_number
        known = past.telegrams
        received = [(telegram.ci, telegram.data) for telegram in telegrams]
        new = [telegram for telegram in received if telegram not in known]
        known.update(dict.fromkeys(new))
        while len(known) > REMEMBERED:
            del known[next(iter(known))]
        return past.counts and len(new) < len(received)
