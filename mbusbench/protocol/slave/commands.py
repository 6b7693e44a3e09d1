"""What a slave does with SND_UD (EN 13757-3, The M-Bus 4.8): application reset, writes, selection for readout, clock.

A command is acknowledged whatever comes of it; what could not be done is reported with CI 70 at the next request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from mbusbench.codec.address import PRIMARY_RANGE
from mbusbench.codec.commands import ApplicationReset, DataSend, SetBaudRate, Synchronise, decode_command
from mbusbench.codec.data_field import lvar_length
from mbusbench.codec.date_time import decode_f, decode_i
from mbusbench.codec.dib import GLOBAL_READOUT, IDLE_FILLER, DataInformationBlock
from mbusbench.codec.header import LONG_HEADER_SIZE
from mbusbench.codec.record import RecordHeader
from mbusbench.codec.security import encrypted_length
from mbusbench.codec.vib import ValueInformationBlock
from mbusbench.errors import DecodeError, MBusEncryptedError
from mbusbench.protocol.slave.settings import Refusal

if TYPE_CHECKING:
    from mbusbench.protocol.slave.application import SlaveApplication

_Block = TypeVar("_Block")

UNIMPLEMENTED_CI = 0x01
BUFFER_TOO_LONG = 0x02
TOO_MANY_RECORDS = 0x03
PREMATURE_END = 0x04
TOO_MANY_DIFES = 0x05
TOO_MANY_VIFES = 0x06
BUSY = 0x08
TOO_MANY_READOUTS = 0x09
NO_FUNCTION = 0x11
DATA_ERROR = 0x12
ACCESS_VIOLATION = 0x14
PARAMETER_ERROR = 0x15
SIZE_ERROR = 0x16
SECURITY_ERROR = 0x20
MECHANISM_NOT_SUPPORTED = 0x21

_CI_SET_CLOCK = 0x6C
_MAXIMUM_DELAYED = 100
_SELECTION_FOR_READOUT = 0x8
_WRITE, _DELAYED = "write", "delayed_action"


class Consequence(NamedTuple):
    """What a command means for the link layer."""

    baud: int | None = None
    deselects: bool = False


class CommandError(Exception):
    """A command that cannot be executed, by the code of its application error."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class WrittenRecord(NamedTuple):
    """A record of a data send: `vib` without the VIFE of the `action`."""

    dib: DataInformationBlock
    vib: ValueInformationBlock
    action: str
    value: bytes


def execute(application: SlaveApplication, ci: int, data: bytes, now: int) -> Consequence | None:
    """Do what was asked; CommandError where that is not possible."""
    if len(data) > application.settings.command_bytes:
        raise CommandError(BUFFER_TOO_LONG)
    try:
        command = decode_command(ci, data)
    except DecodeError:
        raise CommandError(PREMATURE_END) from None
    if isinstance(command, ApplicationReset):
        _reset(application, command)
    elif isinstance(command, DataSend) and not command.most_significant_first:
        return _send(application, _opened(application, command), now)
    elif isinstance(command, SetBaudRate):
        return _baud(application, command.baud)
    elif isinstance(command, Synchronise):
        return _synchronise(application, now)
    elif ci == _CI_SET_CLOCK:
        _set_clock(application, data, now)
    else:
        raise CommandError(UNIMPLEMENTED_CI)
    return None


def _reset(application: SlaveApplication, command: ApplicationReset) -> None:
    code = command.subcodes[0] if command.subcodes else 0
    if application.choose_application(code or None):
        return
    application.choose_application(None)
    if application.settings.unknown_application is Refusal.ERROR:
        raise CommandError(PARAMETER_ERROR)


def _baud(application: SlaveApplication, baud: int) -> Consequence | None:
    return Consequence(baud=baud) if baud in application.device.baud_rates else None


def _synchronise(application: SlaveApplication, now: int) -> Consequence | None:
    prepared, application.delayed = application.delayed, []
    device = application.device
    if application.settings.synchronise_clock:
        moment = device.clock(now) + timedelta(seconds=30)
        device.set_clock(moment.replace(second=0, microsecond=0), now)
    return _write(application, prepared, now)


def _set_clock(application: SlaveApplication, data: bytes, now: int) -> None:
    """Long header, 00 for "set", type F or I."""
    body = data[LONG_HEADER_SIZE:].rstrip(b"\x2f")
    if len(body) not in (5, 7):
        raise CommandError(PREMATURE_END if len(body) < 5 else SIZE_ERROR)
    moment = decode_f(int.from_bytes(body[1:], "little")) if len(body) == 5 else decode_i(body[1:])
    if body[0] != 0 or not isinstance(moment, datetime):
        raise CommandError(PARAMETER_ERROR)
    application.device.set_clock(moment, now)


