"""Other people's decoders, each as a function from a frame to readings in the normal form, to judge ours against.

pyMeterBus and pymbusparser are packages (extra `interop`). libmbus is a C library; `tests/interop/install` makes a
shared object of it out of the source that the npm package node-mbus carries.
"""

from __future__ import annotations

import ctypes
import importlib
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from html import unescape
from typing import Any, NamedTuple

from tests.interop.parts import LIBMBUS


class Reading(NamedTuple):
    """One record as a peer shows it. `value` is a number as text where `unit` is one of ours, else any text."""

    function: str
    storage: int
    tariff: int
    subunit: int
    unit: str
    value: str


Decoder = Callable[[bytes], list[Reading]]


class PeerError(Exception):
    """The peer does not take the telegram."""


_FUNCTIONS = {
    "inst": "instantaneous",
    "maxi": "maximum",
    "mini": "minimum",
    "valu": "error",
    "erro": "error",
    "actu": "instantaneous",
}


def _function(text: str) -> str:
    return _FUNCTIONS.get(text.lower()[:4], text)


_METERBUS_UNITS = {
    "WH": "Wh",
    "J": "J",
    "M3": "m^3",
    "W": "W",
    "C": "degC",
    "K": "K",
    "SECONDS": "s",
    "V": "V",
    "A": "A",
    "M3_H": "m^3/h",
    "BAR": "bar",
    "KG": "kg",
    "PERCENT": "%",
    "DBM": "dBm",
    "HCA": "H.C.A.",
}


def pymeterbus(frame: bytes) -> list[Reading]:
    """pyMeterBus, `meterbus.load`."""
    meterbus = importlib.import_module("meterbus")
    try:
        records = meterbus.load(frame).body.bodyPayload.records
        rows = [record.interpreted for record in records]
    except Exception as error:
        raise PeerError(str(error)) from error
    return pymeterbus_readings(rows)


def pymeterbus_readings(rows: Iterable[Mapping[str, Any]]) -> list[Reading]:
    """What pyMeterBus calls `interpreted`, of each record."""
    found = []
    for row in rows:
        function = str(row["function"]).removeprefix("FunctionType.")
        if function in ("SPECIAL_FUNCTION", "MORE_RECORDS_FOLLOW"):
            continue
        unit = str(row["unit"]).removeprefix("MeasureUnit.")
        place = (row.get("storage_number", 0), row.get("tariff", 0), row.get("device", 0))
        found.append(Reading(_function(function), *place, _METERBUS_UNITS.get(unit, ""), str(row["value"])))
    return found


_PARSER_UNITS = {
    "W.h": "Wh",
    "m3": "m^3",
    "Cel": "degC",
    "m3.h-1": "m^3/h",
    "dBmW": "dBm",
    "h": "h",
    "d": "d",
    "min": "min",
    "mo": "month",
    "W (reactive)h": "varh",
    "W (reactive)": "var",
    "W (apparent)": "VA",
    "m³incrementInputPulseOnChannel0⁻¹": "m^3",
}


def pymbusparser(frame: bytes) -> list[Reading]:
    """pymbusparser, `parse`."""
    parser = importlib.import_module("pymbusparser")
    try:
        rows = parser.parse(frame)["records"]
    except Exception as error:
        raise PeerError(str(error)) from error
    found = []
    for row in rows:
        if row["function"] == "More records follow":
            continue
        value: dict[str, Any] = row.get("value") or {}
        if value.get("kind") in ("manufacturer_specific", "none", None):
            if row["data_hex"] or "manufacturer" in str(row.get("data_coding")).lower():
                continue
            value = {"value": None}
        unit = row.get("unit") or ""
        place = (row["storage_number"], row["tariff"], row["subunit"])
        shown = "" if value.get("value") is None else str(value["value"])
        found.append(Reading(_function(row["function"]), *place, _PARSER_UNITS.get(unit, unit), shown))
    return found


@cache
def _libmbus() -> ctypes.CDLL:
    library = ctypes.CDLL(str(LIBMBUS))
    pointer = ctypes.c_void_p
    library.mbus_frame_new.restype = pointer
    library.mbus_frame_data_new.restype = pointer
    library.mbus_parse.argtypes = [pointer, ctypes.c_char_p, ctypes.c_size_t]
    library.mbus_frame_data_parse.argtypes = [pointer, pointer]
    library.mbus_frame_data_xml_normalized.restype = pointer
    library.mbus_frame_data_xml_normalized.argtypes = [pointer]
    library.mbus_frame_data_xml.restype = pointer
    library.mbus_frame_data_xml.argtypes = [pointer]
    library.mbus_frame_free.argtypes = [pointer]
    library.mbus_frame_data_free.argtypes = [pointer]
    return library


_LIBMBUS_UNITS = {"°C": "degC", "Reserved": "", "Units for H.C.A.": "H.C.A.", "-": ""}


def libmbus_xml(frame: bytes, *, normalized: bool = False) -> str:
    """What libmbus prints for a frame: `mbus_frame_data_xml`, or the form with values in basic units."""
    library = _libmbus()
    parsed, data = library.mbus_frame_new(0), library.mbus_frame_data_new()
    try:
        if library.mbus_parse(parsed, frame, len(frame)) or library.mbus_frame_data_parse(parsed, data):
            raise PeerError("refused")
        write = library.mbus_frame_data_xml_normalized if normalized else library.mbus_frame_data_xml
        pointer = write(data)
        return ctypes.string_at(pointer).decode("utf-8", "replace") if pointer else ""
    finally:
        library.mbus_frame_data_free(data)
        library.mbus_frame_free(parsed)


def libmbus(frame: bytes) -> list[Reading]:
    """libmbus, `mbus_frame_data_xml_normalized`: six places behind the point."""
    text = libmbus_xml(frame, normalized=True)
    found = []
    for body in re.findall(r"<DataRecord.*?</DataRecord>", text, re.DOTALL):
        fields = {name: unescape(value) for name, value in re.findall(r"<(\w+)>(.*?)</\1>", body, re.DOTALL)}
        if "Function" not in fields:  # it gave the record up
            raise PeerError("no record")
        if fields["Function"] in ("Manufacturer specific", "More records follow"):
            continue
        storage, tariff, subunit = (int(fields.get(name, "0")) for name in ("StorageNumber", "Tariff", "Device"))
        unit = _LIBMBUS_UNITS.get(fields.get("Unit", ""), fields.get("Unit", ""))
        function = _function(fields["Function"])
        found.append(Reading(function, storage, tariff, subunit, unit, fields.get("Value", "")))
    return found


PEERS: dict[str, Decoder] = {"pyMeterBus": pymeterbus, "pymbusparser": pymbusparser, "libmbus": libmbus}
