"""From what a person names, a bus file or devices, to a VirtualBus; and a bus as JSON."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from mbusbench.bus import VirtualBus
from mbusbench.bus.live import LiveBus
from mbusbench.codec import device_type
from mbusbench.codec.address import SecondaryAddress, manufacturer_letters
from mbusbench.definition.document import read_document
from mbusbench.definition.validation import shown
from mbusbench.meter.meter import Meter
from mbusbench.trace.files import TraceFile
from mbusbench.trace.header import TraceHeader

_FILE_SUFFIXES = (".yaml", ".yml")


def build_bus(sources: Sequence[str], seed: int | None) -> LiveBus:
    """The bus of one bus file, or of devices by catalogue name or path. DefinitionError where a file is wrong."""
    bus_files = [source for source in sources if _is_bus_file(source)]
    if not bus_files:
        return LiveBus.from_devices(sources, seed=seed or 0)
    if len(sources) > 1:
        raise click.UsageError(
            f"{bus_files[0]} is a bus file: it cannot be combined with {len(sources) - 1} other sources"
        )
    return LiveBus.from_yaml(bus_files[0], seed=seed)


def _is_bus_file(source: str) -> bool:
    if not source.endswith(_FILE_SUFFIXES):
        if os.path.isfile(source):
            raise click.UsageError(f"{source}: the name of a bus or device file ends with .yaml")
        return False
    if not os.path.lexists(source):
        raise click.UsageError(f"there is no file {shown(source, 300)}")
    data = read_document(source).data
    return not (isinstance(data, dict) and "device" in data)


def open_trace(path: Path, bus: VirtualBus, sources: Sequence[str]) -> TraceFile:
    """A file for what happens on the bus. The bus is called like its file, or its devices."""
    name = ", ".join(Path(source).name if _is_bus_file(source) else source for source in sources)
    return TraceFile(path, TraceHeader(name, bus.seed, bus.epoch))


def meter_fields(meter: Meter) -> dict[str, Any]:
    """Who a meter on the bus is, as JSON."""
    address = SecondaryAddress.decode(meter.wire_address)
    return {
        "address": meter.address,
        "secondary_address": str(address),
        "serial_number": address.identification,
        "manufacturer": manufacturer_letters(address.manufacturer),
        "version": address.version,
        "device_type": address.device_type,
        "medium": device_type.name(address.device_type),
    }
