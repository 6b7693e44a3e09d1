"""Line protocol, read by a parser that others wrote, and InfluxDB's way of taking it over HTTP."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from mbusbench.definition.secret import Secret
from mbusbench.sinks.influx import InfluxSink
from mbusbench.sinks.lines import influx_lines
from mbusbench.sinks.reading import Quality, Value
from mbusbench.sinks.sink import SinkError, SinkRefusedError
from tests.services import free_port
from tests.sinks.conftest import Delivering
from tests.sinks.samples import reading, readings


def parsed(line: str) -> dict[str, Any]:
    parser = pytest.importorskip("line_protocol_parser", reason="line-protocol-parser is not installed")
    found: dict[str, Any] = parser.parse_line(line)
    return found


def test_a_line_for_each_value_with_its_series_and_its_time() -> None:
    first, *_, bad, date = influx_lines(reading(1))
    assert first == (
        "mbus,connection=cellar,function=instantaneous,medium=heat,meter=KAM-12345678-1b-04,quantity=energy,storage=0,"
        'subunit=0,tag=energy,tariff=0,unit=kWh value=1001.0,quality="good" 1763719261250000000'.replace(
            "1763719261250000000", str(int(reading(1).time.timestamp() * 1000) * 1_000_000)
        )
    )
    found = parsed(first)
    assert found["measurement"] == "mbus"
    assert found["fields"] == {"value": 1001.0, "quality": "good"}
    assert found["tags"]["meter"] == "KAM-12345678-1b-04"
    assert found["time"] == round(reading(1).time.timestamp() * 1000) * 1_000_000
    assert parsed(bad)["fields"] == {"quality": "bad", "reason": "the meter has no value"}
    assert parsed(date)["fields"] == {"text": "2026-11-21", "quality": "good"}


def test_what_means_something_in_line_protocol_is_escaped() -> None:
    value = Value(
        'a tag, with = "all"', "x", 'say "a\\b",\nplease', quality=Quality.STALE, reason="it's = old, isn't it"
    )
    odd = replace(reading(1), connection="a, b=c", values=(value,))
    (line,) = influx_lines(odd, measurement="my data, all")
    found = parsed(line)
    assert found["measurement"] == "my data, all"
    assert found["tags"]["connection"] == "a, b=c"
    assert found["tags"]["tag"] == 'a tag, with = "all"'
    assert found["fields"]["text"] == 'say "a\\b", please'
    assert found["fields"]["reason"] == "it's = old, isn't it"


@pytest.mark.parametrize("number", [0, 1, -5, 0.1, 1e300, 1e-7, True, 2**70])
def test_a_number_is_a_float_for_ever(number: float) -> None:
    (line,) = influx_lines(replace(reading(1), values=(Value("x", "x", number),)))
    assert parsed(line)["fields"]["value"] == float(number)
    assert isinstance(parsed(line)["fields"]["value"], float)


@dataclass
class Influx:
    """Keeps the lines it is sent, a series and a time once, as InfluxDB does; answers as it is told."""

    port: int = 0
    points: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, list[str]], str | None]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    refuse: str | None = None


@pytest.fixture
def influx() -> Iterator[Influx]:
    state = Influx()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"]))).decode()
            target = urlsplit(self.path)
            state.requests.append((target.path, parse_qs(target.query), self.headers["Authorization"]))
            code = state.answers.pop(0) if state.answers else 204
            if state.refuse is not None and state.refuse in body:
                code = 400
            if code == 204:
                for line in body.split("\n"):
                    head, fields, time = line.rsplit(" ", 2)
                    state.points[f"{head} {time}"] = fields
            self.send_response(code)
            self.send_header("Content-Length", "0" if code == 204 else "6")
            self.end_headers()
            if code != 204:
                self.wfile.write(b"sorry\n")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        state.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        server.shutdown()
        thread.join()


async def test_readings_go_to_a_bucket_with_the_token(influx: Influx, delivering: Delivering) -> None:
    url = f"http://127.0.0.1:{influx.port}/base"
    async with delivering(InfluxSink("i", url, bucket="b", org="o", token=Secret("hush"))) as (store, delivery):
        await store.append(readings(0, 3))
        assert await delivery.drained(10)
    assert influx.requests[0] == (
        "/base/api/v2/write",
        {"bucket": ["b"], "org": ["o"], "precision": ["ns"]},
        "Token hush",
    )
    # A value with blanks in its reason is cut differently; what counts is that each series has each time.
    assert sum("tag=energy," in point for point in influx.points) == 3


async def test_a_server_that_is_busy_gets_the_same_again_and_stores_it_once(
    influx: Influx, delivering: Delivering
) -> None:
    influx.answers = [503, 429, 204, 500]
    sink = InfluxSink("i", f"http://127.0.0.1:{influx.port}", database="d")
    async with delivering(sink, batch=2) as (store, delivery):
        await store.append(readings(0, 6))
        assert await delivery.drained(10)
        assert delivery.status()[0].failures == 3
    assert influx.requests[0][:2] == ("/write", {"db": ["d"], "precision": ["ns"]})
    assert sum("tag=energy," in point for point in influx.points) == 6


async def test_a_reading_that_is_refused_holds_up_no_other(influx: Influx, delivering: Delivering) -> None:
    influx.refuse = "value=1003.0"
    sink = InfluxSink("i", f"http://127.0.0.1:{influx.port}", database="d")
    async with delivering(sink) as (store, delivery):
        await store.append(readings(0, 8))
        assert await delivery.drained(10)
        assert (delivery.status()[0].delivered, delivery.status()[0].refused) == (7, 1)


async def test_what_is_wrong_is_one_line(influx: Influx) -> None:
    port = free_port()
    with pytest.raises(SinkError, match=rf"InfluxDB 127\.0\.0\.1:{port}: .*refused"):
        await InfluxSink("i", f"http://127.0.0.1:{port}", database="d").open()
    sink = InfluxSink("i", f"http://127.0.0.1:{influx.port}", database="d")
    await sink.open()
    influx.answers = [401]
    with pytest.raises(SinkError, match="401 Unauthorized sorry") as caught:
        await sink.write(readings(0, 1))
    assert not isinstance(caught.value, SinkRefusedError)
    await sink.close()
