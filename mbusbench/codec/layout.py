"""The structure of a variable data structure: where its records stand (EN 13757-3).

`parse` walks over a datagram it has not seen. A datagram of a known structure is not walked over again: its bytes are
compared with the layout's under one mask, and its values are unpacked at once. Both ways give the same records.
"""

from __future__ import annotations

import struct
from functools import partial
from itertools import repeat
from operator import call

from mbusbench.codec.data_field import INVALID_INTEGERS, Convert, Value
from mbusbench.codec.diagnostic import DATAGRAM_OFFSET, Diagnostic
from mbusbench.codec.dib import (
    GLOBAL_READOUT,
    IDLE_FILLER,
    MANUFACTURER_DATA,
    MORE_RECORDS_FOLLOW,
    DataInformationBlock,
)
from mbusbench.codec.record import DataRecord, RecordField, RecordHeader
from mbusbench.codec.vib import ValueInformationBlock, text_positions
from mbusbench.errors import DecodeError

_LARGEST_CACHE = 8192
_LARGEST_LAYOUTS = 1024  # places; a layout takes some ten kilobytes
_LAYOUTS_PER_KEY = 4

# From the parts of a record to the record, without a Python frame for each.
_new_record = partial(tuple.__new__, DataRecord)

_headers: dict[bytes, RecordHeader] = {}
_headers_from_master: dict[bytes, RecordHeader] = {}
_Place = tuple[int, int, bytes]  # length, start of the records, kind of meter
_layouts: dict[_Place, list[Layout]] = {}
_seen: set[_Place] = set()


class Structure:
    """What a walk found: fields, the tail, and what is wrong."""

    __slots__ = ("compiled", "diagnostics", "exact", "fields", "manufacturer_start", "more_records_follow")

    def __init__(self) -> None:
        self.fields: list[RecordField] = []
        self.manufacturer_start: int | None = None
        self.more_records_follow = False
        self.diagnostics: list[Diagnostic] = []
        self.exact = True  # the structure follows from DIFs, VIFs and lengths alone, not from a look at values
        self.compiled = False  # belongs to a layout, and so comes again


class Layout:
    """A structure made ready to read any datagram that has it."""

    __slots__ = ("checked", "convert", "mask", "pattern", "structure", "unpack")

    def __init__(self, structure: Structure, data: bytes, start: int) -> None:
        self.structure = structure
        structure.compiled = True
        codes: list[str] = [f"<{start}x"]
        self.convert: list[Convert] = []
        self.checked: list[Convert] = []
        mask = bytearray(b"\xff" * len(data))
        mask[:start] = bytes(start)
        position = start
        for field in structure.fields:
            header = field.header
            coding = header.coding
            size = field.stop - field.data_start
            codes.append(f"{field.data_start - position}x{coding.format or f'{size}s'}")
            pinned = 0 if coding.format else 1  # the first byte of a variable length is structure
            mask[field.data_start + pinned : field.stop] = bytes(size - pinned)
            self.convert.append(coding.convert)
            self.checked.append(coding.checked)
            position = field.stop
        codes.append(f"{len(data) - position}x")
        if structure.manufacturer_start is not None:
            mask[structure.manufacturer_start :] = bytes(len(data) - structure.manufacturer_start)
        self.unpack = struct.Struct("".join(codes)).unpack
        self.mask = int.from_bytes(mask, "little")
        self.pattern = int.from_bytes(data, "little") & self.mask

    def values(self, data: bytes) -> list[Value]:
        raws = self.unpack(data)
        if INVALID_INTEGERS.isdisjoint(raws):
            try:
                return list(map(call, self.convert, raws))
            except ValueError:
                pass  # BCD with letters: read with care
        return list(map(call, self.checked, raws))


def read(data: bytes, start: int, key: bytes) -> tuple[Structure, list[DataRecord]]:
    """The structure and records of a slave's variable data structure from `start` on; `key` names the kind of meter."""
    structure, values, found = read_values(data, start, key)
    return structure, records(structure, values, data) if found is None else found


def read_values(data: bytes, start: int, key: bytes) -> tuple[Structure, list[Value], list[DataRecord] | None]:
    """As `read`, with the values alone where the structure is known: `records` makes the records of them."""
    place = (len(data), start, key)
    layouts = _layouts.get(place)
    if layouts is not None:
        number = int.from_bytes(data, "little")
        for layout in layouts:
            if number & layout.mask == layout.pattern:
                return layout.structure, layout.values(data), None
    structure, found = parse(data, start)
    if structure.exact and not structure.diagnostics:
        _remember(structure, data, start, place)
    return structure, [record.value for record in found], found


def records(structure: Structure, values: list[Value], data: bytes) -> list[DataRecord]:
    """The records of a datagram of known structure."""
    return list(map(_new_record, zip(structure.fields, values, repeat(data))))


