"""How a bus is reached, as the configuration says it: a serial device, or a gateway in the network.

What only the whole of these keys can tell is `channel_mistakes`, which takes data as it was written: so it is told
together with what is wrong with single keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator

from mbusbench.definition.document import Path_
from mbusbench.definition.fields import Duration, hex_bytes, in_range
from mbusbench.definition.validation import Definition, mistake, shown
from mbusbench.errors import MBusUsageError
from mbusbench.transport.opening import LEAST_BAUDRATE, MOST_BAUDRATE
from mbusbench.transport.serial import Parity
from mbusbench.transport.url import parse_url

ChannelType = Literal["serial", "tcp", "rfc2217"]
NETWORK = ("tcp", "rfc2217")
LONGEST_WAKE_UP = 4096


def _only(number: int, what: str) -> BeforeValidator:
    def check(value: object) -> object:
        if type(value) is not int or value != number:
            raise mistake(f"{shown(value)} is not {number}: a character of M-Bus has {number} {what}")
        return value

    return BeforeValidator(check)


def _url(value: object) -> str:
    if not isinstance(value, str):
        raise mistake(f"{shown(value)} is not a URL such as socket://HOST:PORT")
    try:
        parse_url(value)
    except MBusUsageError as error:
        raise mistake(str(error)) from None
    return value


def _port(value: object) -> int | str:
    if isinstance(value, int) and not isinstance(value, bool):
        if not 1 <= value <= 65535:
            raise mistake(f"{value} is not in 1..65535")
        return value
    if isinstance(value, str) and value.strip():
        return value
    raise mistake(f"{shown(value)} is neither the path of a serial device nor the number of a TCP port")


def _wake_up(value: object) -> bytes:
    text = value if isinstance(value, str) else ""
    count, _, characters = text.rpartition("x")
    if count and not count.isdecimal():
        raise mistake(f"{shown(value)} is not characters in hex, or a count and hex such as 480x55")
    data = hex_bytes(characters if isinstance(value, str) else value) * int(count or 1)
    if len(data) > LONGEST_WAKE_UP:
        raise mistake(f"{len(data)} characters are more than {LONGEST_WAKE_UP}")
    return data


class LineDefinition(Definition):
    """What a backup has from its main channel, where it does not say otherwise."""

    baud: Annotated[int, in_range(LEAST_BAUDRATE, MOST_BAUDRATE)] = 2400
    parity: Parity = "even"
    data_bits: Annotated[int, _only(8, "data bits")] = 8
    stop_bits: Annotated[int, _only(1, "stop bit")] = 1
    timeout: Annotated[Duration, Field(gt=0)] | None = None
    retries: Annotated[int, in_range(0, 10)] = 2
    connect_timeout: Annotated[Duration, Field(gt=0)] = 10_000_000_000
    latency: Duration | None = None
    wake_up: Annotated[bytes, PlainValidator(_wake_up)] = b""


class ChannelDefinition(LineDefinition):
    """One way to a bus: `type` with `port` or `host` and `port`, or a `url` that says it all."""

    type: ChannelType | None = None
    host: str | None = None
    port: Annotated[int | str, PlainValidator(_port)] | None = None
    url: Annotated[str, PlainValidator(_url)] | None = None

    @property
    def source(self) -> str:
        """The URL for MBusMaster."""
        if self.url is not None:
            return self.url
        if self.type in NETWORK:
            host = f"[{self.host}]" if ":" in (self.host or "") else self.host
            return f"{'socket' if self.type == 'tcp' else self.type}://{host}:{self.port}"
        return str(self.port)

    @property
    def place(self) -> str:
        """What names the bus: equal for the same device or gateway, however it was written."""
        return str(parse_url(self.source))

    def with_line_of(self, main: ChannelDefinition) -> ChannelDefinition:
        """This channel with the line's settings of the main one where it has none of its own."""
        inherited = {
            name: getattr(main, name) for name in LineDefinition.model_fields if name not in self.model_fields_set
        }
        return self.model_copy(update=inherited)


def channel_mistakes(data: Mapping[str, Any]) -> Iterator[tuple[Path_, str]]:
    """What is wrong with the keys of a channel together."""
    kind, url, port = data.get("type"), data.get("url"), data.get("port")
    if url is not None:
        for key in ("type", "host", "port"):
            if data.get(key) is not None:
                yield (key,), f"the url says it already: write url, or {key}"
        return
    if kind is None:
        if "type" not in data:
            yield (), "'type' is missing: serial or tcp, or a url"
        return
    if kind in NETWORK:
        if not data.get("host"):
            yield (), f"'host' is missing, which {kind} needs"
        if port is None:
            yield (), f"'port' is missing, which {kind} needs"
        elif isinstance(port, str):
            yield ("port",), f"{shown(port)} is not the number of a TCP port"
    elif kind == "serial":
        if data.get("host"):
            yield ("host",), "a serial device has no host"
        if port is None:
            yield (), "'port' is missing: the path of the serial device"
        elif isinstance(port, int):
            yield ("port",), f"{shown(port)} is not the path of a serial device such as /dev/ttyUSB0"


def place_of(data: Mapping[str, Any]) -> str | None:
    """The place of a channel as it was written; None where that cannot be told."""
    try:
        return ChannelDefinition.model_construct(
            **{key: data.get(key) for key in ("type", "host", "port", "url")}
        ).place
    except (MBusUsageError, TypeError, ValueError):
        return None


__all__ = ["ChannelDefinition", "LineDefinition", "channel_mistakes", "place_of"]
