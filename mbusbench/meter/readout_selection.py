"""Which records a master chose for the next readout (The M-Bus 4.8): data field 8 and wildcards in DIFE and VIF."""

from __future__ import annotations

from collections.abc import Sequence

from mbusbench.codec.dib import DataInformationBlock
from mbusbench.codec.record import RecordHeader
from mbusbench.codec.vib import ValueInformationBlock
from mbusbench.errors import DecodeError
from mbusbench.meter.record_definition import Record

_ANY_VIF = 0x7E


def is_wanted(record: Record, wanted: Sequence[RecordHeader]) -> bool:
    """Whether one of the selections names the record."""
    blocks = _blocks(record)
    return blocks is not None and any(_selects(each, *blocks) for each in wanted)


def _blocks(record: Record) -> tuple[DataInformationBlock, ValueInformationBlock] | None:
    if record.raw is None:
        return record.dib_block, record.vib_block
    try:
        dib = DataInformationBlock.decode(record.raw)
        return dib, ValueInformationBlock.decode(record.raw, len(dib.raw))
    except DecodeError:
        return None  # idle fillers


def _selects(selection: RecordHeader, dib: DataInformationBlock, vib: ValueInformationBlock) -> bool:
    wanted = selection.dib
    if selection.vib.raw[0] & 0x7F != _ANY_VIF and selection.vib.raw != vib.raw:
        return False
    extensions = len(wanted.raw) - 1
    # A number of which every bit is set that there is room for means all of them; one bit alone cannot mean that.
    any_storage = extensions > 0 and wanted.storage_number == (1 << 1 + 4 * extensions) - 1
    any_tariff = extensions > 0 and wanted.tariff == (1 << 2 * extensions) - 1
    any_subunit = extensions > 1 and wanted.subunit == (1 << extensions) - 1
    return (
        wanted.function is dib.function
        and (any_storage or wanted.storage_number == dib.storage_number)
        and (any_tariff or wanted.tariff == dib.tariff)
        and (any_subunit or wanted.subunit == dib.subunit)
    )
