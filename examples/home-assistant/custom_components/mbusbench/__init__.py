"""M-Bus meters in Home Assistant: an entry is a bus, a device is a meter, an entity is one of its records."""

from __future__ import annotations

from typing import TypeAlias

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant

from mbusbench import MBusMaster

from .const import CONF_BAUDRATE, CONF_URL
from .coordinator import MeterCoordinator

MBusConfigEntry: TypeAlias = ConfigEntry[MeterCoordinator]

PLATFORMS = [Platform.SENSOR]


async def async_setup_entry(hass: HomeAssistant, entry: MBusConfigEntry) -> bool:
    """Open the bus and read its meters once; where that fails, Home Assistant tries again later."""
    master = MBusMaster(entry.data[CONF_URL], baudrate=int(entry.data[CONF_BAUDRATE]))
    coordinator = MeterCoordinator(hass, entry, master)
    try:
        await coordinator.async_config_entry_first_refresh()
    except BaseException:
        await master.close()
        raise
    entry.runtime_data = coordinator
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    entry.async_on_unload(entry.add_update_listener(_reload))
    return True


async def async_unload_entry(hass: HomeAssistant, entry: MBusConfigEntry) -> bool:
    """Close the bus, so that somebody else can have it."""
    unloaded = await hass.config_entries.async_unload_platforms(entry, PLATFORMS)
    if unloaded:
        await entry.runtime_data.master.close()
    return unloaded


async def _reload(hass: HomeAssistant, entry: MBusConfigEntry) -> None:
    await hass.config_entries.async_reload(entry.entry_id)
