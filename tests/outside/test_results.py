"""`mbusbench.decode` of recorded telegrams: the models say what the telegram says, and survive JSON."""

from __future__ import annotations

import json
from datetime import date, time
from typing import Any

import pytest

from mbusbench import MBusSlaveData, decode
from mbusbench.codec.header import LongHeader, manufacturer_letters
from mbusbench.codec.telegram import decode_telegram
from tests.outside.corpus import corpus_telegrams, recorded_telegrams

TELEGRAMS = [
    telegram
    for telegram in (*recorded_telegrams(), *corpus_telegrams())
    if telegram.get("valid", True) and telegram.get("kind") != "control"
]


@pytest.mark.parametrize("telegram", TELEGRAMS, ids=[telegram["name"] for telegram in TELEGRAMS])
def test_result_has_what_the_telegram_says(telegram: dict[str, Any]) -> None:
    raw = bytes.fromhex(telegram["hex"])
    result, decoded = decode(raw), decode_telegram(raw)
    assert decode(telegram["hex"].upper()).model_dump() == result.model_dump()
    assert [
        (
            record.value,
            record.unit,
            record.quantity,
            record.storage_number,
            record.tariff,
            record.device_unit,
            record.function.value,
            record.valid,
            record.exponent,
            record.raw_value,
            record.dib + record.vib,
            record.index,
            record.telegram,
        )
        for record in result.records
    ] == [
        (
            record.value,
            record.unit,
            record.quantity,
            record.storage_number,
            record.tariff,
            record.subunit,
            record.function.name.lower(),
            record.valid,
            record.exponent,
            record.raw_value,
            (record.dib.raw + record.vib.raw).hex(),
            index,
            0,
        )
        for index, record in enumerate(decoded.records)
    ]
    assert result.more_records_follow == decoded.more_records_follow
    assert (result.application_error, result.alarm) == (decoded.application_error, decoded.alarm)
    header = decoded.header
    if isinstance(header, LongHeader):
        assert (result.serial_number, result.manufacturer, result.version, result.device_type) == (
            header.identification,
            manufacturer_letters(header.manufacturer),
            header.version,
            header.device_type,
        )
        assert (result.status, result.access_number) == (header.status, header.access_number)
        assert result.secondary_address == str(header.secondary_address)


@pytest.mark.parametrize("telegram", TELEGRAMS, ids=[telegram["name"] for telegram in TELEGRAMS])
def test_result_goes_through_json(telegram: dict[str, Any]) -> None:
    result = decode(telegram["hex"])
    shown = json.loads(result.model_dump_json(), parse_constant=_no_constant)
    values = [record["value"] for record in shown["records"]]
    assert values == [_plain(record.value) for record in result.records]
    assert [record["raw"] for record in shown["records"]] == [record.raw for record in result.records]
    again = MBusSlaveData.model_validate(shown)
    assert [record.value for record in again.records] == values


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date | time) else value


def _no_constant(name: str) -> object:
    raise AssertionError(f"{name} is no JSON")
