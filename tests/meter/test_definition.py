from __future__ import annotations

from pathlib import Path

import pytest

from mbusbench.definition.document import parse_document
from mbusbench.errors import DefinitionError
from mbusbench.meter import catalogue, checks
from mbusbench.meter.definition import Device

HEAD = "format: 1\ndevice: {manufacturer: KAM, version: 1, medium: heat}\ntelegrams:\n  - records:\n"


def device(text: str) -> Device:
    return Device.from_document(parse_document(text, "d.yaml"))


def complaints(text: str) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        device(text)
    return str(caught.value).splitlines()


def record_head(record: str) -> str:
    return device(f"{HEAD}      - {record}\n").telegrams[0].records[0].head.hex(" ").upper()


@pytest.mark.parametrize(
    ("record", "head"),
    [
        ("{vif: energy, unit: kWh, code: int32, value: 1}", "04 06"),
        ("{vif: energy, unit: kWh, scale: 1, code: int32, tariff: 1, value: 0}", "84 10 07"),
        ("{vif: energy, unit: MWh, scale: -1, code: int32, value: 1}", "04 FB 00"),
        ("{vif: volume, unit: m3, scale: -2, code: bcd8, subunit: 2, value: 1}", "8C 80 40 14"),
        ("{vif: volume, unit: l, code: int64, value: 1}", "07 13"),
        ("{vif: power, unit: W, code: int24, storage: 1, function: maximum, value: 1}", "53 2B"),
        ("{vif: volume_flow, unit: m3/h, scale: -3, code: bcd12, storage: 5, function: minimum, value: 1}", "EE 02 3B"),
        ("{vif: flow_temperature, unit: °C, scale: -1, code: bcd4, function: error, value: 1}", "3A 5A"),
        ("{vif: power, unit: kW, code: real32, value: 1.5}", "05 2E"),
        ("{vif: manufacturer, code: text, value: Maker}", "0D FD 0A"),
        ("{vif: error_flags, code: int8, value: 0}", "01 FD 17"),
        ("{vif: voltage, unit: V, scale: -1, code: int16, value: 230.1}", "02 FD 48"),
        ("{vif: fabrication_number, code: bcd8, value: 12345678}", "0C 78"),
        ("{vif: datetime, code: int48, value: '2026-01-01T12:00:01'}", "06 6D"),
        ("{vif: date, code: int16, storage: 1, value: '2025-12-31'}", "42 6C"),
        ("{vif: volume, unit: m3, code: int32, modifiers: [negative_contributions], value: 0}", "04 96 3C"),
        ("{vif: any, code: none}", "00 7E"),
        ("{vif: manufacturer_specific, manufacturer_vifes: '07', code: int32, value: 1}", "04 FF 07"),
        ("{vif: manufacturer_specific, manufacturer_vifes: '80 04 3B', code: int32, value: 1}", "04 FF 80 84 3B"),
        ("{vif: energy, unit: kWh, manufacturer_vifes: '02', code: int32, value: 1}", "04 86 FF 02"),
        (
            "{vif: mass, unit: kg, code: none, modifiers: [positive_contributions], manufacturer_vifes: '01'}",
            "00 9B BB FF 01",
        ),
        ("{vif: plain_text, unit: 'C', code: int32, value: 1}", "04 7C 01 43"),
        ("{vif: plain_text, unit: '%RH', scale: -2, code: int16, value: 54.1}", "02 FC 03 48 52 25 74"),
        ("{vif: energy, unit: kWh, difes: 1, code: int32, value: 1}", "84 00 06"),
        ("{vif: energy, unit: kWh, storage: 9, difes: 2, code: int32, value: 1}", "C4 84 00 06"),
        ("{vif: energy, unit: kWh, storage: 9, difes: 1, code: int32, value: 1}", "C4 04 06"),
    ],
)
def test_records_by_name(record: str, head: str) -> None:
    assert record_head(record) == head


