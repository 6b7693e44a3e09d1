from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, date, datetime

import pytest

from mbusbench import (
    DecodeError,
    MBusRecordFunction,
    MBusRecordType,
    MBusSlaveData,
    MBusUsageError,
    decode,
)
from mbusbench.codec import layout
from mbusbench.codec.tables.fixed_units import UNITS
from mbusbench.codec.telegram import decode_telegram
from mbusbench.codec.vib import quantities
from mbusbench.master.results import slave_data, slave_info

WATER = "68 1F 1F 68 08 02 72 78 56 34 12 24 40 01 07 55 00 00 00 03 13 15 31 00 DA 02 3B 13 01 8B 60 04 37 18 02 18 16"
FIRST_OF_SEVERAL = (
    "68 71 71 68 08 00 72 29 76 85 10 49 6A 88 04 41 00 00 00 0C 78 29 76 85 10 04 06 93 00 00 00 82 04 6C C1 21"
    "C2 84 00 6C FF FF 84 04 06 00 00 00 00 C4 84 00 06 00 00 00 80 82 0A 6C C1 24 84 0A 06 00 00 00 00 04 13 C3 42"
    "01 00 02 59 DA 0B 02 5D F9 09 02 61 E1 01 04 2D 25 00 00 00 04 3B A6 02 00 00 04 6D 08 07 DC 24 04 26 7D 01 00"
    "00 02 FD 17 00 00 1F 71 16"
)
FIXED = "68 13 13 68 08 05 73 78 56 34 12 0A 00 E9 7E 01 00 00 00 35 01 00 00 3C 16"
ENCRYPTED = (
    "68 2C 2C 68 08 FD 72 88 77 66 55 93 44 55 08 00 04 10 05 00 DF E2 A7 82 14 6D 15 13 58 1C D2 F8 3F 39 04"
    "0C FD 10 78 56 34 12 0C 78 44 33 22 11 26 16"
)


def test_water_meter_of_the_standard() -> None:
    data = decode(WATER)
    assert data.model_dump(exclude={"records"}) == {
        "address": 2,
        "serial_number": "12345678",
        "manufacturer": "PAD",
        "version": 1,
        "device_type": 7,
        "medium": "water",
        "status": 0,
        "access_number": 85,
        "secondary_address": "1234567824400107",
        "timestamp": None,
        "telegrams": 1,
        "more_records_follow": False,
        "partial": False,
        "encrypted": False,
        "stale": False,
        "application_error": None,
        "alarm": None,
        "manufacturer_data": (),
        "diagnostics": (),
    }
    assert [(record.type, record.value, record.unit) for record in data.records] == [
        (MBusRecordType.VOLUME, 12.565, "m³"),
        (MBusRecordType.VOLUME_FLOW, 0.113, "m³/h"),
        (MBusRecordType.ENERGY, 218.37, "kWh"),
    ]
    energy = data.records[2].model_dump()
    assert energy == {
        "type": "energy",
        "description": "Energy",
        "value": 218.37,
        "unit": "kWh",
        "storage_number": 0,
        "tariff": 2,
        "device_unit": 1,
        "function": "instantaneous",
        "quantity": "energy",
        "modifiers": (),
        "record_error": None,
        "valid": True,
        "exponent": 1,
        "meter_unit": "Wh",
        "dib": "8b60",
        "vib": "04",
        "raw": "8b6004371802",
        "index": 2,
        "telegram": 0,
        "timestamp": None,
        "raw_value": 21837,
    }


def test_bytes_and_hex_are_the_same() -> None:
    assert decode(bytes.fromhex(WATER)) == decode(WATER) == decode(WATER.lower().replace(" ", "\n"))


def test_models_survive_json_and_validation() -> None:
    for frame in (WATER, FIRST_OF_SEVERAL, FIXED, ENCRYPTED):
        data = decode(frame)
        loaded = MBusSlaveData.model_validate(json.loads(data.model_dump_json()))
        assert loaded.model_dump(exclude={"records"}) == data.model_dump(exclude={"records"})
        for one, other in zip(loaded.records, data.records, strict=True):
            assert one.model_dump_json(exclude={"raw_value"}) == other.model_dump_json(exclude={"raw_value"})


def test_warm_result_equals_the_cold_one() -> None:
    layout.forget()
    cold = decode(FIRST_OF_SEVERAL)
    decode(FIRST_OF_SEVERAL)
    assert decode(FIRST_OF_SEVERAL).model_dump() == decode(FIRST_OF_SEVERAL).model_dump() == cold.model_dump()


def test_records_are_found_by_what_they_are() -> None:
    data = decode(FIRST_OF_SEVERAL)
    current = data.get_record(MBusRecordType.ENERGY)
    assert current is not None
    assert (current.value, current.storage_number) == (147, 0)
    stored = data.get_record("energy", 8)
    assert stored is not None
    assert (stored.value, stored.valid) == (0, True)
    missing = data.get_record(MBusRecordType.ENERGY, storage_number=9)
    assert missing is not None
    assert (missing.value, missing.valid, missing.raw_value) == (None, False, -(2**31))
    assert data.get_record(MBusRecordType.ENERGY, function=MBusRecordFunction.MAXIMUM) is None
    assert data.get_record(MBusRecordType.ENERGY, tariff=1) is None
    assert [record.value for record in data.get_all_records(MBusRecordType.DATE)] == [
        date(2022, 1, 1),
        None,
        date(2022, 4, 1),
    ]
    assert data.get_all_records() == list(data.records)
    assert data.more_records_follow
    assert data.manufacturer_data == ("",)


