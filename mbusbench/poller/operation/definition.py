"""What the configuration file says about the service: where it is asked for its health, how it logs, who else works."""

from __future__ import annotations

import ipaddress
import socket
from typing import Annotated, Literal

from pydantic import Field, PlainValidator

from mbusbench.definition.fields import NANOSECONDS, Duration, one_of
from mbusbench.definition.secret import SecretText, WithSecrets
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

    url: str
    password: SecretText | None = None
    lease: Annotated[Duration, Field(ge=SHORTEST_LEASE)] = SHORTEST_LEASE
    name: str = Field(default_factory=socket.gethostname)

    @property
    def conninfo(self) -> str:
        """What psycopg connects with."""
        from psycopg.conninfo import make_conninfo

        if self.password is None:
            return self.url
        return str(make_conninfo(self.url, password=self.password.reveal()))
