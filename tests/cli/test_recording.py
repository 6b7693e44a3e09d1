"""`mbusbench import` and `record`, as a user runs them."""

from __future__ import annotations

from pathlib import Path

from mbusbench.bus import VirtualBus
from mbusbench.meter import checks
from mbusbench.meter.definition import Device
from tests.cli.invoking import invoke
from tests.cli.running import run, served

WATER = "68 1F 1F 68 08 02 72 78 56 34 12 24 40 01 07 55 00 00 00 03 13 15 31 00 DA 02 3B 13 01 8B 60 04 37 18 02 18 16"


def test_import_prints_the_device(tmp_path: Path) -> None:
    done = invoke("import", "--hex", WATER)
    assert (done.code, done.stderr) == (0, "")
    path = tmp_path / "device.yaml"
    path.write_text(done.stdout, encoding="utf-8")
    device = Device.from_file(path)
    assert device.device.id == "12345678"
    assert checks.failures(device) == []


def test_import_of_a_file_and_of_standard_input_are_the_same(tmp_path: Path) -> None:
    log = tmp_path / "readout.log"
    log.write_text(f"> 10 7B 02 7D 16\n< {WATER}\n", encoding="utf-8")
    by_file = invoke("import", str(log))
    assert by_file.code == 0
    assert invoke("import", "-", stdin=log.read_bytes()).stdout == by_file.stdout


def test_import_writes_a_bus(tmp_path: Path) -> None:
    target = tmp_path / "mine"
    done = invoke("import", "--hex", WATER, "--output", str(target), "--baudrate", "9600")
    assert done.stdout == ""
    assert done.stderr == f"mbusbench: 1 meter, 1 telegram: {target}/bus.yaml\n"
    bus = VirtualBus.from_yaml(target / "bus.yaml")
    assert bus.baud == 9600
    assert bus.meters[0].baud_rates == [300, 2400, 9600]


def test_import_does_not_write_over_files(tmp_path: Path) -> None:
    arguments = ("import", "--hex", WATER, "--output", str(tmp_path))
    assert invoke(*arguments).code == 0
    again = invoke(*arguments)
    assert again.code == 2
    assert again.stderr.count("\n") == 1
    assert "is there already: --force writes over it" in again.stderr
    assert invoke(*arguments, "--force").code == 0


def test_several_meters_need_a_directory() -> None:
    other = WATER.replace("78 56 34 12", "79 56 34 12").replace("18 16", "19 16")
    done = invoke("import", "--hex", f"{WATER} {other}")
    assert done.code == 2
    assert done.stderr.startswith("mbusbench: 2 meters: --output DIRECTORY takes their files.")


def test_what_cannot_be_imported_is_one_line(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage"
    garbage.write_bytes(bytes(range(256)) * 9)
    for arguments in ((), (str(garbage),), (str(tmp_path / "absent"),), ("--hex", "68 03"), ("--hex", WATER, "x")):
        done = invoke("import", *arguments)
        assert (done.code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert done.stderr.startswith("mbusbench: ")


def test_record_reads_a_served_bus(tmp_path: Path) -> None:
    with served("kamstrup/multical-603", "schneider/iem3135", "--tcp", "127.0.0.1:0") as bus:
        done = run(
            "record", bus.url, "2,98-99", "--output", str(tmp_path / "mine"), "--timeout", "0.3", "--retries", "0"
        )
    assert done.returncode == 0, done.stderr
    assert "mbusbench: 1 of 3 addresses do not answer\n" in done.stderr
    assert "mbusbench: 2 meters, 4 telegrams: " in done.stderr
    meters = VirtualBus.from_yaml(tmp_path / "mine" / "bus.yaml").meters
    assert [(meter.address, meter.identification) for meter in meters] == [(2, "08122021"), (99, "80450799")]


def test_record_of_nobody_fails() -> None:
    with served("kamstrup/multical-603", "--tcp", "127.0.0.1:0") as bus:
        done = run("record", bus.url, "7", "--timeout", "0.2", "--retries", "0")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("mbusbench: 7: ")
