"""Value information field: the primary table, its extensions FB and FD, and the second level FD FD (EN 13757-3).

One row per run of codes whose exponent counts up by one. `unit` holds after 10^exponent; `datatype` says how a binary
data field is read: B signed, C unsigned, D bit array, G date, K daylight saving rule, L listening window, T date or
time by size. Codes that no row names are reserved.
"""

from __future__ import annotations

from typing import NamedTuple


class VifRow(NamedTuple):
    """Codes `first`..`last` (7 bits); `exponent` is that of `first`, None where the content is no scaled number."""

    first: int
    last: int
    quantity: str
    unit: str | None
    exponent: int | None
    kind: str = "numeric"
    datatype: str = "B"
    binary_exponent: int = 0


PRIMARY = (
    VifRow(0x00, 0x07, "energy", "Wh", -3),
    VifRow(0x08, 0x0F, "energy", "J", 0),
    VifRow(0x10, 0x17, "volume", "m3", -6),
    VifRow(0x18, 0x1F, "mass", "kg", -3),
    VifRow(0x20, 0x20, "on_time", "s", 0, "duration"),
    VifRow(0x21, 0x21, "on_time", "min", 0, "duration"),
    VifRow(0x22, 0x22, "on_time", "h", 0, "duration"),
    VifRow(0x23, 0x23, "on_time", "d", 0, "duration"),
    VifRow(0x24, 0x24, "operating_time", "s", 0, "duration"),
    VifRow(0x25, 0x25, "operating_time", "min", 0, "duration"),
    VifRow(0x26, 0x26, "operating_time", "h", 0, "duration"),
    VifRow(0x27, 0x27, "operating_time", "d", 0, "duration"),
    VifRow(0x28, 0x2F, "power", "W", -3),
    VifRow(0x30, 0x37, "power", "J/h", 0),
    VifRow(0x38, 0x3F, "volume_flow", "m3/h", -6),
    VifRow(0x40, 0x47, "volume_flow", "m3/min", -7),
    VifRow(0x48, 0x4F, "volume_flow", "m3/s", -9),
    VifRow(0x50, 0x57, "mass_flow", "kg/h", -3),
    VifRow(0x58, 0x5B, "flow_temperature", "°C", -3),
    VifRow(0x5C, 0x5F, "return_temperature", "°C", -3),
    VifRow(0x60, 0x63, "temperature_difference", "K", -3),
    VifRow(0x64, 0x67, "external_temperature", "°C", -3),
    VifRow(0x68, 0x6B, "pressure", "bar", -3),
    VifRow(0x6C, 0x6C, "date", None, None, "date", "G"),
    VifRow(0x6D, 0x6D, "datetime", None, None, "datetime", "T"),
    VifRow(0x6E, 0x6E, "hca_units", "HCA units", 0, "dimensionless"),
    VifRow(0x70, 0x70, "averaging_duration", "s", 0, "duration"),
    VifRow(0x71, 0x71, "averaging_duration", "min", 0, "duration"),
    VifRow(0x72, 0x72, "averaging_duration", "h", 0, "duration"),
    VifRow(0x73, 0x73, "averaging_duration", "d", 0, "duration"),
    VifRow(0x74, 0x74, "actuality_duration", "s", 0, "duration"),
    VifRow(0x75, 0x75, "actuality_duration", "min", 0, "duration"),
    VifRow(0x76, 0x76, "actuality_duration", "h", 0, "duration"),
    VifRow(0x77, 0x77, "actuality_duration", "d", 0, "duration"),
    VifRow(0x78, 0x78, "fabrication_number", None, None, "identification"),
    VifRow(0x79, 0x79, "enhanced_identification", None, None, "identification"),
    VifRow(0x7A, 0x7A, "bus_address", None, None, "identification", "C"),
    VifRow(0x7B, 0x7B, "extension_fb", None, None, "extension"),
    VifRow(0x7C, 0x7C, "plain_text", None, None, "text"),
    VifRow(0x7D, 0x7D, "extension_fd", None, None, "extension"),
    VifRow(0x7E, 0x7E, "any", None, None, "special"),
    VifRow(0x7F, 0x7F, "manufacturer_specific", None, None, "special"),
)

