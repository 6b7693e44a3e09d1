"""From the URL of a bus to an open byte stream."""

from __future__ import annotations

from typing import get_args

from mbusbench.errors import MBusUsageError
from mbusbench.transport.rfc2217_stream import open_rfc2217
from mbusbench.transport.serial import Parity, open_serial
from mbusbench.transport.stream import Stream
from mbusbench.transport.tcp import open_tcp
from mbusbench.transport.url import Rfc2217Endpoint, SerialEndpoint, TcpEndpoint, parse_url

LEAST_BAUDRATE = 300
MOST_BAUDRATE = 921_600


async def open_stream(url: str, *, baudrate: int = 2400, parity: Parity = "even", timeout: float = 10) -> Stream:
    """Open the bus that `url` names; `timeout` is in seconds and covers the opening only.

    `socket://HOST:PORT` (rate and parity are the gateway's business), `rfc2217://HOST:PORT`, or the path of a serial
    device. Raises MBusUsageError for a bad argument and MBusConnectionError, with the reason, for a failed connection.
    """
    endpoint = parse_url(url)
    check_line(baudrate, parity, timeout)
    match endpoint:
        case TcpEndpoint():
            return await open_tcp(endpoint, timeout)
        case SerialEndpoint():
            return await open_serial(endpoint, baudrate=baudrate, parity=parity, timeout=timeout)
        case Rfc2217Endpoint():
            return await open_rfc2217(endpoint, baudrate=baudrate, parity=parity, timeout=timeout)


def check_line(baudrate: int, parity: str, timeout: float) -> None:
    """Raise MBusUsageError where one of these can not be."""
    if isinstance(baudrate, bool) or not isinstance(baudrate, int) or not LEAST_BAUDRATE <= baudrate <= MOST_BAUDRATE:
        raise MBusUsageError(f"baud rate {baudrate!r} is not a number in {LEAST_BAUDRATE}..{MOST_BAUDRATE}")
    if parity not in get_args(Parity):
        raise MBusUsageError(f"parity {parity!r} is not one of {', '.join(get_args(Parity))}")
    if not timeout > 0:
        raise MBusUsageError(f"timeout {timeout!r} is not a positive number of seconds")
