"""Meters for the tests of the poller: heat meters with known values, counters that move, registers that are written."""

from __future__ import annotations

from collections.abc import Iterable

from mbusbench import VirtualBus
from mbusbench.definition.document import parse_document
from mbusbench.meter.definition import Device
from mbusbench.meter.meter import Meter

HEAD = "format: 1\ndevice: {manufacturer: ABC, version: 0x10, medium: heat, id: 12345678}\ntelegrams:\n"
HEAT = """\
  - records:
      - {vif: datetime, code: int32, value: 2026-01-01T12:30}
      - {vif: energy, unit: kWh, code: int32, value: 125}
      - {vif: volume_flow, unit: m3/h, scale: -3, code: int16, value: 1.234}
      - {vif: flow_temperature, unit: °C, scale: -1, code: int16, value: 71.5}
"""
TWO_TELEGRAMS = """\
  - records:
      - {vif: energy, unit: kWh, code: int32, value: 125}
      - {vif: energy, unit: kWh, code: int32, storage: 1, value: 100}
  - records:
      - {vif: volume, unit: m3, scale: -2, code: bcd8, value: 17.25}
      - {vif: power, unit: W, code: int16, function: maximum, value: 4200}
      - {vif: power, unit: W, code: int16, value: 0}
"""
WRITABLE = """\
  - records:
      - {vif: energy, unit: kWh, code: int32, value: 125, writable: true}
      - {vif: flow_temperature, unit: °C, scale: -1, code: int16, value: 71.5, writable: true}
      - {vif: volume, unit: m3, scale: -2, code: bcd8, value: 17.25}
"""
COUNTING = """\
  - records:
      - {vif: energy, unit: Wh, code: int48, value: {counter: {start: 0, rate: 1, per: second}}}
"""


def device(telegrams: str = HEAT) -> Device:
    return Device.from_document(parse_document(HEAD + telegrams, "meter.yaml"))


def meter(address: int = 1, telegrams: str = HEAT) -> Meter:
    return Meter(device(telegrams), address=address, identification=f"{12345600 + address:08d}")


def bus(addresses: Iterable[int] = (1,), telegrams: str = HEAT, speed: float | None = None) -> VirtualBus:
    return VirtualBus([meter(address, telegrams) for address in addresses], speed=speed)


def identity(address: int) -> str:
    """What the poller calls the meter at that address."""
    return f"ABC-{12345600 + address:08d}-10-04"
