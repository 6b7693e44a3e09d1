"""One bus and one client in virtual time; `python -m tests.bus.determinism` prints the trace."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sys
import tempfile
from pathlib import Path

from mbusbench import MBusMaster, VirtualBus
from mbusbench.clock import VirtualLoop
from mbusbench.errors import MBusError
from mbusbench.trace.event import TraceEvent
from mbusbench.trace.jsonl import encode_event

DEVICE = """
format: 1
device: {manufacturer: ABC, version: 7, medium: heat, baud: [300, 2400, 9600], response_delay: [12ms, 40ms]}
telegrams:
  - records:
      - {vif: energy, unit: kWh, code: int32, value: {counter: {start: {random: [1, 90000]}, follows: power}}}
      - {vif: power, unit: W, scale: 2, code: int32, value: {daily: {points: {"00:00": 9200, "07:00": 41800}}}}
      - {vif: flow_temperature, unit: °C, code: real32, value: {random: [65, 75]}}
      - {vif: datetime, code: int32, value: {clock: now}}
  - records:
      - {vif: volume, unit: m3, scale: -3, code: bcd8, value: {counter: {start: 0.5, rate: 1, per: second}}}
      - {vif: fabrication_number, code: bcd8, value: {device: id}}
"""
BUS = """
format: 1
seed: 20261121
speed: real
line:
  baud: 2400
  noise: {interval: 2min, bytes: [1, 4], heard_by: both}
  bit_errors: {to_slaves: 0.0003, to_masters: 0.0002}
allow_duplicate_addresses: true
meters:
  - {device: device.yaml, address: 1, count: 5, id: 10000001}
  - {device: device.yaml, address: 9, id: 20000000}
  - {device: device.yaml, address: 9, id: 20000009, fcb: lenient}
faults:
  - {name: lossy, on: 1, probability: 0.3, do: drop}
  - {name: noisy, on: [2, 5], probability: 0.5, do: [{gaps: 20ms}, {bit_errors: 0.002}]}
"""
GARBAGE = bytes(value * 37 & 0xFF for value in range(300))


async def script(bus: VirtualBus) -> None:
    """What a master does: good frames, collisions, selection, garbage and half frames."""
    async with MBusMaster(bus) as master:
        await master.ping_addresses([1, 2, 3, 4, 5, 6, 9])
        for address in (1, 2, 5, 1, "ABC-10000003-*-*"):
            with contextlib.suppress(MBusError):
                await master.query(address)
        await master.ping_addresses(["ABC-2FFFFFFF-*-*", "ABC-20000009-*-*"])
        await asyncio.sleep(12 * 3600)
        with contextlib.suppress(MBusError):
            await master.query(4)
    stream = bus.connect()
    for data in (
        GARBAGE,
        bytes.fromhex("68 0B 0B 68 53"),
        bytes.fromhex("10 5B 09 64 16"),
        bytes.fromhex("10 7B 09 84 16"),
    ):
        stream.write(data)
        await asyncio.sleep(2)
    await stream.close()


def transcript() -> str:
    """Every event on the bus, a line for each."""
    events: list[TraceEvent] = []
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "device.yaml").write_text(DEVICE, encoding="utf-8")
        path = Path(directory, "bus.yaml")
        path.write_text(BUS, encoding="utf-8")
        bus = VirtualBus.from_yaml(path)
    bus.trace = events.append
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(script(bus))
    return "".join(f"{encode_event(event)}\n" for event in events)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


if __name__ == "__main__":
    lines = transcript()
    sys.stdout.write(lines)
    print(digest(lines), file=sys.stderr)
