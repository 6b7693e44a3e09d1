"""A serial device, USB converter or pseudo terminal of this machine, through pyserial-asyncio-fast.

The device is opened for this program alone. A pseudo terminal keeps no parity bit: there the line falls back to 8N1,
with a warning.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import re
from typing import TYPE_CHECKING, Literal

from mbusbench.errors import MBusConnectionError
from mbusbench.transport.stream import Stream
from mbusbench.transport.tcp import describe
from mbusbench.transport.url import SerialEndpoint

if TYPE_CHECKING:
    from serial import Serial
    from serial_asyncio_fast import SerialTransport

Parity = Literal["even", "odd", "none"]

# USB converters hand over what they received in steps of some 16 ms, drivers and schedulers add theirs.
LATENCY = 100_000_000

_PARITIES = {"even": "E", "odd": "O", "none": "N"}

_log = logging.getLogger("mbusbench.transport")


class SerialStream(Stream, asyncio.Protocol):
    """One open serial device. Made by `open_serial`."""

    latency = LATENCY
    sets_baudrate = True

    def __init__(self, path: str) -> None:
        self._path = path
        self._transport: SerialTransport | None = None
        self._closing = False
        self._closed = asyncio.Event()

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._closing

    def write(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or self._closing or transport.is_closing():
            raise MBusConnectionError(f"{self._path} is not open")
        transport.write(data)

    def write_some(self, data: bytes) -> int:
        """Hand over what the device takes at once; the number of bytes. 0 where it takes none, or is not open."""
        transport = self._transport
        if transport is None or self._closing or transport.is_closing() or transport.serial is None:
            return 0
        try:
            return os.write(transport.serial.fileno(), data)
        except OSError:
            # A full buffer, or a device that is gone: of that the reading side tells.
            return 0

    def set_baudrate(self, baudrate: int) -> None:
        transport = self._transport
        if transport is None or self._closing or transport.serial is None:
            raise MBusConnectionError(f"{self._path} is not open")
        try:
            transport.serial.baudrate = baudrate
            _check_parity(transport.serial)
        except _port_errors() as error:
            raise MBusConnectionError(f"{self._path} cannot be set to {baudrate} baud: {_reason(error)}") from error

    async def close(self) -> None:
        self._closing = True
        if self._transport is None:
            return
        if not self._closed.is_set() and not self._transport.is_closing():
            self._transport.abort()
        await self._closed.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if not self._closing:
            self.on_data(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._closed.set()
        if self._closing:
            return
        self._closing = True
        reason = "the device is gone" if exc is None else _reason(exc)
        self.on_lost(MBusConnectionError(f"{self._path} was lost: {reason}"))


async def open_serial(endpoint: SerialEndpoint, *, baudrate: int, parity: Parity, timeout: float) -> SerialStream:
    """Open the device within `timeout` seconds, or raise MBusConnectionError with the reason."""
    path = endpoint.path
    try:
        async with asyncio.timeout(timeout):
            return await _open(path, baudrate, parity)
    except TimeoutError as error:
        raise MBusConnectionError(f"{path} could not be opened within {timeout:g} s") from error
    except _port_errors() as error:
        if parity == "none" or not _is_pseudo_terminal(path) or _errno(error) != errno.EINVAL:
            raise MBusConnectionError(f"{path} cannot be opened: {_reason(error)}") from error
    _log.warning("%s is a pseudo terminal, which keeps no %s parity: using 8N1 instead of 8E1", path, parity)
    try:
        return await _open(path, baudrate, "none")
    except _port_errors() as error:
        raise MBusConnectionError(f"{path} cannot be opened: {_reason(error)}") from error


async def _open(path: str, baudrate: int, parity: Parity) -> SerialStream:
    from serial import Serial
    from serial_asyncio_fast import connection_for_serial

    loop = asyncio.get_running_loop()
    # Opening may block for long (a dead USB device, a bluetooth port).
    opening = loop.run_in_executor(
        None, lambda: Serial(path, baudrate, parity=_PARITIES[parity], timeout=0, write_timeout=0, exclusive=True)
    )
    try:
        port = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_abandoned)
        raise
    stream = SerialStream(path)
    try:
        _check_parity(port)
        await connection_for_serial(loop, lambda: stream, port)
    except BaseException:
        port.close()
        raise
    while stream._transport is None:
        await asyncio.sleep(0)
    return stream


def _check_parity(port: Serial) -> None:
    """Have the driver drop characters with a parity or framing error, so that no frame with one is whole.

    pyserial turns the check off, each time that it sets the port up.
    """
    if port.parity == _PARITIES["none"]:
        return
    try:
        import termios
    except ImportError:
        return
    attributes = termios.tcgetattr(port.fileno())
    attributes[0] |= termios.INPCK | termios.IGNPAR
    termios.tcsetattr(port.fileno(), termios.TCSANOW, attributes)


def _close_abandoned(opening: asyncio.Future[Serial]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _port_errors() -> tuple[type[Exception], ...]:
    try:
        from termios import error as termios_error  # not an OSError
    except ImportError:
        return (OSError, ValueError)
    return (OSError, ValueError, termios_error)


def _errno(error: BaseException) -> int | None:
    number = getattr(error, "errno", None)
    if number is None and error.args and isinstance(error.args[0], int):
        number = error.args[0]
    return number if isinstance(number, int) else None


def _reason(error: BaseException) -> str:
    number = _errno(error)
    if number in (errno.EAGAIN, errno.EACCES, errno.EBUSY) and "lock" in str(error).lower():
        return "another program uses it"
    if number is not None:
        return describe(OSError(number, os.strerror(number)))
    if "returned no data" in str(error):
        return "the device is gone"
    # pyserial wraps the error of the system in its text: "Could not configure port: (25, 'Inappropriate ...')".
    wrapped = re.search(r"\((\d+), '([^']*)'\)", str(error))
    return describe(OSError(int(wrapped[1]), wrapped[2])) if wrapped else describe(error)


def _is_pseudo_terminal(path: str) -> bool:
    return os.path.realpath(path).startswith("/dev/pts/")
