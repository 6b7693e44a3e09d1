"""What a read returns: pydantic models, one unit for each quantity (docs/results.md).

`decode` makes them of one frame; MBusMaster makes them of a readout. The models are built from decoded telegrams
without a second validation: the codec's types are the models' types.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, time
from enum import StrEnum
from functools import lru_cache
from itertools import repeat
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, PrivateAttr, computed_field

from mbusbench.codec import device_type as device_types
from mbusbench.codec.address import SecondaryAddress
from mbusbench.codec.data_field import raw_value
from mbusbench.codec.dib import DataInformationBlock
from mbusbench.codec.fixed_data import FixedHeader
from mbusbench.codec.header import LongHeader, ShortHeader, manufacturer_letters
from mbusbench.codec.layout import Structure
from mbusbench.codec.record import DataRecord, RecordHeader
from mbusbench.codec.telegram import Telegram, decode_telegram
from mbusbench.codec.vib import ValueInformationBlock
from mbusbench.errors import DecodeError, MBusUsageError
from mbusbench.master.record_type import MBusRecordType

__all__ = [
    "MBusRecordFunction",
    "MBusRecordType",
    "MBusSlaveData",
    "MBusSlaveInfo",
    "MBusSlaveRecord",
    "decode",
    "slave_data",
    "slave_info",
]

RecordValue = int | float | str | datetime | date | time | None
_LARGEST_CACHE = 4096


class MBusRecordFunction(StrEnum):
    """Which of several values of a quantity it is."""

    INSTANTANEOUS = "instantaneous"
    MAXIMUM = "maximum"
    MINIMUM = "minimum"
    ERROR = "error"


class MBusSlaveRecord(BaseModel):
    """One data record.

    `value` is in `unit`; None (and `valid` False) where the meter has none. `raw` is the whole record as hex,
    `raw_value` and `exponent` what the meter sent, in `meter_unit`. `index` counts the records of the readout,
    `telegram` its telegrams, both
    from 0. `device_unit` is the standard's subunit. `timestamp` is when the telegram was received.
    """

    model_config = ConfigDict(frozen=True)

    type: MBusRecordType
    description: str
    value: RecordValue
    unit: str | None
    storage_number: int
    tariff: int
    device_unit: int
    function: MBusRecordFunction
    quantity: str
    modifiers: tuple[str, ...]
    record_error: str | None
    valid: bool
    exponent: int | None
    meter_unit: str | None
    dib: str
    vib: str
    raw: str
    index: int
    telegram: int
    timestamp: datetime | None

    # How `raw_value` is found: from `dib`, `vib` and `raw`, or from the record itself where these do not tell it all.
    _plain: bool = PrivateAttr(default=False)
    _record: DataRecord | None = PrivateAttr(default=None)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def raw_value(self) -> RecordValue:
        """The register as the meter counts it: before scaling; digits as text where they are no number.

        None in a record that was not decoded here but loaded from elsewhere.
        """
        if self._plain:
            dib = DataInformationBlock.decode(bytes.fromhex(self.dib))
            vib = ValueInformationBlock.decode(bytes.fromhex(self.vib))
            return raw_value(dib, vib, bytes.fromhex(self.raw)[len(dib.raw) + len(vib.raw) :])
        return None if self._record is None else self._record.raw_value

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Of pydantic's own state, what is the same in all records that were decoded is not stored in each.

            In other records pydantic sets the names of the fields, and that first.
            """
            if name in _COMMON_STATE and not _is_set(self, _NAMES):
                return _COMMON_STATE[name]
            return super().__getattr__(name)


class MBusSlaveInfo(BaseModel):
    """Who answered. `device_type` is a code, `medium` its name; `secondary_address` has 16 digits to select it by."""

    model_config = ConfigDict(frozen=True)

    address: int
    serial_number: str | None = None
    manufacturer: str | None = None
    version: int | None = None
    device_type: int | None = None
    medium: str | None = None
    status: int | None = None
    access_number: int | None = None
    secondary_address: str | None = None


