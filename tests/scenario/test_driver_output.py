"""What tools print, as entries of a report: by rules, and never more than was printed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mbusbench.scenario.driver.definition import ResultTemplate
from mbusbench.scenario.driver.output import ToolOutput, meters_of
from mbusbench.scenario.report import MeterReport

XML: dict[str, Any] = {
    "format": "xml",
    "ok": {"exit": [0], "stdout": "<MBusData"},
    "errors": [{"stderr": "(?i)collision", "error": "collision"}, {"stderr": "failed to send", "error": "no-answer"}],
    "header": {"id": ".//Id", "status": ".//Status"},
    "records": ".//DataRecord",
    "record": {
        "value": "Value",
        "unit": "Unit",
        "storage": "StorageNumber",
        "function": "Function",
        "telegram": "./@n",
    },
    "units": [
        {"match": r"\((?P<factor>1e-?\d+|10+)? *(?P<prefix>my|[mk])?? ?(?P<unit>m\^3|Wh)\)"},
        {"match": "date", "unit": None},
    ],
    "skip": {"function": "^Manufacturer"},
    "more": {"function": "^More"},
}


def shown(stdout: str, template: dict[str, Any], status: int = 0, stderr: str = "") -> list[MeterReport]:
    return meters_of(ToolOutput(status, stdout, stderr), ResultTemplate.model_validate(template))


def record(value: str, unit: str, function: str = "Instantaneous value") -> str:
    return (
        f'<DataRecord n="2"><Function>{function}</Function><StorageNumber>1</StorageNumber>'
        f"<Unit>{unit}</Unit><Value>{value}</Value></DataRecord>"
    )


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        ("12345", "Volume (m m^3)", (12.345, "m3")),
        ("12345", "Volume (1e-2  m^3)", (123.45, "m3")),
        ("16804", "Energy (10 kWh)", (168040000, "Wh")),
        ("5", "Energy (Wh)", (5, "Wh")),
        ("2008-05-31", "Time Point (date)", ("2008-05-31", None)),
        ("00012345", "Fabrication number", ("00012345", "Fabrication number")),
        ("12345", "Moons", (12345, "Moons")),
        ("-1.5e+02", "Energy (Wh)", (-150, "Wh")),
    ],
)
def test_values_of_xml_get_the_unit_of_a_rule_and_keep_others(value: str, unit: str, expected: tuple[Any, Any]) -> None:
    text = f'log\n<?xml version="1.0"?>\n<MBusData><Id>12345</Id><Status>14</Status>{record(value, unit)}</MBusData>\n'
    (meter,) = shown(text, XML)
    (found,) = meter.records
    assert (found.value, found.unit) == expected
    assert type(found.value) is type(expected[0])
    assert (found.storage, found.function, found.telegram) == (1, "instantaneous", 2)
    assert meter.header is not None
    assert (meter.header.id, meter.header.status) == ("00012345", 0x14)


def test_records_that_are_marks_are_left_out_and_told() -> None:
    rows = (
        record("1", "Energy (Wh)") + record("0F", "", "Manufacturer specific") + record("", "", "More records follow")
    )
    (meter,) = shown(f"<MBusData>{rows}</MBusData>", XML)
    assert [each.value for each in meter.records] == [1]
    assert meter.more


@pytest.mark.parametrize(
    ("stdout", "stderr", "status", "error"),
    [
        ("", "Collision!", 1, "collision"),
        ("", "failed to send", 1, "no-answer"),
        ("", "what?", 1, "unspecified"),
        ("", "", 0, "unspecified"),
        ("<MBusData>", "", 0, "decode"),
        ("<MBusData/>", "", 3, "unspecified"),
        ("<MBusData/>", "failed to send", 0, "no-answer"),
        ('<!DOCTYPE x [<!ENTITY a "aaaa">]><MBusData>&a;</MBusData>', "", 0, "decode"),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd"><MBusData/>', "", 0, "decode"),
        ("<MBusData>&lol;</MBusData>", "", 0, "decode"),
    ],
)
def test_failure_has_the_name_that_a_rule_gives_it(stdout: str, stderr: str, status: int, error: str) -> None:
    (meter,) = shown(stdout, XML, status, stderr)
    assert (meter.ok, meter.error) == (False, error)


def test_entities_are_never_resolved() -> None:
    (meter,) = shown('<!DOCTYPE x [<!ENTITY a "aaaa">]><MBusData>&a;</MBusData>', XML)
    assert meter.detail == "XML with a document type is not read"


JSON: dict[str, Any] = {
    "format": "json",
    "lines": True,
    "address": "/address",
    "secondary": "/who",
    "failed": "/error",
    "alarm": "/alarm",
    "partial": "/partial",
    "errors": [{"text": "silent", "error": "no-answer"}],
    "records": "/records",
    "record": {"value": "/0", "unit": "/1"},
}


def test_each_line_of_json_is_a_meter_and_failures_are_named() -> None:
    lines: list[dict[str, Any]] = [
        {"address": 5, "records": [[1, "l"], ["1", None], [None, "l"], [True, "l"]], "partial": True, "alarm": 4},
        {"who": "1234567824232807", "error": "it is silent"},
        {"address": 7, "error": {"code": 3}},
    ]
    text = "\n".join(["noise", *map(json.dumps, lines)])
    first, second, third = shown(text, JSON, 0)
    assert [(each.value, each.unit) for each in first.records] == [(1, "l"), ("1", None), (None, "l"), ("true", "l")]
    assert (first.address, first.partial, first.alarm) == (5, True, 4)
    assert (second.secondary, second.error) == ("1234567824232807", "no-answer")
    assert (third.address, third.error) == (7, "unspecified")


def test_tool_that_fails_after_naming_the_meter_that_failed_is_not_counted_twice() -> None:
    text = '{"address": 5, "records": []}\n{"address": 6, "error": "silent"}'
    assert [meter.error for meter in shown(text, JSON, 1)] == [None, "no-answer"]
    assert [meter.error for meter in shown('{"address": 5, "records": []}', JSON, 1)] == ["unspecified"]


@pytest.mark.parametrize("text", ["{", '{"meters": {}}', "[" * 100_000, '{"meters": 5}'])
def test_json_that_is_not_what_was_promised_cannot_be_decoded(text: str) -> None:
    (meter,) = shown(text, {"format": "json", "meters": "/meters"})
    assert (meter.ok, meter.error) == (False, "decode")


def test_scan_by_regex_keeps_the_order_of_meters_and_collisions() -> None:
    template = {"format": "regex", "meter": r"Found (?P<address>\d+)", "collision": r"Collision at (?P<address>\d+)"}
    found = shown("Found 1\nCollision at 2\nFound 3\n", template)
    assert [(meter.address, meter.error) for meter in found] == [(1, None), (2, "collision"), (3, None)]
    assert shown("nothing\n", template) == []


def test_records_by_regex() -> None:
    template = {"format": "regex", "record_pattern": r"^(?P<value>\S+) (?P<unit>\S+)$"}
    (meter,) = shown("1.5 l", template)
    assert [(each.value, each.unit) for each in meter.records] == [(1.5, "l")]


def test_exit_status_alone_is_ok_or_unspecified() -> None:
    assert shown("", {"format": "exit"})[0].ok
    assert shown("", {"format": "exit"}, 1)[0].error == "unspecified"
