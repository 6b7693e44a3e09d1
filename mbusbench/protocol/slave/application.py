"""The application layer of one slave (EN 13757-3): which telegram comes next, and what is said instead of it.

It knows neither frames nor addresses on the line. What the meter measures is behind `SlaveDevice`; what a master's
commands do is in commands.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import Enum
from typing import Protocol

from mbusbench.codec.dib import MORE_RECORDS_FOLLOW
from mbusbench.codec.record import RecordHeader
from mbusbench.protocol.slave import commands
from mbusbench.protocol.slave.alarms import SlaveAlarms
from mbusbench.protocol.slave.commands import BUSY, TOO_MANY_READOUTS, CommandError, Consequence, WrittenRecord
from mbusbench.protocol.slave.security import SlaveSecurity
from mbusbench.protocol.slave.settings import (
    AccessNumber,
    AfterLast,
    BusyAnswer,
    Errors,
    Lasts,
    Repeat,
    SlaveSettings,
    Spent,
)

VARIABLE_DATA = 0x72
APPLICATION_ERROR = 0x70
UNSPECIFIED = 0x00
_LAST_BASIC_ERROR = 0x09


Datagram = tuple[int, bytes]
"""CI field and data."""


class SlaveDevice(Protocol):
    """The meter behind the application layer. Times are ns since the bus's epoch."""

    address: int
    """Primary address, 0 to 250."""
    wire_address: bytes
    """Identification, manufacturer, version, device type: the 8 bytes of header and selection."""
    status: int
    configuration: bytes

    @property
    def fabrication_number(self) -> bytes | None:
        """4 bytes BCD as in a record 0C 78, for enhanced selection; None where the device has none."""
        ...

    @property
    def baud_rates(self) -> Sequence[int]: ...

    def readout(self, application: int | None) -> tuple[int, ...]:
        """The telegrams of a readout in their order; () where there is no such application."""
        ...

    def records(self, telegram: int, now: int) -> bytes:
        """The record area of one telegram, its ending (1F, 0F and manufacturer data) included."""
        ...

    def is_ordinary(self, telegram: int) -> bool:
        """Whether it has CI 72 and a long header; else `datagram` gives it whole."""
        ...

    def datagram(self, telegram: int, access_number: int, now: int) -> Datagram: ...

    def ending(self, telegram: int) -> bytes:
        """What stands at the end of the record area, or b""."""
        ...

    def selected_records(self, telegrams: Sequence[int], wanted: Sequence[RecordHeader], now: int) -> list[bytes]:
        """Record areas without endings: of the records in these telegrams those that are wanted. Never empty."""
        ...

    def write(self, record: WrittenRecord, now: int) -> None:
        """CommandError where the record is not there, or not to be written."""
        ...

    def set_wire_address(self, wire_address: bytes) -> None: ...

    def clock(self, now: int) -> datetime: ...

    def set_clock(self, value: datetime, now: int) -> None: ...


class NoData(Enum):
    """What a request gets that gets no telegram."""

    ACKNOWLEDGE = "E5"
    SILENCE = "silence"


_STANDARD = SlaveSettings()


