"""What a master writes into a meter's records and chooses for readout (EN 13757-3; The M-Bus 4.8, object actions)."""

from __future__ import annotations

import struct

import pytest

from mbusbench.codec.frame import ACK, Frame, LongFrame, ShortFrame, decode_frame
from mbusbench.codec.telegram import Telegram
from mbusbench.definition.document import parse_document
from mbusbench.meter.definition import Device
from mbusbench.meter.meter import Meter

HOUR = 3600 * 10**9
HEAD = (
    "format: 1\n"
    "device: {manufacturer: KAM, version: 1, medium: heat, id: 12345678, address: 1, fcb: lenient}\n"
    "telegrams:\n"
    "  - records:\n"
)


def meter(*records: str, more: str = "") -> Meter:
    lines = "".join(f"      - {record}\n" for record in records)
    return Meter(Device.from_document(parse_document(HEAD + lines + more, "d.yaml")))


def send(subject: Meter, frame: Frame | str, now: int = 0) -> Frame | None:
    return subject.link.receive(decode_frame(bytes.fromhex(frame)) if isinstance(frame, str) else frame, now)


def write(subject: Meter, data: str, now: int = 0) -> int | None:
    """Send records; the code of the application error that comes of it, None for success."""
    assert send(subject, LongFrame(0x63, 1, 0x51, bytes.fromhex(data)), now) == ACK
    reply = send(subject, ShortFrame(0x4B, 1), now)
    assert isinstance(reply, LongFrame)
    subject.link.application.restart()
    return reply.data[0] if reply.ci == 0x70 else None


def raw(subject: Meter, now: int = 0) -> list[str]:
    """The records of the whole readout, each as sent."""
    found = []
    for telegram in subject.readout(None):
        data = bytes(12) + subject.records(telegram, now)
        found += [record.raw.hex(" ").upper() for record in Telegram.decode(0x72, data).records]
    return found


ENERGY = "{vif: energy, unit: kWh, code: bcd8, writable: true, value: 500}"


def test_published_write_and_add() -> None:
    subject = meter(ENERGY)
    assert send(subject, "68 0A 0A 68 53 01 51 0C 86 00 07 01 00 00 3F 16") == ACK
    assert raw(subject) == ["0C 06 07 01 00 00"]
    subject.link.receive(ShortFrame(0x40, 1), 0)
    assert send(subject, "68 0A 0A 68 53 01 51 0C 86 01 10 00 00 00 48 16") == ACK
    assert raw(subject) == ["0C 06 17 01 00 00"]
    assert send(subject, "68 0A 0A 68 53 01 51 0C 86 01 10 00 00 00 48 16") == ACK
    assert raw(subject) == ["0C 06 17 01 00 00"]


@pytest.mark.parametrize(
    ("action", "after"),
    [
        ("", 0x0F),
        ("00", 0x0F),
        ("01", 0x33 + 0x0F),
        ("02", 0x33 - 0x0F),
        ("03", 0x3F),
        ("04", 0x03),
        ("05", 0x3C),
        ("06", 0x30),
        ("07", 0x00),
    ],
)
def test_object_actions_on_a_binary_register(action: str, after: int) -> None:
    subject = meter("{vif: error_flags, code: int8, writable: true, value: 0x33}")
    vib = f"FD 97 {action}" if action else "FD 17"
    assert write(subject, f"01 {vib} 0F") is None
    assert raw(subject) == [f"01 FD 17 {after:02X}"]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ("0C 86 03 10 00 00 00", 0x11),  # bits of a BCD register
        ("0C 86 08 10 00 00 00", 0x11),  # add entry
        ("0C 86 09 10 00 00 00", 0x11),
        ("0C 86 0C 10 00 00 00", 0x11),
        ("00 06", 0x11),  # no data and no action
        ("00 86 0B", None),  # freezing a record into itself
        ("0C 86 02 01 05 00 00", None),
        ("4C 06 10 00 00 00", 0x12),  # no such storage
        ("8C 10 06 10 00 00 00", 0x12),  # no such tariff
        ("0C 13 10 00 00 00", 0x12),
        ("0C 78 10 00 00 00", 0x14),  # not to be written
        ("06 06 00 E1 F5 05 00 00", 0x15),  # nine digits
        ("0C 86 01 99 99 99 99", 0x15),
        ("0D 06 01 41", 0x15),
    ],
)
def test_write_that_is_refused(data: str, error: int | None) -> None:
    subject = meter(ENERGY, "{dib: '0C', vib: '78', value: 12345678}")
    before = raw(subject)
    assert write(subject, data) == error
    if error is not None:
        assert raw(subject) == before


