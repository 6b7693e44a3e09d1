"""A bus on a pseudo terminal, where a master opens it like a serial device, as often as it likes.

The master's end is held open here, or the bus's would report errors whenever nobody has it open. The rate that the
master sets is read whenever something goes either way. Linux keeps no parity bit on a pseudo terminal: even parity and
none look the same and are taken for the parity of the bus; odd parity leaves a trace and is honoured. A break is not
passed on. Bytes that nobody reads are lost once the kernel's buffer is full.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import struct
import termios
import tty

from mbusbench.bus.endpoint import PtyEndpoint
from mbusbench.bus.endpoints.driver import Driver
from mbusbench.bus.endpoints.served import ServedEndpoint
from mbusbench.bus.port import PortOptions, Send
from mbusbench.errors import MBusConnectionError
from mbusbench.line.wire import Parity

RECEIVE_BUFFER = 2048
_TERMINALS = "/dev/pts/"

_RATES = {speed: int(name[1:]) for name, speed in vars(termios).items() if re.fullmatch("B[1-9][0-9]*", name)}
_SPEEDS = {rate: speed for speed, rate in _RATES.items()}
_TCGETS2 = 0x802C542A
_TERMIOS2 = struct.Struct("4I20x2I")


class ServedPty(ServedEndpoint):
    """A pseudo terminal and, where wanted, a symbolic link to it that stays the same from one start to the next."""

    def __init__(self, endpoint: PtyEndpoint, driver: Driver, options: PortOptions) -> None:
        self._link = endpoint.link
        self._driver = driver
        self._options = options
        self._bus_end = -1
        self._master_end = -1
        self._port: int | None = None
        self._format: tuple[int, int] | None = None
        self._is_linked = False
        self.device = ""

    async def open(self) -> None:
        self._bus_end, self._master_end = os.openpty()
        self.device = os.ttyname(self._master_end)
        os.set_blocking(self._bus_end, False)
        try:
            self._set_up()
        except termios.error as error:
            raise OSError(*error.args) from error
        if self._link is not None:
            link_to(self._link, self.device)
            self._is_linked = True
        self.url = self._link or self.device
        bus = self._driver.bus
        self._port = self._driver.attach(self, self._options)
        self._driver.set_format(self._port, bus.baud, bus.parity)
        self._driver.loop.add_reader(self._bus_end, self._readable)

    async def close(self) -> None:
        self.disconnect()
        if self._is_linked and self._link is not None:
            self._is_linked = False
            unlink_from(self._link, self.device)
        self._hang_up()
        if self._master_end >= 0:
            os.close(self._master_end)
            self._master_end = -1

    def _hang_up(self) -> None:
        """The terminal is gone for its master. Its number is kept: behind a new one of that name is another bus."""
        if self._bus_end >= 0:
            os.close(self._bus_end)
            self._bus_end = -1

    def description(self) -> dict[str, str | int]:
        found: dict[str, str | int] = {"kind": "pty", "url": self.url, "device": self.device}
        return found if self._link is None else {**found, "link": self._link}

    def deliver(self, send: Send) -> None:
        self._look_at_format()
        data = send.data
        if send.parity_errors or send.framing_errors:
            data = self._as_read(send)
        try:
            os.write(self._bus_end, data)
        except BlockingIOError:
            return

    def disconnect(self) -> None:
        if self._port is not None:
            self._driver.loop.remove_reader(self._bus_end)
            self._driver.detach(self._port)
            self._port = None
            self._hang_up()

    def _set_up(self) -> None:
        """Raw, and at the rate of the bus until a master sets another."""
        tty.setraw(self._master_end)
        attributes = termios.tcgetattr(self._master_end)
        speed = _SPEEDS[self._driver.bus.baud]
        attributes[4] = attributes[5] = speed
        termios.tcsetattr(self._master_end, termios.TCSANOW, attributes)
        self._format = (speed, 0)

    def _readable(self) -> None:
        try:
            data = os.read(self._bus_end, RECEIVE_BUFFER)
        except BlockingIOError:
            return
        # Left behind by a master that wanted to be alone, this would lock out the next one: the last close, which ends
        # it, never comes.
        fcntl.ioctl(self._master_end, termios.TIOCNXCL)
        self._look_at_format()
        if self._port is not None:
            self._driver.feed(self._port, data)

    def _look_at_format(self) -> None:
        attributes = termios.tcgetattr(self._bus_end)
        found = (attributes[5], attributes[2] & termios.PARODD)
        if found == self._format or self._port is None:
            return
        self._format = found
        baud = _RATES.get(found[0]) or self._custom_rate()
        self._driver.set_format(self._port, baud, Parity.ODD if found[1] else self._driver.bus.parity)

    def _custom_rate(self) -> int:
        """A rate that has no name of its own."""
        attributes = bytearray(_TERMIOS2.size)
        try:
            fcntl.ioctl(self._bus_end, _TCGETS2, attributes)
        except OSError:
            return 0
        rate: int = _TERMIOS2.unpack(attributes)[-1]
        return rate

    def _as_read(self, send: Send) -> bytes:
        """Characters with errors as a terminal hands them to its reader: as they are unless it checks the input."""
        flags = termios.tcgetattr(self._bus_end)[0]
        if not flags & termios.INPCK:
            return send.data
        wrong = {*send.parity_errors, *send.framing_errors}
        replacement = b"" if flags & termios.IGNPAR else b"\0"
        return b"".join(replacement if n in wrong else bytes((byte,)) for n, byte in enumerate(send.data))


def link_to(link: str, device: str) -> None:
    """Make the symbolic link. One that points to a terminal which is gone, or to this one, is replaced.

    MBusConnectionError where anything else has that name.
    """
    if is_stale(link, device):
        os.unlink(link)
    try:
        os.symlink(device, link)
    except FileExistsError:
        raise MBusConnectionError(f"cannot serve on pty://{link}: {_occupation(link)}") from None


def is_stale(link: str, device: str) -> bool:
    """Whether `link` is what a bus left that could not tidy up; `device` is a terminal just made."""
    try:
        target = os.readlink(link)
    except OSError:
        return False
    return target == device or (target.startswith(_TERMINALS) and not os.path.lexists(target))


def unlink_from(link: str, device: str) -> None:
    """Remove the link, unless it has become somebody else's."""
    try:
        if os.readlink(link) == device:
            os.unlink(link)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EINVAL):
            raise


def _occupation(link: str) -> str:
    if not os.path.islink(link):
        return "there is something with that name, which is no link of ours"
    return f"there is a link with that name already, to {os.readlink(link)}, which is in use"