@pytest.mark.parametrize(
    ("record", "sent"),
    [
        ("{vif: volume, unit: m3, scale: -3, code: int32, value: 12.565}", "04 13 15 31 00 00"),
        ("{vif: volume, unit: m3, scale: -3, code: bcd8, value: 12.565}", "0C 13 65 25 01 00"),
        ("{vif: temperature_difference, unit: K, scale: -2, code: bcd6, value: -0.18}", "0B 61 18 00 F0"),
        ("{vif: power, unit: W, code: int16, value: -3}", "02 2B FD FF"),
        ("{vif: energy, unit: Wh, code: int32, storage: 1, value: null}", "44 03 00 00 00 80"),
        ("{vif: fabrication_number, code: bcd8, value: '0000A123'}", "0C 78 23 A1 00 00"),
        ("{vif: parameter_set_id, code: text, value: WFH21}", "0D FD 0B 05 31 32 48 46 57"),
        ("{dib: '8B 60', vib: '04', value: 21837}", "8B 60 04 37 18 02"),
        ("{raw: '0C 78 78 56 34 12'}", "0C 78 78 56 34 12"),
        ("{raw: '2F 2F'}", "2F 2F"),
        ("{dib: '42', vib: '6C', value: '2013-12-31'}", "42 6C BF 1C"),
        ("{vif: power, unit: kW, code: real32, value: 60.0003}", "05 2E 4F 00 70 42"),
    ],
)
def test_constant_records(record: str, sent: str) -> None:
    from mbusbench.meter.meter import Meter

    assert Meter(device(f"{HEAD}      - {record}\n")).records(0, 0).hex(" ").upper() == sent