def test_write_with_another_data_field_is_converted() -> None:
    subject = meter(ENERGY)
    assert write(subject, "04 06 6B 00 00 00") is None
    assert raw(subject) == ["0C 06 07 01 00 00"]


@pytest.mark.parametrize("code", ["int32", "bcd8", "bcd12", "int64"])
def test_written_counter_counts_on(code: str) -> None:
    subject = meter(f"{{vif: energy, unit: kWh, code: {code}, writable: true, value: {{counter: {{rate: 10}}}}}}")
    assert write(subject, "0C 06 07 01 00 00", 5 * HOUR) is None
    values = [Telegram.decode(0x72, bytes(12) + subject.records(0, now * HOUR)).records[0].value for now in (5, 6, 15)]
    assert values == [107, 117, 207]


def test_written_counter_rolls_over() -> None:
    subject = meter("{vif: energy, unit: kWh, code: bcd4, writable: true, value: {counter: {rate: 10}}}")
    assert write(subject, "0A 06 95 99") is None
    assert raw(subject, HOUR) == ["0A 06 05 00"]


def test_written_binary_counter_rolls_over_before_it_becomes_negative() -> None:
    subject = meter("{vif: volume, unit: l, code: int8, writable: true, value: {counter: {rate: 10}}}")
    assert write(subject, "01 13 7E") is None
    assert raw(subject, HOUR) == ["01 13 08"]


def test_written_real_value_goes_on() -> None:
    subject = meter("{vif: energy, unit: kWh, code: real32, writable: true, value: {counter: {rate: 10}}}")
    assert write(subject, "05 06 " + struct.pack("<f", 2.5).hex(), HOUR) is None
    assert raw(subject, 2 * HOUR) == ["05 06 " + struct.pack("<f", 12.5).hex(" ").upper()]


def test_written_text_and_date() -> None:
    subject = meter(
        "{dib: '0D', vib: 'FD 11', writable: true, value: customer}",
        "{vif: date, code: int16, storage: 1, writable: true, value: {due_date: {month: 6, day: 30}}}",
    )
    assert write(subject, "0D FD 11 03 43 42 41 42 6C FF FC") is None
    assert raw(subject) == ["0D FD 11 03 43 42 41", "42 6C FF FC"]
    assert write(subject, "0D FD 11 09 " + "41" * 9) == 0x16


def test_published_freeze_of_the_flow_temperature_into_storage_1() -> None:
    subject = meter(
        "{vif: flow_temperature, unit: °C, scale: -1, code: int16, value: 65.5}",
        "{vif: flow_temperature, unit: °C, scale: -1, code: bcd4, storage: 1, writable: true, value: 0}",
    )
    assert send(subject, "68 06 06 68 53 01 51 40 DA 0B CA 16") == ACK
    assert raw(subject) == ["02 5A 8F 02", "4A 5A 55 06"]


def test_record_that_may_be_written_is_found_behind_one_that_may_not() -> None:
    subject = meter(
        "{vif: volume, unit: l, code: int32, value: 1}", "{vif: volume, unit: l, code: int32, writable: true, value: 2}"
    )
    assert write(subject, "04 13 09 00 00 00") is None
    assert raw(subject) == ["04 13 01 00 00 00", "04 13 09 00 00 00"]


def test_written_values_belong_to_one_meter_and_survive_power_failure_and_a_new_identification() -> None:
    device = Device.from_document(parse_document(HEAD + f"      - {ENERGY}\n", "d.yaml"))
    subject, other = Meter(device), Meter(device)
    assert write(subject, "0C 06 07 01 00 00") is None
    subject.link.power_up(0)
    assert write(subject, "0C 79 01 00 00 00") is None
    assert raw(subject) == ["0C 06 07 01 00 00"]
    assert raw(other) == ["0C 06 00 05 00 00"]


def test_written_fabrication_number_is_that_of_enhanced_selection() -> None:
    subject = meter("{dib: '0C', vib: '78', writable: true, value: 11111111}")
    mask = bytes.fromhex("FFFFFFFF FFFF FF FF 0C78 22222222")
    assert send(subject, LongFrame(0x73, 253, 0x52, mask)) is None
    assert write(subject, "0C 78 22 22 22 22") is None
    assert send(subject, LongFrame(0x73, 253, 0x52, mask)) == ACK


