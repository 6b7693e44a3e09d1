"""MBusMaster against every named quirk, by primary and by secondary address, in virtual time: values or the error.

What is not in the tables is read right, three times, with nothing told to the master.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mbusbench.bus import VirtualBus
from mbusbench.errors import MBusError
from mbusbench.master import MBusMaster
from mbusbench.meter import catalogue
from mbusbench.meter.meter import Meter
from mbusbench.meter.quirk.table import QUIRKS

pytestmark = pytest.mark.virtual_time

DEVICE = """
format: 1
device:
  {manufacturer: HYD, version: 0x28, medium: water, id: 12345678, address: 5, baud: [300, 2400, 9600], access_number: 7}
telegrams:
  - records:
      - {vif: volume, unit: m3, scale: -3, code: bcd8, value: 2850.427}
      - {vif: volume_flow, unit: m3/h, scale: -3, code: int16, value: 0.127}
  - records:
      - {vif: volume, unit: m3, scale: -3, code: bcd8, storage: 1, value: 1000}
"""
WHOLE = [2850.427, 0.127, 1000.0]
SECONDARY = "1234567824232807"

OPTIONS: dict[str, Any] = {
    "stops_in_the_middle": {"characters": 20},
    "pause_in_telegrams": {"characters": 20},
    "silent_after_reads": 2,
    "error_after_reads": 2,
    "answers_always_as": 8,
    "wake_up_needed": 3,
}
"""Options with which a short telegram, or a third readout, shows the quirk."""

OTHER_ADDRESS = {
    "hex_id": "1234567E24232807",
    "id_reversed": "7856341224232807",
    "manufacturer_empty": "1234567800002807",
}
"""Secondary addresses that are not SECONDARY."""

BY_PRIMARY: dict[str, list[object]] = {
    "fcb_stuck": ["too-many-telegrams"] * 3,
    "long_start_up": ["no-answer"] * 3,
    "wake_up_needed": ["no-answer"] * 3,
    "silent_after_reads": [WHOLE, WHOLE, "no-answer"],
    "error_after_reads": [WHOLE, WHOLE, "application-error"],
    "slow": ["no-answer"] * 3,
    "slow_after_idle": ["no-answer"] * 3,
    "no_primary_addressing": ["no-answer"] * 3,
    "answers_always_as": ["wrong-address"] * 3,
    "two_in_one_housing": ["garbled"] * 3,
    "reset_unanswered": ["no-answer"] * 3,
    "requests_unanswered": ["no-answer"] * 3,
    "application_reset_needed": ["no-data"] * 3,
    "switched_by_ci_b1": [[2850.427]] * 3,
    "nothing_to_say": ["no-data"] * 3,
    "wrong_control": ["garbled"] * 3,
    "shorter_after_first": [WHOLE, [2850.427, 1000.0], [2850.427, 1000.0]],
    "plain_text_unit": [[2850.427, 0.127, 45.64, 1000.0]] * 3,
    "length_fields_differ": ["garbled"] * 3,
}

BY_SECONDARY: dict[str, list[object]] = BY_PRIMARY | {
    "two_resets_needed": ["no-answer"] * 3,
    "mute_until_addressed": ["no-answer"] * 3,
    "slow_after_idle": ["no-answer", "no-answer", WHOLE],
    "no_primary_addressing": [WHOLE] * 3,
    "answers_always_as": [WHOLE] * 3,
    "two_in_one_housing": [WHOLE] * 3,
    "two_in_turn": [WHOLE, "no-answer", "no-answer"],
    "selection_leads_nowhere": ["no-answer"] * 3,
    "exact_selection_unanswered": ["no-answer"] * 3,
    "reset_unanswered": [WHOLE] * 3,
    "ci_b7_until_reset": ["decode"] * 3,
}


def bus_with(directory: Path, name: str) -> VirtualBus:
    path = directory / "device.yaml"
    path.write_text(DEVICE, encoding="utf-8")
    quirk: Any = {name: OPTIONS[name]} if name in OPTIONS else name
    return VirtualBus([Meter(catalogue.load_file(path), quirks=[quirk])], speed=1)


async def read(master: MBusMaster, target: int | str, name: str = "") -> object:
    """The values of a readout, or the kind of its error."""
    try:
        data = await master.query(target)
    except MBusError as error:
        return error.kind
    assert data.more_records_follow is (name == "more_for_nothing")
    assert not data.stale
    return [record.value for record in data.records]


@pytest.mark.parametrize("name", QUIRKS)
async def test_meter_is_read_right_or_with_the_right_error_by_primary_address(name: str, tmp_path: Path) -> None:
    async with MBusMaster(bus_with(tmp_path, name)) as master:
        assert [await read(master, 5, name) for _ in range(3)] == BY_PRIMARY.get(name, [WHOLE] * 3)


@pytest.mark.parametrize("name", QUIRKS)
async def test_meter_is_read_right_or_with_the_right_error_by_secondary_address(name: str, tmp_path: Path) -> None:
    target = OTHER_ADDRESS.get(name, SECONDARY)
    async with MBusMaster(bus_with(tmp_path, name)) as master:
        assert [await read(master, target, name) for _ in range(3)] == BY_SECONDARY.get(name, [WHOLE] * 3)


@pytest.mark.parametrize(
    ("name", "told"),
    [("slow", {"timeout": 2.0}), ("slow_after_idle", {"timeout": 4.0}), ("wake_up_needed", {"wake_up": bytes(3)})],
)
async def test_master_that_was_told_reads_the_meter(name: str, told: dict[str, Any], tmp_path: Path) -> None:
    async with MBusMaster(bus_with(tmp_path, name), **told) as master:
        assert await read(master, 5) == WHOLE


async def test_master_reads_what_a_command_has_to_ask_for(tmp_path: Path) -> None:
    async with MBusMaster(bus_with(tmp_path, "application_reset_needed")) as master:
        await master.application_reset(5)
        assert await read(master, 5) == WHOLE
    async with MBusMaster(bus_with(tmp_path, "switched_by_ci_b1")) as master:
        await master.send(5, "B1")
        assert await read(master, 5) == [0.127, 1000.0]