class MBusSlaveData(MBusSlaveInfo):
    """One readout: the header of its first telegram and the records of all.

    `partial` says that a telegram could be read only in part, `diagnostics` why; `more_records_follow` that the meter
    has telegrams that are not here; `encrypted` that records are missing for want of the key; `manufacturer_data` (hex,
    one for each telegram that has any) is what stands behind DIF 0F and 1F. `stale` says that a telegram came that an
    earlier readout had brought already, from a meter whose access number counts telegrams; never in `decode`.
    """

    timestamp: datetime | None
    records: tuple[MBusSlaveRecord, ...]
    telegrams: int = 1
    more_records_follow: bool = False
    partial: bool = False
    encrypted: bool = False
    stale: bool = False
    application_error: int | None = None
    alarm: int | None = None
    manufacturer_data: tuple[str, ...] = ()
    diagnostics: tuple[str, ...] = ()

    # CI field and what follows it, in clear, of each telegram.
    _datagrams: tuple[tuple[int, bytes], ...] = PrivateAttr(default=())

    def to_xml(self) -> str:
        """The reading as XML in the form of libmbus. MBusUsageError where it was not decoded here but loaded."""
        from mbusbench.master.libmbus_xml import libmbus_xml

        if not self._datagrams:
            raise MBusUsageError("a reading that was loaded from elsewhere cannot be written as XML")
        return libmbus_xml([Telegram.decode(ci, data) for ci, data in self._datagrams], self.timestamp)

    def get_record(
        self,
        record_type: MBusRecordType | str,
        storage_number: int | None = None,
        function: MBusRecordFunction | str | None = None,
        *,
        tariff: int | None = None,
        device_unit: int | None = None,
    ) -> MBusSlaveRecord | None:
        """The first record of this type that fits what is given, or None."""
        found = self.get_all_records(record_type, storage_number, function, tariff=tariff, device_unit=device_unit)
        return found[0] if found else None

    def get_all_records(
        self,
        record_type: MBusRecordType | str | None = None,
        storage_number: int | None = None,
        function: MBusRecordFunction | str | None = None,
        *,
        tariff: int | None = None,
        device_unit: int | None = None,
    ) -> list[MBusSlaveRecord]:
        """All records that fit what is given, in the meter's order."""
        return [
            record
            for record in self.records
            if (record_type is None or record.type == record_type)
            and (storage_number is None or record.storage_number == storage_number)
            and (function is None or record.function == function)
            and (tariff is None or record.tariff == tariff)
            and (device_unit is None or record.device_unit == device_unit)
        ]


def decode(frame: bytes | str, *, key: bytes | None = None) -> MBusSlaveData:
    """The data of one whole frame, given as bytes or hex (white space allowed). `timestamp` is None.

    DecodeError where the frame or its header is wrong; what is wrong behind the header is in `diagnostics`, and
    `partial` or `encrypted` is set. `key` has 16 bytes.
    """
    if key is not None and len(key) != 16:
        raise MBusUsageError(f"a key has 16 bytes, not {len(key)}")
    if isinstance(frame, str):
        try:
            frame = bytes.fromhex(frame)
        except ValueError as error:
            raise DecodeError(f"no hex: {error}", layer="link") from None
    return slave_data([decode_telegram(frame, key=key)], frame[5], None)


