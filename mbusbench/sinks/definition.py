"""The sinks of a configuration file: one model for each `type`, each of which can build its sink.

What a sink needs that is not installed is a mistake in the file, with what to install.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, PlainValidator, Tag, model_validator

from mbusbench.definition.fields import Duration, in_range, one_of
from mbusbench.definition.secret import SecretText, WithSecrets
from mbusbench.definition.validation import Definition, did_you_mean, mistake, mistakes, shown
from mbusbench.sinks.file import ConsoleSink, FileSink, file_sink
from mbusbench.sinks.home_assistant import Topics
from mbusbench.sinks.lines import MEASUREMENT, LineFormat, influx_lines
from mbusbench.sinks.mqtt import MqttOptions, MqttSink, Tls
from mbusbench.sinks.sink import Sink

INSTALL = "pip install 'mbusbench[poller]'"
MAX_SINKS = 32
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. -]{0,63}")
_TOPIC = re.compile(r"[^/+#$\x00-\x1f][^+#\x00-\x1f]*(?<!/)")
_HOST = re.compile(r"[A-Za-z0-9_.:%-]+")


def path_field(value: object) -> Path:
    """The name of a file; `mistake` where it can be none."""
    if not isinstance(value, str | Path) or not str(value).strip() or "\0" in str(value):
        raise mistake(f"{shown(value)} is not the name of a file")
    return Path(value)


def _matching(pattern: re.Pattern[str], what: str) -> AfterValidator:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise mistake(f"{shown(value)} is not {what}")
        return value

    return AfterValidator(check)


def _url(*schemes: str) -> AfterValidator:
    def check(value: str) -> str:
        try:
            parts = urlsplit(value)
            is_url = parts.scheme in schemes and (parts.port is None or parts.port > 0)
        except ValueError:
            is_url, parts = False, urlsplit("")
        if not is_url:
            raise mistake(f"not a URL such as {schemes[0]}://host")
        if parts.password is not None:
            raise mistake("a password does not belong into a URL: write it as password or password_file")
        return value

    return AfterValidator(check)


FilePath = Annotated[Path, PlainValidator(path_field)]
SinkName = Annotated[str, _matching(_NAME, "a name: up to 64 letters, digits, spaces and . _ -")]
TopicName = Annotated[str, _matching(_TOPIC, "a topic without + # and a / at its ends")]
Port = Annotated[int, in_range(1, 65535)]


def _switched(value: object) -> object:
    """`true` stands for all defaults, `false` for nothing."""
    return {} if value is True else None if value is False else value


class _Sink(WithSecrets):
    """What all have: a `name` that is kept when the file changes, since a sink's place in the queue goes by it."""

    needs: ClassVar[str | None] = None
    """The library that it cannot do without."""

    name: SinkName = ""

    @model_validator(mode="after")
    def _library_is_there(self) -> Self:
        missing = self.missing_library()
        if missing is not None:
            raise mistake(f"this sink needs {missing}, which is not installed: {INSTALL}", ("type",))
        return self

    @classmethod
    def missing_library(cls) -> str | None:
        return cls.needs if cls.needs is not None and importlib.util.find_spec(cls.needs) is None else None

    def build(self) -> Sink:
        """The sink; nothing is opened."""
        raise NotImplementedError


class ConsoleDefinition(_Sink):
    """Standard output."""

    type: Literal["console"]
    format: Annotated[LineFormat, one_of(LineFormat)] = LineFormat.TEXT

    def build(self) -> Sink:
        return ConsoleSink(self.name, self.format.lines, header=self.format.header)


class JsonlDefinition(_Sink):
    """A line of JSON for each reading."""

    type: Literal["jsonl"]
    path: FilePath

    def build(self) -> Sink:
        return file_sink(self.name, self.path, LineFormat.JSON)


class CsvDefinition(_Sink):
    """A row for each value."""

    type: Literal["csv"]
    path: FilePath

    def build(self) -> Sink:
        return file_sink(self.name, self.path, LineFormat.CSV)