READABLE = (
    "{vif: energy, unit: kWh, code: int32, value: 1}",
    "{vif: energy, unit: kWh, code: int32, tariff: 1, value: 2}",
    "{vif: energy, unit: kWh, code: int32, storage: 1, value: 3}",
    "{vif: energy, unit: kWh, code: int32, function: maximum, value: 4}",
    "{vif: volume, unit: l, code: int32, subunit: 1, value: 5}",
    "{raw: 2F}",
    "{raw: 04 13 06 00 00 00}",
    "{dib: '04', vib: '93 3C', value: 7}",
    "{vif: energy, unit: kWh, code: int32, storage: 40, tariff: 2, value: 8}",
)


@pytest.mark.parametrize(
    ("selections", "values"),
    [
        ("08 06", [1]),
        ("08 13", [6]),
        ("08 06 08 13", [1, 6]),
        ("88 10 06", [2]),
        ("48 06", [3]),
        ("18 06", [4]),
        ("88 40 13", [5]),
        ("08 93 3C", [7]),
        ("C8 3F 7E", [1, 2, 3, 6, 7, 8]),  # published: all storages and tariffs, any VIF, subunit 0
        ("C8 BF 3F 7E", [1, 2, 3, 6, 7, 8]),
        ("C8 BF 3F 06", [1, 2, 3, 8]),
        ("C8 FF 7F 7E", [1, 2, 3, 5, 6, 7, 8]),
        ("08 2B", []),
    ],
)
def test_selection_for_readout(selections: str, values: list[int]) -> None:
    subject = meter(*READABLE)
    assert send(subject, LongFrame(0x73, 1, 0x51, bytes.fromhex(selections))) == ACK
    reply = send(subject, ShortFrame(0x7B, 1))
    assert isinstance(reply, LongFrame)
    registers = [record.raw_value for record in Telegram.decode(reply.ci, reply.data).records]
    assert sorted(registers, key=str) == values
    following = send(subject, ShortFrame(0x5B, 1))
    assert isinstance(following, LongFrame)
    assert len(Telegram.decode(following.ci, following.data).records) == 8


def test_selection_that_needs_two_telegrams() -> None:
    records = [f"{{vif: energy, unit: kWh, code: int64, tariff: {number}, value: {number}}}" for number in range(1, 17)]
    more = "  - records:\n" + "".join(f"      - {record}\n" for record in records[8:])
    records[8:] = [record.replace("kWh", "MJ") for record in records[:8]]
    subject = meter(*records, more=more)
    assert send(subject, LongFrame(0x73, 1, 0x51, bytes.fromhex("C8 FF 7F 7E"))) == ACK
    first, second = send(subject, ShortFrame(0x7B, 1)), send(subject, ShortFrame(0x5B, 1))
    assert isinstance(first, LongFrame)
    assert isinstance(second, LongFrame)
    telegrams = [Telegram.decode(each.ci, each.data) for each in (first, second)]
    assert [telegram.more_records_follow for telegram in telegrams] == [True, False]
    assert sum(len(telegram.records) for telegram in telegrams) == 24
    assert len(first.data) <= 252


APPLICATION = """\
  - application: 0x50
    records:
      - {vif: power, unit: W, code: int32, value: 1}
  - application: 0x51
    records:
      - {vif: power, unit: W, code: int32, value: 2}
  - application: 0x52
    manufacturer_data: "AA"
    records:
      - {vif: power, unit: W, code: int32, value: 3}
"""


@pytest.mark.parametrize(
    ("subcode", "values"),
    [("50", [1, 2, 3]), ("51", [2, 3]), ("52", [3]), ("53", [500]), ("60", [500]), ("", [500]), ("00", [500])],
)
def test_application_of_a_device_file(subcode: str, values: list[int]) -> None:
    subject = meter(ENERGY, more=APPLICATION)
    assert send(subject, LongFrame(0x73, 1, 0x50, bytes.fromhex(subcode))) == ACK
    found: list[object] = []
    for index in range(len(values)):
        reply = send(subject, ShortFrame(0x5B if index % 2 else 0x7B, 1))
        assert isinstance(reply, LongFrame)
        telegram = Telegram.decode(reply.ci, reply.data)
        found += [record.value for record in telegram.records]
        assert telegram.more_records_follow is (index < len(values) - 1)
    assert found == values
