"""Encrypted telegrams and commands of a meter (EN 13757-7, security modes 5 and 7)."""

from __future__ import annotations

import pytest

from mbusbench.codec.frame import ACK, LongFrame, ShortFrame
from mbusbench.codec.header import LongHeader
from mbusbench.codec.security import encrypt, pad
from mbusbench.codec.telegram import Telegram
from mbusbench.definition.document import parse_document
from mbusbench.meter.definition import Device
from mbusbench.meter.meter import Meter

KEY = bytes.fromhex("000102030405060708090A0B0C0D0E0F")
DEVICE = """\
format: 1
device: {manufacturer: KAM, version: 1, medium: heat, id: 12345678, address: 5, security: MODE, key: "KEY"}
telegrams:
  - records:
      - {vif: energy, unit: kWh, code: int32, writable: true, value: 500}
      - {vif: volume, unit: l, code: int32, value: 7}
    manufacturer_data: "AA BB"
    more_records_follow: true
"""


def meter(mode: int) -> Meter:
    text = DEVICE.replace("MODE", str(mode)).replace("KEY", KEY.hex())
    return Meter(Device.from_document(parse_document(text, "d.yaml")))


def request(subject: Meter, control: int = 0x4B) -> LongFrame:
    reply = subject.link.receive(ShortFrame(control, 5), 0)
    assert isinstance(reply, LongFrame)
    return reply


@pytest.mark.parametrize("mode", [5, 7])
def test_telegram_is_opened_by_the_key_and_by_no_other(mode: int) -> None:
    reply = request(meter(mode))
    assert bytes.fromhex("04 06 F4 01") not in reply.data
    telegram = Telegram.decode(reply.ci, reply.data, key=KEY)
    assert [record.raw_value for record in telegram.records] == [500, 7]
    assert telegram.manufacturer_data == b"\xaa\xbb"
    assert telegram.more_records_follow
    assert telegram.diagnostics == ()
    assert Telegram.decode(reply.ci, reply.data, key=bytes(16)).encrypted
    assert Telegram.decode(reply.ci, reply.data).encrypted


@pytest.mark.parametrize("mode", [5, 7])
def test_encrypted_part_is_whole_blocks_between_fillers(mode: int) -> None:
    reply = request(meter(mode))
    configuration = int.from_bytes(reply.data[10:12], "little")
    assert configuration >> 8 & 0x1F == mode
    blocks = configuration >> 4 & 0xF
    assert len(reply.data) == 12 + (5 if mode == 7 else 0) + 16 * blocks
    assert blocks == 2


@pytest.mark.parametrize("mode", [5, 7])
def test_each_telegram_is_encrypted_anew_and_a_repeat_is_the_same(mode: int) -> None:
    subject = meter(mode)
    first, again, following = request(subject, 0x7B), request(subject, 0x7B), request(subject, 0x5B)
    assert first == again
    assert first.data[12:] != following.data[12:]
    assert Telegram.decode(following.ci, following.data, key=KEY).records[0].raw_value == 500


def test_access_number_is_in_the_initialisation_vector() -> None:
    reply = request(meter(5))
    wrong = reply.data[:8] + bytes([reply.data[8] + 1]) + reply.data[9:]
    # It is in the second half of the vector only: the fillers in front still come out.
    assert [record.raw_value for record in Telegram.decode(reply.ci, wrong, key=KEY).records] != [500, 7]


def command(key: bytes = KEY, ci: int = 0x5B) -> LongFrame:
    plain = pad(bytes.fromhex("04 06 01 00 00 00"))
    header = LongHeader("12345678", 0x2C2D, 1, 4, 0x33, 0, 0x0510)
    sent = header.encode() + encrypt(header, plain, key, to_meter=True)
    return LongFrame(0x63, 5, ci, sent if ci == 0x5B else sent[8:])


@pytest.mark.parametrize("ci", [0x5A, 0x5B])
def test_encrypted_command_is_executed(ci: int) -> None:
    subject = meter(5)
    assert subject.link.receive(command(ci=ci), 0) == ACK
    reply = request(subject)
    assert Telegram.decode(reply.ci, reply.data, key=KEY).records[0].raw_value == 1


def test_command_with_a_wrong_key_is_a_security_error() -> None:
    subject = meter(5)
    assert subject.link.receive(command(bytes(16)), 0) == ACK
    assert request(subject) == LongFrame(0x08, 5, 0x70, b"\x20")
    reply = request(subject)
    assert Telegram.decode(reply.ci, reply.data, key=KEY).records[0].raw_value == 500


def test_key_of_one_meter_in_the_bus_file() -> None:
    device = meter(5).device
    other = Meter(device, key=bytes(16))
    reply = request(other)
    assert not Telegram.decode(reply.ci, reply.data, key=bytes(16)).encrypted


def test_selected_records_are_encrypted_too() -> None:
    subject = meter(7)
    assert subject.link.receive(LongFrame(0x63, 5, 0x51, b"\x08\x13"), 0) == ACK
    reply = request(subject)
    assert [record.raw_value for record in Telegram.decode(reply.ci, reply.data, key=KEY).records] == [7]