def slave_data(
    telegrams: Sequence[Telegram], address: int, timestamp: datetime | None, *, stale: bool = False, ended: bool = False
) -> MBusSlaveData:
    """The result of one readout; `telegrams` in the order received, at least one.

    `ended`: the last one announced more, and the slave had none.
    """
    first, last = telegrams[0], telegrams[-1]
    records: list[MBusSlaveRecord] = []
    diagnostics: list[str] = []
    manufacturer_data: list[str] = []
    partial = encrypted = False
    for number, telegram in enumerate(telegrams):
        _append_records(records, telegram, number, timestamp)
        structure = telegram.structure
        if structure.diagnostics:
            prefix = f"telegram {number}: " if len(telegrams) > 1 else ""
            diagnostics += (f"{prefix}{diagnostic}" for diagnostic in structure.diagnostics)
            partial = partial or any(diagnostic.layer == "application" for diagnostic in structure.diagnostics)
            encrypted = encrypted or telegram.encrypted
        if structure.manufacturer_start is not None:
            manufacturer_data.append((telegram.manufacturer_data or b"").hex())
    fields = {
        "address": address,
        **_identity(first),
        "timestamp": timestamp,
        "records": tuple(records),
        "telegrams": len(telegrams),
        "more_records_follow": last.structure.more_records_follow and not ended,
        "partial": partial,
        "encrypted": encrypted,
        "stale": stale,
        "application_error": first.application_error,
        "alarm": first.alarm,
        "manufacturer_data": tuple(manufacturer_data),
        "diagnostics": tuple(diagnostics),
    }
    data = _new(MBusSlaveData)
    _set_fields(data, fields)
    _set_names(data, _DATA_FIELDS)
    _set_extra(data, None)
    _set_private(data, {"_datagrams": tuple([(telegram.ci, telegram.plain) for telegram in telegrams])})
    return data


def slave_info(telegram: Telegram, address: int) -> MBusSlaveInfo:
    """Who sent a telegram."""
    return MBusSlaveInfo(address=address, **_identity(telegram))


def _identity(telegram: Telegram) -> dict[str, Any]:
    header = telegram.header
    if isinstance(header, LongHeader):
        identity = _who(header.identification, header.manufacturer, header.version, header.device_type).copy()
        identity["status"] = header.status
        identity["access_number"] = header.access_number
        return identity
    identity = dict.fromkeys(_IDENTITY)
    if isinstance(header, FixedHeader):
        identity["serial_number"] = header.identification
        identity["device_type"] = header.device_type
        identity["medium"] = device_types.name(header.device_type)
    if isinstance(header, FixedHeader | ShortHeader):
        identity["status"] = header.status
        identity["access_number"] = header.access_number
    return identity


@lru_cache(maxsize=4096)
def _who(identification: str, manufacturer: int, version: int, device_type: int) -> dict[str, Any]:
    return {
        "serial_number": identification,
        "manufacturer": manufacturer_letters(manufacturer),
        "version": version,
        "device_type": device_type,
        "medium": device_types.name(device_type),
        "status": None,
        "access_number": None,
        "secondary_address": str(SecondaryAddress(identification, manufacturer, version, device_type)),
    }


_IDENTITY = tuple(name for name in MBusSlaveInfo.model_fields if name != "address")
_DATA_FIELDS = set(MBusSlaveData.model_fields)
_NAMES = "__pydantic_fields_set__"
_COMMON_STATE: dict[str, Any] = {
    _NAMES: set(MBusSlaveRecord.model_fields),
    "__pydantic_extra__": None,
    "__pydantic_private__": {"_plain": True, "_record": None},
}
_LEAST_SIGNIFICANT_FIRST = (0x72, 0x78, 0x7A)  # answers whose records say by themselves how they are read
_plans: dict[int, tuple[Structure, _Plan]] = {}
# A pydantic model keeps its state in these four slots of its base class; a frozen model refuses ordinary assignment.
_new = object.__new__
_slots = vars(BaseModel)
_set_fields = _slots["__dict__"].__set__
_set_names = _slots["__pydantic_fields_set__"].__set__
_set_extra = _slots["__pydantic_extra__"].__set__
_set_private = _slots["__pydantic_private__"].__set__
_exhaust: Callable[[Iterable[object]], None] = deque[object](maxlen=0).extend


def _is_set(record: MBusSlaveRecord, name: str) -> bool:
    """Whether that part of pydantic's state is stored in the record."""
    try:
        object.__getattribute__(record, name)
    except AttributeError:
        return False
    return True


class _Plan(NamedTuple):
    """What the records of a structure have in common, each a list with one item for each record.

    `templates`: the fields that do not change. `digits`: makes those of each record of those of the telegram.
    `invalid_times`: (record, byte that may mark its time invalid), for those that have one.
    """

    templates: list[dict[str, Any]]
    digits: Callable[[str], Sequence[str]]
    invalid_times: list[tuple[int, int]]


