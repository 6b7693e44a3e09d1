"""Every device of the catalogue, read by masters that no one here wrote."""

from __future__ import annotations

import asyncio
import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from mbusbench import MBusMaster
from mbusbench.master.results import MBusSlaveRecord
from mbusbench.meter import catalogue
from tests.cli.running import served
from tests.interop.masters import MASTERS, NODE_MBUS, PY_METERBUS, ForeignMaster, node_mbus_scan
from tests.interop.parts import NODE_MODULES, need
from tests.interop.readings import Shown, differences

pytestmark = pytest.mark.interop

DEVICES = catalogue.names()
ON_TERMINAL = DEVICES[::8]
"""Some of them: a line has one master at a time, and that waits long."""
KNOWN: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("differences.yaml").read_text("utf-8"))


def bus_file(directory: Path, fcb: str, devices: list[str]) -> Path:
    """A bus with these devices at the addresses 1, 2, ..."""
    path = directory / "bus.yaml"
    meters = [{"device": name, "address": number, "fcb": fcb} for number, name in enumerate(devices, 1)]
    path.write_text(json.dumps({"format": 1, "seed": 3, "meters": meters}), encoding="utf-8")
    return path


def our_records(url: str, count: int) -> list[list[MBusSlaveRecord]]:
    """What MBusMaster reads from the addresses 1 to `count`."""

    async def read() -> list[list[MBusSlaveRecord]]:
        async with MBusMaster(url) as master:
            return [list((await master.query(address)).records) for address in range(1, count + 1)]

    return asyncio.run(read())


def read_all(master: ForeignMaster, directory: Path, devices: list[str], *options: str) -> dict[str, list[str]]:
    """The differences of each device; `options` say where the bus is served."""
    addresses = [str(number) for number in range(1, len(devices) + 1)]
    with served(str(bus_file(directory, master.fcb, devices)), *options) as bus:
        before = our_records(bus.url, len(devices))
        shown: dict[str, list[Shown]] = master.read(bus.url, *addresses)
        after = our_records(bus.url, len(devices))
    assert list(shown) == addresses
    found = zip(devices, before, after, shown.values(), strict=True)
    return {name: list(differences(first, last, theirs)) for name, first, last, theirs in found}


@pytest.fixture(scope="module", params=sorted(MASTERS))
def master(request: pytest.FixtureRequest) -> ForeignMaster:
    need(request.param)
    return MASTERS[request.param]


@pytest.fixture(scope="module")
def found(master: ForeignMaster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    return read_all(master, tmp_path_factory.mktemp("bus"), DEVICES)


@pytest.fixture(scope="module")
def found_on_terminal(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    # Opened with 8N1: Linux knows no parity on a pseudo terminal, and refuses the 8E1 that node-mbus asks for.
    need("pyMeterBus")
    directory = tmp_path_factory.mktemp("bus")
    return read_all(PY_METERBUS, directory, ON_TERMINAL, "--pty", str(directory / "terminal"))


def installed(master: ForeignMaster) -> str:
    if master is NODE_MBUS:
        package = json.loads((NODE_MODULES / "node-mbus" / "package.json").read_text("utf-8"))
        return str(package["version"])
    return version(master.name)


def needs_listed_release(master: ForeignMaster) -> None:
    listed = KNOWN["versions"][master.name]
    if installed(master) != listed:
        pytest.skip(f"the differences are listed for {master.name} {listed}, {installed(master)} is installed")


def unexplained(master: ForeignMaster, device: str, found: list[str]) -> list[str]:
    """The differences that are not listed."""
    patterns = [entry["pattern"] for entry in KNOWN[master.name]]
    texts = [f"{device}: {text}" for text in found]
    return [text for text in texts if not any(re.search(pattern, text) for pattern in patterns)]


@pytest.mark.parametrize("device", DEVICES)
def test_device_is_read_over_tcp_with_the_values_that_our_master_reads(
    master: ForeignMaster, found: dict[str, list[str]], device: str
) -> None:
    needs_listed_release(master)
    assert unexplained(master, device, found[device]) == []


@pytest.mark.parametrize("device", ON_TERMINAL)
def test_device_is_read_over_a_pseudo_terminal_with_the_values_that_our_master_reads(
    found_on_terminal: dict[str, list[str]], device: str
) -> None:
    needs_listed_release(PY_METERBUS)
    assert unexplained(PY_METERBUS, device, found_on_terminal[device]) == []


def test_every_listed_difference_is_there(master: ForeignMaster, found: dict[str, list[str]]) -> None:
    needs_listed_release(master)
    texts = [f"{device}: {text}" for device in DEVICES for text in found[device]]
    patterns = [entry["pattern"] for entry in KNOWN[master.name]]
    assert [pattern for pattern in patterns if not any(re.search(pattern, text) for text in texts)] == []


def test_meter_is_read_by_its_secondary_address(tmp_path: Path) -> None:
    need("node-mbus")
    with served(str(bus_file(tmp_path, "strict", DEVICES))) as bus:
        ours = our_records(bus.url, len(DEVICES))
        wanted = bus.ready["meters"][1]["secondary_address"]
        shown = NODE_MBUS.read(bus.url, wanted)[wanted]
    assert len(shown) == len(ours[1])


def test_node_mbus_finds_the_secondary_addresses_of_the_bus(tmp_path: Path) -> None:
    need("node-mbus")
    devices = DEVICES[:3]
    with served(str(bus_file(tmp_path, "strict", devices))) as bus:
        found = node_mbus_scan(bus.url)
        assert sorted(found) == sorted(meter["secondary_address"] for meter in bus.ready["meters"])


RUNNING = """
format: 1
device: {manufacturer: ABC, version: 1, medium: water, id: 12345678}
telegrams:
  - records: [{vif: volume, unit: m3, scale: -3, code: int32, value: {counter: {start: 1, rate: 1, per: second}}}]
"""


@pytest.mark.parametrize(("fcb", "is_stale"), [("strict", True), ("lenient", False)])
def test_strict_meter_gives_an_old_telegram_to_a_master_that_begins_with_frame_count_bit_0(
    tmp_path: Path, fcb: str, is_stale: bool
) -> None:
    need("pyMeterBus")
    device = tmp_path / "running.yaml"
    device.write_text(RUNNING, encoding="utf-8")
    with served(str(bus_file(tmp_path, fcb, [device.name]))) as bus:
        first = PY_METERBUS.read(bus.url, "1")["1"][0].value
        second = PY_METERBUS.read(bus.url, "1")["1"][0].value
        ours = our_records(bus.url, 1)[0][0].value
    assert (second == first) is is_stale
    assert isinstance(ours, float)
    assert ours > float(second)
