"""What a trace says about itself, once: which bus, which seed, and when its time 0 was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

FORMAT = "mbusbench-trace"
VERSION = 1
DEFAULT_EPOCH = datetime(2026, 1, 1)


@dataclass(frozen=True, slots=True)
class TraceHeader:
    """`bus` is a name for people; `epoch` what the calendar of the bus said at time 0, without a time zone."""

    bus: str = ""
    seed: int = 0
    epoch: datetime = DEFAULT_EPOCH
