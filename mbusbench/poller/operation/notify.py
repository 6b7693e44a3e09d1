"""systemd: sd_notify over the socket that the environment names, and the watchdog's interval.

Without that socket everything here does nothing: the same program runs under systemd, in a container and by hand.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from time import CLOCK_MONOTONIC, clock_gettime_ns

_log = logging.getLogger("mbusbench.poller.operation")


class Notifier:
    """`send("READY=1")`. A message that cannot be delivered is lost, which is what systemd's own function does."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        environment = os.environ if environment is None else environment
        address = environment.get("NOTIFY_SOCKET", "")
        # An abstract socket is written with @ and begins with a zero byte.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.watchdog = watchdog_interval(environment)
        """Seconds between two signs of life that systemd is content with; None where it does not watch."""

    @property
    def is_there(self) -> bool:
        """Whether somebody wants to know."""
        return bool(self._address)

    def send(self, *lines: str) -> None:
        """Tell systemd, as in sd_notify(3)."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as out:
                out.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            _log.warning("systemd was not told %s: %s", lines[0], error.strerror)

    def ready(self, text: str) -> None:
        """Started, or done with reloading."""
        self.send("READY=1", f"STATUS={text}")

    def reloading(self) -> None:
        """The configuration is being read again; `ready` ends that."""
        self.send("RELOADING=1", f"MONOTONIC_USEC={clock_gettime_ns(CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """No more is read; what was read is being written."""
        self.send("STOPPING=1")

    def alive(self) -> None:
        """Feed the watchdog."""
        self.send("WATCHDOG=1")


def watchdog_interval(environment: Mapping[str, str]) -> float | None:
    """Half of the time after which systemd takes the process for hung, in seconds; None where it does not watch."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    try:
        microseconds = int(environment.get("WATCHDOG_USEC", "0"))
    except ValueError:
        return None
    return microseconds / 2e6 if microseconds > 0 else None