def test_readout_of_several_telegrams_counts_on() -> None:
    first, second = decode_telegram(bytes.fromhex(FIRST_OF_SEVERAL)), decode_telegram(bytes.fromhex(WATER))
    when = datetime(2026, 1, 1, tzinfo=UTC)
    for _ in range(3):
        data = slave_data([first, second], 7, when)
        assert (data.address, data.serial_number, data.telegrams, data.more_records_follow) == (7, "10857629", 2, False)
        assert [record.index for record in data.records] == list(range(20))
        assert [record.telegram for record in data.records] == [0] * 17 + [1] * 3
        assert {record.timestamp for record in data.records} == {when}


def test_fixed_structure_has_records_too() -> None:
    data = decode(FIXED)
    assert (data.serial_number, data.manufacturer, data.medium, data.access_number) == ("12345678", None, "water", 10)
    assert [(record.value, record.unit, record.storage_number) for record in data.records] == [
        (0.001, "m³", 0),
        (0.135, "m³", 1),
    ]


def test_encrypted_telegram_says_so_and_shows_nothing_of_the_ciphertext() -> None:
    data = decode(ENCRYPTED)
    assert data.encrypted
    assert data.serial_number == "55667788"
    assert [record.value for record in data.records] == ["12345678", "11223344"]
    assert "security" in data.diagnostics[0]
    opened = decode(ENCRYPTED, key=bytes(range(16)))
    assert not opened.encrypted
    assert [record.value for record in opened.records] == [1234, date(2007, 4, 30), 23456, "12345678", "11223344"]
    assert decode(ENCRYPTED, key=bytes(16)).encrypted


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ("", "no bytes"),
        ("zz", "no hex"),
        ("e5", "carries no telegram"),
        ("10 7B 01 7C 16", "carries no telegram"),
        (WATER[:-2] + "17", "stop"),
        (WATER[:-5] + "19 16", "checksum"),
        ("68 08 08 68 08 02 72 78 56 34 12 24 B4 16", "5 of 12 bytes"),
    ],
)
def test_what_is_no_telegram_is_a_decode_error(frame: str, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        decode(frame)


def test_key_of_another_size_is_refused() -> None:
    with pytest.raises(MBusUsageError, match="16 bytes"):
        decode(WATER, key=b"short")


@pytest.mark.parametrize(
    ("frame", "error", "alarm"),
    [
        ("68 04 04 68 08 01 70 08 81 16", 8, None),
        ("68 03 03 68 08 01 70 79 16", 0, None),
        ("68 04 04 68 08 01 71 04 7E 16", None, 4),
    ],
)
def test_application_errors_and_alarms_have_their_own_fields(frame: str, error: int | None, alarm: int | None) -> None:
    data = decode(frame)
    assert (data.application_error, data.alarm, data.records) == (error, alarm, ())


def test_partial_telegram_keeps_what_could_be_read() -> None:
    data = decode("68 1A 1A 68 08 02 72 78 56 34 12 24 40 01 07 55 00 00 00 03 13 15 31 00 DA 02 3B 13 01 8B 63 16")
    assert data.partial
    assert [record.value for record in data.records] == [12.565, 0.113]
    assert data.diagnostics == ("application, byte 30: premature end of DIFE",)


def test_plain_telegram_with_a_reserved_security_mode_is_read() -> None:
    plain = bytearray.fromhex(WATER)
    plain[17:19] = b"\xff\xff"
    plain[-2] = sum(plain[4:-2]) & 0xFF
    assert [record.value for record in decode(bytes(plain)).records] == [12.565, 0.113, 218.37]


def test_info_of_a_telegram() -> None:
    info = slave_info(decode_telegram(bytes.fromhex(WATER)), 2)
    assert (info.serial_number, info.manufacturer, info.medium) == ("12345678", "PAD", "water")


def test_every_quantity_has_a_record_type() -> None:
    known = {*quantities(), "reserved", *(row.quantity for row in UNITS)}
    assert {member.value for member in MBusRecordType} == known


def test_equal_telegrams_have_equal_results_however_they_were_read() -> None:
    plain_text = (
        "68 53 53 68 08 05 72 34 08 00 54 96 15 32 00 F2 00 00 00 01 FD 1B 00 02 FC 03 48 52 25 74 D4 11 22 FC 03 48 52"
        "25 74 C8 11 12 FC 03 48 52 25 74 B4 16 02 65 D0 08 22 65 70 08 12 65 23 09 01 72 18 42 65 E4 08 82 01 65 DD 08"
        "0C 78 34 08 00 54 03 FD 0F 00 00 04 1F 5D 16"
    )
    for frame in (plain_text, FIRST_OF_SEVERAL, FIXED):
        layout.forget()
        first = decode(frame)
        for _ in range(3):
            assert decode(frame) == first
            assert decode(frame).model_dump() == first.model_dump()


def test_decoded_record_is_a_whole_model_to_pydantic_copy_and_pickle() -> None:
    record = decode(WATER).records[0]
    assert record.model_fields_set == set(type(record).model_fields)
    assert record.model_extra is None
    for twin in (copy.copy(record), copy.deepcopy(record), pickle.loads(pickle.dumps(record)), record.model_copy()):
        assert twin == record
        assert hash(twin) == hash(record)
        assert twin.raw_value == record.raw_value == 12565
    assert record.model_copy(update={"tariff": 3}).model_dump()["tariff"] == 3
    assert json.loads(record.model_dump_json())["raw"] == record.raw
    with pytest.raises(AttributeError, match="no attribute 'volume'"):
        _ = record.volume  # type: ignore[attr-defined]
