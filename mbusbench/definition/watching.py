"""Whether files have changed, for whoever looks often. It knows no time: what counts is how often it was asked.

Editors write in pieces, or move a new file to where the old one was: a change counts when it has not changed further
from one look to the next, and a file that is gone may come back for a while.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

GONE_FOR = 8
"""Looks after which a file that is gone counts as changed."""

_State = tuple[int, ...] | None


class WatchedFiles:
    """`look` from time to time; `watch` says which files."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._known: dict[Path, _State] = {path: _state(path) for path in paths}
        self._seen = dict(self._known)
        self._looks = 0

    def watch(self, paths: Iterable[Path]) -> None:
        """From now on these; what is known of the others is forgotten."""
        paths = set(paths)
        self._known = {path: self._known[path] if path in self._known else _state(path) for path in paths}
        self._seen = {path: self._seen.get(path, self._known[path]) for path in paths}

    def look(self) -> list[Path]:
        """The files that have changed since the last call that returned any, once they have come to rest."""
        seen = {path: _state(path) for path in self._known}
        at_rest = seen == self._seen
        self._seen = seen
        changed = sorted(path for path, state in seen.items() if state != self._known[path])
        if not changed or not at_rest:
            self._looks = 0
            return []
        self._looks += 1
        if self._looks < GONE_FOR and any(seen[path] is None for path in changed):
            return []
        self._looks = 0
        self._known = seen
        return changed


def _state(path: Path) -> _State:
    try:
        state = os.stat(path)
    except (OSError, ValueError):
        return None
    return state.st_dev, state.st_ino, state.st_mtime_ns, state.st_size
