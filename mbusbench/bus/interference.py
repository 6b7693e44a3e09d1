"""What the engine asks before a transmission goes on the line: the seam for faults. Asked only while one is set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from mbusbench.bus.slave import Slave
from mbusbench.codec.frame import LongFrame, ShortFrame
from mbusbench.line.effect import Bursts
from mbusbench.line.wire import Transmission, WireSignal


class Altered(NamedTuple):
    """An answer as it is sent instead: `bursts` are counted from when it is due. `causes` are names for the trace."""

    bursts: Bursts
    causes: tuple[str, ...] = ()


class Interference(Protocol):
    """Times are ns since the bus's epoch, in the time of the line.

    For anything that concerns more than one transmission the engine has `bus.at(time, action)`, `bus.put(signal)` (on
    the wire that masters hear), `bus.hang_up(port, time)` and `bus.lose_power(time, slave)`.
    """

    def of_master(self, transmission: Transmission, port: int, now: int) -> Sequence[WireSignal] | None:
        """What the line carries to the slaves instead of these characters; None as they are. Asked when they start."""

    def of_request(self, frame: LongFrame | ShortFrame, slave: Slave, port: int | None, now: int) -> bool:
        """Whether the slave gets this valid frame. Asked at the frame's end, once for each slave concerned."""

    def of_answer(
        self, request: LongFrame | ShortFrame, answer: Transmission, slave: Slave, port: int | None
    ) -> Altered | None:
        """The answer as it is sent instead, None as it is."""
