"""A meter on the line: its link and application machines, the rates that it knows, and its response delay."""

from __future__ import annotations

from random import Random

from mbusbench.meter.meter import Meter
from mbusbench.protocol.slave.quirk import QuirkedLink
from mbusbench.timing import RESPONSE_MINIMUM_BITS, bit_time
from mbusbench.trace.event import REPEAT

DEFAULT_RESPONSE_MARGIN = 3_000_000
"""ns added to the shortest response delay of 11 bit times where neither device nor bus file says."""
DEFAULT_RESPONSE_JITTER = 2_000_000
"""ns by which it then varies from answer to answer and from slave to slave."""

_REPEATED = (REPEAT,)


class Slave:
    """`indexed_at` is the primary address under which the bus finds it. `stream` names its random numbers."""

    __slots__ = ("_delays", "indexed_at", "link", "meter", "stream")

    def __init__(self, meter: Meter, stream: str = "0") -> None:
        self.meter = meter
        self.link = meter.link
        self.indexed_at = meter.address
        self.stream = stream
        self._delays: Random | None = None

    @property
    def name(self) -> str:
        """For the trace."""
        return f"slave {self.meter.address}"

    def response_delay(self, baud: int) -> int:
        """ns from the end of a request at `baud` to the start of the answer, from the slave's own random stream."""
        if self.meter.response_delay is None:
            low = bit_time(baud, RESPONSE_MINIMUM_BITS) + DEFAULT_RESPONSE_MARGIN
            high = low + DEFAULT_RESPONSE_JITTER
        else:
            low, high = self.meter.response_delay
            if low == high:
                return low
        if self._delays is None:
            self._delays = Random(f"{self.stream}/response_delay")
        # Of the module's methods only random() is promised to be the same on every Python.
        return low + int(self._delays.random() * (high - low + 1))


def repetition(slave: Slave, answer: bytes) -> tuple[str, ...]:
    """What the trace says of the telegram that the slave is about to send: REPEAT where the last one comes again."""
    return _REPEATED if slave.link.is_repeat and len(answer) > 1 else ()


class QuirkedSlave(Slave):
    """A slave with quirks: some of them delay its answers."""

    __slots__ = ()

    def response_delay(self, baud: int) -> int:
        delay = super().response_delay(baud)
        return delay + self.link.extra_delay if isinstance(self.link, QuirkedLink) else delay


def slaves_of(index: int, meter: Meter, seed: int) -> list[Slave]:
    """The slaves of the bus's meter with this number: itself, and a second one in the same housing."""
    return slaves_with(f"{seed}/meter/{index}", meter)


def slaves_with(stream: str, meter: Meter) -> list[Slave]:
    """The same, by the name of the random numbers."""
    if not meter.quirks.used:
        return [Slave(meter, stream)]
    second = meter.second()
    slaves: list[Slave] = [QuirkedSlave(meter, stream)]
    return slaves if second is None else [*slaves, QuirkedSlave(second, f"{stream}/second")]
