"""Our records against a peer's readings: place, unit and value, one line for each difference."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from mbusbench.codec.record import DataRecord
from tests.outside.normalise import CORPUS_UNITS, corpus_value, unit_factor
from tests.outside.peers import Reading

#: libmbus prints six places behind the point, pyMeterBus computes in binary floating point.
TOLERANCE = Fraction(6, 10**7)

_SECONDS = {"min": 60, "h": 3600, "d": 86400}


def number(text: str) -> Fraction | None:
    """`text` as a number, None where it is none."""
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    return Fraction(found) if found.is_finite() else None


def _same_value(record: DataRecord, reading: Reading, unit: str) -> bool:
    ours = corpus_value(record)
    theirs = number(reading.value)
    if ours is None:
        return reading.value.lower().lstrip("-") in ("", "none", "nan")
    mine = None if isinstance(record.value, str) and not ours.isdigit() else number(ours)
    if mine is None or theirs is None:
        return _text(ours) == _text(reading.value)
    if reading.unit in _SECONDS and unit == "s":
        theirs *= _SECONDS[reading.unit]
    elif reading.unit in CORPUS_UNITS:
        theirs *= CORPUS_UNITS[reading.unit][1]
    elif reading.unit in ("kWh", "l"):
        theirs = theirs * 1000 if reading.unit == "kWh" else theirs / 1000
    return abs(mine - theirs) <= max(TOLERANCE, abs(mine) * TOLERANCE)


_DATE_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(?::00)?Z?")


def _text(text: str) -> str:
    """Dates and texts without what decoders do differently: the T, seconds of zero, the case of hex, blanks."""
    return _DATE_TIME.sub(r"\1 \2", text).removesuffix(" 00:00").strip().lower().replace(" ", "")


def compare(records: Sequence[DataRecord], readings: Sequence[Reading]) -> Iterator[str]:
    """What differs, as "record N: what: peer ... ours ..."."""
    if len(records) != len(readings):
        yield f"number of records: peer {len(readings)}, ours {len(records)}"
    for index, (record, reading) in enumerate(zip(records, readings, strict=False)):
        ours = (record.function.name.lower(), record.storage_number, record.tariff, record.subunit)
        if tuple(reading[:4]) != ours:
            yield f"record {index} place: peer {tuple(reading[:4])}, ours {ours}"
        unit = unit_factor(record.unit)[0]
        known = {**dict.fromkeys(_SECONDS, "s"), **{name: row[0] for name, row in CORPUS_UNITS.items()}}
        theirs = {"kWh": "Wh", "l": "m^3"}.get(reading.unit, known.get(reading.unit, reading.unit))
        if theirs and unit != theirs:
            yield f"record {index} unit: peer {reading.unit}, ours {unit}"
        elif not _same_value(record, reading, unit):
            yield f"record {index} value: peer {reading.value}, ours {corpus_value(record)}"
