"""One action for a master under test, and the bus that it is to be done on; both as environment of a process, and back.

The environment is that of driver protocol 1 (docs/drivers.md). Arguments are not checked here: what a master does with
an address of 300 is something that a case may ask.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args
from urllib.parse import urlsplit

from mbusbench.errors import MBusUsageError
from mbusbench.scenario.report import PROTOCOL

if TYPE_CHECKING:
    from mbusbench.master.master import Bus

Transport = Literal["tcp", "tty", "rfc2217"]
TRANSPORTS: tuple[Transport, ...] = ("tcp", "tty", "rfc2217")

ActionName = Literal[
    "ping",
    "read",
    "read-all",
    "scan",
    "search",
    "select",
    "set-address",
    "set-baud",
    "app-reset",
    "set-clock",
    "alarm",
    "write",
    "describe",
]
ACTIONS: tuple[ActionName, ...] = get_args(ActionName)
READS = frozenset({"read", "read-all"})
WITHOUT_TARGET = frozenset({"scan", "search", "describe"})
VARIABLES = frozenset(
    f"MBUS_{name}"
    for name in (
        *("PROTOCOL", "ACTION", "URL", "TRANSPORT", "HOST", "PORT", "DEVICE", "BAUD", "PARITY", "ADDRESS", "SECONDARY"),
        *("REPEAT", "INTERVAL", "TIMEOUT", "RETRIES", "MAX_TELEGRAMS", "KEY", "DEADLINE", "RANGE", "NEW_ADDRESS"),
        *("NEW_BAUD", "SUBCODE", "TIME", "DATA"),
    )
)
DEFAULT_DEADLINE = 60.0
EVERYTHING = "F" * 16


@dataclass(frozen=True, slots=True)
class Action:
    """What a master is asked to do. None: the master's own default, or not wanted.

    `secondary` holds 16 digits each; for a search, the mask. `interval`, `timeout` and `deadline` are in seconds;
    `key`, `subcode` and `data` are hex; `time` is ISO 8601; `range` is `0-250`. `step` counts the steps of a case.
    """

    name: str
    addresses: tuple[int, ...] = ()
    secondary: tuple[str, ...] = ()
    repeat: int | None = None
    interval: float | None = None
    timeout: float | None = None
    retries: int | None = None
    max_telegrams: int | None = None
    key: str | None = None
    range: str | None = None
    new_address: int | None = None
    new_baud: int | None = None
    subcode: str | None = None
    time: str | None = None
    data: tuple[str, ...] = ()
    deadline: float = DEFAULT_DEADLINE
    step: int = 0

    @property
    def targets(self) -> tuple[int | str, ...]:
        """The meters to be treated, in this order."""
        return self.secondary or self.addresses

    def environment(self) -> dict[str, str]:
        """The variables of the protocol that say what to do."""
        texts: dict[str, str | float | None] = {
            "MBUS_PROTOCOL": PROTOCOL,
            "MBUS_ACTION": self.name,
            "MBUS_ADDRESS": ",".join(map(str, self.addresses)) or None,
            "MBUS_SECONDARY": ",".join(self.secondary) or (EVERYTHING if self.name == "search" else None),
            "MBUS_REPEAT": self.repeat,
            "MBUS_INTERVAL": self.interval,
            "MBUS_TIMEOUT": self.timeout,
            "MBUS_RETRIES": self.retries,
            "MBUS_MAX_TELEGRAMS": self.max_telegrams,
            "MBUS_KEY": self.key,
            "MBUS_DEADLINE": self.deadline,
            "MBUS_RANGE": self.range or ("0-250" if self.name == "scan" else None),
            "MBUS_NEW_ADDRESS": self.new_address,
            "MBUS_NEW_BAUD": self.new_baud,
            "MBUS_SUBCODE": self.subcode,
            "MBUS_TIME": self.time,
            "MBUS_DATA": ",".join(self.data) or None,
        }
        return {
            name: format(value, "g") if isinstance(value, float) else str(value)
            for name, value in texts.items()
            if value is not None
        }

    @staticmethod
    def from_environment(environment: Mapping[str, str]) -> Action:
        """The inverse. MBusUsageError, with the variable, where one has no meaning."""
        given = _Given(environment)
        protocol = given.text("MBUS_PROTOCOL")
        if protocol != str(PROTOCOL):
            raise MBusUsageError(f"MBUS_PROTOCOL is {protocol or 'not set'}: {PROTOCOL} is what can be spoken")
        name = given.text("MBUS_ACTION")
        if not name:
            raise MBusUsageError("MBUS_ACTION is not set")
        return Action(
            name,
            addresses=tuple(given.whole("MBUS_ADDRESS", each) for each in given.several("MBUS_ADDRESS")),
            secondary=given.several("MBUS_SECONDARY"),
            repeat=given.number("MBUS_REPEAT"),
            interval=given.seconds("MBUS_INTERVAL"),
            timeout=given.seconds("MBUS_TIMEOUT"),
            retries=given.number("MBUS_RETRIES"),
            max_telegrams=given.number("MBUS_MAX_TELEGRAMS"),
            key=given.text("MBUS_KEY"),
            range=given.text("MBUS_RANGE"),
            new_address=given.number("MBUS_NEW_ADDRESS"),
            new_baud=given.number("MBUS_NEW_BAUD"),
            subcode=given.text("MBUS_SUBCODE"),
            time=given.text("MBUS_TIME"),
            data=given.several("MBUS_DATA"),
            deadline=given.seconds("MBUS_DEADLINE") or DEFAULT_DEADLINE,
        )


class _Given:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str) -> str | None:
        return self._environment.get(name, "").strip() or None

    def several(self, name: str) -> tuple[str, ...]:
        return tuple(filter(None, (each.strip() for each in self._environment.get(name, "").split(","))))

    def whole(self, name: str, text: str) -> int:
        if not (text.isascii() and text.removeprefix("-").isdecimal() and len(text) < 10):
            raise MBusUsageError(f"{name}={text}: this is no whole number")
        return int(text)

    def number(self, name: str) -> int | None:
        text = self.text(name)
        return None if text is None else self.whole(name, text)

    def seconds(self, name: str) -> float | None:
        text = self.text(name)
        try:
            return None if text is None else float(text)
        except ValueError:
            raise MBusUsageError(f"{name}={text}: this is no number of seconds") from None


def _no_time() -> int:
    return 0


@dataclass(frozen=True, slots=True)
class BusAccess:
    """Where the bus is: `url` as a process gets it, or `bus` itself for a master in this process.

    `now` gives ns of the bus, `heard` how many characters masters have sent on it so far.
    """

    url: str
    transport: Transport = "tcp"
    baud: int = 2400
    parity: str = "even"
    bus: Bus | None = None
    now: Callable[[], int] = _no_time
    heard: Callable[[], int] = _no_time

    @property
    def host(self) -> str:
        """Of a TCP or RFC 2217 port, else empty."""
        return "" if self.transport == "tty" else urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """Of a TCP or RFC 2217 port, else 0."""
        return 0 if self.transport == "tty" else urlsplit(self.url).port or 0

    @property
    def device(self) -> str:
        """The path of a terminal, else empty."""
        return self.url if self.transport == "tty" else ""

    def environment(self) -> dict[str, str]:
        """The variables of the protocol that say where the bus is."""
        place = (
            {"MBUS_DEVICE": self.device}
            if self.transport == "tty"
            else {"MBUS_HOST": self.host, "MBUS_PORT": str(self.port)}
        )
        return {
            "MBUS_URL": self.url,
            "MBUS_TRANSPORT": self.transport,
            **place,
            "MBUS_BAUD": str(self.baud),
            "MBUS_PARITY": self.parity,
        }
