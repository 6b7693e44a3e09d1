"""What stands between a master and the line, and what comes out of it: options, and the effect `Send`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Send(NamedTuple):
    """An effect: bytes for a port, now.

    `time` is the end of the last character, ns since the bus's epoch as `poll` counts them. `parity_errors` and
    `framing_errors` are indexes into `data`; a break is 00 with a framing error. `closes`: the bus ends the connection
    of this port behind `data`, and has forgotten the port already.
    """

    port: int
    data: bytes
    time: int = 0
    parity_errors: tuple[int, ...] = ()
    framing_errors: tuple[int, ...] = ()
    closes: bool = False


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """A serial-to-TCP gateway. Times in ns.

    Answers leave in segments: of `segment` bytes at most, `quiet` after their last character, `longest` after their
    first one, `latency` later, plus up to `jitter`, and at least `spacing` apart. `one_in_flight`: a request waits (or
    is lost where `drop`) until the one before is answered, or for `timeout`. `idle_close` ends an idle connection.
    """

    latency: int = 0
    jitter: int = 0
    segment: int | None = None
    quiet: int | None = None
    longest: int | None = None
    spacing: int = 0
    one_in_flight: bool = False
    timeout: int = 2_000_000_000
    drop: bool = False
    idle_close: int | None = None


@dataclass(frozen=True, slots=True)
class PortOptions:
    """A level converter, and the gateway behind it where there is one. Times in ns.

    `echo`: the master hears its own bytes; None is as the bus says. With `collision_break` the port goes into break for
    so long once `collision_slaves` slaves are in space at once; with `overload_break`, `overload_slaves`.
    """

    echo: bool | None = None
    collision_break: int | None = None
    collision_slaves: int = 2
    overload_break: int | None = None
    overload_slaves: int = 10
    gateway: GatewayOptions | None = None


PLAIN_PORT = PortOptions()
"""Passes everything on."""
