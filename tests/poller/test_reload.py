"""The configuration is exchanged while it runs, the process ends and begins anew: nothing is read twice or lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from mbusbench.clock import run
from mbusbench.poller.definition import PollerFile
from mbusbench.poller.poller import Changes, Poller
from mbusbench.poller.redundancy import Channel
from mbusbench.sinks.reading import Quality, Reading
from tests.poller.bench import Gate, Kept, configuration, connection, source_of, with_backup
from tests.poller.meters import bus, identity

NAMES = "abc"


class Plant:
    """Three buses with two gates each."""

    def __init__(self) -> None:
        self.kept = Kept()
        self.gates = {(name, which): Gate(bus([1, 2, 3], speed=1)) for name in NAMES for which in Channel}
        for name in NAMES:
            self.gates[name, Channel.BACKUP].bus = self.gates[name, Channel.MAIN].bus

    def poller(self, definition: PollerFile) -> Poller:
        return Poller(definition, self.kept.keep, source_of=source_of(dict(self.gates)))

    def keys(self, name: str) -> list[str]:
        return [reading.key for reading in self.kept.readings if reading.connection == name]


def file(*names: str, **more: Any) -> PollerFile:
    return configuration(*(connection(name, [1, 2], period="1min", jitter="0s", **more) for name in names))


def play(poller: Poller, script: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        polling = asyncio.create_task(poller.run())
        await asyncio.sleep(0)
        await script()
        poller.stop()
        await polling

    run(main())


def test_connection_that_stays_the_same_is_not_disturbed() -> None:
    plant = Plant()
    poller = plant.poller(file("a", "b"))

    async def script() -> None:
        await asyncio.sleep(90)
        untouched = poller.connections["a"]
        changes = await poller.reload(file("a"))
        assert changes == Changes(removed=("b",))
        assert poller.connections == {"a": untouched}
        assert plant.gates["b", Channel.MAIN].bus.port_count == 0
        changes = await poller.reload(file("a", "c"))
        assert changes == Changes(added=("c",))
        assert not await poller.reload(file("a", "c"))
        await asyncio.sleep(120)

    play(poller, script)
    assert plant.gates["a", Channel.MAIN].attempts == 1
    assert [len(plant.keys(name)) for name in NAMES] == [8, 4, 6]


def test_reload_in_mid_cycle_ends_the_readout_and_reads_the_rest_of_the_slot_once() -> None:
    plant = Plant()
    poller = plant.poller(file("a"))

    async def script() -> None:
        await asyncio.sleep(60.1)
        changes = await poller.reload(file("a", retries=1))
        assert changes == Changes(changed=("a",))
        await asyncio.sleep(50)

    play(poller, script)
    assert plant.keys("a") == [
        f"a/{identity(address)}/2024-01-01T00:0{minute}:00Z" for minute in (0, 1) for address in (1, 2)
    ]
    assert all(reading.quality is Quality.GOOD for reading in plant.kept.readings)


def test_backup_stays_in_use_over_a_reload_and_counts_go_on() -> None:
    plant = Plant()
    redundancy = with_backup("a", errors=2, probe="1h")
    poller = plant.poller(file("a", redundancy=redundancy))

    async def script() -> None:
        await asyncio.sleep(30)
        plant.gates["a", Channel.MAIN].refused = True
        plant.gates["a", Channel.MAIN].cut()
        await asyncio.sleep(60)
        assert poller.memory("a").redundancy.channel is Channel.BACKUP
        await poller.reload(file("a", redundancy={**redundancy, "errors": 5}))
        await asyncio.sleep(60)
        assert poller.memory("a").redundancy.channel is Channel.BACKUP
        assert poller.memory("a").redundancy.limit == 5
        assert poller.memory("a").counters["good"] == 6
        await poller.reload(file("a"))
        assert poller.memory("a").redundancy.channel is Channel.MAIN

    play(poller, script)


def test_meter_that_is_added_is_read_in_the_slot_that_the_others_were_read_in() -> None:
    plant = Plant()
    poller = plant.poller(file("a"))

    async def script() -> None:
        await asyncio.sleep(30)
        await poller.reload(configuration(connection("a", [1, 2, 3], period="1min", jitter="0s")))
        await asyncio.sleep(10)

    play(poller, script)
    assert [reading.meter for reading in plant.kept.readings] == [identity(1), identity(2), identity(3)]


def test_process_that_begins_anew_reads_no_meter_twice_in_a_slot_and_keeps_its_minimum_period() -> None:
    plant = Plant()
    meters = [{"address": 1}, {"address": 2, "minimum_period": "5min"}]
    definition = configuration(connection("a", meters, period="1min", jitter="0s"))

    async def main() -> list[Reading]:
        for pause in (90, 95, 180):
            poller = plant.poller(definition)
            poller.remember([Reading.from_json(reading.to_json()) for reading in plant.kept.readings])
            polling = asyncio.create_task(poller.run())
            await asyncio.sleep(pause)
            poller.stop()
            await polling
        return plant.kept.readings

    readings = run(main())
    minutes = {
        address: [reading.key[-6:-4] for reading in readings if reading.address == address] for address in ("1", "2")
    }
    assert minutes == {"1": ["00", "01", "02", "03", "04", "05", "06"], "2": ["00", "05"]}


def test_process_that_begins_anew_knows_who_its_meters_are() -> None:
    plant = Plant()
    first = plant.poller(file("a"))
    play(first, lambda: asyncio.sleep(30))
    plant.gates["a", Channel.MAIN].refused = True
    second = plant.poller(file("a"))
    second.remember(plant.kept.readings)
    for memory in second.memory("a").meters.values():
        memory.slot = None
    play(second, lambda: asyncio.sleep(30))
    assert [reading.meter for reading in plant.kept.readings] == [identity(1), identity(2)] * 2


def test_claimed_connections_alone_are_read_and_released_ones_let_go_of_the_bus() -> None:
    plant = Plant()
    poller = Poller(
        file("a", "b"),
        plant.kept.keep,
        source_of=source_of(dict(plant.gates)),
        claimed=lambda name: name == "a",
    )

    async def script() -> None:
        await asyncio.sleep(90)
        await poller.claim("b")
        await poller.release("a")
        assert plant.gates["a", Channel.MAIN].bus.port_count == 0
        await asyncio.sleep(60)

    play(poller, script)
    assert [len(plant.keys(name)) for name in "ab"] == [4, 4]
