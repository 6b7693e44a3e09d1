"""What a quirk may do to a slave: stand around its link and around its records. Wrappers, stackable in any order.

A slave without quirks is a plain `SlaveLink` and pays nothing. The quirks are in quirk_requests.py and
quirk_answers.py; their names, sources and options in meter/quirk/table.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from mbusbench.codec.address import BROADCAST_REPLY, SELECTED
from mbusbench.codec.control_field import PRM, function_code
from mbusbench.codec.frame import Frame, LongFrame, ShortFrame
from mbusbench.codec.record import RecordHeader
from mbusbench.protocol.slave.application import Datagram, SlaveApplication, SlaveDevice
from mbusbench.protocol.slave.commands import WrittenRecord
from mbusbench.protocol.slave.link import SlaveLink
from mbusbench.protocol.slave.selection import SELECTION, SELECTION_MODE_2

Following = Callable[[Frame, int], Frame | None]
"""What `SlaveLink.receive` is: the slave behind a quirk."""
Records = Callable[[int, int], bytes]
"""What `SlaveDevice.records` is."""


class SlaveQuirk:
    """One quirk of one slave. What is not overridden lets everything pass. Times are ns since the bus's epoch.

    A quirk may swallow a frame, hand on another one, and change or take back the answer; it may change the records of
    a telegram before they are encrypted. What it remembers is one slave's.
    """

    __slots__ = ()

    listens = False
    """Whether it wants `characters`."""

    def receive(self, link: QuirkedLink, frame: Frame, now: int, following: Following) -> Frame | None:
        """The answer to a valid frame, None for silence. `following` is the slave behind this quirk."""
        return following(frame, now)

    def records(self, telegram: int, now: int, following: Records) -> bytes:
        """The record area of a telegram, its ending included."""
        return following(telegram, now)

    def characters(self, count: int, now: int) -> None:
        """So many characters of masters that are no frame began at `now`."""

    def clock_set(self) -> None:
        """A master has set the meter's clock."""

    def power_up(self, now: int) -> None:
        """The slave was without power until now."""


class QuirkedLink(SlaveLink):
    """A slave with quirks, the first of them outermost."""

    __slots__ = ("_entry", "extra_delay", "quirks")

    def __init__(self, application: SlaveApplication, quirks: Sequence[SlaveQuirk], *, baud: int | None = None) -> None:
        super().__init__(application, baud=baud)
        self.quirks = tuple(quirks)
        self.extra_delay = 0
        """ns by which the answer under way comes later than the response delay."""
        entry: Following = super().receive
        for quirk in reversed(self.quirks):
            entry = partial(self._through, quirk, entry)
        self._entry = entry

    def _through(self, quirk: SlaveQuirk, following: Following, frame: Frame, now: int) -> Frame | None:
        return quirk.receive(self, frame, now, following)

    def receive(self, frame: Frame, now: int) -> Frame | None:
        self.extra_delay = 0
        return self._entry(frame, now)

    def power_up(self, now: int) -> None:
        super().power_up(now)
        for quirk in self.quirks:
            quirk.power_up(now)

    def concerns(self, frame: Frame) -> bool:
        """Whether the slave is to answer the frame: own address, 254, or 253 while it is selected."""
        if not isinstance(frame, LongFrame | ShortFrame):
            return False
        return (
            frame.address == self.address
            or (frame.address == BROADCAST_REPLY and self.settings.test_address)
            or (frame.address == SELECTED and self.is_selected)
        )


class QuirkedDevice:
    """The `SlaveDevice` that a slave with quirks sends the records of: another one, as its quirks show it."""

    def __init__(self, device: SlaveDevice, quirks: Sequence[SlaveQuirk]) -> None:
        self._device = device
        self._quirks = tuple(quirks)
        records: Records = device.records
        for quirk in reversed(self._quirks):
            records = partial(_records_through, quirk, records)
        self.records: Records = records

    @property
    def address(self) -> int:
        return self._device.address

    @address.setter
    def address(self, address: int) -> None:
        self._device.address = address

    @property
    def wire_address(self) -> bytes:
        return self._device.wire_address

    @wire_address.setter
    def wire_address(self, wire_address: bytes) -> None:
        self._device.wire_address = wire_address

    @property
    def status(self) -> int:
        return self._device.status

    @status.setter
    def status(self, status: int) -> None:
        self._device.status = status

    @property
    def configuration(self) -> bytes:
        return self._device.configuration

    @configuration.setter
    def configuration(self, configuration: bytes) -> None:
        self._device.configuration = configuration

    @property
    def fabrication_number(self) -> bytes | None:
        return self._device.fabrication_number

    @property
    def baud_rates(self) -> Sequence[int]:
        return self._device.baud_rates

    def readout(self, application: int | None) -> tuple[int, ...]:
        return self._device.readout(application)

    def is_ordinary(self, telegram: int) -> bool:
        return self._device.is_ordinary(telegram)

    def datagram(self, telegram: int, access_number: int, now: int) -> Datagram:
        return self._device.datagram(telegram, access_number, now)

    def ending(self, telegram: int) -> bytes:
        return self._device.ending(telegram)

    def selected_records(self, telegrams: Sequence[int], wanted: Sequence[RecordHeader], now: int) -> list[bytes]:
        return self._device.selected_records(telegrams, wanted, now)

    def write(self, record: WrittenRecord, now: int) -> None:
        self._device.write(record, now)

    def set_wire_address(self, wire_address: bytes) -> None:
        self._device.set_wire_address(wire_address)

    def clock(self, now: int) -> datetime:
        return self._device.clock(now)

    def set_clock(self, value: datetime, now: int) -> None:
        self._device.set_clock(value, now)
        for quirk in self._quirks:
            quirk.clock_set()


def _records_through(quirk: SlaveQuirk, following: Records, telegram: int, now: int) -> bytes:
    return quirk.records(telegram, now, following)


def is_reset(frame: Frame) -> bool:
    """SND_NKE."""
    return _is_service(frame, ShortFrame, 0x0)


def is_request(frame: Frame) -> bool:
    """REQ_UD2."""
    return _is_service(frame, ShortFrame, 0xB)


def is_command(frame: Frame) -> bool:
    """SND_UD, selections excepted."""
    return _is_service(frame, LongFrame, 0x3) and not is_selection(frame)


def is_selection(frame: Frame) -> bool:
    return isinstance(frame, LongFrame) and frame.ci in (SELECTION, SELECTION_MODE_2)


def _is_service(frame: Frame, kind: type[ShortFrame | LongFrame], code: int) -> bool:
    if not isinstance(frame, ShortFrame | LongFrame) or not isinstance(frame, kind):
        return False
    return bool(frame.control & PRM) and function_code(frame.control) == code