class SqliteDefinition(_Sink):
    """Two tables in a file."""

    type: Literal["sqlite"]
    path: FilePath

    def build(self) -> Sink:
        from mbusbench.sinks.sqlite import SqliteSink

        return SqliteSink(self.name, self.path)


class PostgresqlDefinition(_Sink):
    """Two tables in a database; with `timescale`, values in a hypertable."""

    needs = "psycopg"

    type: Literal["postgresql"]
    url: Annotated[str, _url("postgresql", "postgres")]
    password: SecretText | None = None
    timescale: bool = False

    def build(self) -> Sink:
        from mbusbench.sinks.postgresql import PostgresqlSink

        return PostgresqlSink(self.name, self.url, self.password, timescale=self.timescale)


class InfluxDefinition(_Sink):
    """Line protocol: to a server with `url`, to a file with `path`, to standard output with neither."""

    type: Literal["influx"]
    url: Annotated[str, _url("http", "https")] | None = None
    path: FilePath | None = None
    bucket: str | None = None
    org: str | None = None
    database: str | None = None
    token: SecretText | None = None
    measurement: Annotated[str, Field(min_length=1)] = MEASUREMENT

    @model_validator(mode="after")
    def _whole(self) -> Self:
        found: list[tuple[tuple[str | int, ...], str]] = []
        if self.url is not None and self.path is not None:
            found.append((("path",), "there is a url already: one of them"))
        if self.url is not None and (self.bucket is None) == (self.database is None):
            found.append((("url",), "needs bucket (and org), or database for InfluxDB 1"))
        if self.url is None:
            given = [key for key in ("bucket", "org", "database", "token") if getattr(self, key) is not None]
            found += [((key,), "is for a server: there is no url") for key in given]
        if found:
            raise mistakes(found)
        return self

    def build(self) -> Sink:
        if self.url is not None:
            from mbusbench.sinks.influx import InfluxSink

            return InfluxSink(
                self.name,
                self.url,
                bucket=self.bucket,
                org=self.org,
                database=self.database,
                token=self.token,
                measurement=self.measurement,
            )
        measurement = self.measurement
        if self.path is None:
            return ConsoleSink(self.name, lambda reading: influx_lines(reading, measurement))
        return FileSink(self.name, self.path, lambda reading: influx_lines(reading, measurement))


class TlsDefinition(Definition):
    """TLS with the system's authorities, or those in `ca`; `certificate` and `key` where the server wants ours."""

    ca: FilePath | None = None
    certificate: FilePath | None = None
    key: FilePath | None = None


class DiscoveryDefinition(Definition):
    """What Home Assistant is told. `expire_after` is best two or three periods."""

    prefix: TopicName = "homeassistant"
    expire_after: Annotated[Duration, Field(gt=0)] | None = None


class MqttDefinition(_Sink):
    """A broker. `tls: true` is TLS with the system's authorities, `discovery: false` is none."""

    needs = "aiomqtt"

    type: Literal["mqtt"]
    host: Annotated[str, _matching(_HOST, "the name or address of a host")]
    port: Port | None = None
    user: str | None = None
    password: SecretText | None = None
    client_id: str | None = None
    tls: Annotated[TlsDefinition | None, BeforeValidator(_switched)] = None
    topic: TopicName = "mbusbench"
    qos: Annotated[int, in_range(1, 2)] = 1
    retain: bool = True
    values: bool = False
    discovery: Annotated[DiscoveryDefinition | None, BeforeValidator(_switched)] = DiscoveryDefinition()

    def build(self) -> Sink:
        tls = None if self.tls is None else Tls(self.tls.ca, self.tls.certificate, self.tls.key)
        discovery = self.discovery or DiscoveryDefinition()
        expire_after = discovery.expire_after
        options = MqttOptions(
            self.host,
            self.port or (1883 if tls is None else 8883),
            user=self.user,
            password=self.password,
            client_id=self.client_id,
            tls=tls,
            topics=Topics(self.topic, discovery.prefix),
            qos=self.qos,
            retain=self.retain,
            values=self.values,
            discovery=self.discovery is not None,
            expire_after=None if expire_after is None else max(1, round(expire_after / 1e9)),
        )
        return MqttSink(self.name, options)


