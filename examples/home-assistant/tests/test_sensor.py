"""What becomes of meters in Home Assistant."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from custom_components.mbusbench.const import DOMAIN
from custom_components.mbusbench.kinds import KINDS
from homeassistant.components.sensor.const import DEVICE_CLASS_STATE_CLASSES, DEVICE_CLASS_UNITS
from homeassistant.config_entries import ConfigEntryState
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er


@pytest.fixture
async def entry(hass, house) -> AsyncGenerator:
    found = house.entry()
    found.add_to_hass(hass)
    assert await hass.config_entries.async_setup(found.entry_id)
    await hass.async_block_till_done()
    yield found
    await hass.config_entries.async_unload(found.entry_id)


def attributes(hass, name: str) -> tuple[object, ...]:
    found = hass.states.get(f"sensor.{name}").attributes
    return tuple(found.get(key) for key in ("device_class", "state_class", "unit_of_measurement", "friendly_name"))


@pytest.mark.parametrize("key", KINDS)
def test_home_assistant_knows_each_class_with_its_unit(key: tuple[str, str | None]) -> None:
    kind = KINDS[key]
    if kind.device_class is not None:
        assert kind.state_class in {None, *DEVICE_CLASS_STATE_CLASSES[kind.device_class]}
        assert kind.unit in DEVICE_CLASS_UNITS.get(kind.device_class, {None})


async def test_meters_are_devices_and_their_records_entities(hass, house, entry, caplog) -> None:
    heat, water = house.meters
    devices = dr.async_get(hass)
    device = devices.async_get_device(identifiers={(DOMAIN, heat)})
    assert (device.manufacturer, device.model, device.serial_number) == ("KAM", "Heat", "12345678")
    assert devices.async_get_device(identifiers={(DOMAIN, water)}).name == "ABC 76543210"
    assert attributes(hass, "kam_12345678_energy") == ("energy", "total_increasing", "kWh", "KAM 12345678 Energy")
    assert attributes(hass, "kam_12345678_energy_t1")[3] == "KAM 12345678 Energy T1"
    assert attributes(hass, "kam_12345678_volume")[:3] == ("volume", "total_increasing", "m³")
    assert attributes(hass, "abc_76543210_volume")[:3] == ("water", "total_increasing", "m³")
    assert attributes(hass, "kam_12345678_power")[:3] == ("power", "measurement", "W")
    assert attributes(hass, "kam_12345678_flow_temperature")[:3] == ("temperature", "measurement", "°C")
    assert attributes(hass, "kam_12345678_temperature_difference")[:3] == (None, "measurement", "K")
    assert attributes(hass, "kam_12345678_meter_time")[:3] == ("timestamp", None, None)
    assert float(hass.states.get("sensor.kam_12345678_temperature_difference").state) == 42.24
    assert not [
        record for record in caplog.records if record.levelname in ("WARNING", "ERROR") and DOMAIN in record.msg
    ]
    assert "is not a valid unit" not in caplog.text
    assert "impossible considering" not in caplog.text


async def test_past_and_maxima_are_there_for_whoever_wants_them(hass, house, entry) -> None:
    registry = er.async_get(hass)
    entities = er.async_entries_for_config_entry(registry, entry.entry_id)
    hidden = {each.entity_id for each in entities if each.disabled_by is er.RegistryEntryDisabler.INTEGRATION}
    assert {"sensor.kam_12345678_energy_1", "sensor.kam_12345678_power_maximum"} <= hidden
    assert "sensor.kam_12345678_energy" not in hidden
    assert len({each.unique_id for each in entities}) == len(entities)


async def test_meter_that_falls_silent_is_unavailable_and_the_other_is_not(hass, house, entry, caplog) -> None:
    heat = house.bus.remove_meter(1)
    await entry.runtime_data.async_refresh()
    await hass.async_block_till_done()
    assert hass.states.get("sensor.kam_12345678_energy").state == "unavailable"
    assert hass.states.get("sensor.abc_76543210_volume").state != "unavailable"
    await entry.runtime_data.async_refresh()
    assert caplog.text.count("WARNING") == 1
    house.bus.add_meter(heat)
    await entry.runtime_data.async_refresh()
    await hass.async_block_till_done()
    assert hass.states.get("sensor.kam_12345678_energy").state != "unavailable"


async def test_counter_of_another_meter_is_not_taken_for_its_own(hass, house, entry, caplog) -> None:
    stranger = house.bus.remove_meter(2)
    house.bus.remove_meter(1)
    stranger.address = 1
    house.bus.add_meter(stranger)
    await entry.runtime_data.async_refresh()
    await hass.async_block_till_done()
    assert hass.states.get("sensor.kam_12345678_energy").state == "unavailable"
    assert "answers in its place" in caplog.text


async def test_meter_that_comes_late_gets_its_entities(hass, house) -> None:
    heat = house.bus.remove_meter(1)
    entry = house.entry()
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert hass.states.get("sensor.kam_12345678_energy") is None
    house.bus.add_meter(heat)
    await entry.runtime_data.async_refresh()
    await hass.async_block_till_done()
    assert hass.states.get("sensor.kam_12345678_energy").state == "168040"
    await hass.config_entries.async_unload(entry.entry_id)


async def test_dead_bus_is_tried_again_later(hass, socket_enabled, house) -> None:
    house.url = "socket://127.0.0.1:1"
    entry = house.entry()
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert entry.reason.startswith("No connection to the bus: ")
    await hass.config_entries.async_unload(entry.entry_id)


async def test_unloading_leaves_the_bus_to_others(hass, house, entry) -> None:
    master = entry.runtime_data.master
    assert master.is_open
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert not master.is_open
    assert await hass.config_entries.async_setup(entry.entry_id)
