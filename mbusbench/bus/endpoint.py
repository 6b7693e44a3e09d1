"""Where a bus is served, as written: `tcp://HOST:PORT`, `rfc2217://HOST:PORT`, `pty://[PATH]`, `serial://DEVICE`.

Only the text is looked at here; what opens an endpoint is in `bus.endpoints`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from mbusbench.errors import MBusUsageError

LOOPBACK = "127.0.0.1"
EXAMPLES = "tcp://127.0.0.1:10001, rfc2217://127.0.0.1:2217, pty://, pty:///tmp/mbus0 or serial:///dev/ttyUSB0"

_SCHEME = re.compile(r"([a-z0-9]+)://")


@dataclass(frozen=True, slots=True)
class TcpEndpoint:
    """A port that carries the bytes of the bus as they are; 0 is any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"tcp://{netloc(self.host, self.port)}"


@dataclass(frozen=True, slots=True)
class Rfc2217Endpoint:
    """A port that speaks the telnet COM port option; 0 is any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"rfc2217://{netloc(self.host, self.port)}"


@dataclass(frozen=True, slots=True)
class PtyEndpoint:
    """A new pseudo terminal, with a symbolic link to it at the absolute path `link` where there is one."""

    link: str | None = None

    def __str__(self) -> str:
        return f"pty://{self.link or ''}"


@dataclass(frozen=True, slots=True)
class SerialEndpoint:
    """A serial device of this machine, as the bus's side of the cable."""

    path: str

    def __str__(self) -> str:
        return f"serial://{self.path}"


Endpoint = TcpEndpoint | Rfc2217Endpoint | PtyEndpoint | SerialEndpoint


def parse_endpoint(text: str) -> Endpoint:
    """The endpoint that `text` names; no host is the loopback. MBusUsageError for anything else."""
    match = _SCHEME.match(text)
    scheme, rest = (match[1], text[match.end() :]) if match is not None else ("", "")
    if scheme == "pty" and _is_path(rest or "/link"):
        return PtyEndpoint(rest or None)
    if scheme == "serial" and _is_path(rest):
        return SerialEndpoint(rest)
    if scheme in ("tcp", "rfc2217"):
        found = _host_and_port(text)
        if found is not None:
            return TcpEndpoint(*found) if scheme == "tcp" else Rfc2217Endpoint(*found)
    raise MBusUsageError(f"{text!r} is not an endpoint such as {EXAMPLES}")


def netloc(host: str, port: int) -> str:
    """HOST:PORT as an URL has it."""
    try:
        return f"[{host}]:{port}" if ip_address(host).version == 6 else f"{host}:{port}"
    except ValueError:
        return f"{host}:{port}"


def _is_path(path: str) -> bool:
    return path.startswith("/") and not path.endswith("/") and path.isprintable()


def _host_and_port(text: str) -> tuple[str, int] | None:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    if port is None or parts.path or parts.query or parts.fragment or parts.username is not None:
        return None
    return parts.hostname or LOOPBACK, port