EXTENSION_FB = (
    VifRow(0x00, 0x01, "energy", "MWh", -1),
    VifRow(0x02, 0x03, "reactive_energy", "kvarh", 0),
    VifRow(0x04, 0x05, "apparent_energy", "kVAh", 0),
    VifRow(0x08, 0x09, "energy", "GJ", -1),
    VifRow(0x0C, 0x0F, "energy", "Mcal", -1),
    VifRow(0x10, 0x11, "volume", "m3", 2),
    VifRow(0x14, 0x17, "reactive_power", "kvar", -3),
    VifRow(0x18, 0x19, "mass", "t", 2),
    VifRow(0x1A, 0x1B, "relative_humidity", "%", -1, "numeric", "C"),
    VifRow(0x20, 0x20, "volume", "ft3", 0),
    VifRow(0x21, 0x21, "volume", "ft3", -1),
    VifRow(0x22, 0x23, "volume", "US gal", -1),  # until 2004
    VifRow(0x24, 0x24, "volume_flow", "US gal/min", -3),  # until 2004
    VifRow(0x25, 0x25, "volume_flow", "US gal/min", 0),  # until 2004
    VifRow(0x26, 0x26, "volume_flow", "US gal/h", 0),  # until 2004
    VifRow(0x28, 0x29, "power", "MW", -1),
    VifRow(0x2A, 0x2A, "phase_angle_u_u", "°", -1),
    VifRow(0x2B, 0x2B, "phase_angle_u_i", "°", -1),
    VifRow(0x2C, 0x2F, "frequency", "Hz", -3),
    VifRow(0x30, 0x31, "power", "GJ/h", -1),
    VifRow(0x34, 0x37, "apparent_power", "kVA", -3),
    VifRow(0x58, 0x5B, "flow_temperature", "°F", -3),  # until 2004
    VifRow(0x5C, 0x5F, "return_temperature", "°F", -3),  # until 2004
    VifRow(0x60, 0x63, "temperature_difference", "°F", -3),  # until 2004
    VifRow(0x64, 0x67, "external_temperature", "°F", -3),  # until 2004
    VifRow(0x68, 0x68, "hca_rating_factor_k", None, 0, "dimensionless", "C", binary_exponent=-12),
    VifRow(0x69, 0x69, "hca_rating_factor_kq", "W", 0, "numeric", "C"),
    VifRow(0x6A, 0x6A, "hca_rating_factor_kc", None, 0, "dimensionless", "C", binary_exponent=-12),
    VifRow(0x6B, 0x6B, "hca_rating_factor_kcr", None, 0, "dimensionless", "C", binary_exponent=-12),
    VifRow(0x6C, 0x6C, "hca_rating_factor_kch", None, 0, "dimensionless", "C", binary_exponent=-12),
    VifRow(0x6D, 0x6D, "hca_rating_factor_kt", None, 0, "dimensionless", "C", binary_exponent=-12),
    VifRow(0x6E, 0x6E, "hca_rating_factor_kd", None, 0, "dimensionless", "C", binary_exponent=-12),
    VifRow(0x70, 0x73, "temperature_limit", "°F", -3),  # until 2004
    VifRow(0x74, 0x77, "temperature_limit", "°C", -3),
    VifRow(0x78, 0x7F, "cumulative_max_power", "W", -3),
)

