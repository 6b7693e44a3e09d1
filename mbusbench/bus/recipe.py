"""What a meter of a bus is made of: its device, who it is, and what the bus file says about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from mbusbench.codec.address import PRIMARY_RANGE
from mbusbench.errors import MBusUsageError
from mbusbench.meter import catalogue
from mbusbench.meter.definition import Device
from mbusbench.meter.meter import Meter


@dataclass(frozen=True, slots=True, eq=False)
class Recipe:
    """One meter. `stream` names its random numbers, behind the seed; `options` are further arguments of `Meter`."""

    device: Device
    address: int
    identification: str
    stream: str
    name: str
    options: Mapping[str, Any]

    def meter(self, seed: int, epoch: datetime, stream: str | None = None) -> Meter:
        """A fresh one."""
        return Meter(
            self.device,
            address=self.address,
            identification=self.identification,
            name=self.name,
            seed=f"{seed}/meter/{stream or self.stream}",
            epoch=epoch,
            **self.options,
        )

    def makes_the_same_as(self, other: Recipe) -> bool:
        """Whether the meters are alike, but for their random numbers."""
        return (
            (self.address, self.identification, self.name) == (other.address, other.identification, other.name)
            and self.options == other.options
            and (self.device is other.device or self.device.data == other.device.data)
        )


def counted_up(identification: str, by: int) -> str:
    """The identification number `by` later; decimal where it is one, else hexadecimal; 8 digits."""
    if identification.isdigit():
        return f"{(int(identification) + by) % 10**8:08d}"
    return f"{(int(identification, 16) + by) % 16**8:08X}"


class DeviceList:
    """Devices without a bus file: one meter of each, at the device's own address or the next that is free.

    `names` are catalogue names or paths; `touched` are all files that were looked at.
    """

    faults: Sequence[Any] = ()
    settings: Mapping[str, Any] = {}

    def __init__(self, names: Iterable[str], touched: set[Path] | None = None) -> None:
        """DefinitionError where a device cannot be loaded, MBusUsageError where there are too many."""
        self.touched = set[Path]() if touched is None else touched
        names = list(names)
        self._recipes: list[Recipe] = []
        taken: set[int] = set()
        copies: dict[str, int] = {}
        for index, name in enumerate(names):
            device = self._load(name)
            own = device.device.address
            address = next((a for a in (own, *PRIMARY_RANGE[own:], *PRIMARY_RANGE[1:]) if a not in taken), None)
            if address is None:
                raise MBusUsageError(f"there are only {PRIMARY_RANGE[-1]} primary addresses for {len(names)} devices")
            taken.add(address)
            copies[name] = copies.get(name, -1) + 1
            identification = counted_up(device.device.id, copies[name])
            self._recipes.append(Recipe(device, address, identification, str(index), "", {}))

    def _load(self, name: str) -> Device:
        with suppress(LookupError):
            self.touched.add(catalogue.find(name))
        return catalogue.load(name)

    def recipes(self, seed: int) -> list[Recipe]:
        """What the meters are made of, in the order of the names."""
        return self._recipes
