"""What a meter of a bus is made of: its device, who it is, and what the bus file says about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
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


def of_devices(names: Iterable[str]) -> list[Recipe]:
    """One meter of each named device, at the device's own address or the next that is free.

    DefinitionError where a device cannot be loaded, MBusUsageError where there are too many.
    """
    names = list(names)
    recipes: list[Recipe] = []
    taken: set[int] = set()
    copies: dict[str, int] = {}
    for index, name in enumerate(names):
        device = catalogue.load(name)
        own = device.device.address
        address = next((a for a in (own, *PRIMARY_RANGE[own:], *PRIMARY_RANGE[1:]) if a not in taken), None)
        if address is None:
            raise MBusUsageError(f"there are only {PRIMARY_RANGE[-1]} primary addresses for {len(names)} devices")
        taken.add(address)
        copies[name] = copies.get(name, -1) + 1
        identification = counted_up(device.device.id, copies[name])
        recipes.append(Recipe(device, address, identification, str(index), "", {}))
    return recipes
