"""docs/trace.md and the trace parts of docs/json.md against the code."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from mbusbench.trace import Kind, Trace, TraceEvent
from mbusbench.trace.analyzer import analyze
from mbusbench.trace.capture import events_of_capture
from mbusbench.trace.event import COLLISION, ECHO, LOST, NOTES, REPEAT
from mbusbench.trace.exchange import RULES, Result, Role, Sequence
from mbusbench.trace.jsonl import encode_event, encode_header, read_trace
from mbusbench.trace.report import exchange_fields
from mbusbench.trace.text import annotated
from tests.cli.invoking import invoke
from tests.trace.sample import sample, shown

DOCS = Path(__file__).resolve().parents[2] / "docs"
LEFT_OUT = (Kind.NOISE, Kind.BREAK)


def _text(name: str = "trace.md") -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def _blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", _text(), re.MULTILINE | re.DOTALL)


def _keys(part: str) -> list[str]:
    """What stands in backquotes in the first column of a table."""
    rows = re.findall(r"^\| (`.*?`) \|", part, re.MULTILINE)
    return [key for row in rows for key in re.findall(r"`([\w-]+)`", row)]


def _table(head: str) -> str:
    return _text().split(f"\n{head}\n", 1)[1].split("\n\n", 1)[0]


def _documented_trace() -> Trace:
    """The sample without what the documentation leaves out for shortness."""
    kept = [
        event._replace(lag=None)
        for event in sample().events
        if event.kind not in LEFT_OUT and (event.kind is not Kind.NOTE or event.cause == ("opened",))
    ]
    return replace(sample(), header=replace(sample().header, bus="water meter"), events=tuple(kept))


def test_text_of_the_documentation_is_what_is_printed() -> None:
    (block,) = _blocks("text")
    assert block.splitlines() == list(annotated(_documented_trace(), records=True))


def test_lines_of_the_documentation_are_what_is_written() -> None:
    header, event = _blocks("json")
    trace = read_trace([header, event])
    assert [encode_header(trace.header) + "\n", encode_event(trace.events[0]) + "\n"] == [header, event]
    assert trace.header == _documented_trace().header
    assert event[:80] in shown("jsonl").decode()


def test_keys_of_header_and_events_are_documented_in_their_order() -> None:
    schema = _text().split("\n## JSONL\n")[1]
    header, event = (part.split("\n\n")[0] for part in schema.split("\n| key | |\n")[1:3])
    assert _keys(header) == list(json.loads(encode_header(sample().header)))
    assert _keys(event) == list(TraceEvent._fields)


@pytest.mark.parametrize(
    ("head", "names"),
    [
        ("| kind | |", [kind.value for kind in Kind]),
        ("| first cause of a note | |", list(NOTES)),
        ("| cause of characters | |", [REPEAT, COLLISION, ECHO, LOST]),
        ("| rule | |", list(RULES)),
    ],
)
def test_names_in_traces_are_documented(head: str, names: list[str]) -> None:
    assert _keys(_table(head)) == names


def test_words_of_the_rules_are_documented() -> None:
    assert all(f"| `{rule}` | {words} |\n" in _text() for rule, words in RULES.items())


def test_what_an_exchange_can_be_is_documented() -> None:
    text = _text("json.md") + _text()
    assert all(f"`{name}`" in text for enum in (Result, Role, Sequence) for name in enum)


def _json_section(name: str) -> str:
    return _text("json.md").split(f"\n## {name}\n")[1].split("\n## ")[0]


def test_keys_of_exchanges_are_documented() -> None:
    fields = exchange_fields(analyze(sample().events)[-1])
    assert _keys(_json_section("trace show")) == list(fields)
    (frame_line,) = re.findall(r"^A frame: (.*)$", _json_section("trace show"), re.MULTILINE)
    assert re.findall(r"`(\w+)`", frame_line) == list(fields["request"])
    (row,) = re.findall(r"^\| `findings` \| (.*) \|$", _json_section("trace show"), re.MULTILINE)
    assert re.findall(r"`(\w+)`", row) == list(fields["findings"][0])


def test_keys_of_a_comparison_are_documented(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(shown("jsonl"))
    printed = json.loads(invoke("trace", "diff", "--json", str(path), str(path)).stdout)
    assert _keys(_json_section("trace diff")) == list(printed)


def test_capture_of_the_documentation_is_an_exchange() -> None:
    pieces = re.findall(r'\[\(0, bytes\.fromhex\("(\w+)"\)\), \((\w+), b"\\xe5"\)\], baud=2400', _text())
    ((request, time),) = pieces
    (exchange,) = analyze(events_of_capture([(0, bytes.fromhex(request)), (int(time), b"\xe5")], baud=2400))
    assert (exchange.result, exchange.findings) == (Result.ANSWERED, [])


def test_code_of_the_documentation_names_what_there_is() -> None:
    for block in _blocks("python"):
        imports = "\n".join(re.findall(r"^from .*$", block, re.MULTILINE))
        exec(compile(imports, "docs/trace.md", "exec"), {})
