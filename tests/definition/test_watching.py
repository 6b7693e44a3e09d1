"""Files that change are noticed when they have come to rest. Nobody waits: each look is made by hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mbusbench.definition.watching import GONE_FOR, WatchedFiles


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "bus.yaml"
    found.write_text("a", encoding="utf-8")
    return found


def test_nothing_is_seen_where_nothing_changes(path: Path) -> None:
    files = WatchedFiles([path])
    assert [files.look() for _ in range(20)] == [[]] * 20


def test_change_is_seen_once_when_it_is_at_rest(path: Path) -> None:
    files = WatchedFiles([path])
    path.write_text("ab", encoding="utf-8")
    assert [files.look() for _ in range(4)] == [[], [path], [], []]


def test_file_that_is_still_written_is_waited_for(path: Path) -> None:
    files = WatchedFiles([path])
    seen = []
    for length in range(2, 6):
        path.write_text("a" * length, encoding="utf-8")
        seen += files.look()
    assert seen == []
    assert files.look() == [path]


def test_file_that_another_is_moved_over_has_changed(path: Path) -> None:
    files = WatchedFiles([path])
    times = path.stat()
    new = path.with_name("new")
    new.write_text("b", encoding="utf-8")
    os.utime(new, ns=(times.st_atime_ns, times.st_mtime_ns))
    new.replace(path)
    assert [files.look(), files.look()] == [[], [path]]


def test_file_that_is_gone_for_a_moment_is_waited_for(path: Path) -> None:
    files = WatchedFiles([path])
    path.unlink()
    assert [files.look() for _ in range(GONE_FOR - 1)] == [[]] * (GONE_FOR - 1)
    path.write_text("new", encoding="utf-8")
    assert [files.look(), files.look(), files.look()] == [[], [path], []]


def test_file_that_stays_away_has_changed_and_so_has_one_that_comes_back(path: Path) -> None:
    files = WatchedFiles([path])
    path.unlink()
    seen = [files.look() for _ in range(GONE_FOR + 2)]
    assert seen.count([path]) == 1
    path.write_text("back", encoding="utf-8")
    assert [files.look(), files.look()] == [[], [path]]


def test_files_that_are_watched_from_now_on_are_as_they_are(path: Path) -> None:
    files = WatchedFiles([path])
    other = path.with_name("other.yaml")
    other.write_text("x", encoding="utf-8")
    files.watch([path, other])
    assert [files.look(), files.look()] == [[], []]
    other.write_text("xyz", encoding="utf-8")
    path.write_text("abc", encoding="utf-8")
    assert [files.look(), files.look()] == [[], [path, other]]
    files.watch([path])
    other.write_text("nobody looks", encoding="utf-8")
    assert [files.look(), files.look()] == [[], []]
