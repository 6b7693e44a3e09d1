"""Readings in the XML form of libmbus: what it prints, and where it is wrong and this is not."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from mbusbench import decode
from mbusbench.codec.telegram import decode_telegram
from mbusbench.errors import MBusUsageError
from mbusbench.master.libmbus_texts import FIXED_UNITS, unit
from mbusbench.master.libmbus_xml import libmbus_xml
from mbusbench.master.results import MBusSlaveData, slave_data
from tests.master.scripted_bus import long
from tests.telegrams import READOUTS

WATER = """<?xml version="1.0" encoding="ISO-8859-1"?>
<MBusData>

    <SlaveInformation>
        <Id>12345678</Id>
        <Manufacturer>PAD</Manufacturer>
        <Version>1</Version>
        <ProductName></ProductName>
        <Medium>Water</Medium>
        <AccessNumber>85</AccessNumber>
        <Status>00</Status>
        <Signature>0000</Signature>
    </SlaveInformation>

    <DataRecord id="0">
        <Function>Instantaneous value</Function>
        <StorageNumber>0</StorageNumber>
        <Unit>Volume (m m^3)</Unit>
        <Value>12565</Value>
    </DataRecord>

    <DataRecord id="1">
        <Function>Maximum value</Function>
        <StorageNumber>5</StorageNumber>
        <Tariff>0</Tariff>
        <Device>0</Device>
        <Unit>Volume flow (m m^3/h)</Unit>
        <Value>113</Value>
    </DataRecord>

    <DataRecord id="2">
        <Function>Instantaneous value</Function>
        <StorageNumber>0</StorageNumber>
        <Tariff>2</Tariff>
        <Device>1</Device>
        <Unit>Energy (10 Wh)</Unit>
        <Value>21837</Value>
    </DataRecord>

</MBusData>
"""

FIXED = """<?xml version="1.0" encoding="ISO-8859-1"?>
<MBusData>

    <SlaveInformation>
        <Id>12345678</Id>
        <Medium>Water</Medium>
        <AccessNumber>10</AccessNumber>
        <Status>00</Status>
    </SlaveInformation>

    <DataRecord id="0">
        <Function>Actual value</Function>
        <Unit>l</Unit>
        <Value>1</Value>
    </DataRecord>

    <DataRecord id="1">
        <Function>Actual value</Function>
        <Unit>reserved but historic</Unit>
        <Value>135</Value>
    </DataRecord>