# Each is one record in line 5 of a file; the rest of the line behind `d.yaml:5:`.
RECORDS = [
    (
        "{vif: enery, code: int32, value: 1}",
        "15 telegrams[0].records[0].vif: there is no quantity 'enery', did you mean 'energy'?",
    ),
    (
        "{vif: mass, unit: kWh, code: int32, value: 1}",
        "27 telegrams[0].records[0].unit: mass is not counted in 'kWh' (kg, t)",
    ),
    (
        "{vif: energy, unit: kWh, code: int33, value: 1}",
        "40 telegrams[0].records[0].code: 'int33' is not one of none, int8, int16, int24, int32, real32, int48, int64, "
        "bcd2, bcd4, bcd6, bcd8, text, bcd12, did you mean 'int32'?",
    ),
    ("{vif: energy, unit: kWh, value: 1}", "9 telegrams[0].records[0]: 'code' is missing"),
    ("{vif: energy, unit: kWh, code: int32}", "9 telegrams[0].records[0]: 'value' is missing"),
    (
        "{vif: energy, unit: kWh, code: int8, value: 500}",
        "53 telegrams[0].records[0].value: 500 does not fit into 8 bits",
    ),
    (
        "{vif: energy, unit: kWh, code: bcd2, value: 500}",
        "53 telegrams[0].records[0].value: 500 does not fit into 2 BCD digits",
    ),
    (
        "{vif: energy, unit: kWh, code: int32, value: 0.5}",
        "54 telegrams[0].records[0].value: 0.5 is no multiple of 1, the register's step",
    ),
    ("{vif: energy, unit: kWh, code: int32, value: abc}", "54 telegrams[0].records[0].value: 'abc' is not a number"),
    ("{vif: energy, unit: kWh, code: int32, value: true}", "54 telegrams[0].records[0].value: true is not a number"),
    ("{vif: energy, unit: kWh, code: int32, value: [1]}", "54 telegrams[0].records[0].value: a list is not a number"),
    (
        "{vif: energy, unit: kWh, code: int32, value: .nan}",
        "54 telegrams[0].records[0].value: nan is not a usable number",
    ),
    (
        "{vif: energy, unit: kWh, code: int32, value: {}}",
        "54 telegrams[0].records[0].value: needs exactly one of "
        "counter, ramp, daily, step, clock, due_date, device, random, yearly, random_walk, draws, csv, of, sum, "
        "product, difference, quotient, stored, maximum, minimum, total, flags",
    ),
    (
        "{vif: energy, unit: kWh, code: int32, value: {countr: {rate: 1}}}",
        "55 telegrams[0].records[0].value: unknown key 'countr', did you mean 'counter'?",
    ),
    (
        "{vif: energy, unit: kWh, code: int32, value: {random: [1, 2], clock: now}}",
        "54 telegrams[0].records[0].value: needs exactly one of "
        "counter, ramp, daily, step, clock, due_date, device, random, yearly, random_walk, draws, csv, of, sum, "
        "product, difference, quotient, stored, maximum, minimum, total, flags, not clock and random",
    ),
    (
        "{vif: energy, unit: kWh, code: int32, value: {counter: {}}}",
        "64 telegrams[0].records[0].value.counter: needs either a rate or the name of a value that it follows",
    ),
    (
        "{vif: energy, unit: kWh, code: int32, value: {counter: {rate: x}}}",
        "71 telegrams[0].records[0].value.counter.rate: 'x' is not a number",
    ),
    (
        "{vif: energy, unit: kWh, code: int32, value: {counter: {rate: 1, per: week}}}",
        "79 telegrams[0].records[0].value.counter.per: 'week' is not one of second, minute, hour, day",
    ),
    (
        "{vif: energy, unit: kWh, code: int32, value: {counter: {follows: power}}}",
        "74 telegrams[0].records[0].value.counter.follows: no value is called 'power'",
    ),
    (
        "{vif: energy, unit: kWh, code: int32, value: {counter: {follows: energy}}}",
        "74 telegrams[0].records[0].value.counter.follows: a counter cannot follow itself",
    ),
    (
        "{vif: power, unit: W, code: int32, value: {ramp: {from: 1, to: 3, over: 5}}}",
        "81 telegrams[0].records[0].value.ramp.over: 5 has no unit: write a duration as 5ms, 5s, 5min, 5h or 5d",
    ),
    (
        "{vif: power, unit: W, code: int32, value: {ramp: {from: 1, over: 5h}}}",
        "58 telegrams[0].records[0].value.ramp: 'to' is missing",
    ),
    (
        "{vif: power, unit: W, code: int32, value: {ramp: {from: 1, to: 2, over: soon}}}",
        "81 telegrams[0].records[0].value.ramp.over: 'soon' is not a duration such as 600ms, 1.5s, 20min, 12h or 1d",
    ),
    (
        "{vif: power, unit: W, code: int8, value: {ramp: {from: 1, to: 200, over: 1h}}}",
        "50 telegrams[0].records[0].value: 200 does not fit into int8",
    ),
    (
        "{vif: power, unit: W, code: int32, value: {daily: {points: {6: 1}}}}",
        "72 telegrams[0].records[0].value.daily.points.6: '6' is not a time of day such as \"06:30\"",
    ),
    (
        "{vif: power, unit: W, code: int32, value: {daily: {points: {}}}}",
        "68 telegrams[0].records[0].value.daily.points: must not be empty",
    ),
    (
        "{vif: power, unit: W, code: int32, value: {step: {points: {0s: 1, 5min: x}}}}",
        "81 telegrams[0].records[0].value.step.points.5min: 'x' is not a number",
    ),
    (
        "{vif: power, unit: W, code: int32, value: {step: {points: {0s: 1, 5min: 2}, repeat: 1min}}}",
        "93 telegrams[0].records[0].value.step.repeat: must be later than the last point",
    ),
    (
        '{dib: 14, vib: "78", value: 3}',
        '15 telegrams[0].records[0].dib: 14 is a number here, hexadecimal text is wanted: write it in quotes ("14")',
    ),
    ('{dib: "04", value: 3}', "9 telegrams[0].records[0]: 'vib' is missing: dib and vib go together"),
    (
        '{dib: "84", vib: "06", value: 3}',
        "15 telegrams[0].records[0].dib: 84 ends with a byte that has the extension bit: another one must follow",
    ),
    (
        '{dib: "04 06", vib: "06", value: 3}',
        "15 telegrams[0].records[0].dib: 04 06 has bytes too many: an extension bit is missing",
    ),
    (
        '{dib: "1F", vib: "06", value: 3}',
        "15 telegrams[0].records[0].dib: DIF 0F and 1F are written as manufacturer_data and more_records_follow",
    ),
    ('{raw: "0C 7"}', "15 telegrams[0].records[0].raw: '0C 7' is not hexadecimal bytes such as \"0C 78\""),
    ('{raw: "0C 78 01"}', "15 telegrams[0].records[0].raw: not exactly one record: 3 bytes missing"),
    ('{raw: "01 7A 05 05"}', "15 telegrams[0].records[0].raw: not exactly one record: 1 byte too many"),
    ('{raw: "01 7A 05", value: 3}', "34 telegrams[0].records[0].value: raw holds the value already"),
    ('{raw: "01 7A 05", unit: kWh}', "33 telegrams[0].records[0].unit: unit does not go together with raw"),
    (
        "{unit: kWh, value: 3}",
        "9 telegrams[0].records[0]: needs exactly one of vif (by name), "
        "dib with vib (hexadecimal), raw (the whole record)",
    ),
    (
        "{vif: datetime, code: int32, value: 5}",
        "45 telegrams[0].records[0].value: 5 is not a date and time such as 2026-12-31T23:59",
    ),
    (
        "{vif: datetime, code: int8, value: {clock: now}}",
        "31 telegrams[0].records[0].code: a date needs code int16, int24, int32 or int48",
    ),
    (
        "{vif: energy, unit: Wh, code: int32, value: {clock: now}}",
        "53 telegrams[0].records[0].value: energy needs a number",
    ),
    (
        "{vif: datetime, code: int32, value: {device: id}}",
        "45 telegrams[0].records[0].value: datetime needs a clock or a due date",
    ),
    (
        "{vif: date, code: int16, value: {due_date: {month: 2, day: 29}}}",
        "68 telegrams[0].records[0].value.due_date.day: month 2 has no day 29 in every year",
    ),
    (
        "{vif: date, code: int16, value: {due_date: {month: 13, day: 1}}}",
        "60 telegrams[0].records[0].value.due_date.month: 13 is not in 1..12",
    ),
    (
        "{vif: fabrication_number, code: int8, value: {device: id}}",
        "41 telegrams[0].records[0].code: the identification number has 8 digits: it needs bcd8 or int32",
    ),
    (
        "{vif: energy, unit: Wh, code: int32, storage: -1, value: 3}",
        "55 telegrams[0].records[0].storage: -1 is not in 0..2199023255551",
    ),
    (
        "{vif: energy, unit: Wh, code: int32, modifiers: [negativ_contributions], value: 3}",
        "58 telegrams[0].records[0].modifiers[0]: there is no modifier 'negativ_contributions'"
        ", did you mean 'negative_contributions'?",
    ),
    (
        "{vif: energy, unit: Wh, code: int32, function: maximun, value: 3}",
        "56 telegrams[0].records[0].function: 'maximun' is not one of instantaneous, maximum, minimum, error"
        ", did you mean 'maximum'?",
    ),
    (
        "{vif: plain_text, code: int16, value: 3}",
        "15 telegrams[0].records[0].vif: plain_text needs its text as unit",
    ),
    (
        "{vif: plain_text, unit: '%RH', scale: 2, code: int16, value: 3}",
        "15 telegrams[0].records[0].vif: no VIFE counts in units of 10^2",
    ),
    (
        "{vif: energy, unit: kWh, manufacturer_vifes: '01 02 03 04 05 06 07 08 09 0A', code: int16, value: 3}",
        "54 telegrams[0].records[0].manufacturer_vifes: more than 10 VIFEs",
    ),
    (
        "{dib: '04', vib: '7F', manufacturer_vifes: '01', value: 3}",
        "52 telegrams[0].records[0].manufacturer_vifes: manufacturer_vifes does not go together with dib",
    ),
    ("5", "9 telegrams[0].records[0]: 5 is not a mapping (key: value)"),
]


