"""Hours of virtual time on a bus that is not left alone: power cycles, lost connections, noise, and readings meanwhile.

A reading may be lost only where no retry could have saved it: the bus was without power or the gateway out of reach
for longer than the call went on. What the process holds at the end it held after the first hour.
"""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from mbusbench.bus import Fault, VirtualBus
from mbusbench.bus.endpoints.driver import driver_of
from mbusbench.clock import VirtualLoop
from mbusbench.errors import MBusConnectionError, MBusError
from mbusbench.master import MBusMaster
from mbusbench.transport import Stream
from tests.master.living_bus import KINDS, bus_file, check_readout, secondary_address, seconds

PERIOD = 15.0
"""Seconds from one round of readings to the next."""
LINE = "{noise: {interval: 45s, bytes: [1, 3], heard_by: both}}"
OUTAGE = 20.0
"""The longest time, in seconds, that the gateway is out of reach; calls go on for longer than that."""
RECONNECT = 60.0


class Gateway:
    """What stands between master and bus: connections end, now and then it refuses new ones for a while."""

    def __init__(self, bus: VirtualBus) -> None:
        self.bus = bus
        self.connections = 0
        self.refused = 0
        self.down_until = 0.0

    def connect(self) -> Stream:
        if seconds() < self.down_until:
            self.refused += 1
            raise MBusConnectionError("connection refused")
        self.connections += 1
        return self.bus.connect()


@dataclass
class Summary:
    """What a run came to. `lost` are the errors, each with its time."""

    readings: int = 0
    lost: list[str] = field(default_factory=list)
    connections: int = 0
    refused: int = 0
    disturbances: int = 0
    tasks: int = 0
    timers: list[int] = field(default_factory=list)
    objects: list[int] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)


async def disturb(bus: VirtualBus, gateway: Gateway, choose: Random, until: float, summary: Summary) -> None:
    """One disturbance after the other, a minute apart on average."""
    now = driver_of(bus)

    def disconnect() -> None:
        bus.hang_up(None, now.now)

    def outage() -> None:
        gateway.down_until = seconds() + choose.uniform(1, OUTAGE)
        bus.hang_up(None, now.now)

    def power() -> None:
        bus.power_cycle(now.now)

    def fault() -> None:
        effect = choose.choice(
            ["drop", "checksum", {"truncate": 9}, {"delay": "150ms"}, {"disconnect": 5}, "duplicate"]
        )
        bus.faults.clear()
        bus.faults.arm(Fault("disturbance", do=effect, times=choose.randint(1, 2)))

    actions: list[Callable[[], None]] = [disconnect, outage, power, fault, fault]
    while (wait := choose.expovariate(1 / 60)) and seconds() + wait < until:
        await asyncio.sleep(wait)
        choose.choice(actions)()
        summary.disturbances += 1


async def read_all(master: MBusMaster, summary: Summary) -> None:
    """One round, every other meter by its secondary address."""
    for number in range(1, len(KINDS) + 1):
        begin = seconds()
        try:
            data = await master.query(number if number % 2 else secondary_address(number))
        except MBusError as error:
            summary.lost.append(f"{begin:.3f}: {error}")
            continue
        check_readout(data, number, begin, seconds())
        summary.readings += 1


async def _run(directory: Path, hours: float, seed: int, samples: int, summary: Summary) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    bus = VirtualBus.from_yaml(bus_file(directory, LINE), seed=seed)
    driver_of(bus)
    gateway = Gateway(bus)
    until = hours * 3600
    task = asyncio.create_task(disturb(bus, gateway, Random(f"{seed}/disturbances"), until, summary))
    async with MBusMaster(gateway, reconnect=RECONNECT) as master:
        next_sample = until / samples
        while seconds() < until:
            begin = seconds()
            await read_all(master, summary)
            await asyncio.sleep(max(0.0, begin + PERIOD - seconds()))
            if seconds() >= next_sample:
                next_sample += until / samples
                _sample(loop, summary)
    await task
    summary.connections, summary.refused = gateway.connections, gateway.refused
    summary.tasks = len(asyncio.all_tasks()) - 1
    assert bus.port_count == 0


def _sample(loop: VirtualLoop, summary: Summary) -> None:
    gc.collect()
    summary.timers.append(sum(not timer._cancelled for timer in loop._scheduled))
    summary.objects.append(len(gc.get_objects()))
    summary.megabytes.append(tracemalloc.get_traced_memory()[0] / 1e6)


def run(directory: Path, hours: float, *, seed: int = 1, samples: int = 6) -> Summary:
    """So many hours of virtual time; what is held is measured `samples` times."""
    summary = Summary()
    tracemalloc.start()
    try:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(_run(directory, hours, seed, samples, summary))
    finally:
        tracemalloc.stop()
    return summary
