"""One poller of this machine at a time has a bus: locks in one file that all of them share, a byte for each bus.

A lock is the process's and goes with it, however it ends. Serial devices are locked by the system besides.
"""

from __future__ import annotations

import logging
import os
import struct
import tempfile
from hashlib import blake2b
from pathlib import Path

from mbusbench.errors import MBusConnectionError

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

DIRECTORIES = (Path("/run/lock"), Path(tempfile.gettempdir()))
NAME = "mbusbench-buses.lock"
_FLOCK = "hhqqi4x"  # type, whence, start, length, pid

_log = logging.getLogger("mbusbench.poller")


class BusLocks:
    """The locks of this process. `lock` and `unlock` are called with what names a bus."""

    def __init__(self, directories: tuple[Path, ...] = DIRECTORIES) -> None:
        self._directories = directories
        self._file: int | None = None
        self._held: dict[str, int] = {}

    def lock(self, place: str) -> None:
        """MBusConnectionError where another process has that bus."""
        if fcntl is None:
            return
        if place not in self._held:
            file = self._opened()
            if file is None:
                return
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _byte(place))
            except OSError:
                raise MBusConnectionError(
                    f"another poller of this machine has {place} open{self._who(place)}"
                ) from None
        self._held[place] = self._held.get(place, 0) + 1

    def unlock(self, place: str) -> None:
        """Let go of a bus; nothing where it is not held."""
        held = self._held.pop(place, 0)
        if held > 1:
            self._held[place] = held - 1
        elif held and self._file is not None:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _byte(place))

    def _opened(self) -> int | None:
        """The file, which stays open: closing it would let go of all locks."""
        if self._file is None:
            for directory in self._directories:
                try:
                    self._file = _shared(directory / NAME)
                except OSError:
                    continue
                return self._file
            if self._directories:
                _log.warning("buses are not locked against other pollers: no file in %s", self._directories[-1])
            self._directories = ()
        return self._file

    def _who(self, place: str) -> str:
        """The process that has it, where the system tells."""
        if self._file is None or struct.calcsize(_FLOCK) != 32:
            return ""
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, _byte(place), 1, 0)
        try:
            process = struct.unpack(_FLOCK, fcntl.fcntl(self._file, fcntl.F_GETLK, asked))[4]
        except OSError:
            return ""
        return f" (process {process})" if process > 0 else ""


def _shared(path: Path) -> int:
    """The file, open; made where there is none, so that pollers of all users can lock in it."""
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        pass
    try:
        file = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return os.open(path, flags)
    os.fchmod(file, 0o666)
    return file


def _byte(place: str) -> int:
    return int.from_bytes(blake2b(place.encode(), digest_size=7).digest(), "big")


LOCKS = BusLocks()
"""Those of this process."""
