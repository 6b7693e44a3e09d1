"""Value information field extensions that combine with any VIF (EN 13757-3), by direction and group.

Groups: scale (times 10^exponent), offset (plus 10^exponent of the VIF's unit), divide and multiply_unit (the unit
changes), date_of (the data is a date or time of the quantity), duration_of (the data is a duration in `unit`), limit,
pulse, profile, modifier (the meaning is narrowed, the number is not touched).
"""

from __future__ import annotations

from typing import NamedTuple


class VifeRow(NamedTuple):
    """Codes `first`..`last` (7 bits); `exponent` is that of `first` and counts up by one."""

    first: int
    last: int
    name: str
    group: str = "modifier"
    unit: str | None = None
    exponent: int = 0
    datatype: str | None = None


OBJECT_ACTION = (  # master to slave
    VifeRow(0x00, 0x00, "write", "object_action"),
    VifeRow(0x01, 0x01, "add", "object_action"),
    VifeRow(0x02, 0x02, "subtract", "object_action"),
    VifeRow(0x03, 0x03, "or", "object_action"),
    VifeRow(0x04, 0x04, "and", "object_action"),
    VifeRow(0x05, 0x05, "xor", "object_action"),
    VifeRow(0x06, 0x06, "and_not", "object_action"),
    VifeRow(0x07, 0x07, "clear", "object_action"),
    VifeRow(0x08, 0x08, "add_entry", "object_action"),
    VifeRow(0x09, 0x09, "delete_entry", "object_action"),
    VifeRow(0x0A, 0x0A, "delayed_action", "object_action"),
    VifeRow(0x0B, 0x0B, "freeze_data", "object_action"),
    VifeRow(0x0C, 0x0C, "add_to_readout_list", "object_action"),
    VifeRow(0x0D, 0x0D, "delete_from_readout_list", "object_action"),
)

RECORD_ERROR = (  # slave to master
    VifeRow(0x00, 0x00, "none", "record_error"),
    VifeRow(0x01, 0x01, "too_many_difes", "record_error"),
    VifeRow(0x02, 0x02, "storage_not_implemented", "record_error"),
    VifeRow(0x03, 0x03, "unit_not_implemented", "record_error"),
    VifeRow(0x04, 0x04, "tariff_not_implemented", "record_error"),
    VifeRow(0x05, 0x05, "function_not_implemented", "record_error"),
    VifeRow(0x06, 0x06, "data_class_not_implemented", "record_error"),
    VifeRow(0x07, 0x07, "data_size_not_implemented", "record_error"),
    VifeRow(0x0B, 0x0B, "too_many_vifes", "record_error"),
    VifeRow(0x0C, 0x0C, "illegal_vif_group", "record_error"),
    VifeRow(0x0D, 0x0D, "illegal_vif_exponent", "record_error"),
    VifeRow(0x0E, 0x0E, "vif_dif_mismatch", "record_error"),
    VifeRow(0x0F, 0x0F, "unimplemented_action", "record_error"),
    VifeRow(0x15, 0x15, "no_data_available", "record_error"),
    VifeRow(0x16, 0x16, "data_overflow", "record_error"),
    VifeRow(0x17, 0x17, "data_underflow", "record_error"),
    VifeRow(0x18, 0x18, "data_error", "record_error"),
    VifeRow(0x1C, 0x1C, "premature_end_of_record", "record_error"),
)

