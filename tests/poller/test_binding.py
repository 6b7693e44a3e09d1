"""Which record a binding means, and the value that it becomes."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from mbusbench import MBusMaster, decode
from mbusbench.clock import run
from mbusbench.master.results import MBusSlaveData
from mbusbench.poller.binding import Binding, Deadband, Readout, every_value
from mbusbench.poller.meter_definition import BindingDefinition
from mbusbench.poller.units import conversion
from mbusbench.sinks.reading import Quality, Value
from tests.poller.meters import HEAT, TWO_TELEGRAMS, bus


def readout(telegrams: str) -> Readout:
    async def read() -> MBusSlaveData:
        async with MBusMaster(bus(telegrams=telegrams)) as master:
            return await master.query(1)

    return Readout(run(read()))


@pytest.fixture(scope="module")
def heat() -> Readout:
    return readout(HEAT)


@pytest.fixture(scope="module")
def two() -> Readout:
    return readout(TWO_TELEGRAMS)


def value(found: Readout, **keys: Any) -> Value:
    return Binding(BindingDefinition.model_validate({"name": "x", **keys}), "tag").value(found)


def test_index_counts_records_from_0(heat: Readout) -> None:
    assert value(heat, index=0).value == "2026-01-01T12:30:00"
    assert value(heat, index=1).value == 125
    assert value(heat, index=2).value == 1.234
    assert value(heat, index=3).value == 71.5


def test_index_counts_anew_in_each_telegram(two: Readout) -> None:
    assert value(two, index=1).value == 100
    assert value(two, telegram=1, index=0).value == 17.25
    assert value(two, telegram=1, index=2).value == 0


@pytest.mark.parametrize(("telegram", "index"), [(0, 2), (1, 3), (2, 0)])
def test_index_that_the_meter_does_not_have_is_a_bad_value(two: Readout, telegram: int, index: int) -> None:
    found = value(two, telegram=telegram, index=index)
    assert (found.quality, found.value) == (Quality.BAD, None)
    assert found.reason == f"there is no record {index} in telegram {telegram}"


def test_meaning_is_found_in_whichever_telegram_it_comes(two: Readout) -> None:
    assert value(two, quantity="energy").value == 125
    assert value(two, quantity="energy", storage=1).value == 100
    assert value(two, quantity="power", function="maximum").value == 4200
    assert value(two, quantity="volume").value == 17.25


def test_meaning_that_the_meter_does_not_send_is_a_bad_value(two: Readout) -> None:
    found = value(two, quantity="energy", storage=2, tariff=1)
    assert found.quality is Quality.BAD
    assert found.reason == "the meter sent no energy, storage 2, tariff 1"
    assert (found.quantity, found.storage, found.tariff) == ("energy", 2, 1)


def test_index_with_a_meaning_guards_against_a_changed_meter(two: Readout) -> None:
    assert value(two, index=0, quantity="energy").value == 125
    found = value(two, telegram=1, index=0, quantity="energy")
    assert (found.quality, found.value) == (Quality.BAD, None)
    assert found.reason == "record 0 of telegram 1 is volume, not energy"


@pytest.mark.parametrize(
    ("keys", "wanted", "unit"),
    [
        ({"quantity": "energy", "unit": "MWh"}, 0.125, "MWh"),
        ({"quantity": "energy", "unit": "MJ"}, 450, "MJ"),
        ({"quantity": "energy", "unit": "Wh"}, 125_000, "Wh"),
        ({"quantity": "volume_flow", "unit": "l/h"}, 1234, "l/h"),
        ({"quantity": "flow_temperature", "unit": "°F"}, 160.7, "°F"),
        ({"quantity": "energy", "scale": 0.1}, 12.5, "kWh"),
        ({"quantity": "energy", "scale": 0.001, "offset": -0.025, "unit": "cubits"}, 0.1, "cubits"),
        ({"quantity": "flow_temperature", "offset": 273.15, "unit": "K"}, 344.65, "K"),
        ({"quantity": "flow_temperature", "type": "int"}, 72, "°C"),
        ({"quantity": "flow_temperature", "type": "text"}, "71.5", "°C"),
        ({"quantity": "energy", "type": "float"}, 125.0, "kWh"),
        ({"quantity": "energy", "type": "bool"}, True, "kWh"),
        ({"quantity": "datetime", "type": "text"}, "2026-01-01T12:30:00", None),
    ],
)
def test_value_is_converted_exactly(heat: Readout, keys: dict[str, Any], wanted: object, unit: str | None) -> None:
    found = value(heat, **keys)
    assert (found.value, found.unit, found.quality) == (wanted, unit, Quality.GOOD)
    assert type(found.value) is type(wanted)


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"quantity": "energy", "unit": "m3"}, "kWh cannot be converted to m3"),
        ({"quantity": "datetime", "unit": "s"}, "'2026-01-01T12:30:00' is no number that could be given in s"),
        ({"quantity": "datetime", "scale": 2}, "'2026-01-01T12:30:00' is no number that could be scaled"),
        ({"quantity": "datetime", "type": "float"}, "'2026-01-01T12:30:00' cannot be given as float"),
        ({"quantity": "datetime", "type": "bool"}, "'2026-01-01T12:30:00' cannot be given as bool"),
    ],
)
def test_value_that_cannot_be_converted_is_bad_and_says_why(heat: Readout, keys: dict[str, Any], reason: str) -> None:
    found = value(heat, **keys)
    assert (found.value, found.quality, found.reason) == (None, Quality.BAD, reason)


def test_record_without_a_value_is_bad() -> None:
    # 04 06 with FF FF FF 7F is a number; 00 00 00 80 is "no value".
    frame = "68 15 15 68 08 01 72 78 56 34 12 43 04 10 04 01 00 00 00 04 06 00 00 00 80 15 16"
    checksum = sum(bytes.fromhex(frame)[4:-2]) & 0xFF
    found = value(Readout(decode(frame[:-5] + f"{checksum:02X} 16")), index=0)
    assert (found.value, found.quality, found.reason) == (None, Quality.BAD, "the meter has no value")


def test_all_records_have_names_of_their_own(two: Readout) -> None:
    values = every_value(two)
    assert [each.tag for each in values] == [
        "energy",
        "energy_storage1",
        "volume",
        "power_maximum",
        "power",
    ]
    twice = Readout(two.data.model_copy(update={"records": two.data.records[:1] * 3}))
    assert [each.name for each in every_value(twice)] == ["energy", "energy_2", "energy_3"]


def good(number: float | None, quality: Quality = Quality.GOOD) -> Value:
    return Value("t", "n", number, None, quality, None, "energy", 0, 0, 0, "instantaneous")


def test_deadband_holds_back_what_hardly_differs_from_what_was_given_on() -> None:
    deadband = Deadband()
    numbers = [10, 10.4, 10.5, 10.51, 10.1, 9.9, 10.02, 10.0]
    assert [number for number in numbers if deadband.passes(good(number), Fraction(1, 2))] == [10, 10.51, 9.9]


def test_deadband_holds_back_no_change_of_quality() -> None:
    deadband = Deadband()
    assert deadband.passes(good(10), Fraction(1))
    assert deadband.passes(good(None, Quality.BAD), Fraction(1))
    assert deadband.passes(good(10), Fraction(1))


def test_units_that_measure_something_else_are_not_converted() -> None:
    assert conversion("°C", "K") is None
    assert conversion(None, "kWh") is None
    assert conversion("MJ", "kWh") == (Fraction(10, 36), 0)
    assert conversion("bar", "mbar") == (1000, 0)