@pytest.mark.parametrize(("record", "line"), RECORDS)
def test_mistake_in_a_record(record: str, line: str) -> None:
    found = complaints(f"{HEAD}      - {record}\n")
    assert found == [f"d.yaml:5:{line}"]


REST = "\ntelegrams: [{records: []}]\n"
DEVICES = [
    ("{version: 1, medium: heat}", "2:9 device: 'manufacturer' is missing"),
    (
        "{manufacturer: kam, version: 1, medium: heat}",
        "2:24 device.manufacturer: 'kam' is not a manufacturer: three capital letters, or a code such as 0x2C2D",
    ),
    ("{manufacturer: KAM, version: 0x135, medium: heat}", "2:38 device.version: 309 is not in 0..255"),
    (
        "{manufacturer: KAM, version: '35', medium: heat}",
        "2:38 device.version: '35' is not a whole number: write it without quotes",
    ),
    (
        "{manufacturer: KAM, version: 1, medium: wather}",
        "2:49 device.medium: there is no medium 'wather', did you mean 'water'?",
    ),
    (
        "{manufacturer: KAM, version: 1, medium: [4]}",
        "2:49 device.medium: a list is not a medium: a name such as heat, or a code 0x00..0xfe",
    ),
    (
        "{manufacturer: KAM, version: 1, medium: 4, id: 123456789}",
        "2:56 device.id: 123456789 is not an identification number of up to 8 digits",
    ),
    (
        "{manufacturer: KAM, version: 1, medium: 4, id: 12e4}",
        "2:56 device.id: a number with point or power of ten is no identification number: quote one with letters",
    ),
    ("{manufacturer: KAM, version: 1, medium: 4, address: 300}", "2:61 device.address: 300 is not in 0..250"),
    (
        "{manufacturer: KAM, version: 1, medium: 4, adress: 3}",
        "2:52 device: unknown key 'adress', did you mean 'address'?",
    ),
    (
        "{manufacturer: KAM, version: 1, medium: 4, baud: [301]}",
        "2:59 device.baud[0]: 301 is not one of 300, 600, 1200, 2400, 4800, 9600, 19200, 38400",
    ),
    ("{manufacturer: KAM, version: 1, medium: 4, baud: 300}", "2:58 device.baud: 300 is not a list"),
    ("{manufacturer: KAM, version: 1, medium: 4, baud: []}", "2:58 device.baud: must not be empty"),
    (
        "{manufacturer: KAM, version: 1, medium: 4, fcb: stricct}",
        "2:57 device.fcb: 'stricct' is not one of strict, lenient, ignore, did you mean 'strict'?",
    ),
    (
        "{manufacturer: KAM, version: 1, medium: 4, response_delay: [2s, 1s]}",
        "2:68 device.response_delay: the shortest response delay is longer than the longest",
    ),
    (
        "{manufacturer: KAM, version: 1, medium: 4, response_delay: 30}",
        "2:68 device.response_delay: 30 has no unit: write a duration as 30ms, 30s, 30min, 30h or 30d",
    ),
    ("[]", "2:9 device: a list is not a mapping (key: value)"),
]