COMBINABLE = (
    VifeRow(0x12, 0x12, "average", "modifier"),
    VifeRow(0x13, 0x13, "inverse_compact_profile", "profile"),
    VifeRow(0x14, 0x14, "relative_deviation", "modifier"),
    VifeRow(0x1D, 0x1D, "standard_conform_data", "modifier"),
    VifeRow(0x1E, 0x1E, "compact_profile_with_registers", "profile"),
    VifeRow(0x1F, 0x1F, "compact_profile", "profile"),
    VifeRow(0x20, 0x20, "per_second", "divide", "s"),
    VifeRow(0x21, 0x21, "per_minute", "divide", "min"),
    VifeRow(0x22, 0x22, "per_hour", "divide", "h"),
    VifeRow(0x23, 0x23, "per_day", "divide", "d"),
    VifeRow(0x24, 0x24, "per_week", "divide", "week"),
    VifeRow(0x25, 0x25, "per_month", "divide", "month"),
    VifeRow(0x26, 0x26, "per_year", "divide", "year"),
    VifeRow(0x27, 0x27, "per_revolution", "divide", "rev"),
    VifeRow(0x28, 0x28, "per_input_pulse_ch0", "pulse"),
    VifeRow(0x29, 0x29, "per_input_pulse_ch1", "pulse"),
    VifeRow(0x2A, 0x2A, "per_output_pulse_ch0", "pulse"),
    VifeRow(0x2B, 0x2B, "per_output_pulse_ch1", "pulse"),
    VifeRow(0x2C, 0x2C, "per_litre", "divide", "l"),
    VifeRow(0x2D, 0x2D, "per_cubic_metre", "divide", "m³"),
    VifeRow(0x2E, 0x2E, "per_kilogram", "divide", "kg"),
    VifeRow(0x2F, 0x2F, "per_kelvin", "divide", "K"),
    VifeRow(0x30, 0x30, "per_kilowatt_hour", "divide", "kWh"),
    VifeRow(0x31, 0x31, "per_gigajoule", "divide", "GJ"),
    VifeRow(0x32, 0x32, "per_kilowatt", "divide", "kW"),
    VifeRow(0x33, 0x33, "per_kelvin_litre", "divide", "(K*l)"),
    VifeRow(0x34, 0x34, "per_volt", "divide", "V"),
    VifeRow(0x35, 0x35, "per_ampere", "divide", "A"),
    VifeRow(0x36, 0x36, "times_second", "multiply_unit", "s"),
    VifeRow(0x37, 0x37, "times_second_per_volt", "multiply_unit", "s/V"),
    VifeRow(0x38, 0x38, "times_second_per_ampere", "multiply_unit", "s/A"),
    VifeRow(0x39, 0x39, "start_of", "date_of"),
    VifeRow(0x3A, 0x3A, "uncorrected", "modifier"),
    VifeRow(0x3B, 0x3B, "positive_contributions", "modifier"),
    VifeRow(0x3C, 0x3C, "negative_contributions", "modifier"),
    VifeRow(0x3D, 0x3D, "non_metric", "modifier"),
    VifeRow(0x3E, 0x3E, "base_conditions", "modifier"),
    VifeRow(0x3F, 0x3F, "obis_declaration", "modifier"),
    VifeRow(0x40, 0x40, "limit_value_lower", "limit"),
    VifeRow(0x41, 0x41, "limit_exceed_count_lower", "limit"),
    VifeRow(0x42, 0x42, "limit_exceed_date_lower_first_begin", "date_of"),
    VifeRow(0x43, 0x43, "limit_exceed_date_lower_first_end", "date_of"),
    VifeRow(0x46, 0x46, "limit_exceed_date_lower_last_begin", "date_of"),
    VifeRow(0x47, 0x47, "limit_exceed_date_lower_last_end", "date_of"),
    VifeRow(0x48, 0x48, "limit_value_upper", "limit"),
    VifeRow(0x49, 0x49, "limit_exceed_count_upper", "limit"),
    VifeRow(0x4A, 0x4A, "limit_exceed_date_upper_first_begin", "date_of"),
    VifeRow(0x4B, 0x4B, "limit_exceed_date_upper_first_end", "date_of"),
    VifeRow(0x4E, 0x4E, "limit_exceed_date_upper_last_begin", "date_of"),
    VifeRow(0x4F, 0x4F, "limit_exceed_date_upper_last_end", "date_of"),
    VifeRow(0x50, 0x50, "limit_exceed_duration_lower_first", "duration_of", "s"),
    VifeRow(0x51, 0x51, "limit_exceed_duration_lower_first", "duration_of", "min"),
    VifeRow(0x52, 0x52, "limit_exceed_duration_lower_first", "duration_of", "h"),
    VifeRow(0x53, 0x53, "limit_exceed_duration_lower_first", "duration_of", "d"),
    VifeRow(0x54, 0x54, "limit_exceed_duration_lower_last", "duration_of", "s"),
    VifeRow(0x55, 0x55, "limit_exceed_duration_lower_last", "duration_of", "min"),
    VifeRow(0x56, 0x56, "limit_exceed_duration_lower_last", "duration_of", "h"),
    VifeRow(0x57, 0x57, "limit_exceed_duration_lower_last", "duration_of", "d"),
    VifeRow(0x58, 0x58, "limit_exceed_duration_upper_first", "duration_of", "s"),
    VifeRow(0x59, 0x59, "limit_exceed_duration_upper_first", "duration_of", "min"),
    VifeRow(0x5A, 0x5A, "limit_exceed_duration_upper_first", "duration_of", "h"),
    VifeRow(0x5B, 0x5B, "limit_exceed_duration_upper_first", "duration_of", "d"),
    VifeRow(0x5C, 0x5C, "limit_exceed_duration_upper_last", "duration_of", "s"),
    VifeRow(0x5D, 0x5D, "limit_exceed_duration_upper_last", "duration_of", "min"),
    VifeRow(0x5E, 0x5E, "limit_exceed_duration_upper_last", "duration_of", "h"),
    VifeRow(0x5F, 0x5F, "limit_exceed_duration_upper_last", "duration_of", "d"),
    VifeRow(0x60, 0x60, "duration_of_first", "duration_of", "s"),
    VifeRow(0x61, 0x61, "duration_of_first", "duration_of", "min"),
    VifeRow(0x62, 0x62, "duration_of_first", "duration_of", "h"),
    VifeRow(0x63, 0x63, "duration_of_first", "duration_of", "d"),
    VifeRow(0x64, 0x64, "duration_of_last", "duration_of", "s"),
    VifeRow(0x65, 0x65, "duration_of_last", "duration_of", "min"),
    VifeRow(0x66, 0x66, "duration_of_last", "duration_of", "h"),
    VifeRow(0x67, 0x67, "duration_of_last", "duration_of", "d"),
    VifeRow(0x68, 0x68, "value_during_lower_limit_exceed", "limit"),
    VifeRow(0x69, 0x69, "leakage_values", "modifier"),
    VifeRow(0x6A, 0x6A, "date_of_first_begin", "date_of"),
    VifeRow(0x6B, 0x6B, "date_of_first_end", "date_of"),
    VifeRow(0x6C, 0x6C, "value_during_upper_limit_exceed", "limit"),
    VifeRow(0x6D, 0x6D, "overflow_values", "modifier"),
    VifeRow(0x6E, 0x6E, "date_of_last_begin", "date_of"),
    VifeRow(0x6F, 0x6F, "date_of_last_end", "date_of"),
    VifeRow(0x70, 0x77, "multiplicative_correction", "scale", exponent=-6),
    VifeRow(0x78, 0x7B, "additive_correction", "offset", exponent=-3),
    VifeRow(0x7C, 0x7C, "extension_fc", "extension"),
    VifeRow(0x7D, 0x7D, "multiplicative_correction", "scale", exponent=3),
    VifeRow(0x7E, 0x7E, "future_value", "modifier"),
    VifeRow(0x7F, 0x7F, "manufacturer_specific", "special"),
)

