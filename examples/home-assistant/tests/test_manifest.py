"""Home Assistant takes the integration for one."""

from __future__ import annotations

from homeassistant.loader import Integration, async_get_integration


async def test_home_assistant_loads_it(hass) -> None:
    integration = await async_get_integration(hass, "mbusbench")
    assert isinstance(integration, Integration)
    assert (integration.is_built_in, integration.disabled, integration.config_flow) == (False, None, True)
