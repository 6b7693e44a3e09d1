"""An entity for each record of a meter that Home Assistant has a name for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from typing import TYPE_CHECKING

from homeassistant.components.sensor import SensorEntity
from homeassistant.core import HomeAssistant
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.update_coordinator import CoordinatorEntity
from homeassistant.util import dt as dt_util

from mbusbench import MBusSlaveData, MBusSlaveRecord

from .const import DOMAIN
from .coordinator import MeterCoordinator
from .kinds import Kind, is_present, kind_of

if TYPE_CHECKING:
    from . import MBusConfigEntry

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant, entry: MBusConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the records of each meter when it is read for the first time, be that later than the others."""
    coordinator = entry.runtime_data
    known: set[str] = set()

    def add_new() -> None:
        for name, data in coordinator.data.items():
            if name not in known:
                known.add(name)
                async_add_entities(
                    RecordSensor(coordinator, data, key, record, kind)
                    for key, record in records_by_key(data)
                    if (kind := kind_of(record, data.medium)) is not None
                )

    entry.async_on_unload(coordinator.async_add_listener(add_new))
    add_new()


def records_by_key(data: MBusSlaveData) -> Iterator[tuple[str, MBusSlaveRecord]]:
    """Each record with what tells it from the others by meaning, so that a longer telegram shifts none of them."""
    seen: Counter[str] = Counter()
    for record in data.records:
        numbers = (record.storage_number, record.tariff, record.device_unit)
        unit = (record.unit or "").lower()
        key = "_".join((record.quantity, unit, record.function, *map(str, numbers), *record.modifiers))
        seen[key] += 1
        yield (key if seen[key] == 1 else f"{key}_{seen[key]}"), record


def detail_of(record: MBusSlaveRecord) -> str:
    """What an entity's name has behind the quantity: nothing for the present counter of the whole meter."""
    parts = [] if record.function == "instantaneous" else [str(record.function)]
    for word, number in (("T", record.tariff), ("#", record.storage_number), ("U", record.device_unit)):
        if number:
            parts.append(f"{word}{number}")
    return "".join(f" {part}" for part in parts)


class RecordSensor(CoordinatorEntity[MeterCoordinator], SensorEntity):
    """One record of one meter."""

    _attr_has_entity_name = True

    def __init__(
        self,
        coordinator: MeterCoordinator,
        data: MBusSlaveData,
        key: str,
        record: MBusSlaveRecord,
        kind: Kind,
    ) -> None:
        super().__init__(coordinator)
        meter = data.secondary_address
        assert meter is not None
        self._meter = meter
        self._key = key
        self._factor = kind.factor
        self._attr_unique_id = f"{meter}_{key}"
        self._attr_translation_key = record.quantity
        self._attr_translation_placeholders = {"detail": detail_of(record)}
        self._attr_device_class = kind.device_class
        self._attr_state_class = kind.state_class
        self._attr_native_unit_of_measurement = kind.unit
        self._attr_suggested_display_precision = kind.precision
        self._attr_entity_category = kind.category
        self._attr_entity_registry_enabled_default = is_present(record)
        self._attr_device_info = DeviceInfo(
            identifiers={(DOMAIN, meter)},
            manufacturer=data.manufacturer,
            model=(data.medium or "").replace("_", " ").capitalize() or None,
            name=f"{data.manufacturer} {data.serial_number}",
            serial_number=data.serial_number,
            hw_version=None if data.version is None else f"{data.version:02X}",
        )

    @property
    def _record(self) -> MBusSlaveRecord | None:
        data = self.coordinator.data.get(self._meter)
        return None if data is None else dict(records_by_key(data)).get(self._key)

    @property
    def available(self) -> bool:
        """Only while the meter answers, and says that the value is one."""
        record = self._record
        return super().available and record is not None and record.valid

    @property
    def native_value(self) -> float | int | date | datetime | None:
        """The value in the entity's unit."""
        value = None if self._record is None else self._record.value
        if isinstance(value, datetime):
            # A meter's clock has no zone: it is set to the time where it hangs.
            return value.replace(tzinfo=dt_util.get_default_time_zone())
        if isinstance(value, date):
            return value
        if not isinstance(value, int | float):
            return None
        return value if self._factor == 1 else value * self._factor
