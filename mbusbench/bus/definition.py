"""The bus file: which meters are on the line, how fast it is, where it is served."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainValidator, model_validator

from mbusbench.bus.endpoint import parse_endpoint
from mbusbench.bus.fault import MAX_FAULTS, FaultDefinition
from mbusbench.bus.meter_entry import MAX_METERS, MeterEntry
from mbusbench.bus.noise import Noise
from mbusbench.bus.port import GatewayOptions, PortOptions
from mbusbench.definition.fields import Duration, Format, Instant, in_range, nanoseconds, one_of
from mbusbench.definition.validation import Definition, mistake, mistakes, shown
from mbusbench.errors import MBusUsageError
from mbusbench.line.wire import Parity
from mbusbench.meter.definition import Baud
from mbusbench.meter.meter import DEFAULT_EPOCH

MAX_INCLUDES = 64
MAX_ENDPOINTS = 64
MAX_NOISE = 1000
LEAST_NOISE_INTERVAL = 1_000_000


def _speed(value: object) -> float | None:
    if value == "max":
        return None
    if value == "real":
        return 1.0
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1e6:
        return float(value)
    raise mistake(f"{shown(value)} is not a speed: real, max, or a factor such as 10")


class HeardBy(Enum):
    """Who hears noise: it is on the wire that masters listen to, on the other, or on both."""

    MASTERS = "masters"
    SLAVES = "slaves"
    BOTH = "both"


def _positive(value: object) -> int:
    found = nanoseconds(value)
    if found == 0:
        raise mistake("0 is no time to wait")
    return found


def _count(value: object) -> tuple[int, int]:
    pair = value if isinstance(value, list) else [value, value]
    counts = [each for each in pair if isinstance(each, int) and not isinstance(each, bool) and 1 <= each <= MAX_NOISE]
    if len(pair) != 2 or len(counts) != 2 or counts[0] > counts[1]:
        raise mistake(f"{shown(value)} is not a number of bytes from 1 to {MAX_NOISE}, or two: the least and the most")
    return counts[0], counts[1]


def _probability(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    raise mistake(f"{shown(value)} is not a probability from 0 to 1")


def _endpoint(value: object) -> str:
    if not isinstance(value, str):
        raise mistake(f"{shown(value)} is not an endpoint such as tcp://127.0.0.1:10001")
    try:
        parse_endpoint(value)
    except MBusUsageError as error:
        raise mistake(str(error)) from None
    return value


def _without(names: tuple[str, ...], empty: tuple[object, ...]) -> Any:
    """Keys that may say "none of that" before there is anything to say."""

    def drop(data: object) -> object:
        if not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if not (key in names and _is_any(value, empty))}

    return drop


def _is_any(value: object, empty: tuple[object, ...]) -> bool:
    return any(type(value) is type(each) and value == each for each in empty)


def _noise_interval(value: object) -> int:
    found = _positive(value)
    if found < LEAST_NOISE_INTERVAL:
        raise mistake(f"{shown(value)} is shorter than 1ms")
    return found


class NoiseDefinition(Definition):
    """Characters that nobody sent: every `interval` on average, `bytes` of them, on what `heard_by` listen to."""

    interval: Annotated[int, PlainValidator(_noise_interval)]
    bytes: Annotated[tuple[int, int], PlainValidator(_count)] = (1, 1)
    heard_by: Annotated[HeardBy, one_of(HeardBy)] = HeardBy.MASTERS

    @property
    def options(self) -> Noise:
        return Noise(
            self.interval, *self.bytes, self.heard_by is not HeardBy.SLAVES, self.heard_by is not HeardBy.MASTERS
        )


class BitErrorDefinition(Definition):
    """The probability that a bit arrives inverted, for each direction."""

    to_slaves: Annotated[float, PlainValidator(_probability)] = 0.0
    to_masters: Annotated[float, PlainValidator(_probability)] = 0.0


class Line(Definition):
    """The wire. `echo`: the master's port hears its own bytes, as behind some level converters."""

    baud: Baud = 2400
    parity: Annotated[Parity, one_of(Parity)] = Parity.EVEN
    echo: bool = False
    noise: NoiseDefinition | None = None
    bit_errors: BitErrorDefinition = BitErrorDefinition()

    _no_noise = model_validator(mode="before")(_without(("noise",), (0, 0.0)))

    @property
    def is_disturbed(self) -> bool:
        return self.noise is not None or self.bit_errors != BitErrorDefinition()


