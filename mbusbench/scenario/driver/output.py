"""The output of a tool that knows no protocol, as entries of a report, by the rules of its driver file.

XML is read without document types, so that no entity is ever resolved. What no rule fits is `unspecified`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any
from xml.etree import ElementTree

from mbusbench.scenario.driver.definition import ErrorRule, ResultTemplate, UnitRule
from mbusbench.scenario.report import ErrorKind, HeaderReport, MeterReport, RecordReport, Value
from mbusbench.scenario.units import canonical_unit

MAX_DOCUMENT = 16 * 1024 * 1024
_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?")
_PREFIXES = {"": Fraction(1), "my": Fraction(1, 10**6), "m": Fraction(1, 1000)} | {
    "k": Fraction(1000),
    "M": Fraction(10**6),
    "G": Fraction(10**9),
}
_FUNCTIONS = {"inst": "instantaneous", "max": "maximum", "min": "minimum", "error": "error", "value during": "error"}


class UnreadableOutputError(Exception):
    """The tool said that it worked, and its output is not what its driver file says."""


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """What a tool left behind."""

    status: int
    stdout: str
    stderr: str


def meters_of(output: ToolOutput, template: ResultTemplate) -> list[MeterReport]:
    """The entries that a tool's output stands for; without addresses where it does not say whose they are."""
    rule = _failure(output, template)
    try:
        found = list(_READERS[template.format](output, template))
    except UnreadableOutputError as error:
        return [_failed(rule or ErrorKind.DECODE, str(error))]
    # A tool that reads several meters fails where one of them does, and has said which.
    if rule is not None and not any(not meter.ok for meter in found):
        return [_failed(rule, _last_line(output))]
    return found


def _failure(output: ToolOutput, template: ResultTemplate) -> ErrorKind | None:
    """The error that the rules see, None where it worked."""
    for each in template.errors:
        if each.text is None and _fits(each, output):
            return each.error
    wanted = template.ok
    if output.status not in wanted.exit:
        return ErrorKind.UNSPECIFIED
    for pattern, text in ((wanted.stdout, output.stdout), (wanted.stderr, output.stderr)):
        if pattern is not None and not pattern.search(text):
            return ErrorKind.UNSPECIFIED
    return None


def _fits(rule: ErrorRule, output: ToolOutput) -> bool:
    return (
        (rule.exit is None or rule.exit == output.status)
        and (rule.stdout is None or rule.stdout.search(output.stdout) is not None)
        and (rule.stderr is None or rule.stderr.search(output.stderr) is not None)
    )


def _failed(kind: ErrorKind, detail: str, **place: Any) -> MeterReport:
    return MeterReport(ok=False, error=kind.value, detail=detail[:500] or None, **place)


def _last_line(output: ToolOutput) -> str:
    lines = [line.strip() for line in (output.stderr.strip() or output.stdout.strip()).splitlines()]
    return lines[-1] if lines else f"exit status {output.status}"


Look = Callable[[Any, str], Any]


