"""What an URL of a bus names: a TCP port, an RFC 2217 port, or a serial device by its path.

Everything is checked here, before any connection is tried: a gateway without a port, unknown schemes and options.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from mbusbench.errors import MBusUsageError

EXAMPLES = "socket://HOST:PORT, rfc2217://HOST:PORT or the path of a serial device"

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


@dataclass(frozen=True, slots=True)
class TcpEndpoint:
    """A TCP port that carries the bytes of the bus as they are."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"socket://{_netloc(self.host, self.port)}"


@dataclass(frozen=True, slots=True)
class Rfc2217Endpoint:
    """A TCP port that speaks the telnet COM port option, so that rate and parity can be set through it."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"rfc2217://{_netloc(self.host, self.port)}"


@dataclass(frozen=True, slots=True)
class SerialEndpoint:
    """A serial device or pseudo terminal of this machine."""

    path: str

    def __str__(self) -> str:
        return self.path


Endpoint = TcpEndpoint | Rfc2217Endpoint | SerialEndpoint


def parse_url(url: str) -> Endpoint:
    """The endpoint that `url` names; `tcp:` is the same as `socket:`, `serial:` and `pty:` are followed by a path.

    Raises MBusUsageError, with what is wrong, for anything else.
    """
    if not isinstance(url, str) or not url.strip():
        raise MBusUsageError(f"the bus has to be named by {EXAMPLES}, not {url!r}")
    match = _SCHEME.match(url)
    # One letter and a colon is a drive of Windows, COM3 has no colon at all.
    if match is None or len(match[1]) == 1:
        return SerialEndpoint(_path(url, url))
    scheme = match[1].lower()
    if scheme in ("serial", "pty"):
        rest = url[match.end() :]
        return SerialEndpoint(_path(rest.removeprefix("//"), url))
    if scheme in ("socket", "tcp"):
        return TcpEndpoint(*_host_and_port(url))
    if scheme == "rfc2217":
        return Rfc2217Endpoint(*_host_and_port(url))
    raise MBusUsageError(f"{url}: unknown scheme {match[1]!r}; supported are {EXAMPLES}")


def _path(path: str, url: str) -> str:
    if not path or "\0" in path:
        raise MBusUsageError(f"{url!r} names no serial device")
    return path


def _host_and_port(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise MBusUsageError(f"{url}: this is no HOST:PORT ({error})") from None
    if not host:
        raise MBusUsageError(f"{url}: the host is missing; write {parts.scheme}://HOST:PORT")
    if port is None:
        raise MBusUsageError(f"{url}: the port is missing; write {parts.scheme}://{_netloc(host, 'PORT')}")
    if not 1 <= port <= 65535:
        raise MBusUsageError(f"{url}: port {port} is not in 1..65535")
    if parts.username is not None or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise MBusUsageError(f"{url}: nothing may follow the port, and no user precede the host")
    return host, port


def _netloc(host: str, port: int | str) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
