"""The bus file: which meters are on the line, how fast it is, where it is served."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainValidator, model_validator

from mbusbench.bus.endpoint import parse_endpoint
from mbusbench.bus.fault import MAX_FAULTS, FaultDefinition, mistakes_of_faults
from mbusbench.bus.noise import Noise
from mbusbench.bus.port import GatewayOptions, PortOptions
from mbusbench.definition.document import Document, Mistake, Path_, definition_error, read_document
from mbusbench.definition.fields import (
    Byte,
    Duration,
    Format,
    IdentificationNumber,
    Instant,
    PrimaryAddress,
    in_range,
    nanoseconds,
    one_of,
)
from mbusbench.definition.validation import Definition, mistake, mistakes, shown
from mbusbench.errors import DefinitionError, MBusUsageError
from mbusbench.line.wire import Parity
from mbusbench.meter import catalogue
from mbusbench.meter.behaviour import AlarmDefinition, Behaviour, BusyDefinition, Key, Security
from mbusbench.meter.definition import MAX_EVENTS, Baud, Device, Manufacturer, Medium, ResponseDelay
from mbusbench.meter.meter import DEFAULT_EPOCH, Meter
from mbusbench.meter.quirk import Quirks, contradictions, merged
from mbusbench.meter.quirk_list import QuirkList
from mbusbench.protocol.fcb import FcbMode
from mbusbench.protocol.slave_security import record_space
from mbusbench.protocol.slave_settings import AfterLast

MAX_METERS = 2000
MAX_ENDPOINTS = 64
HIGHEST_ADDRESS = 250
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


class MeterEntry(Definition):
    """One meter, or `count` of them with addresses and ids counting up. What is not given is the device's own."""

    device: str
    address: PrimaryAddress | None = None
    id: IdentificationNumber | None = None
    count: Annotated[int, in_range(1, MAX_METERS)] = 1
    version: Byte | None = None
    medium: Medium | None = None
    manufacturer: Manufacturer | None = None
    status: Byte | None = None
    fcb: Annotated[FcbMode, one_of(FcbMode)] | None = None
    after_last: Annotated[AfterLast, one_of(AfterLast)] | None = None
    response_delay: ResponseDelay | None = None
    behaviour: Behaviour = Behaviour()
    quirks: QuirkList = ()
    alarms: list[AlarmDefinition] | None = Field(default=None, max_length=MAX_EVENTS)
    busy: list[BusyDefinition] | None = Field(default=None, max_length=MAX_EVENTS)
    security: Security | None = None
    key: Key | None = None
    baud: Baud | None = None


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


class BusDefinition(Definition):
    """A whole bus file."""

    format: Format
    seed: int = 0
    speed: Annotated[float | None, PlainValidator(_speed)] = None
    epoch: Instant = DEFAULT_EPOCH
    line: Line = Line()
    listen: Endpoints = []  # noqa: RUF012
    allow_duplicate_addresses: bool = False
    meters: list[MeterEntry] = Field(max_length=MAX_METERS)
    faults: list[FaultDefinition] = Field(default=[], max_length=MAX_FAULTS)

    @model_validator(mode="after")
    def _number_of_meters(self) -> BusDefinition:
        total = sum(entry.count for entry in self.meters)
        if total > MAX_METERS:
            raise mistake(f"{total} meters in all are more than the {MAX_METERS} that are possible", ["meters"])
        return self

    @model_validator(mode="after")
    def _faults_fit_together(self) -> BusDefinition:
        found = list(mistakes_of_faults(self.faults))
        if found:
            raise mistakes([(("faults", *path), text) for path, text in found])
        return self

    @model_validator(mode="after")
    def _consistent(self) -> BusDefinition:
        if self.speed is None and self.line.is_disturbed:
            what = "noise" if self.line.noise is not None else "bit_errors"
            raise mistake("a line without time has no disturbances: write speed: real, or a factor", ["line", what])
        return self


