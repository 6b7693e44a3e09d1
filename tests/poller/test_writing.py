"""The record that a value becomes: its register, its coding, its head."""

from __future__ import annotations

from typing import Any

import pytest

from mbusbench import MBusMaster
from mbusbench.clock import run
from mbusbench.codec.dib import DataInformationBlock
from mbusbench.codec.vib import ValueInformationBlock
from mbusbench.errors import MBusUsageError
from mbusbench.master.results import MBusSlaveData
from mbusbench.poller.binding import Binding, Readout
from mbusbench.poller.meter_definition import BindingDefinition
from mbusbench.poller.writing import command, was_taken
from tests.poller.meters import HEAT, bus


@pytest.fixture(scope="module")
def heat() -> Readout:
    async def read() -> MBusSlaveData:
        async with MBusMaster(bus(telegrams=HEAT)) as master:
            return await master.query(1)

    return Readout(run(read()))


def binding(**keys: Any) -> Binding:
    return Binding(BindingDefinition.model_validate({"name": "x", "access": "RW", **keys}), "x")


@pytest.mark.parametrize(
    ("keys", "value", "sent"),
    [
        # CI 51, then DIF, VIF and the register, least significant byte first.
        ({"quantity": "energy"}, 250, "51 04 06 FA 00 00 00"),
        ({"quantity": "energy"}, "250", "51 04 06 FA 00 00 00"),
        ({"quantity": "energy", "unit": "MWh"}, 0.25, "51 04 06 FA 00 00 00"),
        ({"quantity": "energy", "scale": 0.5, "offset": 1}, 126, "51 04 06 FA 00 00 00"),
        ({"quantity": "energy"}, True, "51 04 06 01 00 00 00"),
        ({"quantity": "flow_temperature"}, 71.54, "51 02 5A CB 02"),
        ({"quantity": "volume_flow", "unit": "l/h"}, 1000, "51 02 3B E8 03"),
        ({"index": 0}, "2026-02-03T04:05", "51 04 6D 05 24 43 32"),
        ({"index": 0, "write": {"dib": "02", "vib": "6C"}}, "2026-02-03", "51 02 6C 43 32"),
        ({"index": 0, "write": {"dib": "05", "vib": "06"}}, 1.5, "51 05 06 00 00 C0 3F"),
        ({"index": 0, "write": {"dib": "0D", "vib": "FD 11"}}, "AB", "51 0D FD 11 02 42 41"),
        ({"index": 0, "write": {"dib": "01", "vib": "7A"}}, 9, "51 01 7A 09"),
        ({"index": 0, "write": {"dib": "0C", "vib": "13"}}, 1.234, "51 0C 13 34 12 00 00"),
    ],
)
def test_value_is_sent_in_the_meters_own_coding(heat: Readout, keys: dict[str, Any], value: Any, sent: str) -> None:
    assert command(binding(**keys), heat, value).hex(" ").upper() == sent


@pytest.mark.parametrize(
    ("keys", "value", "told"),
    [
        ({"quantity": "energy"}, None, "there is no value to write"),
        ({"quantity": "energy"}, "1/0", "takes a whole number"),
        ({"quantity": "energy", "unit": "m3"}, 5, "kWh cannot be converted to m3"),
        ({"quantity": "energy", "storage": 3}, 5, "the meter sent no energy, storage 3"),
        ({"index": 0}, "tomorrow", "'tomorrow' is not a datetime in ISO 8601, such as 2026-01-31T12:30"),
        ({"index": 0, "write": {"dib": "02", "vib": "6C"}}, "12:30", "is not a date in ISO 8601"),
    ],
)
def test_value_that_does_not_fit_is_told(heat: Readout, keys: dict[str, Any], value: Any, told: str) -> None:
    with pytest.raises(MBusUsageError, match=told):
        command(binding(**keys), heat, value)


def test_value_was_taken_where_the_meter_has_it_in_whatever_coding(heat: Readout) -> None:
    energy = binding(quantity="energy")
    assert was_taken(energy, bytes.fromhex("51 04 06 7D 00 00 00"), heat) is True
    assert was_taken(energy, bytes.fromhex("51 0C 06 25 01 00 00"), heat) is True
    assert was_taken(energy, bytes.fromhex("51 04 06 7E 00 00 00"), heat) is False
    assert was_taken(binding(quantity="mass"), bytes.fromhex("51 04 06 7E 00 00 00"), heat) is None


def test_heads_that_are_written_here_mean_what_the_test_says() -> None:
    assert ValueInformationBlock.decode(bytes.fromhex("5A")).quantity == "flow_temperature"
    assert DataInformationBlock.decode(bytes.fromhex("0C")).data_length == 4
