"""`serve --watch` as a process: what it says when files change, and that masters stay connected."""

from __future__ import annotations

import os
from pathlib import Path

from mbusbench import MBusMaster
from tests.cli.running import Served, served

DEVICE = """format: 1
device: {manufacturer: ABC, version: 1, medium: water, id: 12345678, address: 5}
telegrams:
  - records: [{vif: volume, unit: m3, code: int32, value: 1}]
"""


def replace(path: Path, text: str) -> None:
    """As editors do: another file is moved over it."""
    new = path.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    os.replace(new, path)


def said(server: Served) -> str:
    assert server.process.stderr is not None
    return server.process.stderr.readline().decode().rstrip()


async def test_bus_follows_its_files_while_a_master_stays_connected(tmp_path: Path) -> None:
    device, bus = tmp_path / "d.yaml", tmp_path / "bus.yaml"
    device.write_text(DEVICE, encoding="utf-8")
    good = "format: 1\nmeters:\n  - {device: d.yaml, address: 5}\n"
    bus.write_text(good, encoding="utf-8")
    with served("--watch", str(bus)) as server:
        async with MBusMaster(server.url) as master:
            assert (await master.query(5)).records[0].value == 1
            replace(bus, f"{good}  - {{device: d.yaml, address: 6}}\n")
            assert said(server) == "mbusbench: bus.yaml changed: meters: 1 added (6), 1 kept"
            assert (await master.query(6)).records[0].value == 1
            replace(bus, f"{good}  - {{device: d.yaml, adress: 6}}\n  - 5\n")
            assert said(server) == f"{bus}:4:22 meters[1]: unknown key 'adress', did you mean 'address'?"
            assert said(server) == f"{bus}:5:5 meters[2]: 5 is not a mapping (key: value)"
            assert (await master.query(6)).records[0].value == 1
            replace(bus, good)
            assert said(server) == "mbusbench: bus.yaml changed: meters: 1 removed (6), 1 kept"
            replace(device, DEVICE.replace("value: 1", "value: 7"))
            assert said(server) == "mbusbench: d.yaml changed: meters: 1 changed (5), 0 kept"
            assert (await master.query(5)).records[0].value == 7
            assert await master.ping_addresses([5, 6]) == {5: True, 6: False}
        assert server.stop() == 0
