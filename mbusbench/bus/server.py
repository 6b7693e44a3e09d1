"""A bus served on endpoints, several at once: each connection, terminal or device is a port of the one bus."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Self

from mbusbench.bus.endpoint import Endpoint, PtyEndpoint, Rfc2217Endpoint, SerialEndpoint, TcpEndpoint, parse_endpoint
from mbusbench.bus.endpoints.driver import Driver, Lag, driver_of
from mbusbench.bus.endpoints.served import ServedEndpoint
from mbusbench.bus.engine import VirtualBus
from mbusbench.bus.port import PortOptions
from mbusbench.errors import MBusConnectionError


class BusServer:
    """A bus served on endpoints, as an async context manager: it serves from entry to exit, and leaves nothing behind.

    `urls` has for each endpoint what a master opens, with the real port or path; `url` is the first of them.
    """

    def __init__(self, bus: VirtualBus, endpoints: Iterable[tuple[str, PortOptions]]) -> None:
        """MBusUsageError where an endpoint is none."""
        self._bus = bus
        self._endpoints = [(parse_endpoint(endpoint), options) for endpoint, options in endpoints]
        self._served: list[ServedEndpoint] = []

    @property
    def url(self) -> str:
        return self.urls[0]

    @property
    def urls(self) -> list[str]:
        return [served.url for served in self._served]

    @property
    def descriptions(self) -> list[dict[str, str | int]]:
        """For each endpoint its `kind`, `url`, and its `host` and `port`, or `device` and `link`."""
        return [served.description() for served in self._served]

    @property
    def client_count(self) -> int:
        """Connections, over all endpoints; terminals and devices are none."""
        return sum(served.client_count for served in self._served)

    @property
    def lag(self) -> Lag:
        """How late the host wrote so far."""
        return self._driver.lag

    async def __aenter__(self) -> Self:
        """Raises MBusConnectionError where an endpoint cannot be opened."""
        self._driver = driver_of(self._bus)
        for endpoint, options in self._endpoints:
            served = self._serving(endpoint, self._driver, options)
            try:
                await served.open()
            except OSError as error:
                await served.close()
                await self._close()
                if isinstance(error, MBusConnectionError):
                    raise
                raise MBusConnectionError(f"cannot serve on {endpoint}: {_reason(error)}") from error
            self._served.append(served)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        for served in self._served:
            await served.close()

    def _serving(self, endpoint: Endpoint, driver: Driver, options: PortOptions) -> ServedEndpoint:
        match endpoint:
            case TcpEndpoint():
                from mbusbench.bus.endpoints.tcp import ServedTcp

                return ServedTcp(endpoint, driver, options)
            case Rfc2217Endpoint():
                from mbusbench.bus.endpoints.rfc2217 import ServedRfc2217

                return ServedRfc2217(endpoint, driver, options)
            case PtyEndpoint():
                from mbusbench.bus.endpoints.pty import ServedPty

                return ServedPty(endpoint, driver, options)
            case SerialEndpoint():
                from mbusbench.bus.endpoints.serial import ServedSerial

                return ServedSerial(endpoint, driver, options)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
