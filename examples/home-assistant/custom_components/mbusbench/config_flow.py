"""Config flow: where the bus is, a scan of it, and which of the meters that were found shall be read."""

from __future__ import annotations

import asyncio
from typing import Any

import voluptuous as vol
from homeassistant.config_entries import ConfigEntry, ConfigFlow, ConfigFlowResult, OptionsFlow
from homeassistant.core import callback
from homeassistant.helpers import selector

from mbusbench import MBusError, MBusFound, MBusMaster, MBusSlaveInfo

from .const import (
    BAUD_RATES,
    CONF_BAUDRATE,
    CONF_LAST,
    CONF_METERS,
    CONF_METHOD,
    CONF_MINUTES,
    CONF_URL,
    DEFAULT_BAUDRATE,
    DEFAULT_LAST,
    DEFAULT_MINUTES,
    DOMAIN,
    PRIMARY,
    SECONDARY,
)

BUS_SCHEMA = vol.Schema(
    {
        vol.Required(CONF_URL): selector.TextSelector(),
        vol.Required(CONF_BAUDRATE, default=DEFAULT_BAUDRATE): selector.SelectSelector(
            selector.SelectSelectorConfig(options=list(BAUD_RATES), mode=selector.SelectSelectorMode.DROPDOWN)
        ),
        vol.Required(CONF_METHOD, default=PRIMARY): selector.SelectSelector(
            selector.SelectSelectorConfig(options=[PRIMARY, SECONDARY], translation_key=CONF_METHOD)
        ),
        vol.Required(CONF_LAST, default=DEFAULT_LAST): selector.NumberSelector(
            selector.NumberSelectorConfig(min=1, max=250, mode=selector.NumberSelectorMode.BOX)
        ),
    }
)

OPTIONS_SCHEMA = vol.Schema(
    {
        vol.Required(CONF_MINUTES, default=DEFAULT_MINUTES): selector.NumberSelector(
            selector.NumberSelectorConfig(
                min=1, max=1440, unit_of_measurement="min", mode=selector.NumberSelectorMode.BOX
            )
        )
    }
)


async def find_meters(master: MBusMaster, method: str, last: int) -> dict[str, MBusSlaveInfo]:
    """The meters on the bus by secondary address. Raises MBusError where the bus itself fails."""
    found: dict[str, MBusSlaveInfo] = {}
    if method == SECONDARY:
        async for meter in master.search():
            if isinstance(meter, MBusFound) and meter.secondary_address:
                found[meter.secondary_address] = meter
        return found
    async for _, result in master.scan(range(1, last + 1)):
        if isinstance(result, MBusSlaveInfo) and result.secondary_address:
            found[result.secondary_address] = result
    return found


def meter_title(meter: MBusSlaveInfo) -> str:
    """A meter as its owner knows it: who made it, the number on its plate, what it measures."""
    medium = (meter.medium or "").replace("_", " ")
    return f"{meter.manufacturer} {meter.serial_number} ({medium}, {meter.address})"


class MBusConfigFlow(ConfigFlow, domain=DOMAIN):
    """The bus, the scan, the choice."""

    VERSION = 1

    def __init__(self) -> None:
        self._bus: dict[str, Any] = {}
        self._scan: asyncio.Task[dict[str, MBusSlaveInfo]] | None = None
        self._found: dict[str, MBusSlaveInfo] = {}
        self._error: str | None = None

    @staticmethod
    @callback
    def async_get_options_flow(config_entry: ConfigEntry) -> OptionsFlow:
        """How often the bus is read."""
        return MBusOptionsFlow()

    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask where the bus is, and open it."""
        errors: dict[str, str] = {}
        if self._error is not None:
            errors["base"], self._error = self._error, None
        elif user_input is not None:
            self._bus = {**user_input, CONF_LAST: int(user_input[CONF_LAST])}
            self._async_abort_entries_match({CONF_URL: user_input[CONF_URL]})
            try:
                async with self._master():
                    pass
            except MBusError as error:
                field = CONF_URL if error.kind == "usage" else "base"
                errors[field] = "not_a_url" if error.kind == "usage" else "cannot_connect"
            else:
                return await self.async_step_scan()
        schema = self.add_suggested_values_to_schema(BUS_SCHEMA, self._bus)
        return self.async_show_form(step_id="user", data_schema=schema, errors=errors)

    async def async_step_scan(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Look for meters; that takes minutes on a slow bus, so it is shown as progress."""
        if self._scan is None:
            self._scan = self.hass.async_create_task(self._look())
        if not self._scan.done():
            return self.async_show_progress(step_id="scan", progress_action="scan", progress_task=self._scan)
        scan, self._scan = self._scan, None
        try:
            self._found = scan.result()
        except MBusError:
            self._error = "cannot_connect"
        else:
            self._error = None if self._found else "no_meters"
        return self.async_show_progress_done(next_step_id="user" if self._error else "meters")

    async def async_step_meters(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask which of the meters shall be read."""
        errors: dict[str, str] = {}
        if user_input is not None:
            chosen: list[str] = user_input[CONF_METERS]
            if chosen:
                secondary = self._bus[CONF_METHOD] == SECONDARY
                meters = {name: name if secondary else self._found[name].address for name in chosen}
                data = {CONF_URL: self._bus[CONF_URL], CONF_BAUDRATE: self._bus[CONF_BAUDRATE], CONF_METERS: meters}
                return self.async_create_entry(title=self._bus[CONF_URL], data=data)
            errors[CONF_METERS] = "none_chosen"
        options = [
            selector.SelectOptionDict(value=name, label=meter_title(meter)) for name, meter in self._found.items()
        ]
        choice = selector.SelectSelector(
            selector.SelectSelectorConfig(options=options, multiple=True, mode=selector.SelectSelectorMode.LIST)
        )
        schema = vol.Schema({vol.Required(CONF_METERS, default=list(self._found)): choice})
        return self.async_show_form(
            step_id="meters",
            data_schema=schema,
            errors=errors,
            description_placeholders={"count": str(len(self._found))},
        )

    @callback
    def async_remove(self) -> None:
        """Whoever closes the dialog ends the scan."""
        if self._scan is not None:
            self._scan.cancel()

    async def _look(self) -> dict[str, MBusSlaveInfo]:
        async with self._master() as master:
            return await find_meters(master, self._bus[CONF_METHOD], self._bus[CONF_LAST])

    def _master(self) -> MBusMaster:
        return MBusMaster(self._bus[CONF_URL], baudrate=int(self._bus[CONF_BAUDRATE]), retries=1)


class MBusOptionsFlow(OptionsFlow):
    """How often the bus is read."""

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """One form."""
        if user_input is not None:
            return self.async_create_entry(data={CONF_MINUTES: int(user_input[CONF_MINUTES])})
        schema = self.add_suggested_values_to_schema(OPTIONS_SCHEMA, self.config_entry.options)
        return self.async_show_form(step_id="init", data_schema=schema)
