"""Whatever a master sends, a slave answers or is silent; it never fails, and its telegrams stay frames."""

from __future__ import annotations

from random import Random

import pytest

from mbusbench.codec.frame import LongFrame, ShortFrame, decode_frame
from mbusbench.definition.document import parse_document
from mbusbench.meter.definition import Device
from mbusbench.meter.meter import Meter

DAY = 86400 * 10**9
CODES = ("int8", "int16", "int24", "int32", "int48", "int64", "bcd2", "bcd4", "bcd6", "bcd8", "bcd12", "real32")
PLAIN = ["046d2d4d1135", "046d2d0d1f3c", "426cfffc", "0813", "c83f7e", "7f", "2f", "017a", "0c79", "0779", "0d", "fd"]


def device(security: str = "") -> Device:
    codes = [(code, value) for code in CODES for value in ("1", "{counter: {rate: 1}}")]
    records = [
        f"{{vif: volume, unit: l, code: {code}, storage: {number}, writable: true, value: {value}}}"
        for number, (code, value) in enumerate(codes)
    ]
    records += ["{vif: datetime, code: int32, value: {clock: now}}", "{vif: date, code: int16, value: {clock: now}}"]
    records += ["{vif: date, code: int16, storage: 1, writable: true, value: {due_date: {month: 12, day: 31}}}"]
    records += ["{vif: datetime, code: int48, storage: 2, writable: true, value: {clock: now}}"]
    records += ["{dib: '0D', vib: 'FD 11', writable: true, value: text}"]
    lines = "".join(f"      - {record}\n" for record in records)
    header = f"{{manufacturer: KAM, version: 1, medium: heat, address: 5{security}}}"
    text = f"format: 1\ndevice: {header}\ntelegrams:\n  - records:\n{lines}  - application: 0x50\n    records: []\n"
    return Device.from_document(parse_document(text, "d.yaml"))


def written(random: Random, subject: Meter) -> bytes:
    """A record of the meter, mostly with an action and data that may or may not fit."""
    record = random.choice(subject.device.telegrams[0].records)
    dib, vib = bytearray(record.dib_block.raw), bytearray(record.vib_block.raw)
    if random.random() < 0.3:
        dib[0] = dib[0] & 0xF0 | random.randrange(15)
    if random.random() < 0.7:
        vib[-1] |= 0x80
        vib.append(random.randrange(14))
    size = random.choice([(record.dib_block.data_length or 0) + 0, random.randrange(9)])
    return bytes(dib + vib) + random.choice([random.randbytes(size), b"\xff" * size, b"\x7f" * size, b"\x99" * size])


def command(random: Random, subject: Meter) -> tuple[int, bytes]:
    kind = random.random()
    if kind < 0.1:
        ci = random.choice([0x50, 0x53, 0x54, 0x5C, 0x5A, 0x5B, 0x6C, 0xBB, 0xBF, 0x55])
        return ci, random.randbytes(random.randrange(30))
    if kind < 0.3:
        return 0x51, bytes.fromhex(random.choice(PLAIN)) + random.randbytes(random.randrange(9))
    if kind < 0.4:
        return 0x51, bytes.fromhex(random.choice(PLAIN))
    return 0x51, b"".join(written(random, subject) for _ in range(random.choice([1, 1, 1, 4])))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("security", ["", f", security: 7, key: '{'00' * 16}'"])
def test_random_commands_never_break_a_meter(seed: int, security: str) -> None:
    random = Random(seed)
    subject = Meter(device(security))
    now = 0
    for _ in range(400):
        now += random.randrange(40 * DAY)
        subject.link.receive(LongFrame(0x43, 254, *command(random, subject)), now)
        subject.link.baud = None
        for _ in range(2):
            reply = subject.link.receive(ShortFrame(0x4B, 254), now)
            assert reply is not None
            assert decode_frame(reply.encode()) == reply


def test_year_that_a_date_has_no_coding_for_is_sent_as_no_value() -> None:
    subject = Meter(device())
    assert subject.link.receive(LongFrame(0x43, 5, 0x51, bytes.fromhex("046D 2D 4D 11 35")), 0) is not None
    assert subject.clock(0).year == 2124
    assert bytes.fromhex("026C FFFF") in subject.records(0, 0)


def test_real_value_that_grows_beyond_its_coding_is_infinite() -> None:
    text = (
        "format: 1\ndevice: {manufacturer: KAM, version: 1, medium: heat, address: 5}\ntelegrams:\n  - records:\n"
        "      - {vif: volume, unit: l, code: real32, writable: true, value: {counter: {rate: 1.0e+30}}}\n"
    )
    subject = Meter(Device.from_document(parse_document(text, "d.yaml")))
    assert subject.link.receive(LongFrame(0x43, 5, 0x51, bytes.fromhex("0513 FFFF7F7F")), 0) is not None
    assert subject.records(0, 0) == bytes.fromhex("0513 FFFF7F7F")
    assert subject.records(0, DAY * 10**5) == bytes.fromhex("0513 0000807F")


def test_thousands_of_writes_cost_no_more_than_one() -> None:
    subject = Meter(device())
    storage_7 = next(record for record in subject.device.telegrams[0].records if record.storage == 7)
    add = LongFrame(0x43, 5, 0x51, storage_7.dib_block.raw + bytes.fromhex("93 01 01 00 00 00"))
    for _ in range(3000):
        assert subject.link.receive(add, 0) is not None
    assert storage_7.head + (3000).to_bytes(4, "little") in subject.records(0, 0)


def test_delayed_actions_are_limited() -> None:
    subject = Meter(device())
    for _ in range(101):
        subject.link.receive(LongFrame(0x43, 5, 0x51, bytes.fromhex("01 93 0A 01")), 0)
    assert len(subject.link.application.delayed) == 100
    assert subject.link.receive(ShortFrame(0x4B, 5), 0) == LongFrame(0x08, 5, 0x70, b"\x03")
