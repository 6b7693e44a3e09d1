"""Whatever a user gives: one line that says what is wrong, the right exit code, and never a traceback."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.invoking import invoke
from tests.cli.running import COMMAND, TIME_LIMIT, environment, run

DEAD = "socket://127.0.0.1:1"

USAGE = {
    "no such command": (("reed",), "No such command 'reed'"),
    "no such option": (("read", DEAD, "5", "--fast"), "--fast"),
    "no arguments": (("read",), "URL"),
    "no address": (("read", DEAD), "ADDRESS"),
    "address too large": (("read", DEAD, "300"), "300"),
    "broadcast address": (("read", DEAD, "255"), "255"),
    "address of the selected slave": (("ping", DEAD, "253"), "253"),
    "address that is no number": (("read", DEAD, "five"), "five"),
    "secondary address too short": (("read", DEAD, "1234567824"), "1234567824"),
    "range backwards": (("read", DEAD, "9-5"), "5-9"),
    "range without end": (("read", DEAD, "1-99999"), "0 to 250"),
    "secondary address in a scan": (("scan", DEAD, "12345678FFFFFFFF"), "primary"),
    "port missing": (("read", "socket://localhost", "5"), "port is missing"),
    "port too large": (("read", "socket://localhost:70000", "5"), "70000"),
    "unknown scheme": (("read", "http://localhost:80", "5"), "http"),
    "empty url": (("read", "", "5"), "socket://HOST:PORT"),
    "baud rate that is none": (("read", DEAD, "5", "--baudrate", "fast"), "fast"),
    "negative timeout": (("read", DEAD, "5", "--timeout", "-1"), "-1"),
    "key too short": (("decode", "E5", "--key", "0011"), "32 hex digits"),
    "neither hex nor file": (("decode", "zz"), "'zz' is neither hex nor a file"),
    "half a byte": (("decode", "10 5B 05 60 1"), "neither hex nor a file"),
    "file not there": (("decode", "no/such/file.bin"), "no/such/file.bin"),
    "directory": (("decode", "/"), "directory"),
    "nothing on standard input": (("decode", "-"), "empty"),
    "encode: nothing on standard input": (("encode", "-"), "no JSON"),
    "encode: file not there": (("encode", "frame.json"), "frame.json"),
    "encode: address": (("encode", "snd-nke", "256"), "256"),
    "encode: secondary address": (("encode", "select", "12"), "12"),
    "no such device": (("serve", "kamstrup/multical-604"), "did you mean 'kamstrup/multical-603'?"),
    "no such file": (("serve", "bus.yaml"), "bus.yaml"),
    "no such device to show": (("devices", "show", "kamstrup"), "kamstrup"),
    "endpoint without port": (("serve", "kamstrup/multical-603", "--tcp", "localhost"), "localhost"),
    "speed that is none": (("serve", "kamstrup/multical-603", "--speed", "0"), "'0'"),
}


@pytest.mark.parametrize(("arguments", "told"), USAGE.values(), ids=USAGE.keys())
def test_usage_error_is_one_line_and_exit_code_2(arguments: tuple[str, ...], told: str) -> None:
    result = invoke(*arguments)
    assert (result.code, result.stdout) == (2, "")
    assert told in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "line 1"),
        ("5", "a frame is a JSON object"),
        ("[1]", "a frame is a JSON object"),
        ("[" * 100_000, "JSON"),
        ("{}", "'address' is missing"),
        ('{"frame": "medium"}', "'medium'"),
        ('{"frame": "short", "control": 64, "address": "5"}', "'address'"),
        ('{"frame": "short", "control": 64, "address": 1e999}', "'address'"),
        ('{"frame": "single", "code": 1}', "E5"),
        ('{"address": 5, "data": "1"}', "'data' is no hex"),
        ('{"address": 5, "data": "' + "00" * 300 + '"}', "300"),
        ('{"address": 5}', "needs a 'header'"),
        ('{"address": 5, "ci": 115}', "give 'data'"),
        ('{"address": 5, "ci": 120, "records": 5}', "'records' is no list"),
        ('{"address": 5, "ci": 120, "records": [5]}', "records[0] is no object"),
        (
            '{"address": 5, "ci": 120, "records": [{"vif": "energie", "unit": "kWh", "code": "int32", "value": 1}]}',
            "'energy'",
        ),
        (
            '{"address": 5, "ci": 120, "records": [{"vif": "energy", "unit": "kWh", "code": "int8", "value": 1e9}]}',
            "8 bits",
        ),
        ('{"address": 5, "ci": 120, "reading": 5}', "'reading'"),
    ],
)
def test_json_that_is_no_frame_is_one_line_and_exit_code_2(text: str, told: str) -> None:
    result = invoke("encode", "-", stdin=text.encode())
    assert (result.code, result.stdout) == (2, "")
    assert told in result.stderr
    assert result.stderr.count("\n") == 1


def test_mistakes_in_a_bus_file_are_shown_with_their_positions(tmp_path: Path) -> None:
    path = tmp_path / "bus.yaml"
    path.write_text("format: 1\nmeters:\n  - {device: kamstrup/multical-603, address: 300, colour: red}\n")
    result = invoke("serve", str(path))
    assert result.code == 2
    lines = result.stderr.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"{path}:3:") for line in lines)


def test_no_connection_is_exit_code_3() -> None:
    for command in (("read", DEAD, "5"), ("ping", DEAD, "5"), ("scan", DEAD, "5")):
        result = invoke(*command)
        assert (result.code, result.stdout) == (3, "")
        assert result.stderr == f"mbusbench: no connection to {DEAD}: connection refused\n"


def test_port_in_use_is_exit_code_3() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = invoke("serve", "kamstrup/multical-603", "--tcp", f"127.0.0.1:{taken.getsockname()[1]}")
    assert result.code == 3
    assert "address already in use" in result.stderr


def test_reader_that_goes_away_is_no_error() -> None:
    frames = "E5" * 50_000
    process = subprocess.Popen(
        [*COMMAND, "decode", "--json", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(frames.encode())
        process.stdin.close()
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(TIME_LIMIT) == 141


def test_full_disk_is_one_line() -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full on this system")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*COMMAND, "decode", "E5"], stdout=full, stderr=subprocess.PIPE, env=environment(), check=False
        )
    assert done.returncode == 2
    assert done.stderr.decode().strip() == "mbusbench: No space left on device"


def test_bug_of_our_own_is_one_line_that_says_how_to_see_more(monkeypatch: pytest.MonkeyPatch) -> None:
    from mbusbench.cli import frame_input

    def broken(_: object) -> list[bytes]:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(frame_input, "captures", broken)
    result = invoke("decode", "E5")
    assert result.code == 70
    assert result.stderr.count("\n") == 1
    assert "ZeroDivisionError: a bug" in result.stderr
    assert "MBUSBENCH_DEBUG=1" in result.stderr


def test_debug_shows_the_traceback() -> None:
    done = run("read", DEAD, "5", MBUSBENCH_DEBUG="1")
    assert done.returncode != 0
    assert "Traceback" in done.stderr


def test_characters_that_the_terminal_lacks_are_no_error() -> None:
    table = run("devices", "show", "kamstrup/multical-603", PYTHONIOENCODING="ascii")
    assert (table.returncode, table.stderr) == (0, "")
    lines = run("devices", "show", "--json", "kamstrup/multical-603", PYTHONIOENCODING="ascii")
    assert '"m\\u00b3"' in lines.stdout
