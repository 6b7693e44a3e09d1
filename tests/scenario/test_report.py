"""Result lines: how one is found, what makes it broken or contradictory, and what a record is compared with."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest

from mbusbench.scenario.report import (
    DriverReport,
    ExpectedRecord,
    MeterReport,
    RecordReport,
    compare_record,
    compare_records,
    contradictions,
    parse_output,
    status_contradiction,
)

LINE = (
    '{"mbus": 1, "ok": true, "error": null, "meters": [{"address": 5, "secondary": "1234567824232807", "ok": true, '
    '"error": null, "telegrams": 1, "more": false, "partial": false, "stale": false, "header": {"id": "12345678", '
    '"manufacturer": "HYD", "version": 40, "medium": 7, "access": 1, "status": 0}, "records": [{"value": 0.001, '
    '"unit": "m3", "storage": 0, "tariff": 0, "subunit": 0, "function": "instantaneous", "telegram": 0}]}]}'
)


def parsed(output: str) -> DriverReport:
    found = parse_output(output)
    assert found.report is not None, found.problem
    return found.report


def test_line_may_stand_anywhere_between_others() -> None:
    report = parsed(f'hello\n{{"level": "debug"}}\n{{ not json\n   {LINE}\r\nbye\n')
    assert report.ok
    assert report.meters[0].records[0].value == 0.001
    assert report.meters[0].header is not None
    assert report.meters[0].header.version == 40


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        ("", 'no lines with "mbus": 1'),
        ('{"mbus": 2, "ok": true, "meters": []}', "no lines"),
        ('{"mbus": true, "ok": true, "meters": []}', "no lines"),
        (f"log: {LINE}", "no lines"),
        (f"{LINE}\n{LINE}", '2 lines with "mbus": 1'),
        (f'{LINE}\n{{"mbus": 1, "ok": tr', "2 lines"),
        ('{"mbus": 1, "ok": true, "meters": [', "result line: no JSON"),
        ('{"mbus": 1, "ok": true, "meters": ' + "[" * 100_000, "result line: nested too deeply"),
        ('{"mbus": 1, "ok": true}', "'meters' is missing"),
        ('{"mbus": 1, "ok": 1, "meters": []}', "ok: 1 is not true or false"),
        ('{"mbus": 1, "ok": true, "meters": [{"address": "5", "ok": true}]}', "meters[0].address: '5' is"),
        ('{"mbus": 1, "ok": true, "meters": [{"code": 256, "ok": true}]}', "256 is more than 255"),
        ('{"mbus": 1, "ok": true, "meters": [{"ok": true, "records": [{"unit": "l"}]}]}', "'value' is missing"),
        ('{"mbus": 1, "ok": true, "meters": [{"ok": true, "records": [{"value": true}]}]}', "records[0].value"),
        ('{"mbus": 1, "ok": true, "meters": [{"ok": true, "records": [{"value": NaN}]}]}', "NaN is no number"),
        ('{"mbus": 1, "ok": true, "meters": [{"ok": true, "records": [{"value": 1e999}]}]}', "records[0].value"),
    ],
)
def test_output_without_exactly_one_valid_line_says_why(output: str, problem: str) -> None:
    found = parse_output(output)
    assert found.report is None
    assert problem in (found.problem or "")
    assert "\n" not in (found.problem or "")


def test_keys_that_nobody_knows_and_keys_that_are_absent_are_no_mistake() -> None:
    report = parsed(
        '{"mbus": 1, "ok": true, "new": {}, "meters": [{"ok": true, "rssi": -3, "records": [{"value": 1}]}]}'
    )
    assert report.meters[0].records == (RecordReport(value=1),)


def test_separators_that_are_no_ends_of_lines_stay_in_their_text() -> None:
    line = json.dumps({"mbus": 1, "ok": False, "error": "garbled", "detail": "a\u2028b\x85c", "meters": []})
    assert parsed(line.encode().decode("unicode_escape").replace("\n", "")).detail == "a\u2028b\x85c"


def test_line_that_is_printed_is_read_as_the_same_report() -> None:
    report = parsed(LINE)
    assert parsed(report.line()) == report
    assert '"error": null' in report.line()


@pytest.mark.parametrize(
    ("ok", "status", "fits"), [(True, 0, True), (False, 1, True), (True, 1, False), (False, 0, False)]
)
def test_exit_status_has_to_agree_with_the_line(ok: bool, status: int, fits: bool) -> None:
    report = DriverReport(mbus=1, ok=ok, error=None if ok else "no-answer", meters=())
    assert (status_contradiction(report, status) is None) is fits


@pytest.mark.parametrize("status", [2, 127, -11])
def test_other_exit_statuses_are_contradictions(status: int) -> None:
    assert status_contradiction(parsed(LINE), status)


OK: dict[str, Any] = {"address": 5, "ok": True}
SILENT: dict[str, Any] = {"address": 6, "ok": False, "error": "no-answer"}


@pytest.mark.parametrize(
    ("top", "meters", "action", "text"),
    [
        ({"ok": True}, [OK], "read", None),
        ({"ok": False, "error": "no-answer"}, [OK, SILENT], "read", None),
        ({"ok": True}, [OK, SILENT], "read", "meters[1] failed"),
        ({"ok": True}, [{**SILENT, "error": "collision"}], "scan", None),
        ({"ok": True}, [], "scan", None),
        ({"ok": True}, [], "read", "meters is empty"),
        ({"ok": False, "error": "disconnected"}, [], "read", None),
        ({"ok": False, "error": "no-answer"}, [OK], "read", "every entry of meters is ok"),
        ({"ok": False}, [SILENT], "read", "ok: false without an error"),
        ({"ok": True, "error": "garbled"}, [OK], "read", "ok: true with error garbled"),
        ({"ok": False, "error": "timeout"}, [SILENT], "read", "'timeout' is no error of the protocol"),
        ({"ok": False, "error": "no-answer"}, [{**SILENT, "error": "E_IO"}], "read", "meters[0]: error 'E_IO'"),
        ({"ok": False, "error": "garbled"}, [{**SILENT, "code": 8}], "read", "code 8 without application-error"),
        ({"ok": True}, [{**OK, "secondary": "12345678"}], "search", "is not 16 hex digits"),
        ({"ok": True}, [{**OK, "records": [{"value": 1, "function": "max"}]}], "read", "function 'max'"),
    ],
)
def test_report_that_contradicts_itself_is_named(
    top: dict[str, Any], meters: list[dict[str, Any]], action: str, text: str | None
) -> None:
    report = parsed(json.dumps({"mbus": 1, **top, "meters": meters}))
    found = contradictions(report, action)
    assert not found if text is None else any(text in line for line in found)


@pytest.mark.parametrize(
    ("value", "unit", "expected", "expected_unit", "same"),
    [
        (0.001, "m3", 1, "l", True),
        (1, "l", Fraction(1, 1000), "m³", True),
        (12345.678, "m3", 12345678, "l", True),
        (0.113, "m^3/h", 113, "l/h", True),
        (12345.679, "m3", 12345678, "l", False),
        (99999998, "l", 99999999, "l", False),
        (123456789012.4, "l", 123456789012, "l", False),
        (1000.9999999999999, "l", 1001, "l", True),
        (4.3500000000000005, "m3", 4350, "l", True),
        (21.5000000001, "C", 21.5, "°C", True),
        (21.51, "°C", 21.5, "°C", False),
        (1, "kWh", 3600000, "J", True),
        (1, "W", 3600, "J/h", True),
        (21.5, "K", 21.5, "°C", False),
        (5, None, 5, None, True),
        (5, None, 5, "l", False),
        (5, "l", 5, None, False),
        (5, "bananas", 5, "bananas", True),
        (5, "HCA", 5, None, True),
        (5, None, 5, "HCA", True),
        (5, "HCA", 5, "l", False),
        ("2127-15-31", None, None, None, False),
        ("5", "l", 5, "l", False),
        (0, "l", 0, "m3", True),
        (1e-12, "l", 0, "m3", False),
        (None, "l", 0, "l", False),
        (0, "l", None, "l", False),
        (None, None, None, "l", True),
        ("WFH21", None, "WFH21", None, True),
        ("12HFW", None, "WFH21", None, False),
        (123, None, "00000123", None, True),
        ("2008-05-31 23:50:00", None, "2008-05-31T23:50", None, True),
        ("2008-05-31T23:50:01", None, "2008-05-31T23:50", None, False),
        ("*-05-31", None, "*-05-31", None, True),
    ],
)
def test_values_are_compared_exactly_in_whatever_unit(
    value: Any, unit: str | None, expected: Any, expected_unit: str | None, same: bool
) -> None:
    found = compare_record(RecordReport(value=value, unit=unit), ExpectedRecord(expected, expected_unit))
    assert found.is_same is same
    assert not found.loose


def test_fields_that_are_not_said_are_loose_and_others_are_different() -> None:
    expected = ExpectedRecord(1, "l", storage=5, function="maximum")
    found = compare_record(RecordReport(value=1, unit="l", storage=4), expected)
    assert found.differences == ("expected storage 5, saw 4",)
    assert found.loose == ("function is not said, expected maximum",)


def test_blanks_around_a_text_and_a_time_beside_a_date_are_loose() -> None:
    assert compare_record(RecordReport(value="  WFH21"), ExpectedRecord("WFH21")).loose
    assert compare_record(RecordReport(value="2008-05-31T00:00"), ExpectedRecord("2008-05-31")).loose


def test_digits_of_a_register_without_a_value_are_loose() -> None:
    assert compare_record(RecordReport(value="DDEBB4DD"), ExpectedRecord(None)).loose
    assert not compare_record(RecordReport(value=99999999), ExpectedRecord(None)).is_same


def test_value_that_is_not_valid_may_be_shown_so_or_left_out() -> None:
    expected = ExpectedRecord(7, "l", valid=False)
    assert compare_record(RecordReport(value=None), expected).is_same
    assert compare_record(RecordReport(value=9, valid=False), expected).is_same
    assert not compare_record(RecordReport(value=9, unit="l"), expected).is_same


def test_records_are_compared_in_order_and_counted() -> None:
    records = [RecordReport(value=1, unit="l"), RecordReport(value=2, unit="l")]
    assert compare_records(records, [ExpectedRecord(1, "l"), ExpectedRecord(2, "l")]).is_same
    swapped = compare_records(records, [ExpectedRecord(2, "l"), ExpectedRecord(1, "l")])
    assert swapped.differences[0] == "record 0: expected 2 l, saw 1 l"
    assert compare_records(records, [ExpectedRecord(1, "l")]).differences == ("expected 1 records, saw 2",)


def test_meter_without_records_is_a_report_too() -> None:
    assert (
        parsed(DriverReport(mbus=1, ok=True, meters=(MeterReport(address=3, ok=True),)).line()).meters[0].address == 3
    )
