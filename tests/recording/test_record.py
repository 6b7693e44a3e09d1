"""`record` pointed at a virtual bus of 20 mixed meters gives a second bus that no client can tell from the first."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mbusbench.bus import VirtualBus
from mbusbench.codec.control_field import REQ_UD1, REQ_UD2, SND_NKE, with_fcb
from mbusbench.codec.frame import LongFrame, ShortFrame
from mbusbench.master import MBusMaster
from mbusbench.recording.files import Options, recorded_bus, write
from mbusbench.recording.reader import BusReader, RecordingMaster, TappedBus
from mbusbench.trace.comparison import compare
from mbusbench.trace.recorder import Recorder, Trace

pytestmark = pytest.mark.virtual_time

ODD = """
format: 1
device: {manufacturer: HYD, version: 0x28, medium: water, id: "1234567A", status: 0x10, after_last: acknowledge}
behaviour: {access_number: never, selected_reply_address: 253, selected_reset: silence, acknowledgement: short_frame}
alarms:
  - {state: 0x04, from: 0s, once: false}
telegrams:
  - records:
      - {raw: "2F 2F"}
      - {dib: "8C 00", vib: "13", value: 12345}
      - {vif: datetime, code: int32, year_hundreds: false, value: {clock: now}}
      - {raw: "42 6C 00 00"}
    manufacturer_data: "01 02 03"
  - ci: 0x7A
    records: [{vif: volume, unit: l, code: real32, value: 1.5}]
"""
FIXED = """
format: 1
device: {manufacturer: 0, version: 0, medium: water, id: "00000815"}
telegrams: [{ci: 0x73, data: "15 08 00 00 07 00 E9 7E 01 00 00 00 35 01 00 00"}]
"""
MANY = """
format: 1
device: {manufacturer: ABC, version: 1, medium: gas, after_last: repeat, response_delay: [20ms, 30ms]}
telegrams:
  - records: [{vif: volume, unit: m3, scale: -2, code: bcd8, value: {counter: {start: 10, rate: 36}}}]
  - records: [{vif: volume, unit: m3, scale: -2, code: bcd8, storage: 1, value: 9.5}]
  - records: [{vif: flow_temperature, unit: °C, code: int8, value: {ramp: {from: 20, to: 40, over: 1h, then: return}}}]
"""
BUS = """
format: 1
seed: 5
speed: real
meters:
  - {device: kamstrup/multical-603, address: 1, count: 6}
  - {device: kamstrup/flowiq-2101, address: 11, count: 5}
  - {device: schneider/iem3135, address: 21, count: 3, response_delay: [15ms, 15ms]}
  - {device: odd.yaml, address: 31, count: 2}
  - {device: many.yaml, address: 41, count: 3, id: 87654321}
  - {device: fixed.yaml, address: 51}
"""
ADDRESSES = [*range(1, 7), *range(11, 16), *range(21, 24), 31, 32, *range(41, 44), 51]


@pytest.fixture
def first(tmp_path: Path) -> Path:
    for name, text in (("odd", ODD), ("fixed", FIXED), ("many", MANY), ("bus", BUS)):
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    return tmp_path / "bus.yaml"


async def record(path: Path, target: Path, *, interval: int | None = None) -> Path:
    bus = TappedBus(VirtualBus.from_yaml(path), 2400)
    master = RecordingMaster(bus)
    reader = BusReader(bus, master, ADDRESSES)
    async with master:
        await reader.read()
        if interval is not None:
            await asyncio.sleep(interval)
            await reader.read()
    write(recorded_bus(reader.meters(), Options(2400)), target, force=False)
    return target / "bus.yaml"


async def talk(path: Path) -> Trace:
    """What a master and a curious client get to see."""
    bus = VirtualBus.from_yaml(path, seed=1)
    bus.set_speed(1.0)
    recorder = Recorder()
    async with MBusMaster(bus) as master:
        bus.trace = recorder.record
        await master.scan_addresses(range(60))
        await master.query_addresses(ADDRESSES)
    stream = bus.connect()
    for address in ADDRESSES:
        requests = [SND_NKE, *(with_fcb(REQ_UD2, bit) for bit in (1, 0, 1, 0, 1, 1)), with_fcb(REQ_UD1, 1)]
        for control in requests:
            stream.write(ShortFrame(control, address).encode())
            await asyncio.sleep(2)
    for identification in ("80450799", "1234567A", "FFFF567A", "87654321", "00000815"):
        mask = bytes.fromhex(identification)[::-1] + b"\xff" * 4
        stream.write(LongFrame(0x53, 253, 0x52, mask).encode())
        await asyncio.sleep(1)
        stream.write(ShortFrame(0x7B, 253).encode())
        await asyncio.sleep(3)
        stream.write(ShortFrame(SND_NKE, 253).encode())
        await asyncio.sleep(1)
    await stream.close()
    return recorder.trace


async def test_second_bus_cannot_be_told_from_the_first(first: Path, tmp_path: Path) -> None:
    second = await record(first, tmp_path / "recorded")
    found = compare(await talk(first), await talk(second), ignore_times=True, ignore_values=True)
    assert found.counts[0] > 500
    assert found.difference is None, found.difference


async def test_first_answers_of_the_second_bus_are_those_recorded(first: Path, tmp_path: Path) -> None:
    source = TappedBus(VirtualBus.from_yaml(first), 2400)
    master = RecordingMaster(source)
    reader = BusReader(source, master, ADDRESSES)
    async with master:
        await reader.read()
    meters = reader.meters()
    write(recorded_bus(meters, Options(2400)), tmp_path / "recorded", force=False)
    bus = VirtualBus.from_yaml(tmp_path / "recorded" / "bus.yaml")
    for recorded, meter in zip(meters, bus.meters, strict=True):
        frames = [meter.link.receive(ShortFrame(c, meter.address), 0) for c in (0x7B, 0x5B, 0x7B)]
        assert tuple(frames[: len(recorded.readouts[0].frames)]) == recorded.readouts[0].frames


async def test_values_that_moved_go_on_at_the_rate_seen(first: Path, tmp_path: Path) -> None:
    second = await record(first, tmp_path / "recorded", interval=1800)
    text = (second.parent / "abc-gas-87654321.yaml").read_text("utf-8")
    assert "rate: 36" in text or "rate: 35.9" in text, text
    assert "ramp: {from: " in text
    assert "clock: now" in (second.parent / "hyd-water-1234567a.yaml").read_text("utf-8")
    before, after = VirtualBus.from_yaml(first), VirtualBus.from_yaml(second)
    hour = 3600 * 10**9
    for bus in (before, after):
        bus.set_speed(None)
    volumes = []
    for bus in (before, after):
        frame = next(m for m in bus.meters if m.address == 41).link.receive(ShortFrame(0x7B, 41), 24 * hour)
        assert isinstance(frame, LongFrame)
        volumes.append(int(frame.data[14:18][::-1].hex()) / 100)
    assert volumes[1] == pytest.approx(volumes[0], rel=0.01)
