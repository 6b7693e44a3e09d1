"""A bus on a serial device: the bus's side of a null modem cable, at the rate and parity of the bus.

The device's own UART sends and receives the characters, so that both directions are later by one character than on a
bus. Errors that it sees on the cable are not told; a device that cannot keep up loses characters.
"""

from __future__ import annotations

import logging

from mbusbench.bus.endpoint import SerialEndpoint
from mbusbench.bus.endpoints.driver import Driver
from mbusbench.bus.endpoints.served import ServedEndpoint
from mbusbench.bus.port import PortOptions, Send
from mbusbench.errors import MBusConnectionError
from mbusbench.transport import url
from mbusbench.transport.serial import SerialStream, open_serial

OPEN_TIMEOUT = 10.0

_log = logging.getLogger("mbusbench.bus")


class ServedSerial(ServedEndpoint):
    """An open serial device. One that is lost is logged, and the other endpoints are served on."""

    def __init__(self, endpoint: SerialEndpoint, driver: Driver, options: PortOptions) -> None:
        self._endpoint = endpoint
        self._driver = driver
        self._options = options
        self._stream: SerialStream | None = None
        self._port: int | None = None
        self.url = str(endpoint)

    async def open(self) -> None:
        bus = self._driver.bus
        endpoint = url.SerialEndpoint(self._endpoint.path)
        stream = await open_serial(endpoint, baudrate=bus.baud, parity=bus.parity.value, timeout=OPEN_TIMEOUT)
        self._stream = stream
        stream.on_data = self._received
        stream.on_lost = self._lost
        self._port = self._driver.attach(self, self._options)

    async def close(self) -> None:
        self.disconnect()
        if self._stream is not None:
            await self._stream.close()
            self._stream = None

    def description(self) -> dict[str, str | int]:
        return {"kind": "serial", "url": self.url, "device": self._endpoint.path}

    def deliver(self, send: Send) -> None:
        if self._stream is not None:
            self._stream.write_some(send.data)

    def disconnect(self) -> None:
        if self._port is not None:
            self._driver.detach(self._port)
            self._port = None

    def _received(self, data: bytes) -> None:
        if self._port is not None:
            self._driver.feed(self._port, data)

    def _lost(self, error: MBusConnectionError) -> None:
        _log.error("%s", error)
        self.disconnect()