def _append_records(
    records: list[MBusSlaveRecord], telegram: Telegram, number: int, timestamp: datetime | None
) -> None:
    values = telegram.values
    if not values:
        return
    structure = telegram.structure
    found = _plans.get(id(structure))
    plan = found[1] if found is not None and found[0] is structure else _plan(telegram)
    source = telegram.plain
    each_fields = list(map(dict.copy, plan.templates))
    for fields, value, raw in zip(each_fields, values, plan.digits(source.hex()), strict=False):
        fields["value"] = value
        if value is None:
            fields["valid"] = False
        fields["raw"] = raw
        fields["timestamp"] = timestamp
    for index, position in plan.invalid_times:
        if source[position] & 0x80:
            each_fields[index]["valid"] = False
    if number:
        first_index = len(records)
        for fields in each_fields:
            fields["index"] += first_index
            fields["telegram"] = number
    # The codec has typed the fields already: the models are filled, not validated.
    instances = list(map(_new, repeat(MBusSlaveRecord, len(each_fields))))
    _exhaust(map(_set_fields, instances, each_fields))
    if not (structure.exact and telegram.ci in _LEAST_SIGNIFICANT_FIRST):
        private = [{"_plain": False, "_record": record} for record in telegram.records]
        _exhaust(map(_set_private, instances, private))
    records += instances


def _plan(telegram: Telegram) -> _Plan:
    templates: list[dict[str, Any]] = []
    slices: list[slice] = []
    invalid_times: list[tuple[int, int]] = []
    for index, record in enumerate(telegram.records):
        field = record.field
        template = _template(field.header)
        template["index"] = index
        templates.append(template)
        slices.append(slice(2 * field.start, 2 * field.stop))
        if field.invalid_time_position >= 0:
            invalid_times.append((index, field.invalid_time_position))
    # One more than there are records: of a single item itemgetter makes no tuple.
    digits: Callable[[str], Sequence[str]] = itemgetter(*slices, slice(0))
    plan = _Plan(templates, digits, invalid_times)
    if telegram.structure.compiled:
        if len(_plans) >= _LARGEST_CACHE:
            _plans.clear()
        _plans[id(telegram.structure)] = (telegram.structure, plan)
    return plan


class _Fields:
    """Whose attribute dictionaries, and all copies of them, share one table of names: half of the memory."""


def _template(header: RecordHeader) -> dict[str, Any]:
    """The fields that all records with this header share, in the model's order."""
    dib, vib = header.dib, header.vib
    holder = _Fields()
    fields = {
        "type": MBusRecordType(vib.quantity),
        "description": _description(vib),
        "value": None,
        "unit": vib.unit,
        "storage_number": dib.storage_number,
        "tariff": dib.tariff,
        "device_unit": dib.subunit,
        "function": MBusRecordFunction(dib.function.name.lower()),
        "quantity": vib.quantity,
        "modifiers": vib.modifiers,
        "record_error": vib.record_error,
        "valid": True,
        "exponent": vib.exponent,
        "meter_unit": vib.meter_unit,
        "dib": dib.raw.hex(),
        "vib": vib.raw.hex(),
        "raw": "",
        "index": 0,
        "telegram": 0,
        "timestamp": None,
    }
    for name, value in fields.items():
        setattr(holder, name, value)
    return vars(holder)


def _description(vib: ValueInformationBlock) -> str:
    words = vib.quantity.replace("_", " ")
    if vib.plain_text is not None:
        words = vib.plain_text.strip()
    elif vib.quantity in ("manufacturer_specific", "reserved"):
        words = f"{words} VIF {vib.raw.hex(' ').upper()}"
    else:
        words = words[:1].upper() + words[1:]
    modifiers = [modifier.replace("_", " ") for modifier in vib.modifiers if modifier != "manufacturer_specific"]
    if vib.manufacturer and vib.quantity != "manufacturer_specific":
        modifiers.append(f"manufacturer VIFE {vib.manufacturer.hex(' ').upper()}")
    return ", ".join([words, *modifiers])
