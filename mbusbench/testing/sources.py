"""What a test says about its bus, as a VirtualBus: a bus file, devices, faults, a seed, a speed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from mbusbench.bus import Fault, VirtualBus
from mbusbench.bus.bus_file import BusFile
from mbusbench.bus.endpoint import Rfc2217Endpoint, SerialEndpoint, TcpEndpoint, parse_endpoint
from mbusbench.bus.fault import FaultDefinition
from mbusbench.bus.port import PortOptions
from mbusbench.errors import MBusUsageError
from mbusbench.meter.meter import Meter

FREE_TCP = "tcp://127.0.0.1:0"

Device = str | Path | Meter
FaultLike = FaultDefinition | Mapping[str, Any]


def build(
    source: str | Path | None = None,
    *,
    devices: Sequence[Device] = (),
    faults: Iterable[FaultLike] = (),
    seed: int | None = None,
    fallback_seed: int = 0,
    speed: float | str | None = None,
) -> VirtualBus:
    """A bus file, or `devices` by name, path or as meters (those behind the others).

    `faults` as in a bus file are armed besides. `seed` overrides the file's; `fallback_seed` is for where neither says
    one. `speed` is "real", "max" or a factor, instead of the file's. MBusUsageError where that is no bus,
    DefinitionError where a file has mistakes.
    """
    if (source is None) == (not devices):
        raise MBusUsageError("a bus is made of a bus file or of devices=[...]: one of the two")
    if isinstance(devices, str):
        raise MBusUsageError(f"devices is a list of devices, as in devices=[{devices!r}]")
    if source is not None:
        file = BusFile(source)
        wanted = fallback_seed if seed is None and "seed" not in file.settings else seed
        bus = VirtualBus.from_file(file, wanted)
    else:
        bus = _of_devices(devices, fallback_seed if seed is None else seed)
    if speed is not None:
        bus.set_speed(_factor(speed))
    bus.faults.arm_all([fault_of(each) for each in faults])
    return bus


def _of_devices(devices: Sequence[Device], seed: int) -> VirtualBus:
    meters = [each for each in devices if isinstance(each, Meter)]
    names = [str(each) for each in devices if not isinstance(each, Meter)]
    bus = VirtualBus.from_devices(names, seed=seed)
    for meter in meters:
        bus.add_meter(meter)
    return bus


def fault_of(fault: FaultLike) -> FaultDefinition:
    """A fault as it is, or of the keys that a bus file has. MBusUsageError where it is none."""
    if isinstance(fault, FaultDefinition):
        return fault
    if not isinstance(fault, Mapping) or "name" not in fault:
        raise MBusUsageError(f"{fault!r} is no fault such as {{'name': 'lost', 'on': 5, 'exactly': 1, 'do': 'drop'}}")
    return Fault(**{str(key): value for key, value in fault.items()})


def _factor(speed: float | str) -> float | None:
    if speed in ("max", "real"):
        return None if speed == "max" else 1.0
    if isinstance(speed, int | float) and not isinstance(speed, bool):
        return float(speed)
    raise MBusUsageError(f"{speed!r} is not a speed: real, max, or a factor such as 10")


def seed_of(name: str, base: int = 0) -> int:
    """The seed of a test by its name: the same on every machine and in every order; `base` gives another series."""
    return int.from_bytes(sha256(f"{base}/{name}".encode()).digest()[:4], "big")


def free_endpoints(bus: VirtualBus) -> list[tuple[str, PortOptions]]:
    """The bus's own endpoints, moved to where nobody else is: free ports of the loopback, terminals without a link.

    Serial devices are left out. Without any, one TCP port.
    """
    found: list[tuple[str, PortOptions]] = []
    for text, options in bus.endpoints:
        match parse_endpoint(text):
            case TcpEndpoint():
                found.append((FREE_TCP, options))
            case Rfc2217Endpoint():
                found.append(("rfc2217://127.0.0.1:0", options))
            case SerialEndpoint():
                pass
            case _:
                found.append(("pty://", options))
    return found or [(FREE_TCP, PortOptions())]
