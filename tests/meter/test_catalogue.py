"""Every device of the catalogue: its file, its recorded telegrams, and what a master reads of it. Virtual time."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date, datetime

import pytest

from mbusbench.bus import VirtualBus
from mbusbench.codec.data_field import Value
from mbusbench.codec.frame import LongFrame, ShortFrame, decode_frame
from mbusbench.codec.telegram import Telegram
from mbusbench.master import MBusMaster
from mbusbench.meter import catalogue, checks
from mbusbench.meter.definition import Confidence, Device
from mbusbench.meter.meter import Meter
from mbusbench.meter.record_definition import Record
from mbusbench.meter.value.generator import Generator

NAMES = catalogue.names()
HOUR = 3600 * 10**9
DAY = 24 * HOUR
FIRST_READ = 60 * 10**9
LEVELS = {"tecson/tank"}
"""Whose volume is what is left."""


def values(device: Device, now: int) -> list[Value]:
    """What the ordinary readout of a fresh meter means at `now`."""
    frames = [checks.telegram_at(device, index + 1, now) for index in device.readout(None)]
    telegrams = [Telegram.decode(frame[6], frame[7:-2]) for frame in frames]
    return [record.value for telegram in telegrams for record in telegram.records]


def ordinary_records(device: Device) -> list[Record]:
    return [record for index in device.readout(None) for record in device.telegrams[index].records]


def is_between(value: object, first: Value, last: Value) -> bool:
    if isinstance(first, int | float) and isinstance(last, int | float) and isinstance(value, int | float):
        return min(first, last) <= value <= max(first, last)
    if isinstance(first, date | datetime) and isinstance(last, date) and isinstance(value, str):
        return first.isoformat() <= value <= last.isoformat()
    return value in {first, last}


@pytest.mark.parametrize("name", NAMES)
def test_file_is_called_after_manufacturer_and_model(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*/[a-z0-9]+(-[a-z0-9]+)*", name)


@pytest.mark.parametrize("name", NAMES)
def test_file_says_what_it_is_and_where_that_is_known_from(name: str) -> None:
    device = catalogue.load(name)
    assert device.description
    assert device.source
    assert device.confidence is not None
    assert device.checks


@pytest.mark.parametrize("name", NAMES)
def test_file_keeps_its_checks(name: str) -> None:
    assert checks.failures(catalogue.load(name)) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_telegram_of_records_is_checked(name: str) -> None:
    device = catalogue.load(name)
    assert {check.number for check in device.checks} == {
        number for number, telegram in enumerate(device.telegrams, 1) if telegram.records
    }


@pytest.mark.parametrize("name", NAMES)
def test_device_known_from_a_telegram_names_where_that_was_recorded(name: str) -> None:
    device = catalogue.load(name)
    if device.confidence in {Confidence.A, Confidence.B}:
        assert "recorded" in str(device.source)


@pytest.mark.virtual_time
@pytest.mark.parametrize("name", NAMES)
async def test_master_reads_every_value(name: str) -> None:
    device = catalogue.load(name)
    async with MBusMaster(VirtualBus([Meter(device, address=7)])) as master:
        found = await master.query(7)
    first, last = values(device, 0), values(device, FIRST_READ)
    assert len(found.records) == len(first) == len(last)
    for record, low, high in zip(found.records, first, last, strict=True):
        assert is_between(record.value, low, high), record


@pytest.mark.parametrize("name", NAMES)
def test_values_live(name: str) -> None:
    device = catalogue.load(name)
    living = [record for _, record in device.each_record() if isinstance(record.value, Generator)]
    assert living
    assert values(device, 0) != values(device, 36 * HOUR)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in LEVELS])
def test_energy_and_volume_never_fall(name: str) -> None:
    device = catalogue.load(name)
    counters = [
        index
        for index, record in enumerate(ordinary_records(device))
        if record.raw is None and record.quantity in {"energy", "volume"} and record.dib_block.function.value == 0
    ]
    year = [values(device, month * 31 * DAY + month * HOUR) for month in range(12)]
    for index in counters:
        found = [now[index] for now in year if isinstance(now[index], int | float)]
        assert found == sorted(found)  # type: ignore[type-var]


def test_catalogue_has_devices_of_each_kind() -> None:
    media = Counter(catalogue.load(name).device.medium for name in NAMES if not name.startswith("generic/"))
    assert sum(media[water] for water in (0x06, 0x07, 0x16)) >= 15
    assert media[0x02] >= 15
    assert media[0x03] >= 3
    assert {0x00, 0x01, 0x08, 0x1B} <= set(media)


def test_catalogue_has_devices_of_thirty_makers() -> None:
    assert len({name.partition("/")[0] for name in NAMES} - {"generic"}) >= 30


@pytest.mark.parametrize("medium", [0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x0A, 0x0D, 0x16, 0x1B])
def test_generic_device_is_there_for(medium: int) -> None:
    assert medium in {catalogue.load(name).device.medium for name in NAMES if name.startswith("generic/")}


@pytest.mark.parametrize("name", [name for name in NAMES if "power_l3" in catalogue.load(name).values])
def test_power_is_that_of_its_phases(name: str) -> None:
    meter = Meter(catalogue.load(name))
    for now in (0, 9 * HOUR, 200 * DAY + 20 * HOUR):
        phases = [meter.value(f"power_l{number}", now) for number in (1, 2, 3)]
        assert meter.value("power", now) == sum(phases)
        for number, power in enumerate(phases, 1):
            apparent = meter.value(f"voltage_l{number}", now) * meter.value(f"current_l{number}", now)
            assert 0.7 < power / apparent <= 1


def test_catalogue_has_twenty_heat_meters_of_ten_makers() -> None:
    heat = [name for name in NAMES if catalogue.load(name).device.medium in {0x04, 0x0C, 0x0D}]
    assert len(heat) >= 20
    assert len({name.partition("/")[0] for name in heat}) >= 10


def test_qalcosonic_sends_only_what_was_selected() -> None:
    meter = Meter(catalogue.load("axioma/qalcosonic-heat-1"))
    for command in (LongFrame(0x73, 2, 0x50), LongFrame(0x53, 2, 0x51, bytes.fromhex("08 FF 0C"))):
        meter.link.receive(command, 0)
    answer = meter.link.receive(ShortFrame(0x7B, 2), 0)
    recorded = decode_frame(bytes.fromhex("68 13 13 68 08 02 72 69 71 00 00 09 07 06 0D BA 00 00 00 01 FF 0C 02 41 16"))
    assert isinstance(answer, LongFrame)
    assert isinstance(recorded, LongFrame)
    assert answer.data[:8] + answer.data[12:] == recorded.data[:8] + recorded.data[12:]


@pytest.mark.parametrize("name", catalogue.names())
def test_outline_is_that_of_the_whole_device(name: str) -> None:
    assert catalogue.outline(name) == catalogue.Outline.of(catalogue.load(name))
