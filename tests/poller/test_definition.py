"""The configuration file: what it may say, and that all mistakes in it are told at once, each with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mbusbench.errors import DefinitionError
from mbusbench.poller.definition import PollerFile
from mbusbench.poller.redundancy import Channel
from mbusbench.poller.schedule import Cron, Interval
from tests.cli.invoking import invoke
from tests.poller.bench import configuration, connection, with_backup

WRONG = """\
format: 1
binding_sets:
  heat:
    - {name: Energy}
connections:
  - name: a
    type: tcp
    port: x
    perid: 5
    data_bits: 7
    meters:
      - {address: 300, binding_set: heet}
      - {address: 5, bindings: [{name: E, index: 0, unit: kwh}, {name: F, quantity: enery}]}
      - {address: 5, minimum_period: 15}
  - name: a
    url: socket://h:1
    period: 10
    meters: [{address: 1, bindings: [{name: T, index: 0, tag: x}, {name: U, index: 0, tag: x, access: X}]}]
    redundancy: {backup: {url: "tcp://h:1"}, errors: 0}
  - name: b
    type: serial
    port: /dev/ttyUSB0
    host: h
    cron: "*/5 * * * x"
  - name: c
    url: gopher://h
    period: 1min
    cron: "* * * * *"
    meters: [{address: HYD-1-2}]
  - name: d
    type: serial
    port: 5
    period: 0.5s
    timezone: Europe/Berlin
    bindings:
      - {name: E, address: 5, telegram: 1, quantity: energy, scale: 0, deadband: -1, write: {dib: "04", vib: "06"}}
      - {name: F, address: 5, index: 1, storage: 1}
    redundancy: {backup: {type: tcp, host: h}, probe: 0s}
