"""Readings by number, and sinks that only remember."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from mbusbench.sinks.reading import Quality, Reading, Value
from mbusbench.sinks.sink import ConnectionStatus, SinkError

START = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


def reading(number: int, meter: str = "KAM-12345678-1b-04", connection: str = "cellar") -> Reading:
    """The reading of a heat meter at the minute `number`."""
    scheduled = START + timedelta(minutes=number)
    return Reading(
        key=f"{connection}/{meter}/{scheduled:%Y-%m-%dT%H:%M:%SZ}",
        connection=connection,
        meter=meter,
        address="5",
        time=scheduled + timedelta(seconds=1, milliseconds=250),
        medium="heat",
        manufacturer="KAM",
        version=0x1B,
        access_number=number % 256,
        status=0,
        values=(
            Value("energy", "Energy", 1000 + number, "kWh", quantity="energy"),
            Value("volume", "Volume", 100.5 + number, "m³", quantity="volume"),
            Value("energy_month", "Energy, last month", 900, "kWh", quantity="energy", storage=1),
            Value("flow_temperature", "Flow", 71.3, "°C", quantity="flow_temperature"),
            Value("power", "Power", None, "W", Quality.BAD, "the meter has no value", "power"),
            Value("date", "Date", "2026-11-21", quantity="date"),
        ),
    )


def readings(start: int, stop: int) -> list[Reading]:
    return [reading(number) for number in range(start, stop)]


def keys(of: Sequence[Reading]) -> list[str]:
    return [each.key for each in of]


class MemorySink:
    """Remembers what it got. While `fault` is set it raises that instead; `after` lets so many writes pass first."""

    def __init__(self, name: str = "memory") -> None:
        self.name = name
        self.got: list[Reading] = []
        self.batches: list[int] = []
        self.fault: Exception | None = None
        self.is_open = False
        self.opened = 0

    async def open(self) -> None:
        assert not self.is_open
        if self.fault is not None:
            raise self.fault
        self.opened += 1
        self.is_open = True

    async def write(self, readings: Sequence[Reading]) -> None:
        assert self.is_open
        if self.fault is not None:
            raise self.fault
        self.got += readings
        self.batches.append(len(readings))

    async def close(self) -> None:
        self.is_open = False


class StatusMemorySink(MemorySink):
    """Also remembers what it was told of connections, and can lose its connection."""

    def __init__(self, name: str = "memory") -> None:
        super().__init__(name)
        self.told: list[ConnectionStatus] = []
        self.lose: object = None

    async def status(self, status: ConnectionStatus) -> None:
        self.told.append(status)

    async def watch(self) -> None:
        import asyncio

        self.lose = event = asyncio.Event()
        await event.wait()
        raise SinkError("the broker hung up")
