"""A virtual bus on a free port, read by the integration in a Home Assistant of the test."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from custom_components.mbusbench.const import CONF_BAUDRATE, CONF_METERS, CONF_URL, DOMAIN
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

from mbusbench import MBusMaster, SecondaryAddress, VirtualBus


@dataclass
class House:
    """`url` is where its bus is served; `meters` the addresses, the secondary ones first."""

    bus: VirtualBus
    url: str
    meters: dict[str, int]

    def entry(self, **options: int) -> MockConfigEntry:
        """The entry that the config flow would make of it."""
        data = {CONF_URL: self.url, CONF_BAUDRATE: "2400", CONF_METERS: self.meters}
        return MockConfigEntry(domain=DOMAIN, title="House", data=data, options=options)


@pytest.fixture(autouse=True)
def _custom_integrations(enable_custom_integrations: None) -> None:
    """This one is found."""


BUS = """
format: 1
meters:
  - {device: kamstrup/multical-603, address: 1, id: "12345678"}
  - {device: generic/water, address: 2, id: "76543210"}
"""


@pytest.fixture
def quick_master(monkeypatch: pytest.MonkeyPatch) -> None:
    """A meter on this bus is silent when it has said nothing for a tenth of a second."""
    quick = partial(MBusMaster, timeout=0.1, latency=0)
    monkeypatch.setattr("custom_components.mbusbench.MBusMaster", quick)
    monkeypatch.setattr("custom_components.mbusbench.config_flow.MBusMaster", quick)


@pytest.fixture
async def house(hass: HomeAssistant, socket_enabled: None, quick_master: None, tmp_path: Path) -> AsyncGenerator[House]:
    """A heat meter at address 1 and a water meter at address 2, on a line without delays."""
    (tmp_path / "bus.yaml").write_text(BUS)
    bus = await hass.async_add_executor_job(VirtualBus.from_yaml, tmp_path / "bus.yaml")
    bus.set_speed(None)
    async with bus.serve("tcp://127.0.0.1:0") as server:
        meters = {str(SecondaryAddress.decode(meter.wire_address)): meter.address for meter in bus.meters}
        yield House(bus, server.url, meters)
    await hass.async_block_till_done()
