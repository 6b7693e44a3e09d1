"""The commands against a bus that is served by a process of its own, as users run them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import COMMAND, Served, environment, json_lines, run, served

HEAT, WATER, ELECTRICITY = "kamstrup/multical-603", "kamstrup/flowiq-2101", "schneider/iem3135"
QUICK = ("--timeout", "0.2", "--retries", "0")
SEARCH = ("--timeout", "0.06", "--retries", "0")


@pytest.fixture(scope="module")
def bus() -> Iterator[Served]:
    """A heat meter at 99 and an electricity meter at 2."""
    with served(HEAT, ELECTRICITY) as running:
        yield running


def test_ready_line_names_the_real_port_and_the_meters(bus: Served) -> None:
    assert bus.ready["event"] == "ready"
    assert re.fullmatch(r"socket://127\.0\.0\.1:[1-9]\d+", bus.url)
    assert [(meter["address"], meter["manufacturer"]) for meter in bus.ready["meters"]] == [(99, "KAM"), (2, "SEC")]


def test_read_prints_a_table_for_each_meter(bus: Served) -> None:
    done = run("read", bus.url, "99", "2")
    assert (done.returncode, done.stderr) == (0, "")
    assert "address 99: KAM 80450799, heat, version 53" in done.stdout
    assert "address 2: SEC 08122021, electricity, version 24, 3 telegrams" in done.stdout
    assert re.search(r"^Flow temperature +\d+(\.\d+)? +°C$", done.stdout, re.MULTILINE)


def test_read_as_json_is_one_object_a_meter(bus: Served) -> None:
    meters = json_lines(run("read", "--json", bus.url, "2,99").stdout)
    assert [(meter["address"], meter["ok"]) for meter in meters] == [(2, True), (99, True)]
    assert meters[0]["reading"]["telegrams"] == 3
    energies = [record for record in meters[1]["reading"]["records"] if record["quantity"] == "energy"]
    assert all(record["unit"] == "kWh" for record in energies)


def test_read_by_secondary_address(bus: Served) -> None:
    meters = json_lines(run("read", "--json", bus.url, "804507992D2C3504", "KAM-80450799-35-04").stdout)
    assert [meter["reading"]["serial_number"] for meter in meters] == ["80450799"]


def test_meter_that_is_not_there_fails_alone(bus: Served) -> None:
    done = run("read", "--json", bus.url, "98-99", *QUICK)
    missing, present = json_lines(done.stdout)
    assert done.returncode == 1
    assert (missing["ok"], missing["error"]["kind"], present["ok"]) == (False, "no-answer", True)


def test_failure_is_a_message_and_not_part_of_the_tables(bus: Served) -> None:
    done = run("read", bus.url, "98", *QUICK)
    assert (done.returncode, done.stdout) == (1, "")
    assert "98" in done.stderr.splitlines()[0]
    assert "did not answer" in done.stderr.splitlines()[0]


def test_ping_tells_who_answers(bus: Served) -> None:
    done = run("ping", "--json", bus.url, "1-2", "KAM-80450799-35-04", *QUICK)
    assert done.returncode == 1
    assert json_lines(done.stdout) == [
        {"address": 1, "answers": False},
        {"address": 2, "answers": True},
        {"address": "804507992D2C3504", "answers": True},
    ]
    assert run("ping", bus.url, "2", *QUICK).stdout == "2  answers\n"


def test_scan_finds_the_meters(bus: Served) -> None:
    done = run("scan", "--json", bus.url, "1-4", "97-100", *QUICK)
    assert (done.returncode, done.stderr) == (0, "")
    assert [(item["address"], item["meter"]["secondary_address"]) for item in json_lines(done.stdout)] == [
        (2, "08122021A34C1802"),
        (99, "804507992D2C3504"),
    ]


def test_scan_that_finds_nothing_is_no_failure(bus: Served) -> None:
    done = run("scan", bus.url, "10", *QUICK)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "0 of 1 addresses have a meter\n")


def test_search_finds_the_meters(bus: Served) -> None:
    done = run("search", "--json", bus.url, "F045079FFFFFFFFF", *SEARCH)
    assert (done.returncode, done.stderr) == (0, "")
    assert [(item["address"], item["meter"]["address"]) for item in json_lines(done.stdout)] == [
        ("804507992D2C3504", 99)
    ]
    lines = run("search", "--csv", bus.url, "KAM-80450799-*-*", *SEARCH).stdout.splitlines()
    assert lines[0].startswith("secondary_address,address,")
    assert [line[:19] for line in lines[1:]] == ["804507992D2C3504,99"]


def test_search_that_finds_nothing_says_what_to_do(bus: Served) -> None:
    done = run("search", bus.url, "9FFFFFFFFFFFFFFF", *SEARCH)
    assert (done.returncode, done.stdout) == (0, "")
    assert "no meter answers to 9FFFFFFFFFFFFFFF at 2400 baud" in done.stderr
    assert "--baudrate" in done.stderr


def test_search_that_is_interrupted_goes_on_from_its_file(bus: Served, tmp_path: Path) -> None:
    kept = tmp_path / "search.json"
    command = [*COMMAND, "search", bus.url, "--resume", str(kept), *SEARCH]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as process:
        assert process.stdout is not None
        first = process.stdout.readline().decode()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"goes on from {kept}" in errors.decode()
    assert "Traceback" not in errors.decode()
    done = run(*command[len(COMMAND) :])
    assert done.returncode == 0
    assert sorted(line[:16] for line in done.stdout.splitlines()) == ["08122021A34C1802", "804507992D2C3504"]
    assert first in done.stdout.splitlines(keepends=True)
    assert not kept.exists()


def test_search_refuses_files_that_are_not_its_own(bus: Served, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text("{}")
    for arguments in (("--resume", str(other)), ("--known", "12"), ("--known-file", str(other)), ("99",)):
        done = run("search", bus.url, *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert len(done.stderr.splitlines()) == 1


def test_progress_is_for_terminals_only(bus: Served) -> None:
    import pty

    leader, follower = pty.openpty()
    with open(leader, "rb", buffering=0) as screen, open(follower, "wb", buffering=0) as terminal:
        done = subprocess.run(
            [*COMMAND, "scan", bus.url, "1-3", *QUICK],
            stdout=subprocess.PIPE,
            stderr=terminal,
            env=environment(TERM="xterm", NO_COLOR="1"),
            check=True,
        )
        shown = screen.read(65536).decode()
    assert "3/3" in shown
    assert done.stdout.decode().splitlines() == ["  2  SEC 08122021, electricity, version 24  08122021A34C1802"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_ends_cleanly_when_it_is_told_to(number: signal.Signals) -> None:
    with served(WATER) as running:
        assert run("read", running.url, "78").returncode == 0
        assert running.stop(number) == 0
        assert running.process.stderr is not None
        assert running.process.stderr.read() == b""


def test_serve_ends_although_a_client_is_connected() -> None:
    import socket

    with served(WATER) as running:
        host, port = running.url.removeprefix("socket://").split(":")
        with socket.create_connection((host, int(port))):
            assert running.stop() == 0


def test_ready_file_has_the_ready_line(tmp_path: Path) -> None:
    path = tmp_path / "ready.json"
    with served(WATER, "--ready-file", str(path)) as running:
        assert json.loads(path.read_text()) == running.ready
    assert [entry.name for entry in tmp_path.iterdir()] == ["ready.json"]


def test_serve_listens_where_it_is_told_to(tmp_path: Path) -> None:
    with served(WATER, "--tcp", "127.0.0.1:0", "--tcp", "localhost:0") as running:
        assert len(running.ready["endpoints"]) == 2
        for url in running.ready["endpoints"]:
            assert run("ping", url, "78").returncode == 0


def test_bus_file_is_served_with_its_seed_unless_another_is_given(tmp_path: Path) -> None:
    path = tmp_path / "bus.yaml"
    path.write_text(f"format: 1\nseed: 7\nmeters:\n  - {{device: {HEAT}, address: 5, count: 2}}\n")
    with served(str(path)) as running:
        assert running.ready["seed"] == 7
        assert [meter["address"] for meter in running.ready["meters"]] == [5, 6]
    with served(str(path), "--seed", "8") as running:
        assert running.ready["seed"] == 8


def test_line_takes_its_time_when_speed_is_real() -> None:
    # 10 + 250 characters of 11 bits at 2400 baud are over a second; at ten times the speed they are not.
    with served(HEAT, "--speed", "real") as slow, served(HEAT, "--speed", "100") as quick:
        took = [_duration(running.url) for running in (slow, quick)]
    assert took[0] > 0.8
    assert took[0] > 3 * took[1]


def _duration(url: str) -> float:
    import asyncio
    import time

    from mbusbench import MBusMaster

    async def read() -> float:
        async with MBusMaster(url) as master:
            start = time.perf_counter()
            await master.query(99)
            return time.perf_counter() - start

    return asyncio.run(read())


def test_demo_reads_its_three_meters_over_its_own_port() -> None:
    done = run("demo")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(r"3 meters on socket://127\.0\.0\.1:\d+\n", done.stdout)
    for words in ("heat", "cold water", "electricity", "3 telegrams", "kWh", "m³", "°C"):
        assert words in done.stdout


def test_demo_as_json_keeps_stdout_for_the_readings() -> None:
    done = run("demo", "--json")
    assert [meter["reading"]["medium"] for meter in json_lines(done.stdout)] == ["heat", "cold_water", "electricity"]


def test_devices_lists_the_catalogue() -> None:
    listed = json_lines(run("devices", "--json").stdout)
    assert {HEAT, WATER, ELECTRICITY} <= {device["device"] for device in listed}
    table = run("devices").stdout
    assert all(device["device"] in table for device in listed)


def test_devices_show_lists_the_records() -> None:
    shown = json_lines(run("devices", "show", "--json", ELECTRICITY).stdout)[0]
    assert shown["telegrams"] == 3
    assert {record["telegram"] for record in shown["record_list"]} == {0, 1, 2}
    assert len(shown["record_list"]) == shown["records"]
    assert "iEM3135" not in run("devices", "show", HEAT).stdout


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--manufacturer", "kam", "--medium", "water"), WATER),
        (("--manufacturer", "schneider"), ELECTRICITY),
        (("--text", "MBusParser older package"), HEAT),
    ],
)
def test_devices_are_filtered(options: tuple[str, ...], named: str) -> None:
    listed = [device["device"] for device in json_lines(run("devices", "--json", *options).stdout)]
    assert named in listed
    assert not {HEAT, WATER, ELECTRICITY} - {named} & set(listed)


def test_devices_that_nothing_is_like_are_told() -> None:
    done = run("devices", "--manufacturer", "nobody")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("mbusbench: none of the ")


def test_devices_show_what_is_sent_now_and_later() -> None:
    first, later = (
        [record["value"] for record in json_lines(run(*call).stdout)[0]["record_list"]]
        for call in (("devices", "show", "--json", WATER), ("devices", "show", "--json", "--at", "1d", WATER))
    )
    volume, on_time, clock = 0, 2, 13
    assert first[volume] < later[volume]
    assert first[on_time] + 24 * 3600 == later[on_time]
    assert (first[clock], later[clock]) == ("2026-01-01T00:00:00", "2026-01-02T00:00:00")
    wrong = run("devices", "show", "--at", "1", WATER)
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)


def test_device_file_of_ones_own_is_served_and_shown(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "format: 1\n"
        "device: {manufacturer: ABC, version: 1, medium: water, id: 12345678, address: 9}\n"
        "telegrams:\n"
        "  - records:\n"
        "      - {vif: volume, unit: m3, scale: -3, code: int32, value: 1.234}\n"
    )
    assert "ABC" in run("devices", "show", str(path)).stdout
    with served(str(path)) as running:
        reading = json_lines(run("read", "--json", running.url, "9").stdout)[0]["reading"]
    assert (reading["manufacturer"], reading["records"][0]["value"]) == ("ABC", 1.234)


def test_interrupt_ends_a_command_with_130(bus: Served) -> None:
    process = subprocess.Popen(
        [*COMMAND, "scan", "--json", bus.url, "2", "10-250"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr.read() == b""


def test_version_needs_neither_pydantic_nor_rich_nor_asyncio() -> None:
    script = (
        "import sys; from mbusbench.cli.main import run; code = run(['--version']); "
        "sys.exit(code or sorted({'asyncio', 'pydantic', 'rich', 'serial', 'yaml'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, env=environment(), check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert re.fullmatch(rb"mbusbench \d+\.\d+\.\d+\n", done.stdout)


def test_help_of_every_command_is_shown() -> None:
    from mbusbench.cli.main import COMMANDS

    overview = run("--help").stdout
    for name in COMMANDS:
        assert f"  {name} " in overview
        done = run(name, "--help")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"Usage: mbusbench {name} ")


def test_without_a_command_the_help_is_shown_as_a_usage_error() -> None:
    done = run()
    assert (done.returncode, done.stdout) == (2, "")
    assert "Usage: mbusbench" in done.stderr


def test_colour_is_for_terminals_and_not_with_no_color() -> None:
    import pty

    def first_line(**changes: str) -> bytes:
        leader, follower = pty.openpty()
        with open(leader, "rb", buffering=0) as screen, open(follower, "wb", buffering=0) as terminal:
            subprocess.run(
                [*COMMAND, "decode", "10 5B 05 60 16"],
                stdout=terminal,
                env=environment(TERM="xterm", **changes),
                check=True,
            )
            return screen.read(65536)

    assert b"\x1b[1m" in first_line(NO_COLOR="")
    assert b"\x1b" not in first_line(NO_COLOR="1")
    assert "\x1b" not in run("decode", "10 5B 05 60 16").stdout


def test_serve_lists_every_endpoint_with_its_real_place(tmp_path: Path) -> None:
    link = tmp_path / "mbus0"
    with served(WATER, "--tcp", "127.0.0.1:0", "--rfc2217", "127.0.0.1:0", "--pty", str(link), "--pty") as running:
        ports = running.ready["ports"]
        assert [port["kind"] for port in ports] == ["tcp", "pty", "pty", "rfc2217"]
        assert [port["url"] for port in ports] == running.ready["endpoints"]
        assert ports[1]["link"] == str(link) == ports[1]["url"]
        assert ports[1]["device"] == os.readlink(link)
        assert ports[2]["url"] == ports[2]["device"] != ports[1]["device"]
        for port in ports:
            assert run("ping", port["url"], str(running.ready["meters"][0]["address"])).returncode == 0
        assert running.stop() == 0
    assert not os.path.lexists(link)


def test_link_that_would_swallow_a_bus_file_is_a_usage_error() -> None:
    result = run("serve", "--pty", "bus.yaml")
    assert result.returncode == 2
    assert "write `serve bus.yaml --pty`" in result.stderr


def test_every_command_that_talks_to_meters_can_record_what_passes(bus: Served, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    done = run("read", bus.url, "99", "98", "--trace", str(path), *QUICK)
    assert done.returncode == 1
    shown = run("trace", "show", str(path), "--format", "exchanges")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "REQ_UD2 fcb=1, address 99" in shown.stdout
    assert "SND_NKE, address 98" in shown.stdout
    for name in ("ping", "scan", "alarm", "reset", "set-address", "set-baud", "find-baud", "set-clock", "send"):
        assert "--trace" in run(name, "--help").stdout


def test_trace_of_a_master_needs_a_suffix_that_names_a_format(bus: Served, tmp_path: Path) -> None:
    done = run("ping", bus.url, "99", "--trace", str(tmp_path / "run.log"))
    assert done.returncode == 2
    assert "the name of a trace ends with .jsonl, .txt, .pcapng" in done.stderr
    done = run("ping", bus.url, "99", "--trace", str(tmp_path / "nowhere" / "run.txt"))
    assert done.returncode != 0
    assert "No such file" in done.stderr
    assert "Traceback" not in done.stderr
