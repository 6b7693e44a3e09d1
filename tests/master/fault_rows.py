"""The rows of the table of faults: what happens, and what a read comes to.

`ROWS` are faults of one frame, which happen once and then always, from the second readout of slave 5 on. `SCENES` are
what needs more than that: other meters, what stands between bus and master, several faults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mbusbench.bus.fault import BytePattern
from mbusbench.bus.noise import Noise
from mbusbench.bus.port import GatewayOptions, PortOptions
from mbusbench.errors import (
    MBusApplicationError,
    MBusConnectionError,
    MBusDecodeError,
    MBusEncryptedError,
    MBusError,
    MBusGarbledError,
    MBusNoDataError,
    MBusTimeoutError,
    MBusTooManyTelegramsError,
    MBusWrongAddressError,
)
from mbusbench.protocol.fcb import FcbMode
from mbusbench.protocol.slave.alarms import Alarm
from mbusbench.protocol.slave.settings import (
    AccessNumber,
    Acknowledgement,
    AfterLast,
    BusyAnswer,
    ReadoutCredit,
    Repeat,
    SlaveSettings,
    Spent,
)
from mbusbench.trace.event import CLOSED, COLLISION, Kind, TraceEvent

FRESH = "fresh"
STALE = "stale"
PART = "part"
MASTER = Kind.MASTER
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
    Row("disconnected in mid-frame", {"disconnect": 12}, FRESH, MBusConnectionError),
    Row("disconnected before the answer", {"disconnect": 0}, FRESH, MBusConnectionError),
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
    Row(
        "power of the bus fails",
        {"power_cycle": {"after": 12, "off": "5s"}},
        MBusTimeoutError,
        MBusTimeoutError,
        mute=6,
    ),
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


def sent(*patterns: str, kind: Kind = Kind.SLAVE, least: int = 1) -> Callable[[list[TraceEvent]], bool]:
    """Whether the trace has at least so many characters runs of that kind that begin so (`??`: any)."""
    masks = [BytePattern(f"{pattern} *") for pattern in patterns]

    def shows(events: list[TraceEvent]) -> bool:
        return sum(event.kind is kind and any(mask.matches(event.data) for mask in masks) for event in events) >= least

    return shows


def caused(cause: str, kind: Kind = Kind.SLAVE) -> Callable[[list[TraceEvent]], bool]:
    """Whether the trace has an event of that kind with that cause."""
    return lambda events: any(event.kind is kind and cause in event.cause for event in events)


def seen(kind: Kind) -> Callable[[list[TraceEvent]], bool]:
    """Whether the trace has an event of that kind."""
    return lambda events: any(event.kind is kind for event in events)


def settings(**given: Any) -> dict[int, dict[str, Any]]:
    """Slave 5 with these settings."""
    return {5: {"settings": SlaveSettings(**given)}}


def third_of_7(do: Any, **keys: Any) -> tuple[dict[str, Any], ...]:
    """A fault of the second telegram in the second readout of slave 7."""
    return ({"on": 7, "frame": "REQ_UD2", "exactly": 5, "do": do} | keys,)


KEY = bytes(range(16))
ENCRYPTED: dict[int, dict[str, Any]] = {5: {"security": 5, "key": KEY}}
RESET_5 = "10 40 05"
DATA = "68 ?? ?? 68 ?? 05"
SECONDS = 10**9
_FRESH_3 = (FRESH,) * 3

SCENES: tuple[Scene, ...] = (
    Scene("nothing", (5, 6, 7), _FRESH_3, shows=sent(DATA)),
    Scene("echo", (5, 6, 7), _FRESH_3, line={"echo": True}, shows=sent(RESET_5, kind=Kind.RECEIVED)),
    Scene(
        "echo and a wrong checksum",
        (5, 5, 6),
        _FRESH_3,
        ({"on": 5, "frame": "REQ_UD2", "exactly": 2, "do": "checksum"},),
        line={"echo": True},
    ),
    Scene(
        "echo and no answer",
        (5, 5, 6),
        (FRESH, MBusTimeoutError, FRESH),
        ({"on": 5, "frame": "REQ_UD2", "skip": 1, "do": "drop"},),
        line={"echo": True},
    ),
    Scene(
        "strict FCB",
        (5, 5, 5),
        _FRESH_3,
        meters={5: {"fcb": FcbMode.STRICT}},
        shows=sent(RESET_5, kind=MASTER, least=3),
    ),
    Scene("lenient FCB", (5, 5, 5), _FRESH_3, meters={5: {"fcb": FcbMode.LENIENT}}, shows=sent(DATA, least=3)),
    Scene("FCB ignored", (5, 5, 5), _FRESH_3, meters={5: {"fcb": FcbMode.IGNORE}}, shows=sent(DATA, least=3)),
    Scene(
        "FCB ignored and an answer lost",
        (5, 5),
        (FRESH, FRESH),
        ({"on": 5, "frame": "REQ_UD2", "exactly": 2, "do": "drop"},),
        meters={5: {"fcb": FcbMode.IGNORE}},
    ),
    Scene(
        "mute for two frames after power-up",
        (5, 5, 6),
        _FRESH_3,
        ({"at": "1s", "do": {"power_cycle": {"off": "1ms"}}},),
        meters=settings(missed_after_power_up=2),
        pause=2,
        shows=sent(RESET_5, kind=MASTER, least=4),
    ),
    Scene(
        "mute for the first frame after a pause",
        (5, 5, 5),
        _FRESH_3,
        meters=settings(missed_after_idle=SECONDS),
        pause=2,
        shows=sent(RESET_5, kind=MASTER, least=5),
    ),
    Scene(
        "starting up",
        (5, 5, 5),
        (FRESH, MBusTimeoutError, FRESH),
        ({"at": "1500ms", "do": {"power_cycle": {"off": "1ms"}}},),
        meters=settings(start_up=2 * SECONDS),
        pause=2,
        shows=sent(RESET_5, kind=MASTER, least=4),
    ),
    Scene(
        "wake-up characters before each call",
        (5, 6, 7),
        _FRESH_3,
        master={"wake_up": b"\x55" * 200},
        shows=sent("55 55 55", kind=MASTER, least=3),
    ),
    Scene(
        "E5 after the last telegram",
        (7, 7),
        (FRESH, FRESH),
        meters={7: {"after_last": AfterLast.ACKNOWLEDGE}},
        shows=sent(E5),
    ),
    Scene(
        "answers from address 0",
        (5, 6, 5),
        (MBusWrongAddressError, FRESH, MBusWrongAddressError),
        meters=settings(reply_address=0),
        shows=sent("68 ?? ?? 68 08 00"),
    ),
    Scene(
        "acknowledge as a short frame",
        (5, 5, 6),
        _FRESH_3,
        meters=settings(acknowledgement=Acknowledgement.SHORT_FRAME),
        shows=sent("10 00 05 05 16"),
    ),
    Scene(
        "busy with an error and DFC",
        (5, 6, 5),
        (MBusApplicationError, FRESH, FRESH),
        meters={5: {"busy": [(0, SECONDS)], "settings": SlaveSettings(busy_dfc=True)}},
        pause=2,
        shows=sent("68 04 04 68 18 05 70 08"),
    ),
    Scene(
        "busy with E5",
        (5, 6, 5),
        (MBusNoDataError, FRESH, FRESH),
        meters={5: {"busy": [(0, SECONDS)], "settings": SlaveSettings(busy_answer=BusyAnswer.ACKNOWLEDGE)}},
        pause=2,
        shows=sent(E5, least=3),
    ),
    Scene(
        "alarm waiting (ACD)", (5, 6, 5), _FRESH_3, meters={5: {"alarms": [Alarm(4)]}}, shows=sent("68 ?? ?? 68 28 05")
    ),
    Scene("encrypted, without the key", (5, 6), (MBusEncryptedError, FRESH), meters=ENCRYPTED, shows=sent(DATA)),
    Scene(
        "encrypted, with the wrong key",
        (5, 6),
        (MBusEncryptedError, FRESH),
        meters=ENCRYPTED,
        master={"keys": {5: bytes(16)}},
        shows=sent(DATA),
    ),
    Scene(
        "encrypted, with the key", (5, 6), (FRESH, FRESH), meters=ENCRYPTED, master={"keys": {5: KEY}}, shows=sent(DATA)
    ),
    Scene(
        "readout credit spent, with an error",
        (5, 5, 6),
        (FRESH, MBusApplicationError, FRESH),
        meters=settings(readout_credit=ReadoutCredit(1, 86400 * SECONDS)),
        shows=sent("68 04 04 68 08 05 70 09"),
    ),
    Scene(
        "readout credit spent, in silence",
        (5, 5, 6),
        (FRESH, MBusTimeoutError, FRESH),
        meters=settings(readout_credit=ReadoutCredit(1, 86400 * SECONDS, Spent.SILENCE)),
        shows=sent("10 7B 05", kind=MASTER, least=4),
    ),
    Scene(
        "access number constant",
        (5, 5, 5),
        _FRESH_3,
        ({"on": 5, "frame": "REQ_UD2", "exactly": 2, "do": "drop"},),
        meters=settings(access_number=AccessNumber.NEVER),
    ),
    Scene(
        "repeat under a new access number",
        (5, 5, 5),
        _FRESH_3,
        ({"on": 5, "frame": "REQ_UD2", "exactly": 2, "do": "checksum"},),
        meters=settings(repeat=Repeat.RENUMBERED),
    ),
    Scene(
        "repeat with the values of now",
        (5, 5, 5),
        _FRESH_3,
        ({"on": 5, "frame": "REQ_UD2", "exactly": 2, "do": {"late": "30ms"}},),
        meters=settings(repeat=Repeat.REFRESHED),
    ),
    Scene("two slaves at one address", (5, 6), (MBusGarbledError, FRESH), doubles=(5,), shows=caused(COLLISION)),
    Scene(
        "two slaves at one address behind a converter that sends a break",
        (5, 6),
        (MBusGarbledError, FRESH),
        doubles=(5,),
        port=PortOptions(collision_break=50 * MS),
        shows=caused(COLLISION),
    ),
    Scene(
        "gateway with latency and jitter",
        (5, 6, 7),
        _FRESH_3,
        port=PortOptions(gateway=GatewayOptions(latency=180 * MS, jitter=90 * MS)),
        shows=sent(DATA),
    ),
    Scene(
        "gateway that cuts answers into pieces of 5, 60 ms apart",
        (5, 6, 7),
        _FRESH_3,
        port=PortOptions(gateway=GatewayOptions(segment=5, spacing=60 * MS, latency=20 * MS)),
        shows=sent(DATA),
    ),
    Scene(
        "gateway that merges two answers",
        (5, 5, 6),
        _FRESH_3,
        ({"on": 5, "frame": "REQ_UD2", "exactly": 2, "do": {"duplicate": {"pause": "100ms"}}},),
        port=PortOptions(gateway=GatewayOptions(quiet=150 * MS, latency=20 * MS)),
    ),
    Scene(
        "gateway that closes an idle connection",
        (5, 6, 5),
        _FRESH_3,
        port=PortOptions(gateway=GatewayOptions(idle_close=SECONDS)),
        pause=2,
        shows=caused(CLOSED, Kind.NOTE),
    ),
    Scene(
        "answer of the slave before comes during the next request",
        (5, 5, 6, 5),
        (FRESH, MBusTimeoutError, FRESH, FRESH),
        ({"on": 5, "frame": "REQ_UD2", "exactly": 2, "do": {"delay": "270ms"}},),
        master={"retries": 0},
    ),
    Scene(
        "answer of a readout before comes instead of the acknowledge",
        (5, 5, 5, 5),
        (FRESH, MBusTimeoutError, FRESH, FRESH),
        ({"on": 5, "frame": "REQ_UD2", "exactly": 2, "do": {"delay": "270ms"}},),
        master={"retries": 0},
    ),
    Scene(
        "answer of a readout before comes in a pause",
        (5, 5, 5, 5),
        (FRESH, MBusTimeoutError, FRESH, FRESH),
        ({"on": 5, "frame": "REQ_UD2", "exactly": 2, "do": {"delay": "1500ms"}},),
        pause=2,
        master={"retries": 0},
    ),
    Scene("second telegram lost", (7, 7), (FRESH, FRESH), third_of_7("drop")),
    Scene("second telegram twice", (7, 7), (FRESH, FRESH), third_of_7("duplicate")),
    Scene("second telegram twice, 60 ms apart", (7, 7), (FRESH, FRESH), third_of_7({"duplicate": {"pause": "60ms"}})),
    Scene("second telegram late", (7, 7), (FRESH, FRESH), third_of_7({"delay": "300ms"})),
    Scene("second telegram with a wrong checksum", (7, 7), (FRESH, FRESH), third_of_7("checksum")),
    Scene("second telegram of another slave", (7, 7), (FRESH, FRESH), third_of_7({"address": 6})),
    Scene("second telegram is the first again", (7, 7), (FRESH, FRESH), third_of_7("stale")),
    Scene("FCB stuck at the second telegram", (7, 7), (FRESH, FRESH), third_of_7("stuck_fcb")),
    Scene(
        "FCB stuck from the second telegram on",
        (7, 7, 6),
        (FRESH, MBusTooManyTelegramsError, FRESH),
        ({"on": 7, "frame": "REQ_UD2", "skip": 4, "do": "stuck_fcb"},),
    ),
    Scene("E5 instead of the second telegram", (7, 7), (FRESH, FRESH), third_of_7({"replace": E5})),
    Scene(
        "second telegram never again",
        (7, 7, 6),
        (FRESH, MBusTimeoutError, FRESH),
        ({"on": 7, "frame": "REQ_UD2", "bytes": "68 ?? ?? 68 08 07 *", "skip": 4, "do": "drop"},),
    ),
    Scene(
        "power of the meter fails in mid-readout",
        (7, 7),
        (FRESH, FRESH),
        third_of_7({"power_cycle": {"after": 12, "off": "50ms", "scope": "meter"}}),
    ),
    Scene(
        "slave begins again with its first telegram",
        (7, 7),
        (FRESH, FRESH),
        third_of_7(["drop", {"power_cycle": {"after": 0, "off": "1ms", "scope": "meter"}}]),
    ),
    Scene(
        "power of the bus fails between readouts",
        (5, 7, 5),
        _FRESH_3,
        ({"at": "1500ms", "do": {"power_cycle": {"off": "200ms", "scope": "bus"}}},),
        pause=2,
    ),
    Scene("connection lost between readouts", (5, 6, 5), _FRESH_3, ({"at": "1s", "do": "disconnect"},), pause=2),
    Scene(
        "noise between readouts",
        (5, 6, 5),
        _FRESH_3,
        ({"at": "1s", "period": "730ms", "do": {"noise": {"count": 2}}},),
        pause=1,
    ),
    Scene("somebody babbles", (5, 6, 5), _FRESH_3, ({"at": "1900ms", "do": {"babble": 60}},), pause=2),
    Scene(
        "noise all the time",
        (5, 6, 7) * 3,
        _FRESH_3 * 3,
        line={"noise": Noise(interval=300 * MS, longest=3, to_slaves=True)},
        shows=seen(Kind.NOISE),
    ),
    Scene(
        "bit errors all the time",
        (5, 6, 7) * 3,
        _FRESH_3 * 3,
        line={"errors_to_masters": 1e-3, "errors_to_slaves": 1e-3},
        shows=sent(DATA, least=4),
    ),
)
