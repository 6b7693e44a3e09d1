"""A serial port behind a TCP connection that speaks RFC 2217: rate, parity and break are set through it.

It is open when the other end has answered every setting. A port that keeps another rate is an error; one that keeps
another parity, as a pseudo terminal does, is a warning.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from mbusbench.errors import MBusConnectionError
from mbusbench.transport.rfc2217 import PortSettings, Rfc2217Client
from mbusbench.transport.serial import Parity
from mbusbench.transport.tcp import TcpStream, describe
from mbusbench.transport.url import Rfc2217Endpoint

_log = logging.getLogger("mbusbench.transport")


class Rfc2217Stream(TcpStream):
    """One remote serial port. Made by `open_rfc2217`."""

    sets_baudrate = True

    def __init__(self, endpoint: Rfc2217Endpoint, settings: PortSettings) -> None:
        super().__init__(endpoint)
        self._client = Rfc2217Client()
        self._first_settings = settings
        self._answered = asyncio.Event()

    @property
    def settings(self) -> PortSettings:
        """The settings that the other end has acknowledged."""
        return self._client.settings

    def write(self, data: bytes) -> None:
        super().write(self._client.send(data))

    def set_baudrate(self, baudrate: int) -> None:
        super().write(self._client.configure(replace(self._client.wanted, baudrate=baudrate)))

    def set_break(self, on: bool) -> None:
        """Hold the line in space, or release it. Raises MBusConnectionError when the stream is not open."""
        super().write(self._client.set_break(on))

    async def configured(self) -> None:
        """Wait until the other end has answered every setting.

        Raises MBusConnectionError where it does not know RFC 2217, keeps another rate, or is gone.
        """
        await self._answered.wait()
        wanted, settings = self._client.wanted, self._client.settings
        if self._client.supported is False:
            raise MBusConnectionError(f"{self._endpoint} does not support RFC 2217; socket:// may be what it speaks")
        if not self.is_open:
            raise MBusConnectionError(f"no connection to {self._endpoint}: the other end closed it")
        if settings.baudrate != wanted.baudrate:
            raise MBusConnectionError(f"{self._endpoint} keeps {settings.baudrate} baud instead of {wanted.baudrate}")
        if settings != wanted:
            _log.warning("%s keeps %s instead of %s", self._endpoint, _format(settings), _format(wanted))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        super().write(self._client.open(self._first_settings))

    def _received(self, data: bytes) -> None:
        payload, reply, _ = self._client.receive(data)
        if reply:
            super().write(reply)
        if self._client.is_configured or self._client.supported is False:
            self._answered.set()
        if payload:
            self.on_data(payload)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._answered.set()


async def open_rfc2217(endpoint: Rfc2217Endpoint, *, baudrate: int, parity: Parity, timeout: float) -> Rfc2217Stream:
    """Connect and set the port within `timeout` seconds, or raise MBusConnectionError with the reason."""
    loop = asyncio.get_running_loop()
    settings = PortSettings(baudrate, parity=parity)
    stream = Rfc2217Stream(endpoint, settings)
    try:
        async with asyncio.timeout(timeout):
            await loop.create_connection(lambda: stream, endpoint.host, endpoint.port)
            await stream.configured()
    except TimeoutError as error:
        connected = stream.is_open
        await stream.close()
        missing = "settings" if connected else "connection"
        reason = describe(error) if error.errno else f"no answer within {timeout:g} s"
        raise MBusConnectionError(f"no {missing} of {endpoint}: {reason}") from error
    except MBusConnectionError:
        await stream.close()
        raise
    except OSError as error:
        raise MBusConnectionError(f"no connection to {endpoint}: {describe(error)}") from error
    except asyncio.CancelledError:
        await stream.close()
        raise
    return stream


def _format(settings: PortSettings) -> str:
    return f"{settings.baudrate} {settings.data_bits}{settings.parity[0].upper()}{settings.stop_bits:g}"
