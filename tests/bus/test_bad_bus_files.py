"""Bus files with mistakes: `mbusbench serve` says one line for each, with its place, ends with 2, and takes no time.

`bad_bus_files.jsonl` has the mistakes: the form into which the text goes, and every line that is said.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mbusbench.cli import bus_access
from mbusbench.cli.main import run
from tests.cli.running import COMMAND, environment

DEVICE = """format: 1
device: {manufacturer: ABC, version: 1, medium: water, id: 12345678, address: 5}
telegrams:
  - records: [{vif: volume, unit: m3, code: int32, value: 1}]
"""
FORMS: dict[str, Callable[[str], str]] = {
    "whole": lambda text: text,
    "top": lambda text: f"format: 1\nmeters: []\n{text}\n",
    "line": lambda text: f"format: 1\nmeters: []\nline: {{{text}}}\n",
    "listen": lambda text: f"format: 1\nmeters: []\nlisten: [{text}]\n",
    "fault": lambda text: f"format: 1\nspeed: real\nmeters: [{{device: d.yaml}}]\nfaults:\n  - {{{text}}}\n",
    "meter": lambda text: f"format: 1\nmeters:\n  - {{device: d.yaml, {text}}}\n",
}
DEVICE_FORMS: dict[str, Callable[[str], str]] = {
    "device": lambda text: DEVICE.replace("medium: water", f"medium: water, {text}"),
    "record": lambda text: DEVICE.replace("{vif: volume, unit: m3, code: int32, value: 1}", f"{{{text}}}"),
    "value": lambda text: DEVICE.replace("value: 1}", f"value: {text}}}"),
}
CASES: list[dict[str, Any]] = [
    json.loads(line) for line in Path(__file__).with_name("bad_bus_files.jsonl").read_text("utf-8").splitlines()
]
# What follows every line of Python makes it several times slower.
SECONDS = 20  # of processor time: nothing hangs. How long it takes is not judged on a busy host


def _served(*arguments: object) -> None:
    raise AssertionError("the file was taken as it is")


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory, with a good device file, a directory and a pipe by names as files have them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bus_access, "run", lambda work: (work.close(), _served()))
    (tmp_path / "d.yaml").write_text(DEVICE, encoding="utf-8")
    (tmp_path / "directory.yaml").mkdir()
    os.mkfifo(tmp_path / "pipe.yaml")
    started = time.process_time()
    yield tmp_path
    assert time.process_time() - started < SECONDS


def said(capsys: pytest.CaptureFixture[str], file: str = "bus.yaml") -> list[str]:
    """The lines on stderr; the rest is checked here."""
    assert run(["serve", file]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert "internal error" not in err
    return err.splitlines()


@pytest.mark.parametrize("case", CASES, ids=[f"{case['form']}-{case['text'][:50]}" for case in CASES])
def test_each_mistake_is_one_line_with_its_place(
    case: dict[str, Any], directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    form, text = case["form"], case["text"]
    if form in DEVICE_FORMS:
        (directory / "d.yaml").write_bytes(DEVICE_FORMS[form](text).encode())
        text = "format: 1\nmeters: [{device: d.yaml}]\n"
        form = "whole"
    (directory / "bus.yaml").write_bytes(FORMS[form](text).encode())
    assert said(capsys) == case["says"]


def test_there_are_more_than_a_hundred_kinds_of_mistake_and_all_say_where() -> None:
    lines = [line for case in CASES for line in case["says"]]
    assert len({line.partition(" ")[2] for line in lines}) > 100
    assert all(line.startswith(("bus.yaml:", "d.yaml:", "directory.yaml: ", "pipe.yaml: ")) for line in lines)


def test_good_file_is_served(directory: Path) -> None:
    (directory / "bus.yaml").write_text("format: 1\nmeters: [{device: d.yaml}]\n", encoding="utf-8")
    assert run(["serve", "bus.yaml"]) == 70  # by `_served`


BILLION = "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
LARGE: dict[str, tuple[str, list[str]]] = {
    "aliases that grow without end": (
        f"a: &a [x, x, x, x, x, x, x, x, x, x]\n{BILLION}format: 1\nmeters: *i\n",
        ["bus.yaml:5:44: more than 100000 values, aliases counted at each use"],
    ),
    "lists in lists": (
        f"format: 1\nmeters: {'[' * 100_000}\n",
        ["bus.yaml:2:48: nested deeper than 40 levels"],
    ),
    "mappings in mappings": (
        "".join(f"{' ' * depth}a:\n" for depth in range(1000)),
        ["bus.yaml:41:41: nested deeper than 40 levels"],
    ),
    "many values": (
        f"format: 1\nmeters: [{'1,' * 300_000}]\n",
        ["bus.yaml:2:200008: more than 100000 values, aliases counted at each use"],
    ),
    "many meters": (
        "format: 1\nmeters:\n" + "  - {device: d.yaml}\n" * 2001,
        ["bus.yaml:3:3 meters: 2001 are more than the 2000 that are possible"],
    ),
    "many meters by count": (
        "format: 1\nallow_duplicate_addresses: true\nmeters:\n" + "  - {device: d.yaml, address: 1, count: 250}\n" * 9,
        ["bus.yaml:4:3 meters: 2250 meters in all are more than the 2000 that are possible"],
    ),
    "many endpoints": (
        f"format: 1\nmeters: []\nlisten: [{'5,' * 50_000}]\n",
        ["bus.yaml:3:9 listen: 50000 are more than the 64 that are possible"],
    ),
    "a long key": (
        f"format: 1\nmeters: []\n{'k' * 900}: 1\n",
        [f"bus.yaml:3:1: unknown key '{'k' * 55}..."],
    ),
    "a long number": (
        f"format: 1\nmeters: []\nseed: {'9' * 100_000}\n",
        ["bus.yaml:3:7: a number of 100000 digits: 40 are possible"],
    ),
    "a long text": (
        f'format: 1\nmeters: "{"x" * 3_000_000}"\n',
        [f"bus.yaml:2:9 meters: '{'x' * 55}... is not a list"],
    ),
    "a long name of a device": (
        f"format: 1\nmeters: [{{device: {'x' * 5000}.yaml}}]\n",
        [f"bus.yaml:2:19 meters[0].device: there is no file '{'x' * 295}..."],
    ),
    "more than 4 MB": (
        "# nothing\n" * 500_000,
        ["bus.yaml: larger than 4 MB"],
    ),
    "a mistake behind many lines": (
        "# nothing\n" * 400_000 + "format: 2\nmeters: []\n",
        ["bus.yaml:400001:9 format: 2 is not 1, the only format there is"],
    ),
}


@pytest.mark.parametrize("name", LARGE)
def test_large_file_costs_no_time(name: str, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, lines = LARGE[name]
    (directory / "bus.yaml").write_text(text, encoding="utf-8")
    assert said(capsys) == lines


@pytest.mark.parametrize("entry", ["key{}: 1", "metre{}: 1", "format: 1"])
def test_of_very_many_mistakes_the_first_hundred_are_said(
    entry: str, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "format: 1\nmeters: []\n" + "".join(f"{entry.format(number)}\n" for number in range(30_000))
    (directory / "bus.yaml").write_text(text, encoding="utf-8")
    lines = said(capsys)
    assert lines[-1] == "bus.yaml: and 29900 more mistakes"
    assert [line.split(":")[1] for line in lines[:-1]] == [str(number) for number in range(3, 103)]


@pytest.mark.parametrize(
    ("encoding", "line"),
    [
        ("utf-16", "bus.yaml:1:1: not UTF-8 text"),
        ("utf-32", "bus.yaml:1:1: not UTF-8 text"),
        ("latin-1", "bus.yaml:2:4: not UTF-8 text"),
        ("utf-8", "bus.yaml:3:9 meters: 'ü' is not a list"),
        ("utf-8-sig", "bus.yaml:3:9 meters: 'ü' is not a list"),
    ],
)
def test_encoding_other_than_utf_8_is_said(
    encoding: str, line: str, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (directory / "bus.yaml").write_bytes("format: 1\n# Zähler\nmeters: ü\n".encode(encoding))
    assert said(capsys) == [line]


def test_random_bytes_are_one_line(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = random.Random(6)
    for _ in range(100):
        (directory / "bus.yaml").write_bytes(bytes(source.choices(range(256), k=200)))
        (line,) = said(capsys)
        assert line.startswith("bus.yaml:")


def test_random_damage_of_a_good_file_is_said_in_lines_with_places(
    directory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_access, "run", lambda work: work.close())
    source = random.Random(6)
    good = (
        "format: 1\nseed: 7\nline: {baud: 2400, echo: false}\nmeters:\n  - {device: d.yaml, address: 5, id: '1234'}\n"
    )
    for _ in range(150):
        text = list(good)
        for _ in range(source.randint(1, 3)):
            text[source.randrange(len(text))] = source.choice("\t\n :{}[]&*!|>'\"%@`,-#0x\0é")
        (directory / "bus.yaml").write_text("".join(text), encoding="utf-8")
        code = run(["serve", "bus.yaml"])
        err = capsys.readouterr().err
        assert (code, bool(err)) in ((0, False), (2, True)), err
        assert all(line.startswith("bus.yaml:") for line in err.splitlines()), err


def in_a_process(file: str) -> tuple[int, str, float]:
    """Exit code, stderr and seconds of CPU time of `mbusbench serve FILE`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [*COMMAND, "serve", file],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(PYTHONPATH=root),
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.returncode, done.stderr, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _sparse(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(1 << 30)


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "1 GB": (_sparse, "bus.yaml: larger than 4 MB\n"),
    "directory": (lambda path: path.mkdir(), "bus.yaml: is a directory\n"),
    "pipe": (os.mkfifo, "bus.yaml: not a file of data, but a device or a pipe\n"),
    "device without end": (
        lambda path: path.symlink_to("/dev/zero"),
        "bus.yaml: not a file of data, but a device or a pipe\n",
    ),
    "link to itself": (lambda path: path.symlink_to("bus.yaml"), "bus.yaml: too many levels of symbolic links\n"),
    "link to nothing": (lambda path: path.symlink_to("none.yaml"), "bus.yaml: no such file or directory\n"),
    "nothing": (lambda path: None, "mbusbench: there is no file 'bus.yaml'. Try 'mbusbench serve --help'.\n"),
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_no_file_is_one_line_of_a_process_that_ends(name: str, directory: Path) -> None:
    make, line = FILES[name]
    make(directory / "bus.yaml")
    code, err, seconds = in_a_process("bus.yaml")
    assert (code, err) == (2, line)
    assert seconds < SECONDS


def test_file_that_may_not_be_read_is_said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as open_to_all:
        path = Path(open_to_all, "bus.yaml")
        path.write_text("format: 1\nmeters: []\n", encoding="utf-8")
        path.chmod(0)
        os.chmod(open_to_all, 0o755)
        monkeypatch.chdir(open_to_all)
        is_root = os.geteuid() == 0
        if is_root:
            os.seteuid(65534)
        try:
            lines = said(capsys)
        finally:
            if is_root:
                os.seteuid(0)
    assert lines == ["bus.yaml: permission denied"]
