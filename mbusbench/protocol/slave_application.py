"""The application layer of one slave: which telegram comes next, what a master's data do, what is reported afterwards.

EN 13757-3. It knows neither frames nor addresses on the line. What the meter measures is behind `SlaveDevice`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from enum import Enum
from typing import Protocol

from mbusbench.codec.address import PRIMARY_RANGE
from mbusbench.codec.commands import ApplicationReset, DataSend, SetBaudRate, Synchronise, decode_command
from mbusbench.codec.data_field import lvar_length
from mbusbench.codec.dib import GLOBAL_READOUT, IDLE_FILLER, DataInformationBlock
from mbusbench.codec.record import RecordHeader
from mbusbench.codec.vib import ValueInformationBlock
from mbusbench.errors import DecodeError

VARIABLE_DATA = 0x72
APPLICATION_ERROR = 0x70

UNSPECIFIED = 0x00
UNIMPLEMENTED_CI = 0x01
PREMATURE_END = 0x04
PARAMETER_ERROR = 0x15


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
    def telegram_count(self) -> int: ...

    def records(self, telegram: int, now: int) -> bytes:
        """The record area of one telegram, its ending (1F, 0F and manufacturer data) included."""
        ...

    def set_wire_address(self, wire_address: bytes) -> None: ...

    def set_clock(self, value: datetime, now: int) -> None: ...


class AfterLast(Enum):
    """What a slave sends to a new request after the last telegram of a readout. All three are met."""

    WRAP = "wrap"
    REPEAT = "repeat"
    ACKNOWLEDGE = "acknowledge"  # E5 until the link is reset


class SlaveApplication:
    """One slave's application layer. `next_datagram` answers a request, `execute` takes what SND_UD brought."""

    def __init__(self, device: SlaveDevice, *, after_last: AfterLast = AfterLast.WRAP, access_number: int = 0) -> None:
        self.device = device
        self.after_last = after_last
        self.access_number = access_number
        self.pending_error: int | None = None
        self.selected_application: int | None = None
        self._next = 0

    def power_up(self) -> None:
        """What the bus fed is gone: cursor, error to report, selected application."""
        self._next = 0
        self.pending_error = None
        self.selected_application = None

    def restart(self) -> None:
        """The next request gets the first telegram."""
        self._next = 0

    def next_datagram(self, now: int) -> tuple[int, bytes] | None:
        """(CI field, data) of the next telegram, or None where E5 is the answer: no more data."""
        if self.pending_error is not None:
            code, self.pending_error = self.pending_error, None
            return APPLICATION_ERROR, bytes([code])
        device = self.device
        index = self._next
        if index >= device.telegram_count:
            if self.after_last is AfterLast.ACKNOWLEDGE:
                return None
            index = device.telegram_count - 1 if self.after_last is AfterLast.REPEAT else 0
        self._next = index + 1
        header = device.wire_address + bytes((self.access_number, device.status)) + device.configuration
        self.access_number = (self.access_number + 1) & 0xFF
        return VARIABLE_DATA, header + device.records(index, now)

    def execute(self, ci: int, data: bytes, now: int) -> None:
        """Do what a SND_UD asks. What cannot be done is reported at the next request."""
        try:
            command = decode_command(ci, data)
        except DecodeError:
            self.pending_error = PREMATURE_END
            return
        if isinstance(command, ApplicationReset):
            self.restart()
            self.selected_application = command.subcodes[0] if command.subcodes else None
        elif isinstance(command, DataSend) and not command.most_significant_first:
            self._write(command.records, now)
        elif not isinstance(command, Synchronise | SetBaudRate):
            self.pending_error = UNIMPLEMENTED_CI

    def _write(self, data: bytes, now: int) -> None:
        try:
            records = list(_records(data))
        except DecodeError:
            self.pending_error = PREMATURE_END
            return
        for dib, vib, value in records:
            error = self._write_record(dib, vib, value, now)
            if error is not None:
                self.pending_error = error
                return

    def _write_record(
        self, dib: DataInformationBlock, vib: ValueInformationBlock, value: bytes, now: int
    ) -> int | None:
        """None where it was done, else the code of the application error."""
        if vib.quantity == "bus_address" and len(value) == 1:
            if value[0] not in PRIMARY_RANGE:
                return PARAMETER_ERROR
            self.device.address = value[0]
        elif vib.quantity == "enhanced_identification" and len(value) in (4, 8):
            self.device.set_wire_address(value + self.device.wire_address[len(value) :])
        elif vib.quantity == "datetime" and dib.storage_number == 0:
            moment = RecordHeader(dib, vib).value(value)
            if not isinstance(moment, date):
                return PARAMETER_ERROR
            full = moment if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day)
            self.device.set_clock(full, now)
        else:
            return UNSPECIFIED
        return None


def _records(data: bytes) -> Iterator[tuple[DataInformationBlock, ValueInformationBlock, bytes]]:
    """The records of a data send. DecodeError where one is cut off."""
    position = 0
    while position < len(data):
        if data[position] in (IDLE_FILLER, GLOBAL_READOUT):
            position += 1
            continue
        dib = DataInformationBlock.decode(data, position)
        position += len(dib.raw)
        vib = ValueInformationBlock.decode(data, position, from_master=True)
        position += len(vib.raw)
        length = dib.data_length
        if length is None:
            if position >= len(data):
                raise DecodeError("premature end of record", offset=position)
            length = 1 + (lvar_length(data[position]) or 0)
        if position + length > len(data):
            raise DecodeError("premature end of record", offset=len(data))
        yield dib, vib, data[position : position + length]
        position += length
