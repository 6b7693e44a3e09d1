"""Masters that know nothing of the package, for tests of its endpoints: blocking pyserial, in a thread of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import serial

from mbusbench.bus import VirtualBus
from mbusbench.meter import catalogue
from mbusbench.meter.meter import Meter

Result = TypeVar("Result")

RESET = bytes.fromhex("10 40 05 45 16")
REQUEST = bytes.fromhex("10 7B 05 80 16")

WATER = """
format: 1
device: {manufacturer: HYD, version: 0x28, medium: water, id: "12345678", address: 5, baud: [2400]}
telegrams:
  - records:
      - {vif: volume, unit: m3, scale: -3, code: bcd8, value: 12.345}
"""
ANSWER_SIZE = 27


def water_meter(directory: Path, delay: int = 5_000_000) -> Meter:
    """A meter at address 5 that knows 2400 baud only and answers after `delay` ns."""
    path = directory / "water.yaml"
    path.write_text(WATER)
    return Meter(catalogue.load(str(path)), address=5, response_delay=(delay, delay))


def water_bus(directory: Path, speed: float | None = None) -> VirtualBus:
    return VirtualBus([water_meter(directory)], speed=speed)


def ask(port: serial.SerialBase, request: bytes, size: int) -> bytes:
    """Send `request`; `size` bytes of the answer, fewer where they do not come within the port's timeout."""
    port.write(request)
    return bytes(port.read(size))


async def in_thread(work: Callable[[], Result]) -> Result:
    async with asyncio.timeout(10):
        return await asyncio.to_thread(work)


def open_descriptors() -> set[str]:
    """What this process has open: of each descriptor, what it is."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{name} {os.readlink(f'/proc/self/fd/{name}')}")
        except OSError:
            continue
    return found
