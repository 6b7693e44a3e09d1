from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest

from mbusbench.codec.tables.units import UNITS
from mbusbench.codec.tables.vif import EXTENSION_FB, EXTENSION_FD, EXTENSION_FD_FD, PRIMARY, VifRow
from mbusbench.codec.tables.vife import COMBINABLE, EXTENSION_FC, OBJECT_ACTION, RECORD_ERROR, VifeRow
from mbusbench.codec.vib import ValueInformationBlock, quantities
from mbusbench.errors import DecodeError


def block(raw: str, **how: bool) -> ValueInformationBlock:
    found = ValueInformationBlock.decode(bytes.fromhex(raw), **how)
    assert found.encode().hex() == raw.replace(" ", "").lower()
    return found


@pytest.mark.parametrize("table", [PRIMARY, EXTENSION_FB, EXTENSION_FD, EXTENSION_FD_FD, COMBINABLE, EXTENSION_FC])
def test_rows_of_a_table_do_not_overlap(table: tuple[VifRow | VifeRow, ...]) -> None:
    rows = sorted(table, key=lambda row: row.first)
    assert all(row.first <= row.last <= 0x7F for row in rows)
    assert all(one.last < other.first for one, other in pairwise(rows))


def test_primary_table_has_no_gap_but_6f() -> None:
    named = {code for row in PRIMARY for code in range(row.first, row.last + 1)}
    assert set(range(128)) - named == {0x6F}


def test_combinable_and_error_tables_fill_each_other() -> None:
    errors = {row.first for row in RECORD_ERROR}
    assert errors.isdisjoint(code for row in COMBINABLE for code in range(row.first, row.last + 1))
    assert [row.first for row in OBJECT_ACTION] == list(range(14))


def test_every_unit_of_the_tables_has_a_place_at_the_api() -> None:
    known = {row.unit for row in UNITS}
    used = {row.unit for table in (PRIMARY, EXTENSION_FB, EXTENSION_FD, EXTENSION_FD_FD) for row in table if row.unit}
    assert used <= known


@pytest.mark.parametrize(
    ("raw", "quantity", "unit", "factor"),
    [
        ("00", "energy", "kWh", "0.000001"),
        ("06", "energy", "kWh", "1"),
        ("0e", "energy", "MJ", "1"),
        ("13", "volume", "m³", "0.001"),
        ("1b", "mass", "kg", "1"),
        ("22", "on_time", "s", "3600"),
        ("2b", "power", "W", "1"),
        ("37", "power", "MJ/h", "10"),
        ("3b", "volume_flow", "m³/h", "0.001"),
        ("40", "volume_flow", "m³/h", "0.000006"),
        ("48", "volume_flow", "m³/h", "0.0000036"),
        ("53", "mass_flow", "kg/h", "1"),
        ("5a", "flow_temperature", "°C", "0.1"),
        ("61", "temperature_difference", "K", "0.01"),
        ("6a", "pressure", "bar", "0.1"),
        ("6e", "hca_units", "HCA units", "1"),
        ("75", "actuality_duration", "s", "60"),
        ("fb00", "energy", "kWh", "100"),
        ("fb08", "energy", "MJ", "100"),
        ("fb0d", "energy", "MJ", "4.1868"),
        ("fb10", "volume", "m³", "100"),
        ("fb14", "reactive_power", "var", "1"),
        ("fb19", "mass", "kg", "1000000"),
        ("fb1a", "relative_humidity", "%", "0.1"),
        ("fb21", "volume", "m³", "0.0028316846592"),
        ("fb2e", "frequency", "Hz", "0.1"),
        ("fb30", "power", "MJ/h", "100"),
        ("fb37", "apparent_power", "VA", "1000"),
        ("fb68", "hca_rating_factor_k", None, "0.000244140625"),
        ("fb7f", "cumulative_max_power", "W", "10000"),
        ("fd48", "voltage", "V", "0.1"),
        ("fd5c", "current", "A", "1"),
        ("fd6c", "battery_operating_time", "s", "3600"),
        ("fdfd02", "remaining_battery_life", "month", "1"),
        ("fd28", "storage_interval", "month", "1"),
        # VIFEs: factors multiply, also several of them
        ("fb8275", "reactive_energy", "kvarh", "0.1"),
        ("fbb772", "apparent_power", "VA", "0.1"),
        ("fdba73", "dimensionless", None, "0.001"),
        ("ad7d", "power", "W", "100000"),
        ("93f074", "volume", "m³", "0.00000000001"),
        ("be58", "volume_flow", "s", "1"),
        ("9361", "volume", "s", "60"),
        ("9322", "volume", "m³/h", "0.001"),
        ("b333", "power", "MJ/h/(K*l)", "0.001"),
        ("ab37", "power", "W*s/V", "1"),
        ("9341", "volume", None, "1"),
    ],
)
def test_value_is_scaled_into_the_unit_of_the_quantity(raw: str, quantity: str, unit: str | None, factor: str) -> None:
    found = block(raw)
    assert (found.quantity, found.unit) == (quantity, unit)
    assert Fraction(found.numerator, found.denominator) == Fraction(factor)
    assert found.offset == 0


def test_additive_constant_is_in_the_unit_of_the_vif() -> None:
    assert block("da79").offset == Fraction(1, 100)  # 10^-2 °C
    assert block("8679").offset == Fraction(1, 100000)  # 10^-2 Wh in kWh
    assert block("daf975").offset == Fraction(1, 1000)  # a factor behind it takes it along


