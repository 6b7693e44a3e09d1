from __future__ import annotations

import re
from pathlib import Path

import pytest

from mbusbench.definition.document import parse_document
from mbusbench.definition.validation import Definition
from mbusbench.errors import DefinitionError
from mbusbench.sinks import definition
from mbusbench.sinks.definition import Sinks, build, secret_files


class File(Definition):
    sinks: Sinks


def read(text: str) -> File:
    return File.from_document(parse_document(text, "config.yaml"))


ALL = """
sinks:
  - {type: console}
  - {type: jsonl, path: a.jsonl}
  - {type: csv, path: a.csv}
  - {type: sqlite, path: a.sqlite}
  - {type: postgresql, url: postgresql://mbus@db/mbus, password: hush-hush, timescale: true}
  - {type: influx, url: https://influx:8086, bucket: b, org: o, token: hush-hush}
  - {name: influx 1, type: influx, url: http://influx:8086, database: d}
  - {name: influx file, type: influx, path: a.lp}
  - {type: mqtt, host: broker, user: u, password: hush-hush, tls: true, discovery: {expire_after: 45min}}
  - {name: other broker, type: mqtt, host: broker2, discovery: false, qos: 2}
  - {type: prometheus}
"""


def test_every_sink_can_be_written_and_built() -> None:
    pytest.importorskip("aiomqtt")
    pytest.importorskip("psycopg")
    pytest.importorskip("prometheus_client")
    file = read(ALL)
    names = [sink.name for sink in build(file.sinks)]
    assert names[:3] == ["console", "jsonl", "csv"]
    assert names[6:8] == ["influx 1", "influx file"]
    assert "hush" not in repr(file)


def test_all_mistakes_are_told_at_once_with_their_place() -> None:
    with pytest.raises(DefinitionError) as caught:
        read("""
sinks:
  - {type: jsonl, path: 5}
  - {type: sqlit}
  - {name: b}
  - 5
  - {name: i, type: influx, url: "http://x", path: y}
  - {name: j, type: influx, bucket: b}
  - {type: console, format: jsn, colour: red}
""")
    assert str(caught.value).splitlines() == [
        "config.yaml:3:25 sinks[0].path: 5 is not the name of a file",
        "config.yaml:4:12 sinks[1].type: 'sqlit' is not one of console, jsonl, csv, sqlite, postgresql, influx, mqtt, "
        "prometheus, did you mean 'sqlite'?",
        "config.yaml:5:5 sinks[2]: 'type' is missing: console, jsonl, csv, sqlite, postgresql, influx, mqtt, "
        "prometheus",
        "config.yaml:6:5 sinks[3]: 5 is not a mapping (key: value) with a type",
        "config.yaml:7:34 sinks[4].url: needs bucket (and org), or database for InfluxDB 1",
        "config.yaml:7:52 sinks[4].path: there is a url already: one of them",
        "config.yaml:8:37 sinks[5].bucket: is for a server: there is no url",
        "config.yaml:9:29 sinks[6].format: 'jsn' is not one of text, json, csv, influx, did you mean 'json'?",
        "config.yaml:9:34 sinks[6]: unknown key 'colour'",
    ]


def test_names_and_files_are_each_one_sinks() -> None:
    with pytest.raises(DefinitionError) as caught:
        read("sinks:\n  - {type: csv, path: a}\n  - {type: csv, path: b}\n  - {type: jsonl, path: a}\n")
    assert "'csv' is the name of sinks[0] already" in str(caught.value)
    assert "'a' is the file of sinks[0] already" in str(caught.value)


def test_a_password_in_a_url_is_refused_without_showing_it() -> None:
    with pytest.raises(DefinitionError, match="a password does not belong into a URL") as caught:
        read("sinks: [{type: postgresql, url: 'postgresql://a:hush-hush@c/d'}]")
    assert "hush" not in str(caught.value)


def test_secrets_come_from_the_environment_and_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiomqtt")
    (tmp_path / "token").write_text("of-the-file\n")
    monkeypatch.setenv("BROKER", "of-the-environment")
    file = read(f"""
sinks:
  - {{type: mqtt, host: h, password: {{env: BROKER}}}}
  - {{type: influx, url: http://x, database: d, token_file: {tmp_path / "token"}}}
""")
    mqtt, influx = file.sinks
    assert mqtt.password.reveal() == "of-the-environment"
    assert influx.token.reveal() == "of-the-file"
    assert secret_files(file.sinks) == [tmp_path / "token"]


def test_a_library_that_is_not_there_is_a_mistake_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(definition.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DefinitionError) as caught:
        read("sinks:\n  - {type: mqtt, host: h}\n  - {type: prometheus}\n  - {type: sqlite, path: a}\n")
    assert str(caught.value).splitlines() == [
        "config.yaml:2:12 sinks[0].type: this sink needs aiomqtt, which is not installed: "
        "pip install 'mbusbench[poller]'",
        "config.yaml:3:12 sinks[1].type: this sink needs prometheus_client, which is not installed: "
        "pip install 'mbusbench[poller]'",
    ]


def test_the_documentations_sinks_are_possible_and_all_types_and_keys_are_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("aiomqtt")
    pytest.importorskip("psycopg")
    text = (Path(__file__).parents[2] / "docs" / "sinks.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "secret").write_text("x")
    monkeypatch.setenv("DATABASE_PASSWORD", "x")
    block = block.replace("/run/secrets/broker", str(tmp_path / "secret"))
    assert len(read(block[block.index("sinks:") :]).sinks) == 4
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", text, re.MULTILINE))
    for kind in definition.SinkType:
        model = getattr(definition, f"{kind.value.capitalize()}Definition")
        keys = set(model.model_fields) - {"type", "name"}
        assert keys <= set(re.findall(r"`(\w+)`", rows[kind.value])), kind
