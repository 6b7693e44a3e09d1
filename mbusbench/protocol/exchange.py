"""One request of the master and what may answer it: what procedures yield."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from mbusbench.codec.frame import LongFrame, ShortFrame


class Expect(Enum):
    """What answers a request."""

    ACKNOWLEDGE = "E5"
    DATA = "RSP_UD, or E5 where the slave has none"
    EITHER = "E5, A2 or RSP_UD alike"
    NOTHING = "nobody answers"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what may answer it.

    `alone`: an acknowledge counts only if nothing else is heard around it (two slaves answer with two). `patient`: any
    number may answer, so that the whole time is waited in which an answer may begin, since a slave that is about to
    answer takes no request; data count only if they stay the only ones. `accepts`: whether data come from the slave
    that was meant, where the A field does not tell. `attempts`: transmissions in all, where less than the link's own
    number do. `baudrate` is the rate of the line for it, where it is not the usual one.
    """

    request: ShortFrame | LongFrame
    expect: Expect
    alone: bool = False
    accepts: Callable[[LongFrame], bool] | None = None
    attempts: int | None = None
    baudrate: int | None = None
    patient: bool = False
    request_bytes: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "request_bytes", self.request.encode())
