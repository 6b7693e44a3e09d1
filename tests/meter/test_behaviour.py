"""What a device file and a bus file say about a slave's habits, alarms, busy times, security and applications."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from mbusbench.bus.bus_file import BusFile
from mbusbench.codec.frame import ACK, LongFrame, ShortFrame
from mbusbench.definition.document import parse_document
from mbusbench.errors import DefinitionError
from mbusbench.meter.behaviour import Behaviour
from mbusbench.meter.definition import Device
from mbusbench.meter.meter import Meter
from mbusbench.protocol.fcb import FcbMode
from mbusbench.protocol.slave.alarms import Alarm
from mbusbench.protocol.slave.settings import (
    AfterLast,
    Lasts,
    ReadoutCredit,
    Repeat,
    SlaveSettings,
    Spent,
)

SECOND = 10**9
DEVICE = "device: {manufacturer: KAM, version: 1, medium: heat}"
RECORD = "{vif: energy, unit: kWh, code: int32, value: 1}"
TELEGRAMS = f"telegrams: [{{records: [{RECORD}]}}]"


def device(*lines: str, header: str = DEVICE, telegrams: str = TELEGRAMS) -> Device:
    return Device.from_document(parse_document("\n".join(["format: 1", header, *lines, telegrams, ""]), "d.yaml"))


def complaints(*lines: str, **parts: str) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        device(*lines, **parts)
    return str(caught.value).splitlines()


def test_file_has_a_key_for_every_setting_with_the_same_default() -> None:
    standard = SlaveSettings()
    elsewhere = {"fcb", "after_last"}  # in `device`
    assert set(Behaviour.model_fields) == {field.name for field in fields(SlaveSettings)} - elsewhere
    for name, value in Behaviour():
        assert value == getattr(standard, name), name
    assert device().settings == standard


def test_settings_of_a_device_file() -> None:
    found = device(
        "behaviour:",
        "  repeat: refreshed",
        "  reply_address: 8",
        "  selected_reply_address: own",
        "  test_address: false",
        "  application_lasts: reset",
        "  start_up: 2s",
        "  missed_after_idle: 1h",
        "  baud_fallback: never",
        "  readout_credit: {readouts: 5, per: 1d, spent: silence}",
        header="device: {manufacturer: KAM, version: 1, medium: heat, fcb: ignore, after_last: repeat}",
    ).settings
    assert found == SlaveSettings(
        fcb=FcbMode.IGNORE,
        after_last=AfterLast.REPEAT,
        repeat=Repeat.REFRESHED,
        reply_address=8,
        test_address=False,
        application_lasts=Lasts.RESET,
        start_up=2 * SECOND,
        missed_after_idle=3600 * SECOND,
        baud_fallback=None,
        readout_credit=ReadoutCredit(5, 86400 * SECOND, Spent.SILENCE),
    )


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("behaviour: {repeet: same}", "3:13 behaviour: unknown key 'repeet', did you mean 'repeat'?"),
        ("behaviour: {repeat: again}", "3:21 behaviour.repeat: 'again' is not one of same, renumbered, refreshed"),
        ("behaviour: {test_address: 1}", "3:27 behaviour.test_address: 1 is not true or false"),
        (
            "behaviour: {reply_address: 256}",
            "3:28 behaviour.reply_address: 256 is not an address of an answer: own, or 0..255",
        ),
        (
            "behaviour: {start_up: 5}",
            "3:23 behaviour.start_up: 5 has no unit: write a duration as 5ms, 5s, 5min, 5h or 5d",
        ),
        ("behaviour: {missed_after_power_up: -1}", "3:36 behaviour.missed_after_power_up: -1 is not in 0..1000"),
        ("behaviour: {command_bytes: 253}", "3:28 behaviour.command_bytes: 253 is not in 0..252"),
        (
            "behaviour: {baud_fallback: soon}",
            "3:28 behaviour.baud_fallback: 'soon' is not a duration such as 600ms, 1.5s, 20min, 12h or 1d",
        ),
        ("behaviour: {readout_credit: 5}", "3:29 behaviour.readout_credit: 5 is not a mapping (key: value)"),
        ("behaviour: {readout_credit: {per: 1d}}", "3:29 behaviour.readout_credit: 'readouts' is missing"),
        (
            "behaviour: {readout_credit: {readouts: 1, per: 0s}}",
            "3:48 behaviour.readout_credit.per: a period is longer than 0s",
        ),
        ("alarms: [{state: 0}]", "3:18 alarms[0].state: an alarm sets at least one bit"),
        ("alarms: [{state: 4, form: 1s}]", "3:21 alarms[0]: unknown key 'form', did you mean 'from'?"),
        ("alarms: [{state: 4, from: 2s, until: 1s}]", "3:38 alarms[0].until: must be later than from"),
        ("busy: [{from: 1s}]", "3:8 busy[0]: 'until' is missing"),
        ("busy: [{from: 1s, until: 1s}]", "3:26 busy[0].until: must be later than from"),
        ("busy: 5s", "3:7 busy: '5s' is not a list"),
    ],
)
def test_mistake_in_what_a_slave_does(line: str, complaint: str) -> None:
    assert complaints(line) == [f"d.yaml:{complaint}"]


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ("security: 5", "2:65 device.security: 'key' is missing: security needs one"),
        (f'key: "{"00" * 16}"', "2:60 device.key: 'security' is missing: 5 or 7"),
        (f'security: 6, key: "{"00" * 16}"', "2:65 device.security: 6 is not a security mode: 5 or 7"),
        ('security: 5, key: "00 11"', "2:73 device.key: a key has 16 bytes, not 2"),
        ('security: 5, key: "secret"', "2:73 device.key: 'secret' is not hexadecimal bytes such as \"0C 78\""),
        (
            f'configuration: 1, security: 5, key: "{"00" * 16}"',
            "2:70 device.configuration: security makes a configuration field of its own",
        ),
    ],
)
def test_mistake_in_the_security_of_a_device(keys: str, complaint: str) -> None:
    header = f"device: {{manufacturer: KAM, version: 1, medium: heat, {keys}}}"
    assert complaints(header=header) == [f"d.yaml:{complaint}"]


def fillers(count: int) -> str:
    return f"telegrams: [{{records: [{{raw: '{'2F' * count}'}}]}}]"


@pytest.mark.parametrize(("mode", "limit"), [(5, 238), (7, 222)])
def test_encrypted_telegram_holds_less(mode: int, limit: int) -> None:
    header = f'device: {{manufacturer: KAM, version: 1, medium: heat, security: {mode}, key: "{"00" * 16}"}}'
    reply = Meter(device(header=header, telegrams=fillers(limit))).link.receive(ShortFrame(0x7B, 0), 0)
    assert isinstance(reply, LongFrame)
    assert len(reply.data) <= 252
    assert complaints(header=header, telegrams=fillers(limit + 1)) == [
        f"d.yaml:3:23 telegrams[0].records: {limit + 1} bytes of records, an encrypted telegram holds {limit}: "
        "split it in two"
    ]


@pytest.mark.parametrize(
    ("telegrams", "complaint"),
    [
        (
            f"telegrams: [{{application: 0x50, records: [{RECORD}]}}]",
            "3:12 telegrams: all of them belong to an application: none is left for an ordinary readout",
        ),
        (
            f"telegrams: [{{records: [{RECORD}]}}, {{application: 5, records: []}}]",
            "3:89 telegrams[1].application: 5 is not in 0x10..0xff",
        ),
        (
            "telegrams: [{records: [{raw: '01 7A 05', writable: true}]}]",
            "3:52 telegrams[0].records[0].writable: writable does not go together with raw",
        ),
    ],
)
def test_mistake_in_applications_and_writable_records(telegrams: str, complaint: str) -> None:
    assert complaints(telegrams=telegrams) == [f"d.yaml:{complaint}"]


def test_alarms_and_busy_times_of_a_device_file() -> None:
    subject = Meter(device("alarms: [{state: 0x04, from: 10s}]", "busy: [{from: 5s, until: 6s}]"))
    link = subject.link
    assert link.receive(ShortFrame(0x4A, 0), 9 * SECOND) == ACK
    assert link.receive(ShortFrame(0x4A, 0), 10 * SECOND) == LongFrame(0x28, 0, 0x71, b"\x04")
    assert link.receive(ShortFrame(0x4B, 0), 5 * SECOND) == LongFrame(0x08, 0, 0x70, b"\x08")


def test_alarm_raised_from_python() -> None:
    subject = Meter(device())
    assert subject.link.receive(ShortFrame(0x4A, 0), 0) == ACK
    subject.raise_alarm(Alarm(0x20))
    assert subject.link.receive(ShortFrame(0x4A, 0), 0) == LongFrame(0x28, 0, 0x71, b"\x20")


def bus_file(tmp_path: Path, *entries: str, telegrams: str = TELEGRAMS) -> BusFile:
    lines = ["format: 1", DEVICE, "behaviour: {repeat: refreshed, test_address: false}", "alarms: [{state: 1}]"]
    (tmp_path / "d.yaml").write_text("\n".join([*lines, telegrams, ""]))
    path = tmp_path / "bus.yaml"
    path.write_text("\n".join(["format: 1", "meters:", *(f"  - {entry}" for entry in entries), ""]))
    return BusFile(path)


def meters(tmp_path: Path, *entries: str) -> list[Meter]:
    return bus_file(tmp_path, *entries).meters(0)


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("security: 5", "3:32 meters[0].security: neither the entry nor the device has a key"),
        (f'key: "{"00" * 16}"', "3:27 meters[0].key: neither the entry nor the device says which security: 5 or 7"),
        (
            f'security: 5, key: "{"00" * 16}"',
            "3:32 meters[0].security: a telegram of the device has 239 bytes of records, an encrypted one holds 238",
        ),
        ("baud: 9600", "3:28 meters[0].baud: the device knows 300, 2400"),
        ("behaviour: {repeet: same}", "3:34 meters[0].behaviour: unknown key 'repeet', did you mean 'repeat'?"),
    ],
)
def test_mistake_in_what_a_bus_file_says_about_a_meter(tmp_path: Path, entry: str, complaint: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        bus_file(tmp_path, f"{{device: d.yaml, {entry}}}", telegrams=fillers(239))
    assert [line.rpartition("/")[2] for line in str(caught.value).splitlines()] == [f"bus.yaml:{complaint}"]


def test_bus_file_changes_single_settings_of_a_device(tmp_path: Path) -> None:
    plain, changed = meters(
        tmp_path,
        "{device: d.yaml, address: 1}",
        "{device: d.yaml, address: 2, fcb: lenient, behaviour: {test_address: true, start_up: 1s}}",
    )
    assert plain.settings == SlaveSettings(repeat=Repeat.REFRESHED, test_address=False)
    assert changed.settings == SlaveSettings(fcb=FcbMode.LENIENT, repeat=Repeat.REFRESHED, start_up=SECOND)


def test_bus_file_replaces_alarms_busy_times_key_and_rate(tmp_path: Path) -> None:
    plain, changed = meters(
        tmp_path,
        "{device: d.yaml, address: 1}",
        "{device: d.yaml, address: 2, alarms: [], busy: [{until: 1s}], baud: 300, "
        f'security: 5, key: "{"11" * 16}"}}',
    )
    assert plain.alarms == (Alarm(1),)
    assert (plain.busy, plain.security, plain.key, plain.link.baud) == ((), None, None, None)
    assert (changed.alarms, changed.busy) == ((), ((0, SECOND),))
    assert (changed.security, changed.key, changed.link.baud) == (5, b"\x11" * 16, 300)


def test_meters_of_one_entry_share_their_settings(tmp_path: Path) -> None:
    found: list[Any] = meters(tmp_path, "{device: d.yaml, address: 1, count: 3, behaviour: {test_address: true}}")
    assert len({id(each.settings) for each in found}) == 1
