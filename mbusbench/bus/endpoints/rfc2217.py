"""A bus behind an RFC 2217 port: the client sets rate and parity, sends breaks, and may ask for line errors.

The port's rate is the client's: what it sends at another rate than a meter's is no frame to that meter, and what the
meter sends is garbage to it.
"""

from __future__ import annotations

import asyncio

from mbusbench.bus.endpoint import Rfc2217Endpoint
from mbusbench.bus.endpoints.driver import Driver
from mbusbench.bus.endpoints.served import MAX_PORTS, Room
from mbusbench.bus.endpoints.tcp import OwnPorts, ServedPort, TcpClient
from mbusbench.bus.port import PortOptions, Send
from mbusbench.line.wire import Parity
from mbusbench.transport.rfc2217 import (
    LINE_BREAK,
    LINE_FRAMING_ERROR,
    LINE_PARITY_ERROR,
    BreakChanged,
    Event,
    PortParity,
    PortSettings,
    Rfc2217Server,
    SettingChanged,
)

_PARITIES: dict[PortParity, Parity] = {"none": Parity.NONE, "odd": Parity.ODD, "even": Parity.EVEN}
_NAMES = {parity: name for name, parity in _PARITIES.items()}


def is_possible(settings: PortSettings) -> bool:
    """Whether this port can be set so: 8 data bits, and a parity that is none, odd or even."""
    return settings.data_bits == 8 and settings.parity in _PARITIES


class Rfc2217Connection(TcpClient):
    """One connection; it starts with the rate and parity of the bus."""

    def __init__(self, driver: Driver, room: Room, ports: OwnPorts) -> None:
        super().__init__(driver, room, ports)
        bus = driver.bus
        self._codec = Rfc2217Server(PortSettings(bus.baud, parity=_NAMES[bus.parity]), is_possible=is_possible)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._port is None:
            return
        settings = self._codec.settings
        self._driver.set_format(self._port, settings.baudrate, _PARITIES[settings.parity])
        self.write(self._codec.open())

    def received(self, port: int, data: bytes) -> None:
        payload, reply, events = self._codec.receive(data)
        if reply:
            self.write(reply)
        done = 0
        for event in events:
            if event.offset > done:
                self._driver.feed(port, payload[done : event.offset])
                done = event.offset
            self._happened(port, event)
        if len(payload) > done:
            self._driver.feed(port, payload[done:])

    def deliver(self, send: Send) -> None:
        errors = sorted({*send.parity_errors, *send.framing_errors})
        data, done = bytearray(), 0
        for index in errors:
            report = self._codec.report_line_state(_line_state(send, index))
            if report:
                data += self._codec.send(send.data[done:index]) + report
                done = index
        self.write(bytes(data) + self._codec.send(send.data[done:]))

    def _happened(self, port: int, event: Event) -> None:
        if isinstance(event, SettingChanged):
            settings = event.settings
            self._driver.set_format(port, settings.baudrate, _PARITIES[settings.parity])
        elif isinstance(event, BreakChanged):
            self._driver.set_break(port, event.on)


def _line_state(send: Send, index: int) -> int:
    bits = LINE_PARITY_ERROR if index in send.parity_errors else 0
    if index in send.framing_errors:
        bits |= LINE_FRAMING_ERROR if send.data[index] else LINE_FRAMING_ERROR | LINE_BREAK
    return bits


class ServedRfc2217(ServedPort):
    """A listening RFC 2217 port."""

    kind = "rfc2217"
    scheme = "rfc2217"

    def __init__(self, endpoint: Rfc2217Endpoint, driver: Driver, options: PortOptions) -> None:
        ports, room = OwnPorts(driver, options), Room(MAX_PORTS)
        super().__init__(endpoint, room, lambda: Rfc2217Connection(driver, room, ports))
