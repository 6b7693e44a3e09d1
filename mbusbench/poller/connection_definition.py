"""A connection as the configuration says it: one bus, one or two ways to it, when it is read, and its meters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any

from pydantic import Field, PlainValidator

from mbusbench.definition.document import Path_
from mbusbench.definition.fields import Duration, in_range, nanoseconds
from mbusbench.definition.validation import Definition, mistake
from mbusbench.errors import MBusUsageError
from mbusbench.poller.channel_definition import ChannelDefinition, channel_mistakes
from mbusbench.poller.meter_definition import (
    AddressedBinding,
    BindingDefinition,
    MeterDefinition,
    Name,
    Sets,
    binding_mistakes,
)
from mbusbench.poller.redundancy import Channel
from mbusbench.poller.schedule import SECOND, Cron, Interval, Rhythm

LEAST_PERIOD = SECOND
MOST_PERIOD = 366 * 86400 * SECOND
BATTERY_PERIOD = 60 * SECOND
DEFAULT_PERIOD = 15 * 60 * SECOND
MOST_JITTER = 60 * SECOND
MAX_ERRORS = 1000


def _period(value: object) -> int:
    found = nanoseconds(value)
    if not LEAST_PERIOD <= found <= MOST_PERIOD:
        raise mistake(f"{value} is not in 1s..366d")
    if found % SECOND:
        raise mistake(f"{value} is not a number of whole seconds")
    return found


class RedundancyDefinition(Definition):
    """The other way to the same bus, and when it is taken. `probe`: how often the main one is tried meanwhile."""

    backup: ChannelDefinition
    errors: Annotated[int, in_range(1, MAX_ERRORS)] = 3
    probe: Annotated[Duration, Field(gt=0)] = 60 * SECOND


class ConnectionDefinition(ChannelDefinition):
    """One bus. `bindings` with addresses are another way to write `meters`."""

    name: Name
    enabled: bool = True
    period: Annotated[int, PlainValidator(_period)] | None = None
    cron: str | None = None
    timezone: str = "UTC"
    jitter: Duration | None = None
    redundancy: RedundancyDefinition | None = None
    meters: list[MeterDefinition] = Field(default=[])
    bindings: list[AddressedBinding] = Field(default=[])

    @property
    def rhythm(self) -> Rhythm:
        if self.cron is not None:
            return Cron(self.cron, self.timezone)
        return Interval(self.period or DEFAULT_PERIOD)

    @property
    def longest_offset(self) -> int:
        """Up to how much later than its slot a cycle begins, in ns: a tenth of the period if nothing else is said."""
        if self.jitter is not None:
            return self.jitter
        return MOST_JITTER if self.cron is not None else min((self.period or DEFAULT_PERIOD) // 10, MOST_JITTER)

    def channel(self, which: Channel) -> ChannelDefinition:
        if which is Channel.MAIN or self.redundancy is None:
            return self
        return self.redundancy.backup.with_line_of(self)

    @cached_property
    def all_meters(self) -> tuple[MeterDefinition, ...]:
        """The meters, those of which there are only bindings included."""
        loose: dict[int | str, list[BindingDefinition]] = {}
        for binding in self.bindings:
            loose.setdefault(binding.address, []).append(binding)
        meters = []
        for meter in self.meters:
            more = loose.pop(meter.address, [])
            meters.append(meter.model_copy(update={"bindings": [*meter.bindings, *more]}) if more else meter)
        meters += [MeterDefinition(address=address, bindings=found) for address, found in loose.items()]
        return tuple(meters)

    def with_sets(self, sets: Sets) -> ConnectionDefinition:
        """This connection with the bindings that names of sets stand for."""
        if not any(meter.binding_set for meter in self.meters):
            return self
        meters = [
            meter.model_copy(update={"bindings": [*sets[meter.binding_set], *meter.bindings]})
            if meter.binding_set
            else meter
            for meter in self.meters
        ]
        return self.model_copy(update={"meters": meters})


def connection_mistakes(data: Mapping[str, Any]) -> Iterator[tuple[Path_, str]]:
    """What is wrong with the keys of a connection together."""
    yield from channel_mistakes(data)
    redundancy = data.get("redundancy")
    if isinstance(redundancy, Mapping) and isinstance(redundancy.get("backup"), Mapping):
        yield from ((("redundancy", "backup", *at), text) for at, text in channel_mistakes(redundancy["backup"]))
    cron, zone = data.get("cron"), data.get("timezone", "UTC")
    if cron is not None and data.get("period") is not None:
        yield ("period",), "there is a cron expression already: write one of the two"
    elif isinstance(cron, str) and isinstance(zone, str):
        try:
            Cron(cron, zone)
        except MBusUsageError as error:
            yield ("timezone" if "time zone" in str(error) else "cron",), str(error)
    elif cron is None and "timezone" in data:
        yield ("timezone",), "a time zone is of use with a cron expression only"
    if not data.get("meters") and not data.get("bindings"):
        yield (), "there is nothing to read: it has neither meters nor bindings"
    for path, binding in _bindings(data):
        yield from (((*path, *at), text) for at, text in binding_mistakes(binding))


def _bindings(data: Mapping[str, Any]) -> Iterator[tuple[Path_, Mapping[str, Any]]]:
    """The bindings of a connection as they were written."""
    meters = data.get("meters")
    for number, meter in enumerate(meters if isinstance(meters, list) else []):
        yield from bindings_in(meter, ("meters", number, "bindings"))
    yield from bindings_in(data, ("bindings",))


def bindings_in(holder: object, path: Path_) -> Iterator[tuple[Path_, Mapping[str, Any]]]:
    """Those in the list `bindings` of a mapping, if it is one."""
    found = holder.get("bindings") if isinstance(holder, Mapping) else None
    for number, binding in enumerate(found if isinstance(found, list) else []):
        if isinstance(binding, Mapping):
            yield (*path, number), binding