EXTENSION_FD = (
    VifRow(0x00, 0x03, "credit", "currency", -3),
    VifRow(0x04, 0x07, "debit", "currency", -3),
    VifRow(0x08, 0x08, "unique_message_id", None, None, "identification", "C"),
    VifRow(0x09, 0x09, "device_type", None, None, "identification", "C"),
    VifRow(0x0A, 0x0A, "manufacturer", None, None, "identification", "C"),
    VifRow(0x0B, 0x0B, "parameter_set_id", None, None, "identification", "C"),
    VifRow(0x0C, 0x0C, "model_version", None, None, "version", "C"),
    VifRow(0x0D, 0x0D, "hardware_version", None, None, "version", "C"),
    VifRow(0x0E, 0x0E, "metrology_firmware_version", None, None, "version", "C"),
    VifRow(0x0F, 0x0F, "other_software_version", None, None, "version", "C"),
    VifRow(0x10, 0x10, "customer_location", None, None, "identification", "C"),
    VifRow(0x11, 0x11, "customer", None, None, "identification", "C"),
    VifRow(0x12, 0x12, "access_code_user", None, None, "identification", "C"),
    VifRow(0x13, 0x13, "access_code_operator", None, None, "identification", "C"),
    VifRow(0x14, 0x14, "access_code_system_operator", None, None, "identification", "C"),
    VifRow(0x15, 0x15, "access_code_developer", None, None, "identification", "C"),
    VifRow(0x16, 0x16, "password", None, None, "identification", "C"),
    VifRow(0x17, 0x17, "error_flags", None, None, "flags", "D"),
    VifRow(0x18, 0x18, "error_mask", None, None, "flags", "C"),
    VifRow(0x19, 0x19, "security_key", None, None, "identification", "C"),
    VifRow(0x1A, 0x1A, "digital_output", None, None, "flags", "D"),
    VifRow(0x1B, 0x1B, "digital_input", None, None, "flags", "D"),
    VifRow(0x1C, 0x1C, "baud_rate", "Bd", 0, "numeric", "C"),
    VifRow(0x1D, 0x1D, "response_delay", "bit times", 0, "duration", "C"),
    VifRow(0x1E, 0x1E, "retry", None, 0, "dimensionless"),
    VifRow(0x1F, 0x1F, "remote_control", None, None, "flags", "D"),
    VifRow(0x20, 0x20, "first_storage_number", None, 0, "dimensionless", "C"),
    VifRow(0x21, 0x21, "last_storage_number", None, 0, "dimensionless", "C"),
    VifRow(0x22, 0x22, "storage_block_size", None, 0, "dimensionless", "C"),
    VifRow(0x23, 0x23, "tariff_subunit_descriptor", None, None, "identification", "C"),
    VifRow(0x24, 0x24, "storage_interval", "s", 0, "duration"),
    VifRow(0x25, 0x25, "storage_interval", "min", 0, "duration"),
    VifRow(0x26, 0x26, "storage_interval", "h", 0, "duration"),
    VifRow(0x27, 0x27, "storage_interval", "d", 0, "duration"),
    VifRow(0x28, 0x28, "storage_interval", "month", 0, "duration"),
    VifRow(0x29, 0x29, "storage_interval", "a", 0, "duration"),
    VifRow(0x2A, 0x2A, "operator_specific_data", None, None, "identification"),
    VifRow(0x2B, 0x2B, "time_point_second", "s", 0, "duration", "C"),
    VifRow(0x2C, 0x2C, "duration_since_last_readout", "s", 0, "duration", "C"),
    VifRow(0x2D, 0x2D, "duration_since_last_readout", "min", 0, "duration", "C"),
    VifRow(0x2E, 0x2E, "duration_since_last_readout", "h", 0, "duration", "C"),
    VifRow(0x2F, 0x2F, "duration_since_last_readout", "d", 0, "duration", "C"),
    VifRow(0x30, 0x30, "tariff_start", None, None, "datetime", "T"),
    VifRow(0x31, 0x31, "tariff_duration", "min", 0, "duration", "C"),
    VifRow(0x32, 0x32, "tariff_duration", "h", 0, "duration", "C"),
    VifRow(0x33, 0x33, "tariff_duration", "d", 0, "duration", "C"),
    VifRow(0x34, 0x34, "tariff_period", "s", 0, "duration", "C"),
    VifRow(0x35, 0x35, "tariff_period", "min", 0, "duration", "C"),
    VifRow(0x36, 0x36, "tariff_period", "h", 0, "duration", "C"),
    VifRow(0x37, 0x37, "tariff_period", "d", 0, "duration", "C"),
    VifRow(0x38, 0x38, "tariff_period", "month", 0, "duration", "C"),
    VifRow(0x39, 0x39, "tariff_period", "a", 0, "duration", "C"),
    VifRow(0x3A, 0x3A, "dimensionless", None, 0, "dimensionless"),
    VifRow(0x3B, 0x3B, "wireless_mbus_container", None, None, "container"),
    VifRow(0x3C, 0x3C, "nominal_transmission_period", "s", 0, "duration", "C"),
    VifRow(0x3D, 0x3D, "nominal_transmission_period", "min", 0, "duration", "C"),
    VifRow(0x3E, 0x3E, "nominal_transmission_period", "h", 0, "duration", "C"),
    VifRow(0x3F, 0x3F, "nominal_transmission_period", "d", 0, "duration", "C"),
    VifRow(0x40, 0x4F, "voltage", "V", -9),
    VifRow(0x50, 0x5F, "current", "A", -12),
    VifRow(0x60, 0x60, "reset_counter", None, 0, "dimensionless"),
    VifRow(0x61, 0x61, "cumulation_counter", None, 0, "dimensionless"),
    VifRow(0x62, 0x62, "control_signal", None, None, "identification"),
    VifRow(0x63, 0x63, "day_of_week", None, 0, "dimensionless", "C"),
    VifRow(0x64, 0x64, "week_number", None, 0, "dimensionless", "C"),
    VifRow(0x65, 0x65, "time_point_of_day_change", None, None, "datetime", "T"),
    VifRow(0x66, 0x66, "parameter_activation_state", None, None, "identification", "C"),
    VifRow(0x67, 0x67, "special_supplier_information", None, None, "identification", "C"),
    VifRow(0x68, 0x68, "duration_since_last_cumulation", "h", 0, "duration", "C"),
    VifRow(0x69, 0x69, "duration_since_last_cumulation", "d", 0, "duration", "C"),
    VifRow(0x6A, 0x6A, "duration_since_last_cumulation", "month", 0, "duration", "C"),
    VifRow(0x6B, 0x6B, "duration_since_last_cumulation", "a", 0, "duration", "C"),
    VifRow(0x6C, 0x6C, "battery_operating_time", "h", 0, "duration"),
    VifRow(0x6D, 0x6D, "battery_operating_time", "d", 0, "duration"),
    VifRow(0x6E, 0x6E, "battery_operating_time", "month", 0, "duration"),
    VifRow(0x6F, 0x6F, "battery_operating_time", "a", 0, "duration"),
    VifRow(0x70, 0x70, "battery_change", None, None, "datetime", "T"),
    VifRow(0x71, 0x71, "rf_level", "dBm", 0),
    VifRow(0x72, 0x72, "daylight_saving_rule", None, None, "datetime", "K"),
    VifRow(0x73, 0x73, "listening_window", None, None, "container", "L"),
    VifRow(0x74, 0x74, "remaining_battery_life", "d", 0, "duration", "C"),
    VifRow(0x75, 0x75, "meter_stopped_count", None, 0, "dimensionless", "C"),
    VifRow(0x76, 0x76, "manufacturer_container", None, None, "container"),
    VifRow(0x7D, 0x7D, "extension_fd_fd", None, None, "extension"),
)

EXTENSION_FD_FD = (
    VifRow(0x00, 0x00, "selected_application", None, None, "identification"),
    VifRow(0x02, 0x02, "remaining_battery_life", "month", 0, "duration", "C"),
    VifRow(0x03, 0x03, "remaining_battery_life", "a", 0, "duration", "C"),
    VifRow(0x3E, 0x3E, "moisture_level", "%", 0),  # later than 2018
)