@pytest.mark.parametrize(("header", "line"), DEVICES)
def test_mistake_in_the_device(header: str, line: str) -> None:
    assert complaints(f"format: 1\ndevice: {header}{REST}") == [f"d.yaml:{line}"]


def test_mistakes_of_a_whole_file_are_reported_at_once_in_its_order() -> None:
    text = (
        "format: 2\n"
        "device: {manufacturer: KAM, version: 1, medium: heat, adress: 3, adress: 4}\n"
        "telegrams:\n"
        "  - recods: []\n"
        "  - records:\n"
        "      - {vif: energy, unit: kWh, code: int8, value: 1000}\n"
        "      - {vif: powr, unit: W, code: int8, value: 1}\n"
        "cheks: []\n"
    )
    assert complaints(text) == [
        "d.yaml:1:9 format: 2 is not 1, the only format there is",
        "d.yaml:2:55 device: unknown key 'adress', did you mean 'address'?",
        "d.yaml:2:66 device: key 'adress' is there twice, first in line 2",
        "d.yaml:4:5 telegrams[0]: unknown key 'recods', did you mean 'records'?",
        "d.yaml:6:53 telegrams[1].records[0].value: 1000 does not fit into 8 bits",
        "d.yaml:7:15 telegrams[1].records[1].vif: there is no quantity 'powr', did you mean 'power'?",
        "d.yaml:8:1: unknown key 'cheks', did you mean 'checks'?",
    ]


def test_file_that_is_no_mapping() -> None:
    assert complaints("- 1\n") == ["d.yaml:1:1: a list is not a mapping (key: value)"]
    assert complaints("text\n") == ["d.yaml:1:1: 'text' is not a mapping (key: value)"]


def test_telegram_that_is_too_long_is_to_be_split() -> None:
    record = "      - {vif: volume, unit: m3, code: int32, value: 1}\n"
    assert device(HEAD + record * 40).telegrams[0].records[39].size == 6
    assert complaints(HEAD + record * 41) == [
        "d.yaml:5:7 telegrams[0].records: 246 bytes of records, a telegram holds 240: split it in two"
    ]
    two = HEAD + record * 40 + "  - records:\n" + record
    assert complaints(two) == [
        "d.yaml:5:7 telegrams[0].records: 241 bytes with the closing 1F, a telegram holds 240: split it in two"
    ]
    tail = HEAD + record * 39 + '    manufacturer_data: "01 02 03 04 05 06"\n'
    assert complaints(tail) == [
        "d.yaml:5:7 telegrams[0].records: 241 bytes of records, a telegram holds 240: split it in two"
    ]


