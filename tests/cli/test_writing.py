"""The commands that write to meters, and sniff, against a bus that is served by a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.invoking import invoke
from tests.cli.running import COMMAND, TIME_LIMIT, Served, environment, json_lines, run, served

DEVICE = """
format: 1
device: {manufacturer: HYD, version: 0x28, medium: water, id: "12345678", address: 5, baud: [300, 2400, 9600]}
alarms:
  - {state: 0x04, from: 0s}
telegrams:
  - records:
      - {vif: volume, unit: m3, scale: -3, code: int32, value: 12.345, writable: true}
      - {vif: datetime, code: int32, value: {clock: now}}
"""
SECONDARY = "1234567824232807"
QUICK = ("--timeout", "0.2", "--retries", "0")


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("device") / "water.yaml"
    path.write_text(DEVICE, encoding="utf-8")
    return path


@pytest.fixture
def bus(device: Path) -> Iterator[Served]:
    with served(str(device)) as running:
        yield running


@pytest.fixture
def serial_bus(device: Path) -> Iterator[Served]:
    with served(str(device), "--rfc2217", "127.0.0.1:0", "--speed", "real") as running:
        yield running


def test_address_is_set_and_a_taken_one_refused(bus: Served) -> None:
    assert run("set-address", bus.url, "5", "9").stdout == "5  is now at address 9: HYD 12345678, water, version 40\n"
    (moved,) = json_lines(run("set-address", bus.url, SECONDARY, "5", "--json").stdout)
    assert (moved["address"], moved["ok"], moved["meter"]["address"]) == (SECONDARY, True, 5)
    refused = run("set-address", bus.url, SECONDARY, "5", "--json", *QUICK)
    assert refused.returncode == 1
    assert json_lines(refused.stdout)[0]["error"]["kind"] == "refused"


@pytest.mark.parametrize("new", ["251", "255", "-1"])
def test_illegal_address_is_a_usage_error(new: str) -> None:
    assert invoke("set-address", "socket://127.0.0.1:9", "5", "--", new).code == 2


def test_clock_alarm_reset_and_any_command(bus: Served) -> None:
    assert run("set-clock", bus.url, "5", "--time", "2031-02-03T04:05").stdout == "5  set to 2031-02-03 04:05\n"
    reading = json_lines(run("read", bus.url, "5", "--json").stdout)[0]["reading"]
    assert reading["records"][1]["value"].startswith("2031-02-03T04:05")
    assert json_lines(run("alarm", bus.url, "5", "--json").stdout) == [{"address": 5, "ok": True, "alarm": 4}]
    assert run("reset", bus.url, "5").stdout == "5  reset\n"
    assert run("reset", bus.url, "5", "--subcode", "10").stdout == "5  chosen 10\n"
    assert run("send", bus.url, "5", "51 04 13 01 00 00 00", "5010").stdout == "5  acknowledged 2 commands\n"
    assert json_lines(run("read", bus.url, "5", "--json").stdout)[0]["reading"]["records"][0]["value"] == 0.001


def test_only_broadcast_goes_to_every_meter(bus: Served) -> None:
    assert run("send", bus.url, "255", "50").returncode == 2
    assert run("send", bus.url, "--broadcast", "51 04 13 02 00 00 00").stdout == "sent to all\n"
    assert json_lines(run("read", bus.url, "5", "--json").stdout)[0]["reading"]["records"][0]["value"] == 0.002
    done = run("set-clock", bus.url, "--broadcast", "--time", "2031-02-03T04:05", "--json")
    assert json_lines(done.stdout) == [{"address": 255, "ok": True, "time": "2031-02-03T04:05:00"}]


@pytest.mark.parametrize(
    "arguments",
    [
        ("set-clock",),
        ("set-clock", "5", "--broadcast"),
        ("set-clock", "5", "--time", "soon"),
        ("send", "5"),
        ("reset", "5", "--subcode", "5"),
        ("set-address", "1-5", "9"),
        ("alarm", "5", "--wake-up", "x55"),
    ],
)
def test_arguments_that_make_no_sense_are_usage_errors(arguments: tuple[str, ...]) -> None:
    command, *rest = arguments
    assert invoke(command, "socket://127.0.0.1:9", *rest).code == 2


def test_meter_that_does_not_answer_is_a_failure(bus: Served) -> None:
    done = run("alarm", bus.url, "5,6", "--json", *QUICK)
    assert done.returncode == 1
    assert [line["ok"] for line in json_lines(done.stdout)] == [True, False]


def test_baud_rate_is_set_and_found(serial_bus: Served) -> None:
    url = serial_bus.url
    assert run("set-baud", url, "5", "9600").stdout == "5  answers at 9600 baud\n"
    assert json_lines(run("find-baud", url, "5", "--json").stdout) == [{"address": 5, "ok": True, "baudrate": 9600}]
    assert run("read", url, "5", "--baudrate", "9600").returncode == 0


def test_baud_rate_of_a_tcp_port_cannot_be_set(bus: Served) -> None:
    done = run("set-baud", bus.url, "5", "9600")
    assert done.returncode == 2
    assert "cannot be changed through this connection" in done.stderr


def test_readings_as_csv_and_xml(bus: Served) -> None:
    heading, volume, _ = run("read", bus.url, "5", "--csv").stdout.splitlines()
    row = dict(zip(heading.split(","), volume.split(","), strict=True))
    assert (row["address"], row["secondary_address"], row["value"], row["unit"]) == ("5", SECONDARY, "12.345", "m³")
    assert (row["valid"], row["tariff"], row["record_error"]) == ("true", "0", "")
    xml = run("read", bus.url, "5", "--xml").stdout
    assert xml.startswith('<?xml version="1.0" encoding="ISO-8859-1"?>\n<MBusData>\n')
    assert "        <Unit>Volume (m m^3)</Unit>\n        <Value>12345</Value>\n        <Timestamp>20" in xml


def test_meters_that_fail_are_named_beside_csv(bus: Served) -> None:
    done = run("read", bus.url, "5-6", "--csv", *QUICK)
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 3
    assert "slave 6 did not answer" in done.stderr


@contextmanager
def sniffing(url: str, *options: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """`mbusbench sniff` to `url` while the block runs: what masters open, and the process."""
    process = subprocess.Popen(
        [*COMMAND, "sniff", "127.0.0.1:0", url, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process, process.stdout, process.stderr:
        try:
            line = process.stderr.readline().decode()
            assert "masters open socket://" in line, line
            yield line.split("masters open ")[1].split(",")[0], process
        finally:
            process.kill()
            process.wait()


def test_sniff_shows_both_sides_and_records_them(bus: Served, tmp_path: Path) -> None:
    recorded = tmp_path / "sniffed.jsonl"
    with sniffing(bus.url, "--trace", str(recorded)) as (url, process):
        assert run("read", url, "5").returncode == 0
        process.send_signal(signal.SIGTERM)
        text = process.communicate(timeout=TIME_LIMIT)[0].decode()
        assert process.returncode == 0
    lines = [line.split("  ", 1)[-1] for line in text.splitlines()]
    assert any("> REQ_UD2 fcb=1, address 5" in line for line in lines)
    assert any("< RSP_UD acd=1, address 5" in line and "HYD 12345678" in line for line in lines)
    assert "REQ_UD2 fcb=1" in run("trace", "show", str(recorded)).stdout


def test_sniff_as_json_is_a_trace(bus: Served) -> None:
    with sniffing(bus.url, "--json") as (url, process):
        assert run("ping", url, "5").returncode == 0
        process.send_signal(signal.SIGTERM)
        text = process.communicate(timeout=TIME_LIMIT)[0]
    shown = run("trace", "show", "-", stdin=text).stdout
    assert "SND_NKE, address 5" in shown
    assert all(json.loads(line) for line in text.splitlines())


def test_sniff_ends_with_the_bus(bus: Served) -> None:
    with sniffing(bus.url) as (url, process):
        assert run("ping", url, "5").returncode == 0
        bus.stop()
        error = process.communicate(timeout=TIME_LIMIT)[1].decode()
        assert process.returncode == 3
    assert "was lost" in error


def test_sniff_without_a_bus_is_no_connection() -> None:
    done = run("sniff", "127.0.0.1:0", "socket://127.0.0.1:9")
    assert done.returncode == 3
