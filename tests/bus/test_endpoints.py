"""Endpoints as they are written."""

from __future__ import annotations

import pytest

from mbusbench.bus.endpoint import (
    Endpoint,
    PtyEndpoint,
    Rfc2217Endpoint,
    SerialEndpoint,
    TcpEndpoint,
    parse_endpoint,
)
from mbusbench.errors import MBusUsageError


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "tcp://",
        "tcp://127.0.0.1",
        "tcp://x:99999",
        "tcp://x:y",
        "udp://x:1",
        "tcp://x:1/path",
        "tcp://me@x:1",
        "rfc2217://x",
        "127.0.0.1:80",
        "pty:",
        "pty://mbus0",
        "pty:///",
        "pty:///tmp/",
        "pty:///tmp/a\0b",
        "serial://",
        "serial://ttyUSB0",
        "/dev/ttyUSB0",
    ],
)
def test_endpoints_that_are_none(endpoint: str) -> None:
    with pytest.raises(MBusUsageError, match="is not an endpoint such as tcp://"):
        parse_endpoint(endpoint)


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("tcp://127.0.0.1:0", TcpEndpoint("127.0.0.1", 0)),
        ("tcp://:10001", TcpEndpoint("127.0.0.1", 10001)),
        ("tcp://0.0.0.0:1", TcpEndpoint("0.0.0.0", 1)),
        ("tcp://[::1]:1", TcpEndpoint("::1", 1)),
        ("rfc2217://[::1]:2217", Rfc2217Endpoint("::1", 2217)),
        ("pty://", PtyEndpoint()),
        ("pty:///tmp/mbus0", PtyEndpoint("/tmp/mbus0")),
        ("serial:///dev/ttyUSB0", SerialEndpoint("/dev/ttyUSB0")),
    ],
)
def test_endpoints(endpoint: str, expected: Endpoint) -> None:
    assert parse_endpoint(endpoint) == expected
    assert parse_endpoint(str(expected)) == expected
