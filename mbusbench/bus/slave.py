"""A meter on the line: its link and application machines and its response delay."""

from __future__ import annotations

from random import Random

from mbusbench.meter.meter import Meter


class Slave:
    """`indexed_at` is the primary address under which the bus finds it."""

    __slots__ = ("_delays", "indexed_at", "link", "meter")

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.link = meter.link
        self.indexed_at = meter.address
        self._delays: Random | None = None

    def response_delay(self, default: int) -> int:
        """ns from the end of a request to the start of the answer; from the meter's random stream where it varies."""
        if self.meter.response_delay is None:
            return default
        low, high = self.meter.response_delay
        if low == high:
            return low
        if self._delays is None:
            self._delays = Random(f"{self.meter.seed}/response_delay")
        return self._delays.randint(low, high)