EXTENSION_FC = (
    VifeRow(0x01, 0x01, "phase_l1", "modifier"),
    VifeRow(0x02, 0x02, "phase_l2", "modifier"),
    VifeRow(0x03, 0x03, "phase_l3", "modifier"),
    VifeRow(0x04, 0x04, "phase_n", "modifier"),
    VifeRow(0x05, 0x05, "phase_l1_l2", "modifier"),
    VifeRow(0x06, 0x06, "phase_l2_l3", "modifier"),
    VifeRow(0x07, 0x07, "phase_l3_l1", "modifier"),
    VifeRow(0x08, 0x08, "quadrant_q1", "modifier"),
    VifeRow(0x09, 0x09, "quadrant_q2", "modifier"),
    VifeRow(0x0A, 0x0A, "quadrant_q3", "modifier"),
    VifeRow(0x0B, 0x0B, "quadrant_q4", "modifier"),
    VifeRow(0x0C, 0x0C, "delta_import_export", "modifier"),
    VifeRow(0x0D, 0x0D, "alternate_non_metric", "modifier"),  # later than 2018
    VifeRow(0x0E, 0x0E, "secondary_sensor", "modifier"),  # later than 2018
    VifeRow(0x0F, 0x0F, "higher_resolution", "modifier"),  # later than 2018
    VifeRow(0x10, 0x10, "accumulation_absolute_both", "modifier"),
    VifeRow(0x11, 0x11, "data_type_c", "modifier", datatype="C"),
    VifeRow(0x12, 0x12, "data_type_d", "modifier", datatype="D"),
    VifeRow(0x13, 0x13, "end_date", "modifier"),  # later than 2018
    VifeRow(0x14, 0x14, "direction_to_meter", "modifier"),
    VifeRow(0x15, 0x15, "direction_from_meter", "modifier"),
)
