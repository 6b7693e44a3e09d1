"""The one or two ways to a bus, as masters of which at most one is open: the other is closed before one is opened.

A channel that was closed in mid-exchange may have left a slave talking. The other one is therefore not used before the
longest answer would be over.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from mbusbench.clock import now_ns
from mbusbench.codec.frame import DATA_MAXIMUM
from mbusbench.master import MBusMaster
from mbusbench.master.keys import Keys
from mbusbench.master.master import Bus
from mbusbench.poller.connection_definition import ConnectionDefinition
from mbusbench.poller.exclusive import LOCKS
from mbusbench.poller.redundancy import Channel, Redundancy
from mbusbench.timing import character_time, response_window

Source = str | os.PathLike[str] | Bus
SourceOf = Callable[[ConnectionDefinition, Channel], Source]

_FRAME_AROUND_DATA = 9
_LATENCY = 500_000_000


def configured_source(connection: ConnectionDefinition, which: Channel) -> Source:
    """What the configuration names."""
    return connection.channel(which).source


class Channels:
    """Masters for one connection. `keys` are those of its meters, by address."""

    def __init__(
        self,
        definition: ConnectionDefinition,
        redundancy: Redundancy,
        source_of: SourceOf = configured_source,
        keys: Keys | None = None,
    ) -> None:
        self.redundancy = redundancy
        self._definition = definition
        self._source_of = source_of
        self._keys = keys
        self._open: Channel | None = None
        self._used = False
        self._locked: str | None = None
        self._master: MBusMaster | None = None
        self._quiet_from = 0
        """When nothing that the closed channel asked for can be on the bus any more, in ns of the loop's time."""

    @property
    def open_channel(self) -> Channel | None:
        """The one that is open now."""
        return self._open if self._master is not None and self._master.is_open else None

    async def master(self) -> MBusMaster:
        """The open master of the channel that is to be used. MBusConnectionError where it cannot be opened."""
        wanted = self.redundancy.channel
        if self._open is not wanted:
            await self.close()
            await self._wait_for_silence()
        if self._master is None:
            self._master = self._made(wanted)
            self._open = wanted
        if not self._master.is_open:
            self._lock(wanted)
            await self._master.open()
            self._used = True
        return self._master

    def _lock(self, which: Channel) -> None:
        """Keep other pollers of this machine from the bus, where it is one that others can reach."""
        if self._locked is None and isinstance(self._source_of(self._definition, which), str):
            place = self._definition.channel(which).place
            LOCKS.lock(place)
            self._locked = place

    async def close(self) -> None:
        """Close what is open."""
        master, self._master, self._open = self._master, None, None
        if master is not None and self._used:
            # Also where it was lost: a request may still be on its way to the bus.
            self._used = False
            self._quiet_from = now_ns(asyncio.get_running_loop()) + self._longest_exchange()
            await master.close()
        if self._locked is not None:
            LOCKS.unlock(self._locked)
            self._locked = None

    def _longest_exchange(self) -> int:
        """From when a request is given out until nothing of its answer can come any more, in ns."""
        definition = self._definition
        frame = character_time(definition.baud, DATA_MAXIMUM + _FRAME_AROUND_DATA)
        latency = _LATENCY if definition.latency is None else definition.latency
        return 2 * frame + response_window(definition.baud)[1] + latency

    async def _wait_for_silence(self) -> None:
        missing = self._quiet_from - now_ns(asyncio.get_running_loop())
        if missing > 0:
            await asyncio.sleep(missing / 1e9)

    def _made(self, which: Channel) -> MBusMaster:
        channel = self._definition.channel(which)
        return MBusMaster(
            self._source_of(self._definition, which),
            baudrate=channel.baud,
            parity=channel.parity,
            timeout=_seconds(channel.timeout),
            retries=channel.retries,
            keys=self._keys,
            connect_timeout=channel.connect_timeout / 1e9,
            wake_up=channel.wake_up,
            latency=_seconds(channel.latency),
            reconnect=0,
        )


def _seconds(duration: int | None) -> float | None:
    return None if duration is None else duration / 1e9
