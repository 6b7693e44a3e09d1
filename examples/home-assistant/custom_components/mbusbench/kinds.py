"""What Home Assistant calls a record: device class, state class and unit, for each quantity and unit of mbusbench.

Counters are total_increasing. What the meter stored in the past (a storage number above 0) and maxima have no state
class: they are no series of their own, and are not shown unless somebody wants them.
"""

from __future__ import annotations

from dataclasses import dataclass

from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import (
    EntityCategory,
    UnitOfElectricCurrent,
    UnitOfElectricPotential,
    UnitOfEnergy,
    UnitOfFrequency,
    UnitOfMass,
    UnitOfPower,
    UnitOfPressure,
    UnitOfTemperature,
    UnitOfTime,
    UnitOfVolume,
    UnitOfVolumeFlowRate,
)

from mbusbench import MBusRecordFunction, MBusSlaveRecord


@dataclass(frozen=True, slots=True)
class Kind:
    """`factor` is what a value is multiplied with to be in `unit`."""

    device_class: SensorDeviceClass | None = None
    state_class: SensorStateClass | None = None
    unit: str | None = None
    factor: float = 1
    precision: int | None = None
    category: EntityCategory | None = None


_COUNTS = SensorStateClass.TOTAL_INCREASING
_MEASURES = SensorStateClass.MEASUREMENT
_DIAGNOSTIC = EntityCategory.DIAGNOSTIC
_CELSIUS = UnitOfTemperature.CELSIUS

KINDS: dict[tuple[str, str | None], Kind] = {
    ("energy", "kWh"): Kind(SensorDeviceClass.ENERGY, _COUNTS, UnitOfEnergy.KILO_WATT_HOUR, precision=1),
    ("energy", "MJ"): Kind(SensorDeviceClass.ENERGY, _COUNTS, UnitOfEnergy.MEGA_JOULE, precision=1),
    ("volume", "m³"): Kind(SensorDeviceClass.VOLUME, _COUNTS, UnitOfVolume.CUBIC_METERS, precision=3),
    ("mass", "kg"): Kind(SensorDeviceClass.WEIGHT, _COUNTS, UnitOfMass.KILOGRAMS, precision=0),
    ("power", "W"): Kind(SensorDeviceClass.POWER, _MEASURES, UnitOfPower.WATT, precision=0),
    ("power", "MJ/h"): Kind(SensorDeviceClass.POWER, _MEASURES, UnitOfPower.WATT, 1e6 / 3600, precision=0),
    ("volume_flow", "m³/h"): Kind(
        SensorDeviceClass.VOLUME_FLOW_RATE, _MEASURES, UnitOfVolumeFlowRate.CUBIC_METERS_PER_HOUR, precision=3
    ),
    ("mass_flow", "kg/h"): Kind(None, _MEASURES, "kg/h", precision=1),
    ("flow_temperature", "°C"): Kind(SensorDeviceClass.TEMPERATURE, _MEASURES, _CELSIUS, precision=1),
    ("return_temperature", "°C"): Kind(SensorDeviceClass.TEMPERATURE, _MEASURES, _CELSIUS, precision=1),
    ("external_temperature", "°C"): Kind(SensorDeviceClass.TEMPERATURE, _MEASURES, _CELSIUS, precision=1),
    # A difference of 10 K is no temperature of -263 °C: without a device class nobody converts it.
    ("temperature_difference", "K"): Kind(None, _MEASURES, UnitOfTemperature.KELVIN, precision=2),
    ("pressure", "bar"): Kind(SensorDeviceClass.PRESSURE, _MEASURES, UnitOfPressure.BAR, precision=2),
    ("voltage", "V"): Kind(SensorDeviceClass.VOLTAGE, _MEASURES, UnitOfElectricPotential.VOLT, precision=1),
    ("current", "A"): Kind(SensorDeviceClass.CURRENT, _MEASURES, UnitOfElectricCurrent.AMPERE, precision=2),
    ("frequency", "Hz"): Kind(SensorDeviceClass.FREQUENCY, _MEASURES, UnitOfFrequency.HERTZ, precision=2),
    ("relative_humidity", "%"): Kind(SensorDeviceClass.HUMIDITY, _MEASURES, "%", precision=0),
    ("hca_units", None): Kind(None, _COUNTS),
    ("on_time", "s"): Kind(
        SensorDeviceClass.DURATION, _COUNTS, UnitOfTime.HOURS, 1 / 3600, precision=0, category=_DIAGNOSTIC
    ),
    ("operating_time", "s"): Kind(
        SensorDeviceClass.DURATION, _COUNTS, UnitOfTime.HOURS, 1 / 3600, precision=0, category=_DIAGNOSTIC
    ),
    ("datetime", None): Kind(SensorDeviceClass.TIMESTAMP, category=_DIAGNOSTIC),
    ("date", None): Kind(SensorDeviceClass.DATE, category=_DIAGNOSTIC),
}

WATER = frozenset({"water", "warm_water", "hot_water", "cold_water", "irrigation_water", "waste_water"})
_VOLUMES = {**dict.fromkeys(WATER, SensorDeviceClass.WATER), "gas": SensorDeviceClass.GAS}


def kind_of(record: MBusSlaveRecord, medium: str | None) -> Kind | None:
    """What a record of a meter for `medium` is; None for what is no sensor."""
    kind = KINDS.get((record.quantity, record.unit))
    if kind is None or record.modifiers:
        return None
    device_class = kind.device_class
    if record.quantity == "volume":
        device_class = _VOLUMES.get(medium or "", device_class)
    present = is_present(record)
    return Kind(
        device_class, kind.state_class if present else None, kind.unit, kind.factor, kind.precision, kind.category
    )


def is_present(record: MBusSlaveRecord) -> bool:
    """Whether the record says what is now, and not what was once or at most."""
    return record.storage_number == 0 and record.function == MBusRecordFunction.INSTANTANEOUS