def _pointed(node: Any, pointer: str) -> Any:
    """What a JSON pointer leads to, None where it leads to nothing."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(node, Mapping):
            node = node.get(key)
        elif isinstance(node, list) and key.isascii() and key.isdecimal() and len(key) < 7:
            node = node[int(key)] if int(key) < len(node) else None
        else:
            return None
    return node


def _text_at(node: ElementTree.Element, path: str) -> str | None:
    """The text of the first element at a path; of an attribute where the path ends with /@name."""
    path, _, attribute = path.partition("/@")
    element = node.find(path) if path else node
    if element is None:
        return None
    return element.get(attribute) if attribute else (element.text or "").strip()


def _json_meters(output: ToolOutput, template: ResultTemplate) -> Iterator[MeterReport]:
    for document in _json_documents(output.stdout, template.lines):
        nodes = [document] if template.meters is None else _pointed(document, template.meters)
        if not isinstance(nodes, list):
            raise UnreadableOutputError(f"there is no list of meters at {template.meters}")
        for node in nodes:
            records = None if template.records is None else _pointed(node, template.records)
            yield _meter(node, records if isinstance(records, list) else [], _pointed, template)


def _json_documents(text: str, lines: bool) -> list[Any]:
    if len(text) > MAX_DOCUMENT:
        raise UnreadableOutputError(f"more than {MAX_DOCUMENT // 1024 // 1024} MB of JSON")
    parts = [line for line in text.split("\n") if line.lstrip().startswith(("{", "["))] if lines else [text]
    try:
        return [json.loads(part) for part in parts]
    except (ValueError, RecursionError) as error:
        raise UnreadableOutputError(f"no JSON: {error}") from None


def _xml_meters(output: ToolOutput, template: ResultTemplate) -> Iterator[MeterReport]:
    root = parse_xml(output.stdout)
    for node in [root] if template.meters is None else root.findall(template.meters):
        records = [] if template.records is None else node.findall(template.records)
        yield _meter(node, records, _text_at, template)


def parse_xml(text: str) -> ElementTree.Element:
    """The element in a text that may have other lines around it. UnreadableOutputError where there is none."""
    if len(text) > MAX_DOCUMENT:
        raise UnreadableOutputError(f"more than {MAX_DOCUMENT // 1024 // 1024} MB of XML")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise UnreadableOutputError("XML with a document type is not read")
    start = re.search(r"<(?=[A-Za-z_])", text)
    end = text.rfind(">")
    if start is None or end < 0:
        raise UnreadableOutputError("no XML on stdout")
    try:
        return ElementTree.fromstring(text[start.start() : end + 1])
    except (ElementTree.ParseError, RecursionError, ValueError) as error:
        raise UnreadableOutputError(f"no XML: {error}") from None


def _meter(node: Any, records: list[Any], look: Look, template: ResultTemplate) -> MeterReport:
    def at(place: str | None) -> Any:
        return None if place is None else look(node, place)

    fields: dict[str, Any] = {"address": _byte(at(template.address)), "secondary": _digits(at(template.secondary))}
    failure = at(template.failed)
    if failure not in (None, "", False):
        return _failed(_kind(str(failure), template), str(failure), **fields)
    rows = [_fields(record, look, template) for record in records]
    if template.alarm is not None:
        fields["alarm"] = _byte(at(template.alarm))
    if template.telegrams is not None:
        fields["telegrams"] = _count(at(template.telegrams))
    header = _header(at, template)
    if header is not None:
        fields["header"] = header
    shown = [row for row in rows if not _is_one_of(row, template.skip) and not _is_one_of(row, template.more)]
    return MeterReport(
        ok=True,
        error=None,
        more=any(_is_one_of(row, template.more) for row in rows) or _is_true(at(template.more_at)),
        partial=_is_true(at(template.partial)),
        stale=_is_true(at(template.stale)),
        records=tuple(_record(row, template) for row in shown),
        **fields,
    )


def _kind(text: str, template: ResultTemplate) -> ErrorKind:
    for rule in template.errors:
        if rule.text is not None and rule.text.search(text):
            return rule.error
    return ErrorKind.UNSPECIFIED


def _is_true(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.lower() in ("true", "1", "yes"))


def _is_one_of(row: Mapping[str, Any], patterns: Mapping[str, re.Pattern[str]]) -> bool:
    return bool(patterns) and all(
        pattern.search("" if row.get(name) is None else str(row[name])) for name, pattern in patterns.items()
    )


def _fields(node: Any, look: Look, template: ResultTemplate) -> dict[str, Any]:
    assert template.record is not None
    return {name: look(node, place) for name, place in template.record if place is not None}


def _header(at: Callable[[str | None], Any], template: ResultTemplate) -> HeaderReport | None:
    places = template.header
    given = {name: at(place) for name, place in places if place is not None}
    if not any(value is not None for value in given.values()):
        return None
    number = given.get("id")
    return HeaderReport(
        id=None if number is None else str(number).zfill(8),
        manufacturer=None if given.get("manufacturer") is None else str(given["manufacturer"]),
        version=_byte(given.get("version")),
        medium=_byte(given.get("medium")),
        access=_byte(given.get("access")),
        status=_byte(given.get("status"), base=16 if isinstance(given.get("status"), str) else 10),
    )


def _byte(value: Any, base: int = 10) -> int | None:
    try:
        number = int(value, base) if isinstance(value, str) else value
    except ValueError:
        return None
    is_byte = isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= 0xFF
    return number if is_byte else None


def _digits(value: Any) -> str | None:
    text = str(value) if value is not None else ""
    return text.upper() if re.fullmatch(r"[0-9A-Fa-f]{16}", text) else None


def _count(value: Any) -> int | None:
    text = str(value).strip() if value is not None and not isinstance(value, bool) else ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def _record(row: Mapping[str, Any], template: ResultTemplate) -> RecordReport:
    value = row.get("value")
    if template.format != "json" and isinstance(value, str):
        value = _number_or_text(value)
    value, unit = _in_our_unit(value, row.get("unit"), template.units)
    return RecordReport(
        value=value,
        unit=unit,
        storage=_count(row.get("storage")),
        tariff=_count(row.get("tariff")),
        subunit=_count(row.get("subunit")),
        function=_function(row.get("function"), template),
        telegram=_count(row.get("telegram")),
    )


def _function(value: Any, template: ResultTemplate) -> str | None:
    if value is None:
        return None
    text = str(value).strip()
    if text in template.functions:
        return template.functions[text]
    begins = text.lower()
    return next((name for prefix, name in _FUNCTIONS.items() if begins.startswith(prefix)), None)


def _in_our_unit(value: Any, unit: Any, rules: tuple[UnitRule, ...]) -> tuple[Value, str | None]:
    """A tool's value and unit as ours. A unit that no rule knows stays what it is: it is not taken for another."""
    text = None if unit is None else str(unit).strip()
    for rule in rules if text is not None else ():
        match = rule.match.search(text or "")
        if match is not None:
            groups = match.groupdict()
            factor = rule.factor * Fraction(groups.get("factor") or 1) * _PREFIXES[groups.get("prefix") or ""]
            number = _number(value)
            if isinstance(number, Fraction):
                number *= factor
            return _plain(number), canonical_unit(groups["unit"] if rule.unit == "" else rule.unit)
    return _plain(_number(value)), text or None


