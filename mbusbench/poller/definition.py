"""The configuration file of the poller: every mistake in it is found in one go, each with its line.

What a key alone can tell is the schema; what several together tell is looked for in the data as written, so that the
one does not hide the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from mbusbench.definition.document import Path_, path_text, read_document
from mbusbench.definition.fields import Format, in_range
from mbusbench.definition.validation import Definition, did_you_mean, mistake, shown
from mbusbench.poller.channel_definition import place_of
from mbusbench.poller.connection_definition import (
    BATTERY_PERIOD,
    ConnectionDefinition,
    bindings_in,
    connection_mistakes,
)
from mbusbench.poller.meter_definition import Sets, binding_mistakes
from mbusbench.poller.operation.definition import HttpDefinition, LogDefinition, WorkersDefinition
from mbusbench.poller.schedule import Cron
from mbusbench.sinks.definition import FilePath, Sinks, SqliteDefinition
from mbusbench.sinks.store import DEFAULT_LIMIT

MAX_CONNECTIONS = 10_000


class StoreDefinition(Definition):
    """Where readings wait for their sinks, and how many at most."""

    path: FilePath = Path("readings.store")
    limit: Annotated[int, in_range(1000, 100_000_000)] = DEFAULT_LIMIT


class PollerFile(Definition):
    """The whole configuration. `binding_sets` are lists of bindings that meters name.

    With `watch` a change of the file is followed. `workers` that share it have the same `name` in it.
    """

    format: Format
    name: str = "mbusbench"
    seed: int = 0
    http: HttpDefinition | None = None
    log: LogDefinition = LogDefinition()
    workers: WorkersDefinition | None = None
    watch: bool = True
    store: StoreDefinition = StoreDefinition()
    sinks: Sinks = Field(default=[SqliteDefinition(type="sqlite", name="sqlite", path=Path("readings.sqlite"))])
    binding_sets: Sets = Field(default={})
    connections: Annotated[list[ConnectionDefinition], Field(min_length=1, max_length=MAX_CONNECTIONS)]

    @model_validator(mode="wrap")
    @classmethod
    def _whole(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        found = [] if not isinstance(data, Mapping) else list(mistakes_between_keys(data))
        try:
            model = handler(data)
        except ValidationError as error:
            details = [_again(each) for each in error.errors(include_url=False)]
            raise ValidationError.from_exception_data(cls.__name__, [*details, *_details(found, data)]) from None
        if found:
            raise ValidationError.from_exception_data(cls.__name__, _details(found, data))
        return model

    @classmethod
    def read(cls, path: str | Path) -> PollerFile:
        """The file at `path`. DefinitionError with a line for each mistake."""
        return cls.from_document(read_document(path))

    @cached_property
    def complete(self) -> tuple[ConnectionDefinition, ...]:
        """The connections with the bindings of their meters in place of names of sets."""
        return tuple(connection.with_sets(self.binding_sets) for connection in self.connections)

    def warnings(self) -> Iterator[tuple[Path_, str]]:
        """What is possible, and probably not meant: the place, and why."""
        for number, connection in enumerate(self.connections):
            rhythm = connection.rhythm
            shortest = rhythm.least_gap(0) if isinstance(rhythm, Cron) else rhythm.following(0)
            if shortest < BATTERY_PERIOD and any(meter.minimum_period < BATTERY_PERIOD for meter in connection.meters):
                key = "period" if connection.cron is None else "cron"
                yield (
                    ("connections", number, key),
                    f"meters are read every {shortest / 1e9:g} s: that empties the batteries of meters that have one "
                    "(give these a minimum_period)",
                )


def _again(details: Any) -> InitErrorDetails:
    """An error that pydantic told, to be told once more."""
    kind: Any = details["type"]
    if "found" in details.get("ctx", {}):
        kind = PydanticCustomError(kind, "{text}", details["ctx"])
    return InitErrorDetails(type=kind, loc=details["loc"], input=details["input"], ctx=details.get("ctx", {}))


def _details(found: list[tuple[Path_, str]], data: object) -> list[InitErrorDetails]:
    return [InitErrorDetails(type=mistake(text), loc=path, input=data, ctx={}) for path, text in found]


def mistakes_between_keys(data: Mapping[str, Any]) -> Iterator[tuple[Path_, str]]:
    """What is wrong with the parts of a configuration together."""
    sets = data.get("binding_sets")
    sets = sets if isinstance(sets, Mapping) else {}
    for name, bindings in sets.items():
        for path, binding in bindings_in({"bindings": bindings}, ("binding_sets", name)):
            yield from (((*path, *at), text) for at, text in binding_mistakes(binding))
    yield from _outlets(data)
    connections = data.get("connections")
    connections = connections if isinstance(connections, list) else []
    names: dict[object, int] = {}
    places: dict[str, Path_] = {}
    for number, connection in enumerate(connections):
        if not isinstance(connection, Mapping):
            continue
        here: Path_ = ("connections", number)
        yield from (((*here, *at), text) for at, text in connection_mistakes(connection))
        name = connection.get("name")
        if isinstance(name, str) and names.setdefault(name, number) != number:
            yield (*here, "name"), f"{shown(name)} is the name of connections[{names[name]}] already"
        yield from _places(here, connection, places)
        yield from _meters(here, connection, sets)
        yield from _tags(here, connection, sets)


def _outlets(data: Mapping[str, Any]) -> Iterator[tuple[Path_, str]]:
    """What store, sinks and HTTP have to do with each other."""
    store, sinks = data.get("store"), data.get("sinks")
    path = store.get("path") if isinstance(store, Mapping) else None
    for number, sink in enumerate(sinks if isinstance(sinks, list) else []):
        if not isinstance(sink, Mapping):
            continue
        if sink.get("type") == "prometheus" and data.get("http") is None:
            yield ("sinks", number, "type"), "Prometheus asks at /metrics of http, which is missing"
        if path is not None and sink.get("path") == path:
            yield ("sinks", number, "path"), f"{shown(path)} is the file of the store already"


def _places(here: Path_, connection: Mapping[str, Any], places: dict[str, Path_]) -> Iterator[tuple[Path_, str]]:
    """Two masters on one bus disturb each other: no device or gateway may be there twice."""
    redundancy = connection.get("redundancy")
    channels: list[tuple[Path_, Mapping[str, Any]]] = [(here, connection)]
    if isinstance(redundancy, Mapping) and isinstance(redundancy.get("backup"), Mapping):
        channels.append(((*here, "redundancy", "backup"), redundancy["backup"]))
    for path, channel in channels:
        place = place_of(channel)
        if place is None:
            continue
        first = places.setdefault(place, path)
        if first != path:
            key = "url" if channel.get("url") is not None else "port"
            text = f"{place} is that of {_where(first)} already: one bus has one connection"
            yield (*path, key), text


def _where(path: Path_) -> str:
    return f"connections[{path[1]}]{'.redundancy.backup' if len(path) > 2 else ''}"


def _meters(here: Path_, connection: Mapping[str, Any], sets: Mapping[str, Any]) -> Iterator[tuple[Path_, str]]:
    meters = connection.get("meters")
    addresses: dict[str, int] = {}
    names: dict[str, int] = {}
    for number, meter in enumerate(meters if isinstance(meters, list) else []):
        if not isinstance(meter, Mapping):
            continue
        for key, known in (("address", addresses), ("name", names)):
            value = meter.get(key)
            if value is None or isinstance(value, bool) or not isinstance(value, int | str):
                continue
            first = known.setdefault(str(value).upper() if key == "address" else str(value), number)
            if first != number:
                yield (*here, "meters", number, key), f"{shown(value)} is that of meters[{first}] already"
        wanted = meter.get("binding_set")
        if isinstance(wanted, str) and wanted not in sets:
            text = f"there is no {shown(wanted)} in binding_sets{did_you_mean(wanted, sets)}"
            yield (*here, "meters", number, "binding_set"), text


def _tags(here: Path_, connection: Mapping[str, Any], sets: Mapping[str, Any]) -> Iterator[tuple[Path_, str]]:
    """A tag is the name of one value of a meter. Where none is given, the binding's name is it."""
    meters = connection.get("meters")
    of_meter: dict[str, dict[str, Path_]] = {}
    found: list[tuple[str, Path_, Mapping[str, Any]]] = []
    for number, meter in enumerate(meters if isinstance(meters, list) else []):
        if not isinstance(meter, Mapping):
            continue
        address = str(meter.get("address")).upper()
        name = meter.get("binding_set")
        if isinstance(name, str) and name in sets:
            for at, binding in bindings_in({"bindings": sets[name]}, ("binding_sets", name)):
                of_meter.setdefault(address, {})[_tag(binding)] = at
        found += [(address, at, each) for at, each in bindings_in(meter, (*here, "meters", number, "bindings"))]
    found += [(str(each.get("address")).upper(), at, each) for at, each in bindings_in(connection, (*here, "bindings"))]
    for address, at, binding in found:
        tag = _tag(binding)
        first = of_meter.setdefault(address, {}).setdefault(tag, at)
        if first != at and tag:
            yield (*at, "tag" if "tag" in binding else "name"), f"{shown(tag)} is the tag of {path_text(first)} already"


def _tag(binding: Mapping[str, Any]) -> str:
    tag = binding.get("tag", binding.get("name"))
    return tag if isinstance(tag, str) else ""


__all__ = ["PollerFile"]