def test_fahrenheit_becomes_celsius_and_differences_become_kelvin() -> None:
    limit = block("fb5b")
    assert 212 * Fraction(limit.numerator, limit.denominator) + limit.offset == 100
    difference = block("fb63")
    assert (difference.unit, Fraction(difference.numerator, difference.denominator)) == ("K", Fraction(5, 9))
    assert difference.offset == 0


@pytest.mark.parametrize(
    ("raw", "modifiers"),
    [
        ("863b", ("positive_contributions",)),
        ("863c", ("negative_contributions",)),
        ("aafc01", ("phase_l1",)),
        ("9028", ("per_input_pulse_ch0",)),
        ("ec7e", ("future_value",)),
        ("8600", ()),
        ("da6f", ("date_of_last_end",)),
        ("86bb7e", ("positive_contributions", "future_value")),
    ],
)
def test_vifes_become_modifiers(raw: str, modifiers: tuple[str, ...]) -> None:
    assert block(raw).modifiers == modifiers


def test_record_errors_come_from_the_slave_and_actions_from_the_master() -> None:
    assert block("8615").record_error == "no_data_available"
    assert block("8600").record_error is None
    assert block("8601", from_master=True).action == "add"
    assert block("8601", from_master=True).record_error is None


def test_manufacturer_codes_are_kept_apart() -> None:
    own = block("ff80843b")
    assert (own.quantity, own.manufacturer) == ("manufacturer_specific", bytes.fromhex("80843b"))
    phase = block("fdc9ff01")
    assert (phase.quantity, phase.unit, phase.manufacturer) == ("voltage", "V", b"\x01")
    assert Fraction(phase.numerator, phase.denominator) == 1


@pytest.mark.parametrize(
    ("raw", "quantity"), [("6f", "reserved"), ("7b", "reserved"), ("7d", "reserved"), ("fd77", "reserved")]
)
def test_reserved_codes_are_no_error(raw: str, quantity: str) -> None:
    assert block(raw).quantity == quantity


def test_plain_text_unit_stands_before_or_behind_the_vifes() -> None:
    before = block("fc0348522574")
    assert (before.unit, before.numerator, before.denominator) == ("%RH", 1, 100)
    behind = ValueInformationBlock.decode(bytes.fromhex("fc7403485225"), text_last=True)
    assert (behind.unit, behind.numerator, behind.denominator) == ("%RH", 1, 100)
    assert block("7c0143").unit == "C"


def test_ten_vifes_are_legal_and_eleven_are_not() -> None:
    assert len(ValueInformationBlock.decode(b"\x93" + b"\xbb" * 9 + b"\x3b").raw) == 11
    assert len(ValueInformationBlock.decode(b"\xfd\xc8" + b"\xbb" * 9 + b"\x3b").raw) == 12
    with pytest.raises(DecodeError, match="more than 10 VIFEs"):
        ValueInformationBlock.decode(b"\x93" + b"\xbb" * 10 + b"\x3b")


@pytest.mark.parametrize("raw", ["", "93", "fd", "fdfd", "fc", "7c0348", "fc034852"])
def test_block_that_is_cut_off_is_a_decode_error(raw: str) -> None:
    with pytest.raises(DecodeError, match="premature end"):
        ValueInformationBlock.decode(bytes.fromhex(raw))


@pytest.mark.parametrize(
    ("quantity", "unit", "scale", "modifiers", "raw"),
    [
        ("energy", "kWh", 0, (), "06"),
        ("energy", "MWh", -1, (), "fb00"),
        ("energy", "MJ", 0, (), "0e"),
        ("volume", "l", 0, (), "13"),
        ("volume", "m3", -2, (), "14"),
        ("power", "kW", -1, (), "2d"),
        ("voltage", "V", -1, ("phase_l1",), "fdc8fc01"),
        ("flow_temperature", "°C", -2, (), "59"),
        ("on_time", "h", 0, (), "22"),
        ("fabrication_number", None, 0, (), "78"),
        ("datetime", None, 0, (), "6d"),
        ("error_flags", None, 0, (), "fd17"),
        ("energy", "kWh", 0, ("negative_contributions",), "863c"),
    ],
)
def test_block_is_found_by_its_meaning(
    quantity: str, unit: str | None, scale: int, modifiers: tuple[str, ...], raw: str
) -> None:
    assert ValueInformationBlock.find(quantity, unit, scale, modifiers).raw.hex() == raw


def test_what_no_block_means_is_refused_with_what_there_is() -> None:
    with pytest.raises(LookupError, match=r"no VIF counts energy.*10\^-3 Wh"):
        ValueInformationBlock.find("energy", "kWh", 9)
    with pytest.raises(LookupError, match="no unit 'kilowatt'"):
        ValueInformationBlock.find("energy", "kilowatt")
    with pytest.raises(LookupError, match="no quantity 'energi'"):
        ValueInformationBlock.find("energi", "kWh")
    with pytest.raises(LookupError, match="no modifier 'phase_l9'"):
        ValueInformationBlock.find("energy", "kWh", 0, ("phase_l9",))


def test_quantities_are_named_once() -> None:
    assert len(set(quantities())) == len(quantities()) > 80
    assert "reserved" not in quantities()


def test_blocks_with_the_same_bytes_and_another_meaning_differ() -> None:
    assert block("8601") != block("8601", from_master=True)
    litres = ValueInformationBlock.without_code("volume", "l", 0, "numeric")
    assert litres != ValueInformationBlock.without_code("energy", "kWh", 0, "numeric")


def test_additive_constant_of_a_nameless_unit_is_a_bare_number() -> None:
    found = block("fc007b")
    assert (found.unit, found.offset) == ("", 1)