class GatewayDefinition(Definition):
    """A serial-to-TCP gateway, as `GatewayOptions`."""

    latency: Duration = 0
    jitter: Duration = 0
    segment: Annotated[int, in_range(1, 65_536)] | None = None
    quiet: Duration | None = None
    longest: Duration | None = None
    spacing: Duration = 0
    one_in_flight: bool = False
    timeout: Duration = 2_000_000_000
    drop: bool = False
    idle_close: Annotated[int, PlainValidator(_positive)] | None = None


class ListenEntry(Definition):
    """An endpoint, alone or with what its ports are like."""

    url: Annotated[str, PlainValidator(_endpoint)]
    echo: bool | None = None
    collision_break: Duration | None = None
    collision_slaves: Annotated[int, in_range(2, MAX_METERS)] = 2
    overload_break: Duration | None = None
    overload_slaves: Annotated[int, in_range(2, MAX_METERS)] = 10
    gateway: GatewayDefinition | None = None

    _only_url = model_validator(mode="before")(
        lambda data: data if isinstance(data, dict) else {"url": _endpoint(data)}
    )

    @property
    def options(self) -> PortOptions:
        return PortOptions(
            self.echo,
            self.collision_break,
            self.collision_slaves,
            self.overload_break,
            self.overload_slaves,
            None if self.gateway is None else GatewayOptions(**self.gateway.model_dump()),
        )


def _once(listen: list[ListenEntry]) -> list[ListenEntry]:
    """No fixed endpoint twice."""
    urls = [entry.url for entry in listen]
    wrong = [
        ((index,), f"{shown(url)} is listed twice")
        for index, url in enumerate(urls)
        if url in urls[:index] and not url.endswith((":0", "://"))
    ]
    if wrong:
        raise mistakes(wrong)
    return listen


Endpoints = Annotated[list[ListenEntry], Field(max_length=MAX_ENDPOINTS), AfterValidator(_once)]


class IncludedDefinition(Definition):
    """A file that another includes: what it has is added to that. All else is said by the outermost file."""

    format: Format
    include: list[str] = Field(default=[], max_length=MAX_INCLUDES)
    meters: list[MeterEntry] = Field(default=[], max_length=MAX_METERS)
    faults: list[FaultDefinition] = Field(default=[], max_length=MAX_FAULTS)

    @model_validator(mode="after")
    def _has_meters(self) -> IncludedDefinition:
        if not {"meters", "include", "faults"} & self.model_fields_set:
            raise mistake("'meters' is missing")
        return self


class BusDefinition(IncludedDefinition):
    """A whole bus file."""

    seed: int = 0
    speed: Annotated[float | None, PlainValidator(_speed)] = None
    epoch: Instant = DEFAULT_EPOCH
    line: Line = Line()
    listen: Endpoints = []  # noqa: RUF012
    allow_duplicate_addresses: bool = False
    meters: list[MeterEntry] = Field(max_length=MAX_METERS)

    @model_validator(mode="after")
    def _consistent(self) -> BusDefinition:
        if self.speed is None and self.line.is_disturbed:
            what = "noise" if self.line.noise is not None else "bit_errors"
            raise mistake("a line without time has no disturbances: write speed: real, or a factor", ["line", what])
        return self


class IncludingDefinition(BusDefinition):
    """A bus file that includes others: it needs no meters of its own."""

    meters: list[MeterEntry] = Field(default=[], max_length=MAX_METERS)


OUTERMOST = frozenset(BusDefinition.model_fields) - frozenset(IncludedDefinition.model_fields)
"""Keys that only the outermost file may have."""
