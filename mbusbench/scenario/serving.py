"""How a master reaches the bus of a case: on a port of its own, in this process, or not at all."""

from __future__ import annotations

import os
import socket
import tempfile
from dataclasses import dataclass

from mbusbench.bus.endpoints.memory import MemoryStream
from mbusbench.bus.engine import VirtualBus
from mbusbench.bus.port import PortOptions
from mbusbench.errors import MBusConnectionError
from mbusbench.scenario.driver.action import Transport
from mbusbench.transport.tcp import LATENCY

ENDPOINTS = {"tcp": "tcp://127.0.0.1:0", "tty": "pty://", "rfc2217": "rfc2217://127.0.0.1:0"}


def port_options(bus: VirtualBus, transport: Transport) -> PortOptions:
    """What stands between the line and the master: of the first endpoint of the bus file, where it names any."""
    return bus.endpoints[0][1] if bus.endpoints else bus.options_of(ENDPOINTS[transport])


class _CharacterStream(MemoryStream):
    """Answers come character by character, as over any other transport: how a master waits for them is judged, too."""

    def take_whole_answers(self) -> None:
        """Not here."""


@dataclass(frozen=True, slots=True)
class Line:
    """A bus in this process, with what stands between it and a master. Who stands behind a gateway knows it."""

    bus: VirtualBus
    options: PortOptions

    def connect(self) -> MemoryStream:
        stream = _CharacterStream(self.bus, self.options)
        if self.options.gateway is not None:
            stream.latency = LATENCY
        return stream


class Nowhere:
    """A bus that nobody serves, for a master in this process."""

    def connect(self) -> MemoryStream:
        raise MBusConnectionError("nobody listens")


def unserved_url(transport: Transport) -> str:
    """A port that is closed, or a path where nothing is."""
    if transport == "tty":
        return os.path.join(tempfile.gettempdir(), f"mbusbench-{os.getpid()}-missing")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        scheme = "socket" if transport == "tcp" else "rfc2217"
        return f"{scheme}://127.0.0.1:{closed.getsockname()[1]}"