"""

TOLD = """\
4:7 binding_sets.heat[0]: which record it is is missing: index, or quantity with storage, tariff, subunit and function
6:5 connections[0]: 'host' is missing, which tcp needs
8:11 connections[0].port: 'x' is not the number of a TCP port
9:5 connections[0]: unknown key 'perid', did you mean 'period'?
10:16 connections[0].data_bits: 7 is not 8: a character of M-Bus has 8 data bits
12:19 connections[0].meters[0].address: address 300 is not in 0..250
12:37 connections[0].meters[0].binding_set: there is no 'heet' in binding_sets, did you mean 'heat'?
13:59 connections[0].meters[1].bindings[0].unit: 'kwh' is no unit that can be converted to (with a scale any name can \
stand here), did you mean 'kWh'?
13:85 connections[0].meters[1].bindings[1].quantity: 'enery' is not a quantity such as energy, volume or \
flow_temperature, did you mean 'energy'?
14:19 connections[0].meters[2].address: 5 is that of meters[1] already
14:38 connections[0].meters[2].minimum_period: 15 has no unit: write a duration as 15ms, 15s, 15min, 15h or 15d
15:11 connections[1].name: 'a' is the name of connections[0] already
17:13 connections[1].period: 10 has no unit: write a duration as 10ms, 10s, 10min, 10h or 10d
18:92 connections[1].meters[0].bindings[1].tag: 'x' is the tag of connections[1].meters[0].bindings[0] already
18:103 connections[1].meters[0].bindings[1].access: 'X' is not one of R, W, RW
19:32 connections[1].redundancy.backup.url: socket://h:1 is that of connections[1] already: one bus has one connection
19:54 connections[1].redundancy.errors: 0 is not in 1..1000
20:5 connections[2]: there is nothing to read: it has neither meters nor bindings
23:11 connections[2].host: a serial device has no host
24:11 connections[2].cron: '*/5 * * * x' is no cron expression: Bad day-of-week
26:10 connections[3].url: gopher://h: unknown scheme 'gopher'; supported are socket://HOST:PORT, rfc2217://HOST:PORT \
or the path of a serial device
27:13 connections[3].period: there is a cron expression already: write one of the two
29:24 connections[3].meters[0].address: 'HYD-1-2' is no secondary address: 16 hex digits, or like HYD-12345678-28-07, \
F and * being wildcards
32:11 connections[4].port: 5 is not the path of a serial device such as /dev/ttyUSB0
33:13 connections[4].period: 0.5s is not in 1s..366d
34:15 connections[4].timezone: a time zone is of use with a cron expression only
36:41 connections[4].bindings[0].telegram: a telegram is of use with an index only: a meaning is looked for in \
all of them
36:69 connections[4].bindings[0].scale: 0 leaves nothing of the value
36:82 connections[4].bindings[0].deadband: -1 is less than 0
36:93 connections[4].bindings[0].write: the binding is not written: its access is R
37:50 connections[4].bindings[1].storage: storage is of use with a quantity only
38:26 connections[4].redundancy.backup: 'port' is missing, which tcp needs
38:55 connections[4].redundancy.probe: '0s' is not above 0
"""


def test_all_mistakes_are_told_in_one_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(WRONG, encoding="utf-8")
    result = invoke("poll", "--check", "config.yaml")
    assert result.code == 2
    assert result.stderr.splitlines() == [f"config.yaml:{line}" for line in TOLD.splitlines()]


def mistakes(data: dict[str, Any], path: Path) -> str:
    file = path / "c.yaml"
    file.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(DefinitionError) as caught:
        PollerFile.read(file)
    return str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        {"format": 1},
        {"format": 1, "connections": []},
        {"format": 1, "connections": 5},
        {"format": 1, "connections": [5]},
        {"format": 1, "connections": [{"name": 5, "meters": 5, "bindings": "x", "redundancy": []}]},
        {"format": 1, "connections": [{"name": "a", "meters": [5], "bindings": [5], "redundancy": {"backup": 5}}]},
        {"format": 1, "connections": [{"name": "a", "type": ["x"], "port": {}, "host": 7}]},
        {"format": 1, "connections": [{"name": "a", "url": 7, "cron": 7, "timezone": []}]},
        {"format": 1, "connections": [{"name": "a", "meters": [{"address": [], "bindings": {"a": 1}}]}]},
        {"format": 1, "binding_sets": [], "connections": [{}]},
        {"format": 1, "binding_sets": {"a": 5, "b": [5]}, "connections": [{"name": ""}]},
    ],
)
def test_anything_in_a_wrong_place_is_told_with_its_place(data: dict[str, Any], tmp_path: Path) -> None:
    assert all(line.startswith(f"{tmp_path}/c.yaml:1:") for line in mistakes(data, tmp_path).splitlines())


def test_bindings_of_a_connection_are_those_of_its_meters() -> None:
    flat = connection("a", [{"address": 5, "name": "five", "bindings": [{"name": "A", "index": 0}]}])
    flat["bindings"] = [
        {"name": "B", "index": 1, "address": 5},
        {"name": "C", "index": 2, "address": "HYD-12345678-28-07"},
    ]
    meters = configuration(flat).complete[0].all_meters
    assert [(meter.label, [each.name for each in meter.bindings]) for meter in meters] == [
        ("five", ["A", "B"]),
        ("1234567824232807", ["C"]),
    ]


def test_set_of_bindings_stands_before_a_meters_own() -> None:
    file = configuration(
        connection("a", [{"address": 5, "binding_set": "heat", "bindings": [{"name": "B", "index": 1}]}]),
        binding_sets={"heat": [{"name": "A", "index": 0, "tag": "{connection}/{meter}/{name}"}]},
    )
    (meter,) = file.complete[0].all_meters
    assert [each.name for each in meter.bindings] == ["A", "B"]


@pytest.mark.parametrize(
    ("keys", "source"),
    [
        ({"type": "tcp", "host": "10.0.0.5", "port": 10001}, "socket://10.0.0.5:10001"),
        ({"type": "tcp", "host": "fe80::1", "port": 10001}, "socket://[fe80::1]:10001"),
        ({"type": "rfc2217", "host": "h", "port": 7}, "rfc2217://h:7"),
        ({"type": "serial", "port": "/dev/ttyUSB0"}, "/dev/ttyUSB0"),
        ({"type": "serial", "port": "COM3"}, "COM3"),
        ({"url": "rfc2217://h:7"}, "rfc2217://h:7"),
    ],
)
def test_channel_is_a_url_for_the_master(keys: dict[str, Any], source: str) -> None:
    file = configuration({"name": "a", "meters": [{"address": 1}], **keys})
    assert file.connections[0].channel(Channel.MAIN).source == source


def test_backup_has_the_line_of_the_main_channel_where_it_has_none_of_its_own() -> None:
    backup = {"url": "socket://b:1", "retries": 0}
    file = configuration(connection("a", baud=300, parity="none", retries=5, redundancy={"backup": backup}))
    channel = file.connections[0].channel(Channel.BACKUP)
    assert (channel.source, channel.baud, channel.parity, channel.retries) == ("socket://b:1", 300, "none", 0)


def test_rhythm_is_an_interval_or_cron() -> None:
    every = configuration(connection("a"), connection("b", period="1min"), connection("c", cron="0 * * * *"))
    assert [each.rhythm for each in every.connections] == [
        Interval(15 * 60 * 10**9),
        Interval(60 * 10**9),
        Cron("0 * * * *"),
    ]


@pytest.mark.parametrize(
    ("keys", "warned"),
    [
        ({"period": "30s"}, True),
        ({"period": "1min"}, False),
        ({"cron": "*/30 * * * * *"}, True),
        ({"cron": "* * * * *"}, False),
        ({"period": "30s", "meters": [{"address": 1, "minimum_period": "1h"}]}, False),
        ({"period": "30s", "meters": [{"address": 1, "minimum_period": "1h"}, {"address": 2}]}, True),
    ],
)
def test_short_period_is_warned_of_for_the_sake_of_batteries(keys: dict[str, Any], warned: bool) -> None:
    found = list(configuration({**connection("a"), **keys}).warnings())
    assert bool(found) == warned
    assert all("batteries" in text for _, text in found)


def test_wake_up_is_characters_or_a_count_of_them() -> None:
    every = configuration(connection("a", wake_up="480x55"), connection("b", wake_up="00 55"))
    assert [each.wake_up for each in every.connections] == [b"\x55" * 480, b"\x00\x55"]


def test_store_has_a_path_and_a_limit(tmp_path: Path) -> None:
    file = configuration(connection("a"), store={"path": "/var/lib/x.db", "limit": 5000})
    assert (str(file.store.path), file.store.limit) == ("/var/lib/x.db", 5000)
    wrong = {"format": 1, "connections": [connection("a")], "store": {"path": 5, "limit": 1}}
    assert "store.path: 5 is not the name of a file" in mistakes(wrong, tmp_path)
    assert "store.limit: 1 is not in 1000..100000000" in mistakes(wrong, tmp_path)


def test_file_that_is_right_is_told_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = {"format": 1, "connections": [connection("a", [1, 2], redundancy=with_backup("a"))]}
    Path("c.yaml").write_text(json.dumps(data), encoding="utf-8")
    result = invoke("poll", "--check", "c.yaml")
    assert (result.code, result.stdout) == (0, "c.yaml: 1 connections, 2 meters, 0 bindings: no mistakes\n")
