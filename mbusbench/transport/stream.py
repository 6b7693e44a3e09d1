"""The byte stream that every transport is: bytes out by `write`, bytes in and the loss of the connection by callbacks.

It knows no frames and keeps no time. Callbacks run in the event loop, never inside a call of `write`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from mbusbench.errors import MBusConnectionError

DataCallback = Callable[[bytes], None]
LostCallback = Callable[[MBusConnectionError], None]


def ignore_data(data: bytes) -> None:
    """The `on_data` of a stream that nobody listens to: what arrives is dropped."""


def ignore_damaged(data: bytes, wrong: Sequence[int]) -> None:
    """The `on_damaged` of a stream that nobody listens to."""


def ignore_loss(error: MBusConnectionError) -> None:
    """The `on_lost` of a stream that nobody listens to."""


class Stream(ABC):
    """A byte stream to a bus.

    `on_data` gets each chunk as it arrives; one in which characters had parity or framing errors goes to `on_damaged`,
    with their indexes, where the transport can tell. `on_lost` is called once when the connection ends by itself, never
    after `close`; no `on_data` follows it. `latency` is what this transport may add to an answer, in ns: it belongs
    into every timeout. `sets_baudrate` says whether the rate of the line can be changed through it.
    """

    on_data: DataCallback = staticmethod(ignore_data)
    on_lost: LostCallback = staticmethod(ignore_loss)
    latency: int = 0
    sets_baudrate: bool = False

    def on_damaged(self, data: bytes, wrong: Sequence[int]) -> None:
        """As `on_data`, unless whoever listens sets a callback that wants to know about errors."""
        self.on_data(data)

    @property
    @abstractmethod
    def is_open(self) -> bool:
        """False once the stream was closed or lost."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send `data` without waiting. Raises MBusConnectionError when the stream is not open."""

    @abstractmethod
    async def close(self) -> None:
        """Close at once, dropping what was not sent yet. May be called twice, and cancelled."""

    def take_whole_answers(self) -> None:  # noqa: B027
        """Allow an answer that nothing disturbs to come in one piece at its end.

        For a listener that asks `busy_until` before it takes silence for silence. Of use where characters cost more
        than the time that they take: in process, under virtual time.
        """

    def busy_until(self) -> int:
        """When such an answer that is arriving now will be there, in ns of the loop's time.

        0 where there is none, or its first character has yet to come.
        """
        return 0

    def deliver_pending(self) -> None:  # noqa: B027
        """Deliver what has arrived of such an answer now, and the rest of it by characters."""

    def set_baudrate(self, baudrate: int) -> None:  # noqa: B027
        """Change the rate of the line from the next character on; nothing to do where the other end sets it (TCP)."""
