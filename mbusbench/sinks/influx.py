"""InfluxDB over HTTP: line protocol to `/api/v2/write` (versions 2 and 3) or `/write` (version 1).

Writing a line again changes nothing there, so what came twice is stored once.
"""

from __future__ import annotations

import gzip
import http.client
from collections.abc import Sequence
from urllib.parse import urlencode, urlsplit

from mbusbench.definition.secret import Secret
from mbusbench.sinks.lines import MEASUREMENT, influx_lines
from mbusbench.sinks.reading import Reading
from mbusbench.sinks.sink import SinkError, SinkRefusedError
from mbusbench.sinks.threads import SideThread

_TIMEOUT = 15.0
# What is wrong with the lines themselves; anything else may be right another time.
_REFUSED = frozenset({400, 413, 422})


class InfluxSink:
    """`url` is the server's; either `bucket` (with `org`) or `database` says where to."""

    def __init__(
        self,
        name: str,
        url: str,
        *,
        bucket: str | None = None,
        org: str | None = None,
        database: str | None = None,
        token: Secret | None = None,
        measurement: str = MEASUREMENT,
    ) -> None:
        self.name = name
        self._token = token
        self._measurement = measurement
        self._target = urlsplit(url)
        query = {"bucket": bucket, "org": org} if bucket is not None else {"db": database}
        place = "/api/v2/write" if bucket is not None else "/write"
        given = {key: text for key, text in {**query, "precision": "ns"}.items() if text is not None}
        self._path = f"{self._target.path.rstrip('/')}{place}?{urlencode(given)}"
        self._connection: http.client.HTTPConnection | None = None
        self._thread = SideThread(f"mbusbench-{name}")

    async def open(self) -> None:
        await self._thread.call(self._open)

    def _open(self) -> None:
        kind = http.client.HTTPSConnection if self._target.scheme == "https" else http.client.HTTPConnection
        assert self._target.hostname is not None
        self._connection = kind(self._target.hostname, self._target.port, timeout=_TIMEOUT)
        try:
            self._connection.connect()
        except OSError as error:
            raise self._error(error) from error

    async def write(self, readings: Sequence[Reading]) -> None:
        lines = [line for reading in readings for line in influx_lines(reading, self._measurement)]
        if lines:
            await self._thread.call(self._post, "\n".join(lines).encode())

    def _post(self, body: bytes) -> None:
        connection = self._connection
        assert connection is not None, "the sink is not open"
        headers = {"Content-Type": "text/plain; charset=utf-8", "Content-Encoding": "gzip"}
        if self._token is not None:
            headers["Authorization"] = f"Token {self._token.reveal()}"
        try:
            connection.request("POST", self._path, gzip.compress(body, 6), headers)
            answer = connection.getresponse()
            text = answer.read(2000).decode(errors="replace").strip()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise self._error(error) from error
        if answer.status >= 300:
            kind = SinkRefusedError if answer.status in _REFUSED else SinkError
            raise kind(f"InfluxDB {self._target.netloc}: {answer.status} {answer.reason} {text}".rstrip())

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._thread.call(connection.close)
        self._thread.stop()

    def _error(self, error: Exception) -> SinkError:
        return SinkError(f"InfluxDB {self._target.netloc}: {error or type(error).__name__}")