class SlaveApplication:
    """One slave's application layer. `next_datagram` answers a request, `execute` takes what SND_UD brought.

    `busy` are times (from, until) in ns.
    """

    __slots__ = (
        "_areas",
        "_busy",
        "_count",
        "_credit_left",
        "_credit_period",
        "_last",
        "_next",
        "_selections",
        "_simple",
        "_started",
        "_telegrams",
        "_whole",
        "access_number",
        "alarms",
        "busy_until",
        "delayed",
        "device",
        "may_be_busy",
        "pending_error",
        "security",
        "selected_application",
        "settings",
    )

    def __init__(
        self,
        device: SlaveDevice,
        settings: SlaveSettings = _STANDARD,
        *,
        access_number: int = 0,
        alarms: SlaveAlarms | None = None,
        busy: Iterable[tuple[int, int]] = (),
        security: SlaveSecurity | None = None,
    ) -> None:
        self.device = device
        self.settings = settings
        self.access_number = access_number
        self.alarms = alarms
        self.security = security
        self._busy = tuple(busy)
        self.busy_until = 0
        self.pending_error: int | None = None
        self.selected_application: int | None = None
        self.delayed: list[WrittenRecord] = []
        self._selections: tuple[RecordHeader, ...] = ()
        self._areas: list[bytes] = []
        self._last: tuple[int, bytes, bytes] | None = None
        self._credit_period = -1
        self._credit_left = 0
        self._started = False
        self._choose()

    @property
    def place(self) -> int:
        """How many telegrams of the readout under way were sent."""
        return self._next

    @place.setter
    def place(self, place: int) -> None:
        self._next = place

    @property
    def telegram_count(self) -> int:
        """Telegrams of a whole readout, as far as it is known before it begins."""
        return self._count

    def power_up(self) -> None:
        """What the bus fed is gone: cursor, error to report, selections, prepared writes."""
        self.pending_error = None
        self.delayed = []
        self.busy_until = 0
        self.selected_application = None
        self._selections = ()
        self._last = None
        self._choose()

    def link_reset(self) -> None:
        """SND_NKE: the next request gets the first telegram."""
        if not self._simple:
            self._end_choice(Lasts.RESET)
            self._end_of_readout()
        self._next = 0

    def restart(self) -> None:
        """The next request gets the first telegram."""
        if not self._simple:
            self._end_of_readout()
        self._next = 0

    def choose_application(self, code: int | None) -> bool:
        """An application reset with this sub-code, or without; False where there is no such application."""
        telegrams = self.device.readout(code)
        if telegrams:
            self.selected_application = code
            self._selections = ()
            self._choose()
        return bool(telegrams)

    def choose_records(self, wanted: tuple[RecordHeader, ...]) -> None:
        """Only these records are sent at the next readout; () for all."""
        self._selections = wanted
        self._choose()

    def _choose(self) -> None:
        self._telegrams = self.device.readout(self.selected_application)
        self._count = len(self._telegrams)
        self._next = 0
        self._look()

    def _look(self) -> None:
        """Whether the short way through `next_datagram` will do."""
        settings = self.settings
        chosen = self._selections or self.selected_application is not None
        self.may_be_busy = bool(self._busy or self.busy_until)
        guarded = self.may_be_busy or settings.readout_credit
        special = settings.repeat is not Repeat.SAME or settings.access_number is not AccessNumber.TELEGRAM
        self._whole = not all(map(self.device.is_ordinary, self._telegrams))
        special = special or self._whole
        self._simple = not (chosen or guarded or special or self.security or self.pending_error is not None)

    def report(self, code: int) -> None:
        """The next request gets this application error."""
        if self.settings.errors is Errors.NONE:
            return
        if self.settings.errors is Errors.BASIC and code > _LAST_BASIC_ERROR:
            code = UNSPECIFIED
        self.pending_error = code
        self._simple = False

    def make_busy(self, until: int) -> None:
        """Too busy for anything up to that time."""
        self.busy_until = until
        self._look()

    def is_busy(self, now: int) -> bool:
        return now < self.busy_until or any(start <= now < stop for start, stop in self._busy)

    def next_datagram(self, now: int) -> Datagram | NoData:
        """The next telegram, or what comes instead of one."""
        index = self._next
        if not self._simple:
            return self._next_with_care(now)
        if index >= self._count:
            after_last = self.settings.after_last
            if after_last is AfterLast.ACKNOWLEDGE:
                return NoData.ACKNOWLEDGE
            index = self._count - 1 if after_last is AfterLast.REPEAT else 0
        self._next = index + 1
        device = self.device
        # First: the status may depend on the values.
        records = device.records(self._telegrams[index], now)
        header = device.wire_address + bytes((self.access_number, device.status)) + device.configuration
        self.access_number = (self.access_number + 1) & 0xFF
        return VARIABLE_DATA, header + records

    def again(self, now: int) -> Datagram | None:
        """What a repeated request gets where it is not the same bytes; None where it is."""
        repeat = self.settings.repeat
        if repeat is Repeat.SAME or self._last is None:
            return None
        index, area, ending = self._last
        if repeat is Repeat.REFRESHED and not self._selections:
            area, ending = self._area(index, now)
        return self._sealed(area, ending)

    def execute(self, ci: int, data: bytes, now: int) -> Consequence | None:
        """Do what a SND_UD asks. What cannot be done is reported at the next request."""
        if self.is_busy(now):
            self.report(BUSY)
            return None
        try:
            return commands.execute(self, ci, data, now)
        except CommandError as error:
            self.report(error.code)
            return None
        finally:
            if self.settings.busy_after_command:
                self.make_busy(now + self.settings.busy_after_command)

    def _next_with_care(self, now: int) -> Datagram | NoData:
        refused = self._refusal(now)
        if refused is not None:
            self._last = None
            return refused
        index = self._next
        if index >= self._count:
            if self._end_of_readout():
                index = 0
            elif self.settings.after_last is AfterLast.ACKNOWLEDGE:
                return NoData.ACKNOWLEDGE
            else:
                index = self._count - 1 if self.settings.after_last is AfterLast.REPEAT else 0
        if index == 0:
            credit = self._spend(now)
            if credit is not None:
                return credit
            if self._selections:
                self._areas = self.device.selected_records(self._telegrams, self._selections, now)
                self._count = len(self._areas)
        if index == 0 and self._started and self.settings.access_number is AccessNumber.READOUT:
            self.access_number = (self.access_number + 1) & 0xFF
        self._started = True
        if self._whole and not self._selections and not self.device.is_ordinary(self._telegrams[index]):
            return self._given(index, now)
        area, ending = self._area(index, now)
        self._next = index + 1
        self._last = (index, area, ending)
        return self._sealed(area, ending)

    def _given(self, index: int, now: int) -> Datagram:
        """A telegram that the device gives whole."""
        self._next = index + 1
        self._last = None
        datagram = self.device.datagram(self._telegrams[index], self.access_number, now)
        if self.settings.access_number is AccessNumber.TELEGRAM:
            self.access_number = (self.access_number + 1) & 0xFF
        return datagram

    def _refusal(self, now: int) -> Datagram | NoData | None:
        if self.is_busy(now):
            acknowledges = self.settings.busy_answer is BusyAnswer.ACKNOWLEDGE
            return NoData.ACKNOWLEDGE if acknowledges else (APPLICATION_ERROR, bytes([BUSY]))
        if self.pending_error is None:
            return None
        code, self.pending_error = self.pending_error, None
        self._look()
        return APPLICATION_ERROR, bytes([code])

    def _spend(self, now: int) -> Datagram | NoData | None:
        """One readout of the credit; what is answered where there is none left."""
        credit = self.settings.readout_credit
        if credit is None:
            return None
        if now // credit.per != self._credit_period:
            self._credit_period = now // credit.per
            self._credit_left = credit.readouts
        if self._credit_left:
            self._credit_left -= 1
            return None
        return NoData.SILENCE if credit.spent is Spent.SILENCE else (APPLICATION_ERROR, bytes([TOO_MANY_READOUTS]))

    def _end_of_readout(self) -> bool:
        """Whether a choice for one readout has ended: its last telegram was sent."""
        return self._next >= self._count and self._end_choice(Lasts.READOUT)

    def _end_choice(self, lasts: Lasts) -> bool:
        """End the choices that hold no longer than this; whether there were any."""
        records = bool(self._selections) and self.settings.selection_lasts is lasts
        application = self.selected_application is not None and self.settings.application_lasts is lasts
        if records:
            self._selections = ()
        if application:
            self.selected_application = None
        if records or application:
            self._choose()
        return records or application

    def _area(self, index: int, now: int) -> tuple[bytes, bytes]:
        """Records and ending of a telegram of this readout."""
        if self._selections:
            more = index + 1 < self._count
            return self._areas[index], bytes([MORE_RECORDS_FOLLOW]) if more else b""
        telegram = self._telegrams[index]
        ending = self.device.ending(telegram)
        return self.device.records(telegram, now).removesuffix(ending), ending

    def _sealed(self, area: bytes, ending: bytes) -> Datagram:
        device = self.device
        header = device.wire_address + bytes((self.access_number, device.status))
        if self.settings.access_number is AccessNumber.TELEGRAM:
            self.access_number = (self.access_number + 1) & 0xFF
        if self.security is not None:
            return VARIABLE_DATA, self.security.seal(header, area, ending)
        return VARIABLE_DATA, header + device.configuration + area + ending