class PrometheusDefinition(_Sink):
    """The newest values, at `/metrics` of `http`."""

    needs = "prometheus_client"

    type: Literal["prometheus"]

    def build(self) -> Sink:
        from mbusbench.sinks.prometheus import PrometheusSink

        return PrometheusSink(self.name)


class SinkType(Enum):
    """Every type there is, by its name in a file."""

    CONSOLE = "console"
    JSONL = "jsonl"
    CSV = "csv"
    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"
    INFLUX = "influx"
    MQTT = "mqtt"
    PROMETHEUS = "prometheus"


class _NoSink(_Sink):
    """What has no type, or none that there is."""

    @model_validator(mode="before")
    @classmethod
    def _say_so(cls, data: Any) -> Any:
        names = [each.value for each in SinkType]
        if not isinstance(data, Mapping):
            raise mistake(f"{shown(data)} is not a mapping (key: value) with a type")
        if "type" not in data:
            raise mistake(f"'type' is missing: {', '.join(names)}")
        kind = data["type"]
        hint = did_you_mean(kind, names) if isinstance(kind, str) else ""
        raise mistake(f"{shown(kind)} is not one of {', '.join(names)}{hint}", ("type",))


def _tag(data: Any) -> str:
    if isinstance(data, _Sink):
        kind: object = getattr(data, "type", None)
    else:
        kind = data.get("type") if isinstance(data, Mapping) else None
    names = {each.value for each in SinkType}
    return f"<{kind}>" if isinstance(kind, str) and kind in names else "<none>"


def _named(data: Any) -> Any:
    """A sink without a name has its type as one."""
    if isinstance(data, Mapping) and "name" not in data and isinstance(data.get("type"), str):
        return {"name": data["type"], **data}
    return data


SinkDefinition = Annotated[
    Annotated[ConsoleDefinition, Tag("<console>")]
    | Annotated[JsonlDefinition, Tag("<jsonl>")]
    | Annotated[CsvDefinition, Tag("<csv>")]
    | Annotated[SqliteDefinition, Tag("<sqlite>")]
    | Annotated[PostgresqlDefinition, Tag("<postgresql>")]
    | Annotated[InfluxDefinition, Tag("<influx>")]
    | Annotated[MqttDefinition, Tag("<mqtt>")]
    | Annotated[PrometheusDefinition, Tag("<prometheus>")]
    | Annotated[_NoSink, Tag("<none>")],
    Discriminator(_tag),
    BeforeValidator(_named),
]


def _apart(sinks: list[Any]) -> list[Any]:
    """Names, files and `/metrics` are each one sink's."""
    found: list[tuple[tuple[str | int, ...], str]] = []
    names: dict[str, int] = {}
    paths: dict[Path, int] = {}
    metrics: int | None = None
    for number, sink in enumerate(sinks):
        first = names.setdefault(sink.name, number)
        if first != number:
            at = (number, "name") if sink.name != sink.type else (number,)
            found.append((at, f"{shown(sink.name)} is the name of sinks[{first}] already: give it a name of its own"))
        path = getattr(sink, "path", None)
        if path is not None and paths.setdefault(path, number) != number:
            found.append(((number, "path"), f"{shown(str(path))} is the file of sinks[{paths[path]}] already"))
        if isinstance(sink, PrometheusDefinition):
            if metrics is not None:
                found.append(((number, "type"), f"sinks[{metrics}] is the one for Prometheus already"))
            metrics = number if metrics is None else metrics
    if found:
        raise mistakes(found)
    return sinks


Sinks = Annotated[list[SinkDefinition], Field(max_length=MAX_SINKS), AfterValidator(_apart)]
"""The field of a configuration file."""


def build(sinks: Iterable[_Sink]) -> list[Sink]:
    """Sinks in their order, none of them opened."""
    return [sink.build() for sink in sinks]


def secret_files(sinks: Sequence[_Sink]) -> list[Path]:
    """Where their secrets were read."""
    return [path for sink in sinks for path in sink.secret_files()]