</MBusData>
"""

HEADER = bytes.fromhex("78563400 24232807 AC000000")


def xml_of(records: str) -> str:
    return decode(long(0x08, 5, 0x72, HEADER + bytes.fromhex(records))).to_xml()


def fields(records: str, name: str) -> list[str]:
    return re.findall(rf"<{name}>(.*?)</{name}>", xml_of(records))


def test_worked_example_of_the_variable_structure() -> None:
    assert decode(READOUTS["water_three_records"]).to_xml() == WATER


def test_worked_example_of_the_fixed_structure() -> None:
    assert decode(READOUTS["water_fixed"]).to_xml() == FIXED


def test_identification_has_no_leading_zeros() -> None:
    assert fields("", "Id") == ["345678"]


@pytest.mark.parametrize(
    ("record", "value"),
    [
        ("0113 FE", "-2"),
        ("0313 FEFFFF", "-2"),
        ("0713 0100000000000080", "-9223372036854775807"),
        ("0513 0000C03F", "1.500000"),
        ("0C13 78563412", "12345678"),
        ("0C13 785634F2", "-2345678"),
        ("3C13 DDB4EBDD", "DDEBB4DD"),
        ("0C13 DDB4EBDD", "DDEBB4DD"),
        ("3C13 78560000", "5678"),
        ("0013", ""),
        ("0D78 03434241", "ABC"),
        ("0D78 053C260A0041", "A  &amp;&lt;"),
        ("0D78 01B0", "&#176;"),
        ("0D78 C21234", "3412"),
        ("026C 1135", "2024-05-17"),
        ("046D 2D2D1135", "2024-05-17T13:45:00"),
        ("066D 1E2D0D113500", "2024-05-17T13:45:30"),
        ("026C FFFF", ""),
        ("026C 0000", ""),
        ("046D AD2D1135", ""),
        ("46ED 00 1E2D0D113500", "2024-05-17T13:45:30"),
        ("0F 0102AB", "01 02 AB"),
        ("1F", ""),
    ],
)
def test_value_is_the_register_as_it_was_sent(record: str, value: str) -> None:
    assert fields(record, "Value") == [value]


@pytest.mark.parametrize(
    ("vib", "text"),
    [
        ("00", "Energy (mWh)"),
        ("02", "Energy (1e-1 Wh)"),
        ("06", "Energy (kWh)"),
        ("07", "Energy (10 kWh)"),
        ("10", "Volume (my m^3)"),
        ("16", "Volume ( m^3)"),
        ("21", "On time (minutes)"),
        ("2E", "Power (kW)"),
        ("59", "Flow temperature (1e-2 deg C)"),
        ("6D", "Time Point (time & date)"),
        ("79", "Unknown (VIF=0x79)"),
        ("F900", "Unknown (VIF=0xF9)"),
        ("FF07", "Manufacturer specific"),
        ("FB00", "Energy (0.1 MWh)"),
        ("FB8D00", "Reserved (0x8d)"),
        ("FB07", "Unrecognized VIF 0xFB extension: 0x07"),
        ("FB11", "Volume (km3)"),
        ("FD17", "Error flags"),
        ("FD2E", "Duration since last readout hour(s)"),
        ("FD48", "1e-1  V"),
        ("FDDC00", " A"),
        ("FD6E", "Operating time battery month(s)"),
        ("FD7A", "Reserved VIF extension"),
        ("7C0352482522", "%HR"),
    ],
)
def test_units_are_the_words_of_libmbus(vib: str, text: str) -> None:
    raw = bytes.fromhex(vib)
    assert unit(raw, "%HR") == text


def test_unit_in_plain_text_is_scaled_in_words() -> None:
    assert fields("02FC0348522574 D411", "Unit") == ["1e-2  %RH"]
    assert fields("027C03485225 D411", "Unit") == ["%RH"]


def test_units_of_the_fixed_structure_are_all_there() -> None:
    assert len(FIXED_UNITS) == 64
    assert [FIXED_UNITS[code] for code in (0x05, 0x0D, 0x0E, 0x22, 0x26, 0x2C, 0x38, 0x3F)] == [
        *("kWh", "100 kJ", "MJ", "100 MJ/h", "ml", "m^3", "1e-3 °C", "without units"),
    ]


def test_telegrams_of_a_readout_are_counted() -> None:
    first, second = (
        decode_telegram(long(0x08, 5, 0x72, HEADER + bytes.fromhex(records))) for records in ("0113011F", "0113020F99")
    )
    xml = slave_data([first, second], 5, datetime(2026, 3, 29, 12, tzinfo=UTC)).to_xml()
    assert re.findall(r"<DataRecord (.*?)>", xml) == [
        'id="0" frame="0"',
        'id="1" frame="0"',
        'id="2" frame="1"',
        'id="3" frame="1"',
    ]
    assert re.findall(r"<Function>(.*?)<", xml)[1::2] == ["More records follow", "Manufacturer specific"]
    assert xml.count("<Timestamp>2026-03-29T12:00:00Z</Timestamp>") == 4


def test_application_error_has_its_words() -> None:
    assert "        <Error>Application busy</Error>\n" in libmbus_xml([decode_telegram(long(8, 5, 0x70, b"\x08"))])
    assert "<Error>Unknown error (0x15)</Error>" in libmbus_xml([decode_telegram(long(8, 5, 0x70, b"\x15"))])


@pytest.mark.parametrize("name", sorted(READOUTS))
def test_every_readout_is_well_formed_ascii(name: str) -> None:
    xml = decode(READOUTS[name]).to_xml()
    assert xml.isascii()
    assert ElementTree.fromstring(xml).tag == "MBusData"


def test_medium_is_right_in_whatever_encoding_it_is_read() -> None:
    frame = long(0x08, 5, 0x72, HEADER[:7] + b"\x06" + HEADER[8:])
    medium = ElementTree.fromstring(decode(frame).to_xml()).find("SlaveInformation/Medium")
    assert medium is not None
    assert medium.text == "Warm water (30-90°C)"


def test_reading_from_elsewhere_has_no_xml() -> None:
    data = decode(READOUTS["water_three_records"])
    with pytest.raises(MBusUsageError):
        MBusSlaveData.model_validate(data.model_dump()).to_xml()