def _opened(application: SlaveApplication, command: DataSend) -> bytes:
    header = command.header
    if header is None or not encrypted_length(header.configuration, command.records):
        return command.records
    if application.security is None:
        raise CommandError(MECHANISM_NOT_SUPPORTED)
    try:
        return application.security.open(header, command.records, application.device.wire_address)
    except MBusEncryptedError:
        raise CommandError(SECURITY_ERROR) from None


def _send(application: SlaveApplication, data: bytes, now: int) -> Consequence | None:
    """A data send: what it selects for readout, then what it writes; nothing where a part of it cannot be read."""
    writes: list[WrittenRecord] = []
    selections: list[RecordHeader] = []
    for dib, vib, value in _records(data, application.settings.command_records):
        if dib.data_field == _SELECTION_FOR_READOUT:
            selections.append(RecordHeader(dib, vib))
        else:
            writes.append(WrittenRecord(dib, without_action(vib), vib.action or _WRITE, value))
    if data.strip(bytes([IDLE_FILLER])) == bytes([GLOBAL_READOUT]):
        application.choose_records(())
    elif selections:
        application.choose_records(tuple(selections))
    return _write(application, writes, now)


def _records(data: bytes, limit: int) -> Iterator[tuple[DataInformationBlock, ValueInformationBlock, bytes]]:
    position, count = 0, 0
    while position < len(data):
        if data[position] in (IDLE_FILLER, GLOBAL_READOUT):
            position += 1
            continue
        count += 1
        if count > limit:
            raise CommandError(TOO_MANY_RECORDS)
        dib = _decoded(DataInformationBlock.decode, data, position, TOO_MANY_DIFES)
        position += len(dib.raw)
        vib = _decoded(_from_master, data, position, TOO_MANY_VIFES)
        position += len(vib.raw)
        end = position + _length(dib, data, position)
        if end > len(data):
            raise CommandError(PREMATURE_END)
        yield dib, vib, data[position:end]
        position = end


def _from_master(data: bytes, position: int) -> ValueInformationBlock:
    return ValueInformationBlock.decode(data, position, from_master=True)


def _decoded(decode: Callable[[bytes, int], _Block], data: bytes, position: int, too_many: int) -> _Block:
    try:
        return decode(data, position)
    except DecodeError as error:
        # A chain that is cut off is noticed at the end of the data, one that is too long before it.
        cut_off = error.offset is None or error.offset >= len(data)
        raise CommandError(PREMATURE_END if cut_off else too_many) from None


def _length(dib: DataInformationBlock, data: bytes, position: int) -> int:
    length = dib.data_length
    if length is not None:
        return length
    if position >= len(data):
        raise CommandError(PREMATURE_END)
    variable = lvar_length(data[position])
    if variable is None:
        raise CommandError(DATA_ERROR)
    return 1 + variable


def without_action(vib: ValueInformationBlock) -> ValueInformationBlock:
    """The block of the record that an action is about: the VIFE of the action, which stands last, is taken off."""
    raw = vib.raw
    if vib.action is None or len(raw) < 2:
        return ValueInformationBlock.decode(raw)
    return ValueInformationBlock.decode(raw[:-2] + bytes([raw[-2] & 0x7F]))


def _write(application: SlaveApplication, records: list[WrittenRecord], now: int) -> Consequence | None:
    consequence: Consequence | None = None
    for record in records:
        if record.action == _DELAYED:
            if len(application.delayed) >= _MAXIMUM_DELAYED:
                raise CommandError(TOO_MANY_RECORDS)
            application.delayed.append(record._replace(action=_WRITE))
        else:
            consequence = _write_record(application, record, now) or consequence
    return consequence


def _write_record(application: SlaveApplication, record: WrittenRecord, now: int) -> Consequence | None:
    dib, vib, action, value = record
    device = application.device
    special = action == _WRITE and dib.storage_number == 0
    if special and vib.quantity == "bus_address" and len(value) == 1:
        if value[0] in PRIMARY_RANGE:
            device.address = value[0]
        elif application.settings.wrong_address is Refusal.ERROR:
            raise CommandError(PARAMETER_ERROR)
    elif special and vib.quantity == "enhanced_identification" and len(value) in (4, 8):
        device.set_wire_address(value + device.wire_address[len(value) :])
        return Consequence(deselects=application.settings.new_id_deselects)
    elif special and vib.quantity == "datetime" and value:
        moment = RecordHeader(dib, vib).value(value)
        if not isinstance(moment, date):
            raise CommandError(PARAMETER_ERROR)
        full = moment if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day)
        device.set_clock(full, now)
    elif special and vib.quantity == "baud_rate" and value:
        return _baud(application, int.from_bytes(value, "little"))
    else:
        device.write(record, now)
    return None
