"""What is not the meters' doing: a clock that is set, a disk that is full, a mistake of our own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from mbusbench.clock import VirtualLoop, run
from mbusbench.errors import StoreError
from mbusbench.poller import collector
from mbusbench.poller.meter import Meter
from mbusbench.poller.poller import Poller
from mbusbench.sinks.reading import Quality, Reading
from tests.poller.bench import Kept, configuration, connection
from tests.poller.meters import bus, identity


class FullDisk(Kept):
    """A store that cannot write while `full`."""

    full = False

    async def keep(self, readings: Sequence[Reading]) -> None:
        if self.full:
            raise StoreError("the disk is full")
        await super().keep(readings)


def play(poller: Poller, script: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        polling = asyncio.create_task(poller.run())
        await script()
        poller.stop()
        await polling

    run(main())


def a_poller(kept: Kept, meters: Sequence[int] = (1,), **more: Any) -> Poller:
    line = bus([1, 2])
    return Poller(
        configuration(connection("a", meters, period="1min", jitter="0s", **more)),
        kept.keep,
        source_of=lambda *_: line,
    )


def slots(kept: Kept) -> list[str]:
    return [reading.key[-9:-1] for reading in kept.readings]


def test_clock_that_is_set_back_does_not_stop_the_reading() -> None:
    kept = Kept()

    async def script() -> None:
        await asyncio.sleep(150)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop._epoch -= timedelta(hours=1)
        await asyncio.sleep(150)

    play(a_poller(kept), script)
    assert slots(kept)[:5] == ["00:00:00", "00:01:00", "00:02:00", "23:03:00", "23:04:00"]


def test_clock_that_is_set_forward_leaves_out_what_is_over() -> None:
    kept = Kept()
    poller = a_poller(kept)

    async def script() -> None:
        await asyncio.sleep(90)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop._epoch += timedelta(hours=1)
        await asyncio.sleep(120)

    play(poller, script)
    assert slots(kept) == ["00:00:00", "00:01:00", "01:02:00", "01:03:00"]


def test_connection_that_runs_again_reads_the_current_slot_if_it_was_not_read_yet() -> None:
    kept = Kept()
    poller = a_poller(kept)

    async def script() -> None:
        await asyncio.sleep(30)
        await poller.connection("a").set_running(False)
        await asyncio.sleep(60)
        await poller.connection("a").set_running(True)
        await asyncio.sleep(1)

    play(poller, script)
    assert slots(kept) == ["00:00:00", "00:01:00"]


def test_readings_wait_for_a_store_that_cannot_write() -> None:
    kept = FullDisk()
    poller = a_poller(kept)

    async def script() -> None:
        await asyncio.sleep(90)
        kept.full = True
        await asyncio.sleep(180)
        assert len(kept.readings) == 2
        assert poller.collector.pending == 3
        kept.full = False
        await asyncio.sleep(10)

    play(poller, script)
    assert slots(kept) == [f"00:0{minute}:00" for minute in range(5)]
    assert (poller.collector.kept, poller.collector.pending, poller.collector.dropped) == (5, 0, 0)


def test_what_is_too_much_for_memory_is_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "MOST_WAITING", 2)
    kept = FullDisk()
    poller = a_poller(kept)

    async def script() -> None:
        kept.full = True
        await asyncio.sleep(285)
        kept.full = False
        await asyncio.sleep(10)

    play(poller, script)
    assert slots(kept) == ["00:03:00", "00:04:00"]
    assert poller.collector.dropped == 3


def test_mistake_of_our_own_costs_one_meter_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Meter.reading

    def broken(self: Meter, *arguments: Any, **more: Any) -> Reading | None:
        if self.label == "1":
            raise ZeroDivisionError("division by zero")
        return whole(self, *arguments, **more)

    monkeypatch.setattr(Meter, "reading", broken)
    kept = Kept()
    play(a_poller(kept, [1, 2]), lambda: asyncio.sleep(90))
    first, second, *_ = kept.readings
    assert (first.quality, second.quality) == (Quality.BAD, Quality.GOOD)
    assert first.reason == "a mistake in mbusbench, please report it: ZeroDivisionError: division by zero"
    assert second.meter == identity(2)
    assert len(kept.readings) == 4
