"""Recording in memory and into files."""

from __future__ import annotations

import errno
import timeit
from pathlib import Path

import pytest

from mbusbench.errors import MBusUsageError
from mbusbench.trace import Kind, TraceEvent
from mbusbench.trace.files import FORMATS, TraceFile, encode, format_of, load
from mbusbench.trace.header import TraceHeader
from mbusbench.trace.recorder import Recorder
from tests.trace.sample import sample

EVENT = TraceEvent(5, Kind.SLAVE, data=b"\xe5")


def test_recorder_with_a_limit_keeps_the_last_events() -> None:
    recorder = Recorder(limit=3)
    for time in range(10):
        recorder.record(EVENT._replace(time=time))
    assert [event.time for event in recorder.events] == [7, 8, 9]


def test_recorder_forgets_when_it_is_told() -> None:
    recorder = Recorder(TraceHeader("a"))
    recorder.record(EVENT)
    recorder.clear()
    recorder.record(EVENT)
    assert (recorder.trace.header.bus, len(recorder.trace)) == ("a", 1)


def test_recorder_that_keeps_nothing_is_refused() -> None:
    with pytest.raises(MBusUsageError):
        Recorder(limit=0)


def test_recording_takes_less_than_two_microseconds() -> None:
    record = Recorder(limit=1000).record
    best = min(timeit.repeat(lambda: record(TraceEvent(5, Kind.SLAVE, 1, data=b"\xe5")), number=2000, repeat=20))
    assert best / 2000 < 2e-6


@pytest.mark.parametrize("form", FORMATS)
def test_file_that_took_events_one_by_one_is_the_whole_trace_encoded(form: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{form}"
    trace = sample()
    with TraceFile(path, trace.header) as file:
        for event in trace:
            file.record(event)
        file.flush()
    file.close()
    assert path.read_bytes() == encode(trace, FORMATS[form]())


def test_what_was_flushed_can_be_read_while_the_file_is_open(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with TraceFile(path, TraceHeader()) as file:
        file.record(EVENT)
        file.flush()
        assert load(path).events == (EVENT,)


def test_suffix_that_names_no_format_is_refused(tmp_path: Path) -> None:
    assert format_of("x/A.JSONL") == "jsonl"
    with pytest.raises(MBusUsageError, match=r"ends with \.jsonl, \.txt, \.pcapng"):
        TraceFile(tmp_path / "a.log", TraceHeader())
    assert not list(tmp_path.iterdir())


def test_bus_goes_on_where_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with TraceFile(tmp_path / "a.jsonl", TraceHeader()) as file:
        file.record(EVENT)
        monkeypatch.setattr(file, "_write", write)
        file.record(EVENT)
        file.record(EVENT)
    assert file.failure is not None
    assert file.failure.errno == errno.ENOSPC
    assert load(tmp_path / "a.jsonl").events == (EVENT,)


def test_file_that_cannot_be_written_is_told_at_once(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    path = tmp_path / "a.jsonl"
    path.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space"):
        TraceFile(path, TraceHeader())