def _number_or_text(text: str) -> Fraction | str:
    """Where all is text. Digits with zeros before them stay one: a number would lose them."""
    number = text.strip()
    is_number = _NUMBER.fullmatch(number) and not re.match(r"[-+]?0[0-9]", number)
    return Fraction(number) if is_number else text


def _number(value: Any) -> Fraction | str | None:
    if value is None or isinstance(value, str | Fraction):
        return value
    if isinstance(value, bool | dict | list):
        return json.dumps(value)
    if isinstance(value, float):
        return Fraction(repr(value)) if math.isfinite(value) else None
    return Fraction(value)


def _plain(value: Fraction | str | None) -> Value:
    if not isinstance(value, Fraction):
        return value
    return value.numerator if value.denominator == 1 else float(value)


def _regex_meters(output: ToolOutput, template: ResultTemplate) -> Iterator[MeterReport]:
    if template.meter is None:
        yield MeterReport(ok=True, error=None, records=tuple(_regex_records(output.stdout, template)))
        return
    found: list[tuple[int, MeterReport]] = []
    for match in template.meter.finditer(output.stdout):
        fields: dict[str, Any] = {"alarm": _byte(match["alarm"])} if "alarm" in match.re.groupindex else {}
        found.append((match.start(), MeterReport(ok=True, error=None, **_place(match), **fields)))
    if template.collision is not None:
        for match in template.collision.finditer(output.stdout):
            found.append((match.start(), _failed(ErrorKind.COLLISION, match[0], **_place(match))))
    yield from (meter for _, meter in sorted(found, key=lambda each: each[0]))


def _place(match: re.Match[str]) -> dict[str, Any]:
    groups = match.groupdict()
    return {"address": _byte(groups.get("address")), "secondary": _digits(groups.get("secondary"))}


def _regex_records(text: str, template: ResultTemplate) -> Iterator[RecordReport]:
    assert template.record_pattern is not None
    for match in template.record_pattern.finditer(text):
        row = match.groupdict()
        if not _is_one_of(row, template.skip):
            yield _record(row, template)


def _exit_meters(output: ToolOutput, template: ResultTemplate) -> Iterator[MeterReport]:
    yield MeterReport(ok=True, error=None)


_READERS: dict[str, Callable[[ToolOutput, ResultTemplate], Iterator[MeterReport]]] = {
    "json": _json_meters,
    "xml": _xml_meters,
    "regex": _regex_meters,
    "exit": _exit_meters,
}