def _remember(structure: Structure, data: bytes, start: int, place: _Place) -> None:
    """Compile the layout when a kind of meter comes for the second time: most scans see each only once."""
    if place not in _seen:
        if len(_seen) >= _LARGEST_CACHE:
            _seen.clear()
        _seen.add(place)
        return
    if len(_layouts) >= _LARGEST_LAYOUTS:
        _layouts.clear()
    layouts = _layouts.setdefault(place, [])
    layouts.insert(0, Layout(structure, data, start))
    del layouts[_LAYOUTS_PER_KEY:]


def forget() -> None:
    """Empty the caches of headers and layouts."""
    for cache in (_headers, _headers_from_master, _layouts, _seen):
        cache.clear()


def parse(
    data: bytes, start: int, *, from_master: bool = False, most_significant_first: bool = False, trial: bool = False
) -> tuple[Structure, list[DataRecord]]:
    """Walk over `data` from `start` on. What is wrong ends the walk with a diagnostic and loses no record before it.

    A `trial` decides nothing by trials of its own.
    """
    structure = Structure()
    found: list[DataRecord] = []
    headers = _headers_from_master if from_master else _headers
    fields = structure.fields
    end = len(data)
    position = start
    while position < end:
        dif = data[position]
        if dif & 0x0F == 0x0F:
            if dif != IDLE_FILLER and not _special(structure, dif, position, from_master):
                break
            position += 1
            continue
        cursor = position
        try:
            while data[cursor] & 0x80:
                cursor += 1
            cursor += 1
            plain_text = data[cursor] & 0x7F == 0x7C
            while data[cursor] & 0x80:
                cursor += 1
        except IndexError:
            plain_text = False
        header = None if plain_text else headers.get(data[position : cursor + 1])
        try:
            if header is None:
                header = _header(data, position, structure, from_master, trial)
                _keep(headers, header)
            cursor = position + len(header.raw)
            length = header.data_length
            stop = cursor + length if length >= 0 else header.data_end(data, cursor)
            if stop > end:
                raise DecodeError("premature end of record: its data is cut off", offset=end)
        except DecodeError as error:
            offset = position if error.offset is None else error.offset
            structure.diagnostics.append(Diagnostic("application", DATAGRAM_OFFSET + offset, str(error)))
            break
        field = RecordField(header, position, cursor, stop, most_significant_first)
        fields.append(field)
        if most_significant_first:
            value = header.value(header.least_significant_first(data[cursor:stop]))
        elif header.unpack is None:
            value = header.coding.checked(data[cursor:stop])
        else:
            value = header.coding.checked(header.unpack(data, cursor)[0])
        found.append(_new_record((field, value, data)))
        position = stop
    return structure, found


def _special(structure: Structure, dif: int, position: int, from_master: bool) -> bool:
    """A DIF that stands alone; whether the walk goes on behind it."""
    if dif in (MANUFACTURER_DATA, MORE_RECORDS_FOLLOW):
        structure.manufacturer_start = position + 1
        structure.more_records_follow = dif == MORE_RECORDS_FOLLOW
        return False
    if dif == GLOBAL_READOUT and from_master:
        return True
    structure.diagnostics.append(
        Diagnostic("application", DATAGRAM_OFFSET + position, f"reserved DIF {dif:02X}: what follows cannot be read")
    )
    return False


def _keep(headers: dict[bytes, RecordHeader], header: RecordHeader) -> None:
    if header.vib.plain_text is not None:
        return  # where its text stands is not for the next telegram to guess from these bytes
    if len(headers) >= _LARGEST_CACHE:
        headers.clear()
    headers[header.raw] = header


def _header(data: bytes, position: int, structure: Structure, from_master: bool, trial: bool) -> RecordHeader:
    dib = DataInformationBlock.decode(data, position)
    offset = position + len(dib.raw)
    text_last = False
    if data[offset : offset + 1] == b"\xfc":
        structure.exact = False  # where the text stands may depend on bytes that turn out to be data
        first, text_last = text_positions(data, offset)
        if first and text_last:
            # Either reading is possible: the one that lets the rest of the telegram be read wins, the older one in
            # doubt.
            text_last = not (trial or _reads_on(data, position, dib, False)) and _reads_on(data, position, dib, True)
    return RecordHeader(dib, ValueInformationBlock.decode(data, offset, from_master=from_master, text_last=text_last))


def _reads_on(data: bytes, position: int, dib: DataInformationBlock, text_last: bool) -> bool:
    try:
        header = RecordHeader(dib, ValueInformationBlock.decode(data, position + len(dib.raw), text_last=text_last))
        stop = header.data_end(data, position + len(header.raw))
    except DecodeError:
        return False
    return stop <= len(data) and not parse(data, stop, trial=True)[0].diagnostics
