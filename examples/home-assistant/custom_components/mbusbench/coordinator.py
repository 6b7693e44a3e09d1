"""Reads all meters of a bus in turn: one coordinator for each bus, since only one can speak there at a time."""

from __future__ import annotations

import logging
from datetime import timedelta

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed

from mbusbench import MBusConnectionError, MBusError, MBusMaster, MBusSlaveData

from .const import CONF_METERS, CONF_MINUTES, DEFAULT_MINUTES, DOMAIN

_LOGGER = logging.getLogger(__name__)


class MeterCoordinator(DataUpdateCoordinator[dict[str, MBusSlaveData]]):
    """`data` has the readings of the last cycle by secondary address; a meter that failed is not in it."""

    config_entry: ConfigEntry

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry, master: MBusMaster) -> None:
        minutes = entry.options.get(CONF_MINUTES, DEFAULT_MINUTES)
        super().__init__(
            hass,
            _LOGGER,
            config_entry=entry,
            name=entry.title,
            update_interval=timedelta(minutes=minutes),
            always_update=False,
        )
        self.master = master
        self._meters: dict[str, int | str] = entry.data[CONF_METERS]
        self._silent: set[str] = set()

    async def _async_update_data(self) -> dict[str, MBusSlaveData]:
        readings: dict[str, MBusSlaveData] = {}
        names = iter(self._meters)
        try:
            async for _, result in self.master.query_each(list(self._meters.values())):
                self._take(next(names), result, readings)
        except MBusConnectionError as error:
            raise UpdateFailed(
                translation_domain=DOMAIN, translation_key="no_connection", translation_placeholders={"why": str(error)}
            ) from error
        if not readings:
            raise UpdateFailed(translation_domain=DOMAIN, translation_key="no_answer")
        return readings

    def _take(self, name: str, result: MBusSlaveData | MBusError, readings: dict[str, MBusSlaveData]) -> None:
        """A reading counts if it is whole, new, and of this meter: a wrong counter would stay in the statistics."""
        if isinstance(result, MBusError):
            reason = str(result)
        elif result.secondary_address != name:
            reason = f"{result.secondary_address} answers in its place"
        elif result.partial or result.stale:
            reason = "; ".join(result.diagnostics) or "an old telegram came again"
        else:
            readings[name] = result
            if name in self._silent:
                self._silent.discard(name)
                _LOGGER.info("Meter %s is back", name)
            return
        if name not in self._silent:
            self._silent.add(name)
            _LOGGER.warning("Meter %s: %s", name, reason)
