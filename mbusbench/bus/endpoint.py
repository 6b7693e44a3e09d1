"""Where a bus is served: `tcp://HOST:PORT`."""

from __future__ import annotations

from urllib.parse import urlsplit

from mbusbench.errors import MBusUsageError

LOOPBACK = "127.0.0.1"


def parse_endpoint(endpoint: str) -> tuple[str, int]:
    """Host (the loopback where none is given) and port, 0 meaning any free one. MBusUsageError for anything else."""
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError:
        port = None
        parts = urlsplit("")
    if parts.scheme != "tcp" or port is None or parts.path or parts.query or parts.fragment or parts.username:
        raise MBusUsageError(f"{endpoint!r} is not an endpoint such as tcp://127.0.0.1:10001")
    return parts.hostname or LOOPBACK, port