def test_two_records_that_could_be_followed_need_a_name() -> None:
    power = "      - {vif: power, unit: W, code: int32, value: 5}\n"
    energy = "      - {vif: energy, unit: Wh, code: int32, value: {counter: {follows: power}}}\n"
    assert complaints(HEAD + power * 2 + energy) == [
        "d.yaml:7:73 telegrams[0].records[2].value.counter.follows: "
        "2 records could be meant by 'power': give one a name"
    ]
    named = "      - {name: power, vif: power, unit: W, code: int32, value: 5}\n"
    assert device(HEAD + power + named + energy)
    assert complaints(HEAD + named * 2) == [
        "d.yaml:6:16 telegrams[0].records[1].name: another record is called 'power' already"
    ]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{vif: volume, unit: m3, code: int32, value: 5}", "kWh is not what m³ add up to over time"),
        (
            "{vif: power, unit: W, code: int32, value: {counter: {rate: 1}}}",
            "what a counter follows must be a constant, ramp, daily, step or random value",
        ),
        ("{vif: power, unit: W, code: int32, value: null}", "what a counter follows must be a number"),
    ],
)
def test_what_cannot_be_followed(source: str, reason: str) -> None:
    energy = "      - {vif: energy, unit: Wh, code: int32, value: {counter: {follows: x}}}\n"
    text = HEAD + f"      - {{name: x, {source[1:]}\n" + energy
    assert complaints(text) == [f"d.yaml:6:73 telegrams[0].records[1].value.counter.follows: {reason}"]


def test_catalogue_has_a_heat_a_water_and_an_electricity_meter() -> None:
    media = {catalogue.load(name).device.medium for name in catalogue.names()}
    assert {0x04, 0x16, 0x02} <= media
    assert len(catalogue.load("schneider/iem3135").telegrams) >= 3
    assert len(catalogue.load("kamstrup/multical-603").telegrams[0].records) == 27


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            ("storage: 1, function: maximum, value: 55.1", "storage: 2, function: maximum, value: 55.1"),
            "records[19] begins with 94 01 2D, in the telegram it is 54 2D 27",
        ),
        (
            ("version: 0x35", "version: 0x36"),
            "manufacturer, version and medium are 2D 2C 35 04 in the telegram, 2D 2C 36 04 in the device",
        ),
        (("      - 17619.4\n", "      - 17619.5\n"), "records[2] is 17619.4, the check says 17619.5"),
        (
            ("42 6C C1 21 95 16", "42 6C C1 21 96 16"),
            "the telegram is no valid frame: checksum: 96 received, 95 computed",
        ),
        (
            ("      - {vif: date, code: int16, storage: 1, value: {due_date: {month: 1, day: 1}}}\n", ""),
            "behind the last record the telegram has 42 6C C1 21",
        ),
        (("      - 2022-01-01\n", ""), "the telegram has 27 records, the check 26"),
    ],
)
def test_checks_notice_a_device_that_is_not_the_recorded_one(change: tuple[str, str], complaint: str) -> None:
    text = (catalogue.directory() / "kamstrup/multical-603.yaml").read_text(encoding="utf-8")
    assert change[0] in text
    assert checks.failures(device(text.replace(*change))) == [f"checks[0]: {complaint}"]


def test_device_by_name_by_path_and_unknown(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(HEAD + "      - {vif: any, code: none}\n", encoding="utf-8")
    assert catalogue.load(str(path)).device.version == 1
    assert catalogue.load("own.yaml", tmp_path).device.version == 1
    path.write_text(HEAD.replace("version: 1", "version: 12") + "      - {vif: any, code: none}\n", encoding="utf-8")
    assert catalogue.load(str(path)).device.version == 12
    with pytest.raises(DefinitionError) as caught:
        catalogue.load("kamstrup/multical-630")
    assert str(caught.value) == "there is no device 'kamstrup/multical-630', did you mean 'kamstrup/multical-603'?"
    with pytest.raises(DefinitionError, match="there is no file"):
        catalogue.load("absent.yaml", tmp_path)