class BusFile:
    """A bus file with its devices: what is needed to build the meters, with every mistake found."""

    def __init__(self, path: str | Path) -> None:
        self._document = read_document(path)
        self._base = Path(path).parent
        self.definition = BusDefinition.from_document(self._document)
        self._devices = self._load_devices()

    def meters(self, seed: int) -> list[Meter]:
        """Fresh meters, in the order of the file."""
        epoch = self.definition.epoch
        return [
            Meter(
                device,
                address=address,
                identification=identification,
                version=entry.version,
                medium=entry.medium,
                manufacturer=entry.manufacturer,
                status=entry.status,
                fcb=entry.fcb,
                after_last=entry.after_last,
                response_delay=entry.response_delay,
                settings=entry.behaviour.applied_to(device.settings),
                alarms=None if entry.alarms is None else [each.alarm for each in entry.alarms],
                busy=None if entry.busy is None else [(each.from_, each.until) for each in entry.busy],
                security=entry.security,
                key=entry.key,
                baud=entry.baud,
                quirks=merged(device.quirks, entry.quirks),
                seed=f"{seed}/meter/{index}",
                epoch=epoch,
            )
            for index, (entry, device, address, identification) in enumerate(self._each())
        ]

    def _load_devices(self) -> list[Device]:
        devices: list[Device] = []
        mistakes: list[Mistake] = []
        broken: list[str] = []
        for index, entry in enumerate(self.definition.meters):
            try:
                path = catalogue.find(entry.device, self._base)
            except LookupError as error:
                mistakes.append(self._document.mistake(("meters", index, "device"), str(error.args[0])))
                continue
            try:
                devices.append(catalogue.load_file(path))
            except DefinitionError as error:
                broken += str(error).splitlines()
        if not mistakes and not broken:
            mistakes = list(_address_mistakes(self._document, self.definition, devices))
            for index, (entry, device) in enumerate(zip(self.definition.meters, devices, strict=True)):
                found = _meter_mistakes(entry, device)
                mistakes += [self._document.mistake(("meters", index, key), text) for key, text in found]
        if mistakes or broken:
            own = str(definition_error(mistakes)).splitlines() if mistakes else []
            raise DefinitionError("\n".join([*own, *dict.fromkeys(broken)]))
        return devices

    def _each(self) -> Iterator[tuple[MeterEntry, Device, int, str]]:
        """(entry, device, address, identification) of each meter."""
        used: dict[str, int] = {}
        for entry, device in zip(self.definition.meters, self._devices, strict=True):
            first = device.device.address if entry.address is None else entry.address
            for number in range(entry.count):
                if entry.id is not None:
                    identification = counted_up(entry.id, number)
                else:
                    # Nobody asked for two meters with one secondary address.
                    serial = used.get(entry.device, 0)
                    used[entry.device] = serial + 1
                    identification = counted_up(device.device.id, serial)
                yield entry, device, first + number, identification


def counted_up(identification: str, by: int) -> str:
    """The identification number `by` later; decimal where it is one, else hexadecimal; 8 digits."""
    if identification.isdigit():
        return f"{(int(identification) + by) % 10**8:08d}"
    return f"{(int(identification, 16) + by) % 16**8:08X}"


def _meter_mistakes(entry: MeterEntry, device: Device) -> Iterator[tuple[str, str]]:
    """(key of the entry, what is wrong with it on this device)."""
    yield from (("quirks", text) for text in _quirk_mistakes(entry, device))
    device = Quirks(merged(device.quirks, entry.quirks)).device(device)
    security = device.device.security if entry.security is None else entry.security
    if entry.key is not None and security is None:
        yield "key", "neither the entry nor the device says which security: 5 or 7"
    if entry.security is not None:
        longest, space = max(map(device.record_bytes, range(len(device.telegrams)))), record_space(entry.security)
        if entry.key is None and device.device.key is None:
            yield "security", "neither the entry nor the device has a key"
        elif longest > space:
            yield "security", f"a telegram of the device has {longest} bytes of records, an encrypted one holds {space}"
    if entry.baud is not None and entry.baud not in device.device.baud:
        yield "baud", f"the device knows {', '.join(map(str, device.device.baud))}"


def _quirk_mistakes(entry: MeterEntry, device: Device) -> Iterator[str]:
    """What does not go together of the entry and its device."""
    decided = {key: f"behaviour.{key}" for key in entry.behaviour.model_fields_set}
    decided |= {key: f"{key}" for key in ("fcb", "after_last", "response_delay") if key in entry.model_fields_set}
    yield from (text for _, text in contradictions(merged(device.quirks, entry.quirks), decided))


def _address_mistakes(document: Document, bus: BusDefinition, devices: list[Device]) -> Iterator[Mistake]:
    taken: dict[int, int] = {}
    for index, (entry, device) in enumerate(zip(bus.meters, devices, strict=True)):
        path: Path_ = ("meters", index) if entry.address is None else ("meters", index, "address")
        first = device.device.address if entry.address is None else entry.address
        last = first + entry.count - 1
        if last > HIGHEST_ADDRESS:
            text = f"{entry.count} meters from address {first} on end at {last}, beyond {HIGHEST_ADDRESS}"
            yield document.mistake(path, text)
            continue
        if bus.allow_duplicate_addresses:
            continue
        double = next((address for address in range(first, last + 1) if address in taken), None)
        if double is not None:
            text = f"address {double} is that of meters[{taken[double]}] (allow_duplicate_addresses: true permits it)"
            yield document.mistake(path, text)
        for address in range(first, last + 1):
            taken.setdefault(address, index)
