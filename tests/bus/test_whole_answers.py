"""A master that gets whole answers in virtual time sees, does and concludes what it would with single characters."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from mbusbench import MBusMaster, VirtualBus
from mbusbench.bus.endpoints.memory import MemoryStream
from mbusbench.bus.noise import Noise
from mbusbench.clock import VirtualLoop
from mbusbench.errors import MBusError
from mbusbench.meter import catalogue
from mbusbench.meter.meter import Meter
from mbusbench.trace.event import Kind, TraceEvent

MILLISECOND = 10**6


class Characters(MemoryStream):
    """A stream that brings characters whatever its listener allows."""

    def take_whole_answers(self) -> None:
        pass


@dataclass
class Told:
    """What came of a session: each result with its time, and what was on the wire."""

    results: list[tuple[int, str]]
    wire: list[TraceEvent]
    rounds: int


def meters(delay: tuple[int, int] | None) -> list[Meter]:
    devices = ["kamstrup/multical-603", "schneider/iem3135", "kamstrup/flowiq-2101", "kamstrup/flowiq-2101"]
    return [
        Meter(catalogue.load(device), address=address, identification=f"{number:08d}", response_delay=delay)
        for number, (device, address) in enumerate(zip(devices, (1, 2, 3, 3), strict=True))
    ]


async def session(bus: VirtualBus, whole: bool, baud: int) -> Told:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    wire: list[TraceEvent] = []
    bus.trace = lambda event: wire.append(event) if event.kind is not Kind.NOTE else None
    results: list[tuple[int, str]] = []
    stream = MemoryStream(bus) if whole else Characters(bus)
    async with MBusMaster(stream, baudrate=baud, retries=1) as master:
        for address in (1, 2, 3, 4, 1, "00000001FFFFFFFF", 1):
            try:
                data = await master.query(address)
                text = " ".join(record.raw for record in data.records)
            except MBusError as error:
                text = f"{type(error).__name__}: {error}"
            results.append((loop.now_ns(), text))
        for patience in (0.05, 0.3, 0.7, 1.1, 1.7):
            try:
                async with asyncio.timeout(patience):
                    await master.query(2)
            except (TimeoutError, MBusError) as error:
                results.append((loop.now_ns(), type(error).__name__))
            await asyncio.sleep(0.02)
        results.append((loop.now_ns(), str(await master.ping_addresses([1, 2, 3, 4]))))
    return Told(results, wire, loop._timers_set)


def run(bus: VirtualBus, whole: bool, baud: int = 2400) -> Told:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(session(bus, whole, baud))


@pytest.mark.parametrize("baud", [300, 9600])
@pytest.mark.parametrize(
    "delay",
    [None, (20 * MILLISECOND, 20 * MILLISECOND), (0, 1500 * MILLISECOND), (180 * MILLISECOND, 200 * MILLISECOND)],
)
def test_session_is_the_same_with_whole_answers_as_with_characters(delay: tuple[int, int] | None, baud: int) -> None:
    whole, characters = (
        run(VirtualBus(meters(delay), baud=baud, speed=1, seed=3), each, baud) for each in (True, False)
    )
    assert whole.results == characters.results
    assert whole.wire == characters.wire
    if delay is None:
        assert 2 * whole.rounds < characters.rounds


def test_session_on_a_noisy_line_is_the_same_too() -> None:
    noise = Noise(interval=400 * MILLISECOND, longest=4, to_slaves=True)
    whole, characters = (
        run(VirtualBus(meters(None), speed=1, seed=5, noise=noise, errors_to_masters=2e-4), each)
        for each in (True, False)
    )
    assert whole.results == characters.results
    assert whole.wire == characters.wire
