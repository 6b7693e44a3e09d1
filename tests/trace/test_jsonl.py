"""The JSONL format: what is written, and what is read of what others wrote."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mbusbench.errors import MBusUsageError
from mbusbench.line.wire import Parity
from mbusbench.trace import Kind, TraceEvent
from mbusbench.trace.header import TraceHeader
from mbusbench.trace.jsonl import encode_event, encode_trace, read_trace
from mbusbench.trace.recorder import Trace
from tests.trace.sample import sample, shown

ROOT = Path(__file__).resolve().parents[2]
HEADER = '{"format":"mbusbench-trace","version":1,"bus":"","seed":0,"epoch":"2026-01-01T00:00:00"}\n'
EVENT = encode_event(TraceEvent(5, Kind.SLAVE, data=b"\xe5")) + "\n"


def test_what_is_written_is_read_back() -> None:
    trace = sample()
    assert read_trace(encode_trace(trace.header, trace.events).splitlines(keepends=True)) == trace


def test_every_field_survives() -> None:
    event = TraceEvent(
        -1, Kind.RECEIVED, 2, 'a "b" ü\u2028', b"\x00\xff", 7, 300, Parity.ODD, (0,), (1,), ("é", "\\"), -3, 10**20
    )
    assert read_trace([HEADER, encode_event(event)]).events == (event,)


def test_keys_are_the_fields_of_an_event_in_their_order() -> None:
    assert tuple(json.loads(EVENT)) == TraceEvent._fields


@pytest.mark.parametrize("event", sample().events)
def test_line_is_what_the_json_library_writes_of_the_same_object(event: TraceEvent) -> None:
    line = encode_event(event)
    assert json.dumps(json.loads(line), separators=(",", ":")) == line


def test_keys_that_are_not_known_are_ignored() -> None:
    line = EVENT.replace('"time"', '"colour":"blue","time"')
    assert read_trace([HEADER, line]).events[0].time == 5


def test_last_line_that_is_cut_off_is_left_out() -> None:
    trace = read_trace([HEADER, EVENT, EVENT[:40]])
    assert (len(trace), trace.incomplete) == (1, True)


def test_last_line_needs_no_end() -> None:
    trace = read_trace([HEADER, EVENT, EVENT.strip()])
    assert (len(trace), trace.incomplete) == (2, False)


def _with(**fields: Any) -> str:
    return json.dumps({**json.loads(EVENT), **fields}) + "\n"


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ([], "t:1: this is no trace"),
        (["time,port\n"], "t:1: this is no trace"),
        (["{}\n"], "t:1: this is no trace: the first line has no 'format'"),
        ([HEADER.replace(":1,", ":2,")], "t:1: version 2 of the format is not known"),
        ([HEADER.replace("2026-01-01T", "yesterday")], "t:1: 'epoch' is no date"),
        ([HEADER.replace('"seed":0', '"seed":null')], "t:1: 'seed' cannot be null"),
        ([HEADER, EVENT, "[]\n"], "t:3: this is no JSON object"),
        ([HEADER, "{\n", EVENT], "t:2: this is no JSON object"),
        ([HEADER, "[" * 100_000 + "\n"], "t:2: this is no JSON object"),
        ([HEADER, EVENT.replace('"time":5,', "")], "t:2: 'time' is missing"),
        ([HEADER, _with(time=5.0)], "t:2: 'time' cannot be 5.0"),
        ([HEADER, _with(time=True)], "t:2: 'time' cannot be true"),
        ([HEADER, _with(kind="whisper")], "t:2: 'kind' cannot be \"whisper\""),
        ([HEADER, _with(data="E")], "t:2: 'data' cannot be"),
        ([HEADER, _with(duration=-1)], "t:2: 'duration' cannot be -1"),
        ([HEADER, _with(parity="maybe")], "t:2: 'parity' cannot be"),
        ([HEADER, _with(parity_errors=["0"])], "t:2: 'parity_errors' cannot be"),
        ([HEADER, _with(cause="noise")], "t:2: 'cause' cannot be"),
        ([HEADER, '{"time":' + "1" * 5_000_000 + "}\n"], "t:2: a line of more than"),
    ],
)
def test_what_is_no_trace_is_told_with_its_line(lines: list[str], complaint: str) -> None:
    with pytest.raises(MBusUsageError) as caught:
        read_trace(lines, "t")
    assert str(caught.value).startswith(complaint)
    assert len(str(caught.value)) < 200


def test_trace_has_no_more_events_than_memory_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mbusbench.trace.jsonl.MOST_EVENTS", 2)
    assert len(read_trace([HEADER, EVENT, EVENT])) == 2
    with pytest.raises(MBusUsageError, match="t:4: a trace of more than 2 events"):
        read_trace([HEADER, EVENT, EVENT, EVENT], "t")


def _interpreters() -> list[str]:
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    return sorted(str(path) for path in root.glob("3.1[1-9].*/bin/python"))


@pytest.mark.parametrize("form", ["jsonl", "txt", "pcapng", "exchanges"])
def test_same_events_are_the_same_bytes_on_every_python(form: str) -> None:
    others = [path for path in _interpreters() if f"/{sys.version_info[0]}.{sys.version_info[1]}." not in path]
    if not others:
        pytest.skip("no other version of Python on this machine (looked in pyenv)")
    for python in others:
        for hash_seed in ("1", "2"):
            done = subprocess.run(
                [python, "-S", str(ROOT / "tests/trace/sample.py"), form],
                env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": hash_seed, "LC_ALL": "C"},
                capture_output=True,
                check=False,
                timeout=60,
            )
            assert done.stderr == b""
            assert done.stdout == shown(form), python


def test_header_is_the_same_after_reading() -> None:
    header = TraceHeader("a/b.yaml", -7, sample().header.epoch.replace(microsecond=250))
    assert read_trace(encode_trace(header, ()).splitlines(keepends=True)) == Trace(header, ())
