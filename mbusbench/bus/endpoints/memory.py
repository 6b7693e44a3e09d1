"""A byte stream to a bus inside the same process, in real or virtual time."""

from __future__ import annotations

from mbusbench.bus.endpoints.driver import driver_of
from mbusbench.bus.engine import VirtualBus
from mbusbench.bus.port import PortOptions, Send
from mbusbench.errors import MBusConnectionError
from mbusbench.line.wire import Parity
from mbusbench.transport.stream import Stream


class MemoryStream(Stream):
    """A stream to a bus in the same process; what is written arrives in the next round of the event loop."""

    sets_baudrate = True

    def __init__(self, bus: VirtualBus, options: PortOptions | None = None) -> None:
        self._driver = driver_of(bus)
        self._port: int | None = self._driver.attach(self, options)

    @property
    def is_open(self) -> bool:
        return self._port is not None

    def write(self, data: bytes) -> None:
        if self._port is None:
            raise MBusConnectionError("the stream to the bus is closed")
        self._driver.write(self._port, bytes(data))

    def take_whole_answers(self) -> None:
        if self._port is not None:
            self._driver.take_whole_answers(self._port)

    def busy_until(self) -> int:
        return 0 if self._port is None else self._driver.busy_until(self._port)

    def deliver_pending(self) -> None:
        if self._port is not None:
            self._driver.unfold(self._port)

    def set_baudrate(self, baudrate: int) -> None:
        if self._port is not None:
            self._driver.set_format(self._port, baudrate, Parity.EVEN)

    async def close(self) -> None:
        if self._port is not None:
            self._driver.detach(self._port)
            self._port = None

    def deliver(self, send: Send) -> None:
        if send.parity_errors or send.framing_errors:
            self.on_damaged(send.data, sorted({*send.parity_errors, *send.framing_errors}))
        else:
            self.on_data(send.data)

    def disconnect(self) -> None:
        self._port = None
        self.on_lost(MBusConnectionError("the connection to the bus was lost: the other end closed it"))
