"""What the tests of the poller share: configurations as data, buses in place of URLs, and a store in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from mbusbench import VirtualBus
from mbusbench.errors import MBusConnectionError
from mbusbench.poller.connection_definition import ConnectionDefinition
from mbusbench.poller.definition import PollerFile
from mbusbench.poller.redundancy import Channel
from mbusbench.sinks.reading import Reading
from mbusbench.transport.stream import Stream


class Kept:
    """A store: readings in the order in which they were acknowledged."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []

    async def keep(self, readings: Sequence[Reading]) -> None:
        self.readings += readings

    def of(self, meter: str) -> list[Reading]:
        return [reading for reading in self.readings if reading.meter == meter]

    def values(self, tag: str) -> list[object]:
        return [value.value for reading in self.readings for value in reading.values if value.tag == tag]


class Gate:
    """A gateway to a bus that can fail: `refuse` lets nobody in, `cut` ends what is open, `mute` passes nothing on."""

    def __init__(self, bus: VirtualBus) -> None:
        self.bus = bus
        self.refused = False
        self.muted = False
        self.attempts = 0
        self.failures = 0
        """Refused connections and requests that were lost since the last data."""
        self.worked = False
        self.other: Gate | None = None
        self.before_change: list[int] = []
        """The failures of the other gate, each time that this one was tried after the other had worked."""
        self._streams: list[GatedStream] = []

    def connect(self) -> Stream:
        self.attempts += 1
        if self.other is not None:
            if self.other.worked:
                self.before_change.append(self.other.failures)
            self.other.worked = False
            self.other.failures = 0
        if self.refused:
            self.failures += 1
            raise MBusConnectionError("no connection to the gateway: connection refused")
        stream = GatedStream(self, self.bus.connect())
        self._streams.append(stream)
        return stream

    def cut(self) -> None:
        """End all connections, as a gateway does that loses its power."""
        for stream in self._streams:
            stream.lose()
        self._streams.clear()

    def forget(self, stream: GatedStream) -> None:
        if stream in self._streams:
            self._streams.remove(stream)


class GatedStream(Stream):
    """A stream to the bus behind a gate."""

    def __init__(self, gate: Gate, inner: Stream) -> None:
        self._gate = gate
        self._inner = inner
        self.latency = inner.latency
        inner.on_data = self._data
        inner.on_lost = self._lost

    def _lost(self, error: MBusConnectionError) -> None:
        self.on_lost(error)

    def _data(self, data: bytes) -> None:
        if not self._gate.muted:
            self._gate.failures = 0
            self._gate.worked = True
            self.on_data(data)

    @property
    def is_open(self) -> bool:
        return self._inner.is_open

    def write(self, data: bytes) -> None:
        if not self._gate.muted:
            self._inner.write(data)
        elif self._inner.is_open:
            self._gate.failures += 1
        else:
            raise MBusConnectionError("the stream is closed")

    def take_whole_answers(self) -> None:
        self._inner.take_whole_answers()

    def busy_until(self) -> int:
        return 0 if self._gate.muted else self._inner.busy_until()

    def deliver_pending(self) -> None:
        self._inner.deliver_pending()

    async def close(self) -> None:
        self._gate.forget(self)
        await self._inner.close()

    def lose(self) -> None:
        """Close the inner side, and tell whoever listens."""
        inner: Any = self._inner
        if inner.is_open:
            inner._driver.detach(inner._port)
            inner.disconnect()


Sources = dict[tuple[str, Channel], Any]


def source_of(sources: Sources) -> Callable[[ConnectionDefinition, Channel], Any]:
    """Buses in place of what the configuration names, by connection and channel."""
    return lambda connection, which: sources[connection.name, which]


def connection(name: str = "a", meters: Iterable[Any] = (1,), **more: Any) -> dict[str, Any]:
    """A connection as a file would have it; meters are addresses or mappings."""
    listed = [each if isinstance(each, dict) else {"address": each} for each in meters]
    return {"name": name, "url": f"socket://{name}.test:10001", "meters": listed, **more}


def with_backup(name: str, **more: Any) -> dict[str, Any]:
    return {"backup": {"url": f"socket://{name}-backup.test:10001"}, **more}


def configuration(*connections: dict[str, Any], **more: Any) -> PollerFile:
    return PollerFile.model_validate({"format": 1, "connections": list(connections), **more})
