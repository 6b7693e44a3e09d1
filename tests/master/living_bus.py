"""A bus whose right answers are always known: a volume that counts milliseconds, and a tally that a master raises.

A readout may bring what the meter held between its begin and its end, and nothing else.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from mbusbench.bus import VirtualBus
from mbusbench.clock import VirtualLoop
from mbusbench.master.results import MBusSlaveData
from mbusbench.meter.meter import Meter

DEVICE = """
format: 1
device: {manufacturer: HYD, version: 0x28, medium: water, id: "12345678", baud: [2400], fcb: FCB}
alarms:
  - {state: 0x04, from: 0s}
telegrams:
MORE
  - records:
      - {name: counted, vif: volume, unit: m3, scale: -3, code: int32,
         value: {counter: {start: 0, rate: 1, per: second}}}
      - {name: tally, vif: volume, unit: m3, scale: -3, code: int32, storage: 2, value: 1000, writable: true}
      - {vif: datetime, code: int32, value: {clock: now}}
behaviour: BEHAVIOUR
"""
MORE = """
  - records:
      - {name: first, vif: volume, unit: m3, scale: -3, code: int32, storage: 4,
         value: {counter: {start: 0, rate: 1, per: second}}}
"""
RAISE_TALLY = "51 84 01 93 01 01 00 00 00"
"""Adds 1 to the tally (CI 51, storage 2, object action add)."""
TALLY_START = 1_000_000
RESOLUTION = 0.001

KINDS = [
    ("strict", 1, "{}"),
    ("lenient", 2, "{repeat: renumbered}"),
    ("strict", 2, "{fcb_services: single, fcb_paths: shared, repeat: refreshed}"),
    ("ignore", 1, "{access_number: never, selected_reset: silence}"),
    ("strict", 2, "{acknowledgement: short_frame, selected_reply_address: 253}"),
]
"""FCB, telegrams and behaviour of the meters, at addresses from 1 on."""


def bus_file(directory: Path, line: str = "{}") -> Path:
    """A bus at the real speed with one meter of each kind."""
    meters = []
    for number, (fcb, telegrams, behaviour) in enumerate(KINDS, 1):
        text = DEVICE.replace("FCB", fcb).replace("MORE", MORE * (telegrams - 1)).replace("BEHAVIOUR", behaviour)
        (directory / f"device{number}.yaml").write_text(text, encoding="utf-8")
        meters.append(f"  - {{device: device{number}.yaml, address: {number}, id: {identification(number)}}}\n")
    path = directory / "bus.yaml"
    path.write_text(f"format: 1\nspeed: real\nline: {line}\nmeters:\n{''.join(meters)}", encoding="utf-8")
    return path


def identification(number: int) -> str:
    return str(number) * 8


def secondary_address(number: int) -> str:
    return f"{identification(number)}24232807"


def meter_of(bus: VirtualBus, number: int) -> Meter:
    """By its identification number: its address may have changed."""
    return next(meter for meter in bus.meters if meter.wire_address[:4].hex() == identification(number))


def seconds() -> float:
    """Of virtual time, since the bus began."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop.now_ns() / 1e9


def tally(data: MBusSlaveData) -> int:
    """What a readout says that the tally is."""
    record = data.get_record("volume", 2)
    assert record is not None
    assert isinstance(record.value, int | float)
    return round(record.value * 1000)


def check_readout(data: MBusSlaveData, number: int, begin: float, end: float) -> None:
    """All records, of the right meter, from between the two times."""
    assert data.serial_number == identification(number)
    assert not data.stale
    assert not data.more_records_follow
    telegrams = KINDS[number - 1][1]
    storages = [record.storage_number for record in data.records]
    assert storages == ([4] if telegrams == 2 else []) + [0, 2, 0]
    counted = [
        record.value
        for record in data.records
        if record.quantity == "volume" and record.storage_number != 2 and isinstance(record.value, int | float)
    ]
    assert counted == sorted(counted)
    assert all(begin - RESOLUTION < value <= end for value in counted), (begin, counted, end)
    assert all(record.valid for record in data.records)
