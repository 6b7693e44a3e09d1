"""Masters that are wrong about the application layer.

The bus of this process reads with the same codec, so that most of them are our master with another report.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mbusbench.codec.control_field import REQ_UD1, REQ_UD2
from mbusbench.codec.frame import ShortFrame
from mbusbench.codec.header import LongHeader
from mbusbench.codec.telegram import Telegram
from mbusbench.master import commands
from mbusbench.protocol.fcb import MasterFcb
from mbusbench.protocol.outcome import Failure, FailureKind
from mbusbench.protocol.procedures import Procedure, alarm, readout
from mbusbench.scenario.report import MeterReport, RecordReport
from mbusbench.scenario.verdict import Column, Verdict
from tests.mutants import Mutant
from tests.mutants.making import Making, lying, patched, together, with_options

Records = tuple[RecordReport, ...]

_unusable = readout._unusable
_with_restart = readout._with_restart
_poll_alarm = alarm.poll_alarm


def each_meter(change: Callable[[MeterReport], dict[str, Any]]) -> Making:
    """Other fields in each entry of the report."""
    return lying(lambda meters: [meter.model_copy(update=change(meter)) for meter in meters])


def with_records(change: Callable[[Records], Records]) -> Making:
    """Other records in each entry."""
    return each_meter(lambda meter: {"records": change(meter.records)})


def each_record(change: Callable[[RecordReport], dict[str, Any]]) -> Making:
    """Other fields in each record."""
    return with_records(lambda records: tuple(record.model_copy(update=change(record)) for record in records))


def at_record(number: int, of: int, **changes: Any) -> Making:
    """Other fields in the record with this number, where the entry has so many."""

    def change(records: Records) -> Records:
        if len(records) != of:
            return records
        return (*records[:number], records[number].model_copy(update=changes), *records[number + 1 :])

    return with_records(change)


def one_more(value: float | None, least: int, **flags: Any) -> Making:
    """One record more, where there are so many."""

    def change(meter: MeterReport) -> dict[str, Any]:
        if len(meter.records) < least:
            return {}
        return {"records": (*meter.records, RecordReport(value=value)), **flags}

    return each_meter(change)


def where_failed(**changes: Any) -> Making:
    """Other fields in each entry that failed."""
    return each_meter(lambda meter: {} if meter.ok else changes)


def reading_out(change: Callable[[readout.Readout], readout.Readout]) -> Making:
    """With readouts that came to something else."""

    def changed(*arguments: Any) -> Procedure[readout.Readout]:
        return change((yield from _with_restart(*arguments)))

    return patched(readout, _with_restart=changed)


def _first_telegram_only(meters: list[MeterReport]) -> list[MeterReport]:
    return [meter.model_copy(update={"records": meter.records[:1], "telegrams": 1, "more": False}) for meter in meters]


def _times(factor: float, unit: str) -> Making:
    def change(record: RecordReport) -> dict[str, Any]:
        is_one = record.unit == unit and isinstance(record.value, int | float)
        return {"value": record.value * factor} if is_one else {}  # type: ignore[operator]

    return each_record(change)


def _full_is_done(result: readout.Readout) -> readout.Readout:
    failed = result.failure
    if failed is not None and failed.kind is FailureKind.TOO_MANY_TELEGRAMS:
        return replace(result, failure=None)
    return result


def _part_is_done(result: readout.Readout) -> readout.Readout:
    return replace(result, failure=None, ended=True) if result.telegrams else result


def _e5_is_an_error(result: readout.Readout) -> readout.Readout:
    if not result.ended:
        return result
    return readout.Readout(result.address, (), Failure(FailureKind.NO_DATA, readout.DOING))


def _any_word_is_encryption(telegram: Telegram, sender: int) -> Failure | None:
    header = telegram.header
    if isinstance(header, LongHeader) and header.configuration:
        return Failure(FailureKind.ENCRYPTED, readout.DOING)
    return _unusable(telegram, sender)


def _without_header(meter: MeterReport) -> dict[str, Any]:
    return {} if meter.ok else {"header": None}


def _plain_ones(meter: MeterReport) -> dict[str, Any]:
    plain = (RecordReport(value="12345678"), RecordReport(value="11223344"))
    return {} if meter.ok else {"records": plain}


def _ciphertext_is_data(meter: MeterReport) -> dict[str, Any]:
    if meter.error != "encrypted":
        return {}
    return {"ok": True, "error": None, "records": (RecordReport(value=33940, unit="kWh"),)}


def _status(value: int) -> Callable[[MeterReport], dict[str, Any]]:
    def change(meter: MeterReport) -> dict[str, Any]:
        return {"header": None if meter.header is None else meter.header.model_copy(update={"status": value})}

    return change


def _status_is_an_error(meter: MeterReport) -> dict[str, Any]:
    if meter.header is None or not meter.header.status:
        return {}
    return {"ok": False, "error": "application-error", "records": ()}


def _alarm(value: int | None) -> Making:
    return each_meter(lambda meter: {"alarm": value} if "alarm" in meter.model_fields_set else {})


def _by_request_of_data(*arguments: Any) -> Procedure[alarm.Alarm]:
    procedure = _poll_alarm(*arguments)
    exchange = next(procedure)
    try:
        while True:
            request = exchange.request
            if isinstance(request, ShortFrame) and request.control & 0x4F == REQ_UD1 & 0x4F:
                request = ShortFrame(request.control & 0x30 | REQ_UD2 & 0x4F, request.address)
            exchange = procedure.send((yield replace(exchange, request=request)))
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


MUTANTS = [
    Mutant(
        "MUT-APL-VAR-01a",
        "APL-VAR-01",
        "drops tariff and storage number",
        Column.REPORT,
        each_record(lambda record: {"storage": 0, "tariff": 0, "subunit": 0}),
    ),
    Mutant(
        "MUT-APL-VAR-01b",
        "APL-VAR-01",
        "knows no function but the value of now",
        Column.REPORT,
        each_record(lambda record: {"function": "instantaneous"}),
    ),
    Mutant("MUT-APL-VAR-01c", "APL-VAR-01", "tells energy in another unit", Column.REPORT, _times(1000, "kWh")),
    Mutant(
        "MUT-APL-VAR-01d",
        "APL-VAR-01",
        "does not tell storage numbers",
        Column.REPORT,
        each_record(lambda record: {"storage": None}),
        Verdict.NON_STRICT,
    ),
    Mutant(
        "MUT-APL-VAR-01e",
        "APL-VAR-01",
        "takes text in the order in which it came",
        Column.REPORT,
        each_record(lambda record: {"value": record.value[::-1]} if str(record.value).startswith("G00") else {}),  # type: ignore[index]
    ),
    Mutant(
        "MUT-APL-VAR-01f",
        "APL-VAR-01",
        "summer and winter are an hour apart",
        Column.REPORT,
        each_record(lambda record: {"value": "2008-05-31T22:50"} if record.value == "2008-05-31T23:50" else {}),
    ),
    Mutant(
        "MUT-APL-VAR-01g",
        "APL-VAR-01",
        "numbers have no sign",
        Column.REPORT,
        each_record(lambda record: {"value": abs(record.value)} if isinstance(record.value, int | float) else {}),
    ),
    Mutant(
        "MUT-APL-VAR-01h",
        "APL-VAR-01",
        "takes a real for a whole number",
        Column.REPORT,
        at_record(0, 21, value=1095237632000, unit="W"),
    ),
    Mutant(
        "MUT-APL-VAR-02a",
        "APL-VAR-02",
        "counts letters as digits",
        Column.REPORT,
        at_record(1, 3, value=2419448.3, unit="W", valid=True),
    ),
    Mutant("MUT-APL-VAR-02b", "APL-VAR-02", "loses the sign", Column.REPORT, at_record(0, 3, value=0.18)),
    Mutant(
        "MUT-APL-VAR-02c",
        "APL-VAR-02",
        "shows letters as text",
        Column.REPORT,
        at_record(1, 3, value="DDEBB4DD", valid=True),
        Verdict.NON_STRICT,
    ),
    Mutant(
        "MUT-APL-VAR-03a",
        "APL-VAR-03",
        "FFFF is a date",
        Column.REPORT,
        at_record(0, 6, value="2127-15-31", valid=True),
    ),
    Mutant(
        "MUT-APL-VAR-03b",
        "APL-VAR-03",
        "0000 is a date",
        Column.REPORT,
        at_record(1, 6, value="2000-00-00", valid=True),
    ),
    Mutant(
        "MUT-APL-VAR-03c",
        "APL-VAR-03",
        "the most negative number is one",
        Column.REPORT,
        at_record(2, 6, value=-2147483648, unit="kWh", valid=True),
    ),
    Mutant(
        "MUT-APL-VAR-03d", "APL-VAR-03", "overlooks the bit for invalid", Column.REPORT, at_record(3, 6, valid=True)
    ),
    Mutant("MUT-APL-VAR-04a", "APL-VAR-04", "overlooks a factor below 1", Column.REPORT, _times(1000, "V")),
    Mutant("MUT-APL-VAR-04b", "APL-VAR-04", "overlooks a factor above 1", Column.REPORT, _times(0.001, "W")),
    Mutant(
        "MUT-APL-VAR-05a",
        "APL-VAR-05",
        "skips DIFEs",
        Column.REPORT,
        each_record(lambda record: {"storage": (record.storage or 0) & 1, "tariff": 0, "subunit": 0}),
    ),
    Mutant(
        "MUT-APL-VAR-05b",
        "APL-VAR-05",
        "reads the first DIFE only",
        Column.REPORT,
        each_record(lambda record: {"storage": (record.storage or 0) & 0x1F}),
    ),
    Mutant(
        "MUT-APL-VAR-06a",
        "APL-VAR-06",
        "stops at an unknown VIF",
        Column.REPORT,
        with_records(lambda records: records[:-1] if len(records) == 4 else records),
    ),
    Mutant(
        "MUT-APL-VAR-06b",
        "APL-VAR-06",
        "guesses a unit and a scale",
        Column.REPORT,
        at_record(0, 4, value=4.66, unit="m3"),
    ),
    Mutant(
        "MUT-APL-VAR-07a",
        "APL-VAR-07",
        "does not say that a record is missing",
        Column.REPORT,
        each_meter(lambda meter: {"partial": False}),
    ),
    Mutant("MUT-APL-VAR-07b", "APL-VAR-07", "invents the last record", Column.REPORT, one_more(0, 2)),
    Mutant(
        "MUT-APL-VAR-07c",
        "APL-VAR-07",
        "refuses all of it",
        Column.REPORT,
        each_meter(lambda meter: {"ok": False, "error": "decode", "records": ()} if meter.partial else {}),
        Verdict.NON_STRICT,
    ),
    Mutant("MUT-APL-VAR-08a", "APL-VAR-08", "reads records behind 0F", Column.REPORT, one_more(0, 2)),
    Mutant(
        "MUT-APL-VAR-08b",
        "APL-VAR-08",
        "stops at a filler",
        Column.REPORT,
        with_records(lambda records: records[:1] if len(records) == 2 else records),
    ),
    Mutant(
        "MUT-APL-VAR-09a",
        "APL-VAR-09",
        "takes the coding of a length for the length",
        Column.REPORT,
        at_record(1, 4, value=24792.166, unit="m3"),
    ),
    Mutant("MUT-APL-VAR-09b", "APL-VAR-09", "takes text backwards", Column.REPORT, at_record(0, 4, value="12HFW")),
    Mutant("MUT-APL-VAR-09c", "APL-VAR-09", "loses the sign", Column.REPORT, at_record(2, 4, value=5.678)),
    Mutant(
        "MUT-APL-VAR-09d",
        "APL-VAR-09",
        "pads text with blanks",
        Column.REPORT,
        at_record(0, 4, value="WFH21   "),
        Verdict.NON_STRICT,
    ),
    Mutant(
        "MUT-APL-FIX-01a",
        "APL-FIX-01",
        "counters are always BCD",
        Column.REPORT,
        each_record(lambda record: {"value": None} if record.value in (300, -0.001) else {}),
    ),
    Mutant(
        "MUT-APL-FIX-01b",
        "APL-FIX-01",
        "the counter of the fixed date is that of now",
        Column.REPORT,
        each_record(lambda record: {"storage": 0}),
    ),
    Mutant(
        "MUT-APL-FIX-01c",
        "APL-FIX-01",
        "a binary counter without its sign",
        Column.REPORT,
        each_record(lambda record: {"value": 4294967.295} if record.value == -0.001 else {}),
        Verdict.NON_STRICT,
    ),
    Mutant(
        "MUT-APL-MUL-01a", "APL-MUL-01", "tells the first telegram only", Column.REPORT, lying(_first_telegram_only)
    ),
    Mutant("MUT-APL-MUL-01b", "APL-MUL-01", "stops after the first", Column.REPORT, with_options(max_telegrams=1)),
    Mutant(
        "MUT-APL-MUL-01c",
        "APL-MUL-01",
        "does not toggle within a readout",
        Column.WIRE,
        patched(MasterFcb, success=lambda self, *of: None),
    ),
    Mutant(
        "MUT-APL-MUL-01d",
        "APL-MUL-01",
        "loses the order of telegrams",
        Column.REPORT,
        with_records(lambda records: records[::-1]),
    ),
    Mutant(
        "MUT-APL-MUL-01e",
        "APL-MUL-01",
        "does not tell which telegram it was",
        Column.REPORT,
        each_record(lambda record: {"telegram": None}),
        Verdict.NON_STRICT,
    ),
    Mutant(
        "MUT-APL-MUL-02",
        "APL-MUL-02",
        "the first telegram is called all there is",
        Column.REPORT,
        lying(_first_telegram_only),
    ),
    Mutant("MUT-APL-MUL-03a", "APL-MUL-03", "has no bound", Column.WIRE, with_options(max_telegrams=200)),
    Mutant(
        "MUT-APL-MUL-03b",
        "APL-MUL-03",
        "calls it complete at its bound",
        Column.REPORT,
        together(reading_out(_full_is_done), each_meter(lambda meter: {"more": False})),
    ),
    Mutant(
        "MUT-APL-MUL-03c",
        "APL-MUL-03",
        "keeps the copies",
        Column.REPORT,
        reading_out(_full_is_done),
        Verdict.NON_STRICT,
    ),
    Mutant(
        "MUT-APL-MUL-04a",
        "APL-MUL-04",
        "throws all away at E5",
        Column.REPORT,
        each_meter(lambda meter: {"records": ()} if len(meter.records) == 2 else {}),
    ),
    Mutant(
        "MUT-APL-MUL-04b",
        "APL-MUL-04",
        "E5 is an error",
        Column.REPORT,
        reading_out(_e5_is_an_error),
        Verdict.NON_STRICT,
    ),
    Mutant(
        "MUT-APL-MUL-05",
        "APL-MUL-05",
        "calls a part complete",
        Column.REPORT,
        reading_out(_part_is_done),
    ),
    Mutant(
        "MUT-APL-ERR-01a",
        "APL-ERR-01",
        "an application error is data",
        Column.REPORT,
        where_failed(ok=True, error=None, code=None, records=(RecordReport(value=8),)),
    ),
    Mutant(
        "MUT-APL-ERR-01b",
        "APL-ERR-01",
        "does not tell the code",
        Column.REPORT,
        where_failed(code=None),
        Verdict.NON_STRICT,
    ),
    Mutant("MUT-APL-ERR-01c", "APL-ERR-01", "tells another code", Column.REPORT, where_failed(code=0)),
    Mutant("MUT-APL-ERR-02a", "APL-ERR-02", "an empty reading", Column.REPORT, where_failed(ok=True, error=None)),
    Mutant(
        "MUT-APL-ERR-02b",
        "APL-ERR-02",
        "nobody answered",
        Column.REPORT,
        where_failed(error="no-answer"),
        Verdict.NON_STRICT,
    ),
    Mutant("MUT-APL-STA-01a", "APL-STA-01", "the status is always 0", Column.REPORT, each_meter(_status(0))),
    Mutant("MUT-APL-STA-01b", "APL-STA-01", "a status is an error", Column.REPORT, each_meter(_status_is_an_error)),
    Mutant(
        "MUT-APL-STA-01c",
        "APL-STA-01",
        "does not tell the status",
        Column.REPORT,
        each_meter(lambda meter: {"header": None}),
        Verdict.NON_STRICT,
    ),
    Mutant("MUT-APL-ENC-01a", "APL-ENC-01", "decodes the ciphertext", Column.REPORT, each_meter(_ciphertext_is_data)),
    Mutant(
        "MUT-APL-ENC-01b",
        "APL-ENC-01",
        "does not tell the header",
        Column.REPORT,
        each_meter(_without_header),
        Verdict.NON_STRICT,
    ),
    Mutant(
        "MUT-APL-ENC-01c",
        "APL-ENC-01",
        "keeps the plain records",
        Column.REPORT,
        each_meter(_plain_ones),
        Verdict.NON_STRICT,
    ),
    Mutant(
        "MUT-APL-ENC-01d",
        "APL-ENC-01",
        "keeps the key to itself",
        Column.REPORT,
        each_meter(lambda meter: {"ok": False, "error": "encrypted", "records": ()} if len(meter.records) == 5 else {}),
    ),
    Mutant(
        "MUT-APL-ENC-02",
        "APL-ENC-02",
        "refuses any word but 0",
        Column.REPORT,
        patched(readout, _unusable=_any_word_is_encryption),
        Verdict.NON_STRICT,
    ),
    Mutant("MUT-APL-ALM-01a", "APL-ALM-01", "E5 is an alarm", Column.REPORT, _alarm(0)),
    Mutant("MUT-APL-ALM-01b", "APL-ALM-01", "no alarm is ever seen", Column.REPORT, _alarm(None)),
    Mutant(
        "MUT-APL-ALM-01c",
        "APL-ALM-01",
        "asks for data instead",
        Column.WIRE,
        patched(commands, poll_alarm=_by_request_of_data),
    ),
]
