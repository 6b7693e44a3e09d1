"""Log lines for machines, for people and for the journal."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mbusbench.definition.secret import Secret
from mbusbench.poller.operation.logs import LogFormat, TextFormatter, configure, is_journal

LOG = logging.getLogger("mbusbench.poller.test")


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("mbusbench")
    before = list(root.handlers), ours.level
    yield
    root.handlers[:], ours.level = before


def written(form: LogFormat, level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    configure(form, level, stream)
    return stream


def test_json_line_has_time_level_logger_message_and_what_else_is_known() -> None:
    stream = written(LogFormat.JSON)
    LOG.warning("%s fell silent", "cellar", extra={"connection": "cellar", "kind": "no-answer"})
    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "warning",
        "logger": "mbusbench.poller.test",
        "message": "cellar fell silent",
        "connection": "cellar",
        "kind": "no-answer",
    }


def test_traceback_stays_in_the_line_of_its_record() -> None:
    stream = written(LogFormat.JSON)
    try:
        raise ValueError("two\nlines")
    except ValueError:
        LOG.exception("failed")
    (line,) = stream.getvalue().splitlines()
    assert "ValueError: two\nlines" in json.loads(line)["exception"]


def test_text_line_shows_what_else_is_known_as_pairs() -> None:
    stream = written(LogFormat.TEXT)
    LOG.info("read", extra={"meter": "KAM 1", "took": 3})
    assert stream.getvalue().split(" ", 1)[1] == 'info    poller.test: read meter="KAM 1" took=3\n'


def test_secret_is_in_no_line_whoever_wrote_it() -> None:
    Secret("correct-horse-battery")
    for form in LogFormat:
        stream = written(form)
        logging.getLogger("elsewhere").error("no connection to u:correct-horse-battery@db")
        LOG.info("opened", extra={"url": "mqtt://u:correct-horse-battery@host"})
        assert stream.getvalue().count("***") == 2
        assert "correct-horse" not in stream.getvalue()


def test_level_is_that_of_our_own_loggers() -> None:
    stream = written(LogFormat.TEXT, "debug")
    LOG.debug("ours")
    logging.getLogger("elsewhere").info("theirs")
    assert stream.getvalue().count("\n") == 1


def test_configuring_again_does_not_write_twice() -> None:
    written(LogFormat.TEXT)
    stream = written(LogFormat.JSON)
    LOG.warning("once")
    assert len(stream.getvalue().splitlines()) == 1


def test_journal_gets_the_priority_of_each_line() -> None:
    record = logging.LogRecord("mbusbench.poller", logging.WARNING, "", 0, "one\ntwo", (), None)
    assert TextFormatter(journal=True).format(record) == "<4>poller: one\n<4>two"


def test_journal_is_known_by_device_and_inode(tmp_path: Path) -> None:
    with open(tmp_path / "journal", "w") as stream:
        found = os.fstat(stream.fileno())
        assert is_journal(stream, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"})
        assert not is_journal(stream, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino + 1}"})
        assert not is_journal(stream, {})
    assert not is_journal(io.StringIO(), {})
    assert sys.stderr is not None
