"""`mbusbench trace`, and `mbusbench serve --trace`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from mbusbench.trace.files import FORMATS, encode, load
from mbusbench.trace.header import TraceHeader
from mbusbench.trace.recorder import Trace
from mbusbench.trace.text import annotated
from tests.cli.invoking import invoke
from tests.cli.running import COMMAND, TIME_LIMIT, run, served
from tests.trace.sample import ACKNOWLEDGED, RESET, sample, shown


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    path = tmp_path / "run.jsonl"
    path.write_bytes(shown("jsonl"))
    return path


def _changed(path: Path, *, after: int = 5, delay: int = 1) -> Path:
    """A copy where everything from event `after` on came later."""
    trace = sample()
    events = (*trace.events[:after], *(event._replace(time=event.time + delay) for event in trace.events[after:]))
    other = path.with_name("other.jsonl")
    other.write_bytes(encode(Trace(trace.header, events), FORMATS["jsonl"]()))
    return other


def test_trace_is_shown_as_text(recorded: Path) -> None:
    result = invoke("trace", "show", str(recorded))
    assert (result.code, result.stdout.splitlines()) == (0, list(annotated(sample())))


def test_records_and_bytes_are_shown_on_request(recorded: Path) -> None:
    text = invoke("trace", "show", str(recorded), "--records", "--bytes", "--received").stdout
    assert "volume = 2850.427 m³" in text
    assert "68 15 15 68 08 05 72 78 56 34 12 24 23 01 07 2A" in text
    assert text.count("= RSP_UD") == 1


@pytest.mark.parametrize("form", ["jsonl", "txt", "exchanges"])
def test_trace_is_shown_in_a_format(recorded: Path, form: str) -> None:
    result = invoke("trace", "show", str(recorded), "--format", form)
    assert (result.code, result.stdout.encode()) == (0, shown(form))


def test_trace_is_converted_to_pcapng(recorded: Path) -> None:
    command = [*COMMAND, "trace", "show", "-", "--format", "pcapng"]
    done = subprocess.run(command, input=recorded.read_bytes(), capture_output=True, check=True, timeout=TIME_LIMIT)
    assert done.stdout == shown("pcapng")


def test_json_is_the_trace_s_own_format(recorded: Path) -> None:
    assert invoke("trace", "show", "--json", str(recorded)).stdout.encode() == recorded.read_bytes()


def test_exchanges_are_json_objects_on_request(recorded: Path) -> None:
    result = invoke("trace", "show", str(recorded), "--format", "exchanges", "--json")
    exchanges = [json.loads(line) for line in result.stdout.splitlines()]
    assert [exchange["result"] for exchange in exchanges] == ["answered"] * 3
    assert exchanges[1]["response_delay"] == 10_000_000
    assert exchanges[2]["findings"][0]["rule"] == "fcb-not-toggled"
    at_port = invoke("trace", "show", str(recorded), "--format", "exchanges", "--json", "--port", "1").stdout
    assert [json.loads(line)["result"] for line in at_port.splitlines()] == ["answered", "answered", "garbled"]


def test_same_traces_are_the_same(recorded: Path) -> None:
    result = invoke("trace", "diff", str(recorded), str(recorded))
    assert (result.code, result.stdout) == (0, "the same: 16 events\n")


def test_difference_is_shown_with_both_sides(recorded: Path) -> None:
    result = invoke("trace", "diff", str(recorded), str(_changed(recorded)))
    assert result.code == 1
    lines = result.stdout.splitlines()
    assert lines[0] == "the first 5 events are the same, the next one differs in time"
    assert [line[:2] for line in lines[1:-2]] == ["< ", "< ", "> ", "> "]
    assert lines[-1].endswith("other.jsonl: 16 events, 11 of them not in the other")


def test_times_can_be_left_out_of_a_comparison(recorded: Path) -> None:
    other = _changed(recorded, delay=10**9)
    assert invoke("trace", "diff", str(recorded), str(other), "--ignore-times").code == 0
    assert invoke("trace", "diff", str(recorded), str(other), "--ignore-values").code == 1


def test_difference_is_json_on_request(recorded: Path) -> None:
    shown_ = json.loads(invoke("trace", "diff", "--json", str(recorded), str(_changed(recorded))).stdout)
    assert (shown_["same"], shown_["index"], shown_["fields"], shown_["only_in"]) == (False, 5, ["time"], [11, 11])
    assert [event["time"] for event in shown_["events"]] == [100_000_000, 100_000_001]


def test_other_seed_is_told(recorded: Path) -> None:
    other = recorded.with_name("other.jsonl")
    other.write_text(recorded.read_text().replace('"seed":7', '"seed":8'))
    result = invoke("trace", "diff", str(recorded), str(other))
    assert (result.code, result.stdout.splitlines()[0]) == (1, "the headers differ in seed")


def test_trace_that_is_longer_is_told(recorded: Path) -> None:
    short = recorded.with_name("short.jsonl")
    short.write_text("".join(recorded.read_text().splitlines(keepends=True)[:-1]))
    assert "> (the end)" in invoke("trace", "diff", str(recorded), str(short)).stdout


@pytest.mark.parametrize("content", [b"", b"nonsense\n", b"\x0a\x0d\x0d\x0a\xff\xfe", b'{"format":"other"}\n'])
def test_what_is_no_trace_is_one_line_and_exit_code_2(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    for arguments in (("show", str(path)), ("diff", str(path), str(path))):
        result = invoke("trace", *arguments)
        assert (result.code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
        assert "this is no trace" in result.stderr


def test_file_that_is_not_there_is_exit_code_2(recorded: Path) -> None:
    assert invoke("trace", "diff", str(recorded), str(recorded) + "x").code == 2
    assert invoke("trace", "diff", str(recorded)).code == 2


def test_trace_that_is_cut_off_is_shown_with_a_warning(recorded: Path) -> None:
    recorded.write_bytes(recorded.read_bytes()[:-30])
    result = invoke("trace", "show", str(recorded))
    assert (result.code, result.stderr.endswith("the file ends in the middle of an event\n")) == (0, True)


def test_trace_of_another_name_is_refused_before_anything_is_served(tmp_path: Path) -> None:
    result = invoke("serve", "kamstrup/multical-603", "--trace", str(tmp_path / "a.log"))
    assert result.code == 2
    assert "ends with .jsonl, .txt, .pcapng" in result.stderr


@pytest.mark.parametrize("form", FORMATS)
def test_served_bus_is_recorded(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"run.{form}"
    with served("kamstrup/multical-603", "--seed", "3", "--tcp", "127.0.0.1:0", "--trace", str(path)) as bus:
        assert run("read", bus.url, "99").returncode == 0
        assert bus.stop() == 0
    if form == "txt":
        text = path.read_text()
        assert "> SND_NKE, address 99" in text
        assert "slave 99   < RSP_UD, address 99" in text
    elif form == "jsonl":
        trace = load(path)
        assert (trace.header, trace.incomplete) == (TraceHeader("kamstrup/multical-603", 3), False)
        assert RESET[:2] in {event.data[:2] for event in trace}
        assert ACKNOWLEDGED in {event.data for event in trace if event.source == "slave 99"}
    else:
        assert path.read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"
