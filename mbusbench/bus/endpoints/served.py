"""What all served endpoints have in common, and the clients that a server has room for."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod

MAX_CLIENTS = 256
"""Connections of one endpoint at once."""
MAX_PORTS = 32
"""The same where each of them is a port of its own on a line with a time."""


class ServedEndpoint(ABC):
    """One endpoint of a served bus. `url` is what a master opens, with the real port or path, once it is open."""

    url: str = ""

    @abstractmethod
    async def open(self) -> None:
        """Raises OSError, or MBusConnectionError with the whole reason, where it cannot be opened."""

    @abstractmethod
    async def close(self) -> None:
        """Leave nothing behind. May be called where it is not open."""

    @property
    def client_count(self) -> int:
        """Connections that there are; terminals and devices have none."""
        return 0

    @abstractmethod
    def description(self) -> dict[str, str | int]:
        """`kind`, `url`, and what there is besides: `host` and `port`, or `device` and `link`."""


class Client(ABC):
    """A connection that takes up room. `last_heard` is in ns of the bus; `is_stuck`: it does not read."""

    last_heard: int = 0
    has_spoken: bool = False
    is_stuck: bool = False

    @abstractmethod
    def abort(self) -> None:
        """Close at once; `Room.leave` follows."""


class Room:
    """The clients of one endpoint: `limit` at most. Who comes then takes the place of the least useful of them.

    Those come first that never sent anything or do not read, then those that have been silent for the longest time: so
    whoever opens connections and forgets them does not lock the others out.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.clients: set[Client] = set()
        self._leaving: set[Client] = set()
        self._is_open = True
        self._empty = asyncio.Event()

    def enter(self, client: Client) -> bool:
        """Whether there is room."""
        if not self._is_open:
            return False
        if len(self.clients) >= self._limit:
            least = min(self.clients, key=lambda other: (other.has_spoken and not other.is_stuck, other.last_heard))
            self.clients.discard(least)
            self._leaving.add(least)
            least.abort()
        self.clients.add(client)
        return True

    def leave(self, client: Client) -> None:
        self.clients.discard(client)
        self._leaving.discard(client)
        if not self.clients and not self._leaving:
            self._empty.set()

    async def clear(self) -> None:
        """Close all connections and let nobody in any more."""
        self._is_open = False
        for client in list(self.clients):
            client.abort()
        while self.clients or self._leaving:
            self._empty.clear()
            await self._empty.wait()
