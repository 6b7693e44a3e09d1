"""What the configuration file says about the service: where it is asked for its health, how it logs, who else works."""

from __future__ import annotations

import ipaddress
import socket
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PlainValidator

from mbusbench.definition.fields import NANOSECONDS, Duration, nanoseconds, one_of
from mbusbench.definition.secret import SecretText, WithSecrets, hide
from mbusbench.definition.validation import Definition, mistake, shown
from mbusbench.poller.operation.liveness import DEFAULT_PATIENCE
from mbusbench.poller.operation.logs import LogFormat

DEFAULT_LISTEN = ("127.0.0.1", 9110)
SHORTEST_LEASE = 30 * NANOSECONDS["s"]
"""Half of it is left for a readout under way to end, which gets ten seconds."""


def _listen(value: object) -> tuple[str, int]:
    host, colon, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not port.isdecimal() or int(port) > 65535 or not host:
        raise mistake(f"{shown(value)} is not HOST:PORT such as 127.0.0.1:9110")
    try:
        if host != "localhost":
            ipaddress.ip_address(host)
    except ValueError:
        raise mistake(f"{shown(host)} is neither localhost nor an IP address of this host") from None
    return host, int(port)


def _database(url: str) -> str:
    if not url.startswith(("postgresql://", "postgres://")):
        raise mistake(f"{shown(url)} is not a URL such as postgresql://user@host/database")
    try:
        hide(urlsplit(url).password or "")
    except ValueError:
        raise mistake("not a URL such as postgresql://user@host/database") from None
    return url


def _lease(value: object) -> int:
    found = nanoseconds(value)
    if found < SHORTEST_LEASE:
        raise mistake(f"{shown(value)} is less than 30 s, which readouts under way need to end")
    return found


class HttpDefinition(Definition):
    """`/health`, `/ready` and `/metrics`. On the loopback unless told otherwise."""

    listen: Annotated[tuple[str, int], PlainValidator(_listen)] = DEFAULT_LISTEN
    patience: Annotated[Duration, Field(gt=0)] = DEFAULT_PATIENCE


class LogDefinition(Definition):
    """How lines look, and from which level on they are written."""

    format: Annotated[LogFormat, one_of(LogFormat)] = LogFormat.TEXT
    level: Literal["debug", "info", "warning", "error"] = "info"


class WorkersDefinition(WithSecrets):
    """Several processes share the connections of one configuration through leases in a PostgreSQL.

    `url` may name user and database, as libpq takes it; the password has a key of its own.
    """

    url: Annotated[str, AfterValidator(_database)]
    password: SecretText | None = None
    lease: Annotated[int, PlainValidator(_lease)] = SHORTEST_LEASE
    name: str = Field(default_factory=socket.gethostname)

    @property
    def conninfo(self) -> str:
        """What psycopg connects with."""
        from mbusbench.poller.operation.leases import psycopg_module

        psycopg = psycopg_module()
        if self.password is None:
            return self.url
        return str(psycopg.conninfo.make_conninfo(self.url, password=self.password.reveal()))
