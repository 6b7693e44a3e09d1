"""The config flow, as somebody clicks through it."""

from __future__ import annotations

from typing import Any

import pytest
from custom_components.mbusbench.const import DOMAIN, PRIMARY, SECONDARY
from homeassistant.config_entries import SOURCE_USER, ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType


async def fill_in(hass: HomeAssistant, **given: Any) -> dict[str, Any]:
    """The first form, filled in and sent."""
    form = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    assert form["type"] is FlowResultType.FORM
    assert form["errors"] == {}
    answers = {"baudrate": "2400", "method": PRIMARY, "last_address": 3, **given}
    return await hass.config_entries.flow.async_configure(form["flow_id"], answers)


async def wait_for_scan(hass: HomeAssistant, result: dict[str, Any]) -> dict[str, Any]:
    """What is shown after the progress of the scan."""
    assert result["type"] is FlowResultType.SHOW_PROGRESS
    assert result["progress_action"] == "scan"
    await hass.async_block_till_done(wait_background_tasks=True)
    return await hass.config_entries.flow.async_configure(result["flow_id"])


@pytest.mark.parametrize("method", [PRIMARY, SECONDARY])
async def test_scan_finds_the_meters_and_the_chosen_one_is_read(hass, house, method: str) -> None:
    heat, water = house.meters
    choice = await wait_for_scan(hass, await fill_in(hass, url=house.url, method=method))
    assert choice["step_id"] == "meters"
    assert choice["description_placeholders"] == {"count": "2"}
    ((_, shown),) = choice["data_schema"].schema.items()
    assert {option["value"]: option["label"] for option in shown.config["options"]} == {
        heat: "KAM 12345678 (heat, 1)",
        water: "ABC 76543210 (water, 2)",
    }
    done = await hass.config_entries.flow.async_configure(choice["flow_id"], {"meters": [water]})
    await hass.async_block_till_done()
    assert done["type"] is FlowResultType.CREATE_ENTRY
    assert done["data"] == {
        "url": house.url,
        "baudrate": "2400",
        "meters": {water: 2 if method == PRIMARY else water},
    }
    assert done["result"].state is ConfigEntryState.LOADED
    assert hass.states.get("sensor.abc_76543210_volume") is not None
    assert hass.states.get("sensor.kam_12345678_energy") is None
    await hass.config_entries.async_unload(done["result"].entry_id)


async def test_no_choice_is_asked_for_again(hass, house) -> None:
    choice = await wait_for_scan(hass, await fill_in(hass, url=house.url))
    again = await hass.config_entries.flow.async_configure(choice["flow_id"], {"meters": []})
    assert again["errors"] == {"meters": "none_chosen"}


async def test_bus_without_meters_leads_back_to_the_form(hass, house) -> None:
    for meter in house.bus.meters:
        house.bus.remove_meter(meter)
    form = await wait_for_scan(hass, await fill_in(hass, url=house.url, last_address=1))
    assert (form["step_id"], form["errors"]) == ("user", {"base": "no_meters"})


@pytest.mark.parametrize(
    ("url", "errors"),
    [("socket://127.0.0.1:1", {"base": "cannot_connect"}), ("gopher://nowhere", {"url": "not_a_url"})],
)
async def test_bus_that_cannot_be_opened_is_told_at_once(
    hass, socket_enabled, url: str, errors: dict[str, str]
) -> None:
    form = await fill_in(hass, url=url)
    assert (form["step_id"], form["errors"]) == ("user", errors)


async def test_bus_is_configured_only_once(hass, house) -> None:
    house.entry().add_to_hass(hass)
    end = await fill_in(hass, url=house.url)
    assert (end["type"], end["reason"]) == (FlowResultType.ABORT, "already_configured")


async def test_interval_can_be_changed_later(hass, house) -> None:
    entry = house.entry()
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert entry.runtime_data.update_interval.total_seconds() == 900
    form = await hass.config_entries.options.async_init(entry.entry_id)
    await hass.config_entries.options.async_configure(form["flow_id"], {"minutes": 60})
    await hass.async_block_till_done()
    assert entry.runtime_data.update_interval.total_seconds() == 3600
    await hass.config_entries.async_unload(entry.entry_id)
