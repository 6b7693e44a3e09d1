"""What the configuration says about the service, and what is wrong with it."""

from __future__ import annotations

import sys

import pytest

from mbusbench.definition.document import parse_document
from mbusbench.definition.secret import redacted
from mbusbench.errors import DefinitionError, MBusUsageError
from mbusbench.poller.definition import PollerFile
from mbusbench.poller.operation import http

CONNECTIONS = "connections: [{name: a, url: 'socket://h:1', period: 15min, meters: [{address: 1}]}]\n"


def read(text: str) -> PollerFile:
    return PollerFile.from_document(parse_document(f"format: 1\n{text}\n{CONNECTIONS}", "p.yaml"))


def test_service_is_quiet_where_nothing_is_said() -> None:
    definition = read("")
    assert (definition.http, definition.workers, definition.watch) == (None, None, True)


def test_http_is_on_the_loopback_unless_told_otherwise() -> None:
    definition = read("http: {}")
    assert definition.http is not None
    assert definition.http.listen == ("127.0.0.1", 9110)
    everywhere = read("http: {listen: '[::]:80', patience: 1min}").http
    assert everywhere is not None
    assert everywhere.listen == ("::", 80)
    assert everywhere.patience == 60_000_000_000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("http: {listen: 9110}", "p.yaml:2:16 http.listen: 9110 is not HOST:PORT such as 127.0.0.1:9110"),
        ("http: {listen: 'x:99999'}", "p.yaml:2:16 http.listen: 'x:99999' is not HOST:PORT such as 127.0.0.1:9110"),
        (
            "http: {listen: 'a.b:1'}",
            "p.yaml:2:16 http.listen: 'a.b' is neither localhost nor an IP address of this host",
        ),
        ("log: {format: xml}", "p.yaml:2:15 log.format: 'xml' is not one of text, json"),
        ("log: {level: loud}", "p.yaml:2:14 log.level: 'loud' is not debug, info, warning or error"),
        ("workers: {url: db}", "p.yaml:2:16 workers.url: 'db' is not a URL such as postgresql://user@host/database"),
        (
            "workers: {url: 'postgresql://h/d', lease: 10s}",
            "p.yaml:2:43 workers.lease: '10s' is less than 30 s, which readouts under way need to end",
        ),
    ],
)
def test_mistake_is_one_line(text: str, said: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        read(text)
    assert str(caught.value) == said


def test_password_in_the_url_is_a_secret_too() -> None:
    read("workers: {url: 'postgresql://u:in-the-url@h/d'}")
    assert redacted("to postgresql://u:in-the-url@h/d") == "to postgresql://u:***@h/d"


def test_missing_library_is_named_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.setitem(sys.modules, "starlette", None)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(MBusUsageError, match=r"^http: \w+ is not installed: pip install 'mbusbench\[poller\]'$"):
        http.check_installed()
    monkeypatch.setitem(sys.modules, "psycopg", None)
    workers = read("workers: {url: 'postgresql://h/d'}").workers
    assert workers is not None
    with pytest.raises(MBusUsageError, match=r"^workers: psycopg is not installed: pip install"):
        _ = workers.conninfo
