"""The rows of the table of faults: what happens, and what a read comes to.

`ROWS` are faults of one frame, which happen once and then always, from the second readout of slave 5 on. `SCENES` are
what needs more than that: other meters, what stands between bus and master, several faults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mbusbench.bus.noise import Noise
from mbusbench.bus.port import GatewayOptions, PortOptions
from mbusbench.errors import (
    MBusApplicationError,
    MBusCollisionError,
    MBusConnectionError,
    MBusDecodeError,
    MBusEncryptedError,
    MBusError,
    MBusGarbledError,
    MBusNoDataError,
    MBusStaleError,
    MBusTimeoutError,
    MBusTooManyTelegramsError,
    MBusWrongAddressError,
)
from mbusbench.protocol.fcb import FcbMode
from mbusbench.protocol.slave_alarms import Alarm
from mbusbench.protocol.slave_settings import (
    AccessNumber,
    Acknowledgement,
    AfterLast,
    BusyAnswer,
    ReadoutCredit,
    Repeat,
    SlaveSettings,
    Spent,
)
from mbusbench.trace.event import COLLISION, ECHO, Kind, TraceEvent

FRESH = "fresh"
STALE = "stale"
Outcome = str | type[MBusError]
MS = 10**6


@dataclass(frozen=True)
class Row:
    """`do` as in a bus file, to the frame named, but not to the first `skip` of them.

    `once` and `always` are what a read comes to that meets it; None: see `why`. `mute`: seconds for which slave 5 can
    answer nobody after that.
    """

    name: str
    do: Any
    once: Outcome | None = FRESH
    always: Outcome | None = MBusGarbledError
    frame: str = "REQ_UD2"
    direction: str = "answer"
    mute: float = 0.0
    skip: int = 2
    why: str = ""


@dataclass(frozen=True)
class Scene:
    """Reads of the addresses in `reads`, `pause` seconds apart, and what each of them comes to.

    `meters` are options of the meters by address, `doubles` addresses at which there is a second meter. `shows` tells
    from the trace that it was so, where no fault of the bus says it.
    """

    name: str
    reads: tuple[Any, ...]
    outcomes: tuple[Outcome, ...]
    faults: tuple[dict[str, Any], ...] = ()
    meters: Mapping[int, dict[str, Any]] = field(default_factory=dict)
    doubles: tuple[int, ...] = ()
    line: Mapping[str, Any] = field(default_factory=dict)
    port: PortOptions | None = None
    master: Mapping[str, Any] = field(default_factory=dict)
    pause: float = 0.0
    shows: Callable[[list[TraceEvent]], bool] | None = None


def of_slave_6() -> str:
    """A whole telegram of slave 6, in hexadecimal."""
    body = bytes.fromhex("08 06 72 06 00 00 00 24 23 28 07 01 00 00 00 0C 13 27 04 85 02")
    return (bytes((0x68, len(body), len(body), 0x68)) + body + bytes((sum(body) & 0xFF, 0x16))).hex(" ")


E5 = "E5"
ROWS = (
    Row("lost", "drop", FRESH, MBusTimeoutError),
    Row("0.45 s late", {"delay": "450ms"}, FRESH, FRESH),
    Row("1.5 s late", {"delay": "1500ms"}, MBusTimeoutError, MBusTimeoutError, mute=2),
    Row("5 s late", {"delay": "5s"}, MBusTimeoutError, MBusTimeoutError, mute=5),
    Row("just too late", {"late": "20ms"}, FRESH, FRESH),
    Row("E5 instead of data", {"replace": E5}, MBusNoDataError, MBusNoDataError),
    Row("A2 instead of data", {"replace": "A2"}),
    Row("address of another slave", {"address": 6}, FRESH, MBusWrongAddressError),
    Row("address of nobody", {"address": 77}, FRESH, MBusWrongAddressError),
    Row("address 0", {"address": 0}, FRESH, MBusWrongAddressError),
    Row("address 253", {"address": 253}, FRESH, MBusWrongAddressError),
    Row("address 255", {"address": 255}, FRESH, MBusWrongAddressError),
    Row("2 junk bytes before", {"leading": "00 FF"}, FRESH, FRESH),
    Row("60 junk bytes before", {"leading": "55 AA " * 30}, FRESH, FRESH),
    Row("E5 before", {"leading": E5}, FRESH, FRESH),
    Row("E5 and junk before", {"leading": "00 E5 00"}, FRESH, FRESH),
    Row("start byte before", {"leading": "68"}, FRESH, FRESH),
    Row("begin of a long frame before", {"leading": "68 FF FF 68 08"}, FRESH, FRESH),
    Row("begin of a short frame before", {"leading": "10 08"}, FRESH, FRESH),
    Row("telegram of another slave before", {"leading": of_slave_6()}, FRESH, FRESH),
    Row("1 junk byte behind", {"trailing": "00"}, FRESH, FRESH),
    Row("start byte behind", {"trailing": "68"}, FRESH, FRESH),
    Row("E5 behind", {"trailing": {"data": E5, "pause": "30ms"}}, FRESH, FRESH),
    Row("junk long behind", {"trailing": {"data": "A5 " * 20, "pause": "80ms"}}, FRESH, FRESH),
    Row("cut to 1 character", {"truncate": 1}),
    Row("cut to 4 characters", {"truncate": 4}),
    Row("cut to 12 characters", {"truncate": 12}),
    Row("last character missing", {"truncate": -1}),
    Row("checksum off by one bit", {"checksum": {"xor": 1}}),
    Row("checksum 0", {"checksum": "zero"}),
    Row("stop byte", "stop"),
    Row("both L too big", {"length": 1}),
    Row("both L too small", {"length": -2}),
    Row("first L differs", {"length": {"difference": 3, "which": "first"}}),
    Row("second L differs", {"length": {"difference": -1, "which": "second"}}),
    Row("first start byte", {"start": 0x69}),
    Row("second start byte", {"start": {"value": 0x10, "which": "second"}}),
    Row("direction bit of a master", {"control": 0x48}),
    Row("C field of REQ_UD2", {"control": 0x7B}),
    Row("C field of no answer", {"control": 0x0B}),
    Row("C field of an acknowledge", {"control": 0x00}),
    Row("CI unknown", {"ci": 0xB7}, MBusDecodeError, MBusDecodeError),
    Row("CI of an alarm", {"ci": 0x71}, MBusDecodeError, MBusDecodeError),
    Row("twice at once", "duplicate", FRESH, FRESH),
    Row("twice, 60 ms apart", {"duplicate": {"pause": "60ms"}}, FRESH, FRESH),
    Row("four times, 500 ms apart", {"duplicate": {"times": 3, "pause": "500ms"}}, FRESH, FRESH, mute=3),
    Row("in pieces with holes of 100 ms", {"gaps": {"duration": "100ms", "every": 8}}, FRESH, FRESH),
    Row("byte by byte, 100 ms apart", {"dribble": "100ms"}, FRESH, FRESH),
    Row("hole of 3 s", {"gaps": {"duration": "3s", "after": 20}}, MBusTimeoutError, MBusTimeoutError, mute=3),
    Row("disconnected in mid-frame", {"disconnect": 12}, MBusConnectionError, MBusConnectionError),
    Row("disconnected before the answer", {"disconnect": 0}, MBusConnectionError, MBusConnectionError),
    Row("disconnected at the acknowledge", {"disconnect": 0}, FRESH, MBusConnectionError, "SND_NKE"),
    Row("parity of one character", {"parity_errors": {"characters": [15]}}),
    Row("parity of all characters", "parity_errors"),
    Row("two bits that the checksum does not see", {"bit_flips": [11 * 29 + 1, 11 * 30 + 1]}),
    Row("many bits", {"bit_errors": 0.05}),
    Row("telegram before it", "stale", FRESH, None, skip=1, why="only the first of them was ever seen by the master"),
    Row("stuck FCB", "stuck_fcb", FRESH, STALE),
    Row("babble behind", {"babble": 400}, FRESH, FRESH, mute=3),
    Row("noise over it", {"noise": {"data": "00 00 00", "delay": "10ms"}}),
    Row("noise long behind", {"noise": {"data": "FD", "delay": "400ms"}}, FRESH, FRESH),
    Row("power of the meter fails", {"power_cycle": {"after": 12, "off": "100ms", "scope": "meter"}}),
    Row("power of the bus fails", {"power_cycle": {"after": 12, "off": "5s", "scope": "bus"}}, MBusTimeoutError, MBusTimeoutError, mute=6),
    Row("acknowledge lost", "drop", FRESH, MBusTimeoutError, "SND_NKE"),
    Row("acknowledge late", {"delay": "450ms"}, FRESH, FRESH, "SND_NKE"),
    Row("acknowledge twice", {"doubled_acknowledge": "20ms"}, FRESH, FRESH, "SND_NKE"),
    Row("acknowledge corrupted", {"corrupted_acknowledge": 0xA5}, FRESH, MBusGarbledError, "SND_NKE"),
    Row("acknowledge with a parity error", "parity_errors", FRESH, MBusGarbledError, "SND_NKE"),
    Row("request lost", "drop", FRESH, MBusTimeoutError, direction="request"),
    Row("request with a wrong checksum", "checksum", FRESH, MBusTimeoutError, direction="request"),
    Row("request with a wrong parity", "parity_errors", FRESH, MBusTimeoutError, direction="request"),
    Row("request cut", {"truncate": 3}, FRESH, MBusTimeoutError, direction="request"),
    Row("request late", {"delay": "300ms"}, FRESH, FRESH, direction="request"),
    Row("request to another slave", {"address": 6}, FRESH, MBusWrongAddressError, direction="request"),
    Row("link reset lost", "drop", FRESH, MBusTimeoutError, "SND_NKE", "request"),
)

SCENES: tuple[Scene, ...] = ()
