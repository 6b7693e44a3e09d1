"""Frames of known meaning: the worked examples of The M-Bus 4.8."""

FIXED_DATA = "68 13 13 68 08 05 73 78 56 34 12 0A 00 E9 7E 01 00 00 00 35 01 00 00 3C 16"
"""Id 12345678, water: 1 l, and 135 l of the due date."""

VARIABLE_DATA = (
    "68 1F 1F 68 08 02 72 78 56 34 12 24 40 01 07 55 00 00 00 03 13 15 31 00 DA 02 3B 13 01 8B 60 04 37 18 02 18 16"
)
"""PAD 12345678, water: 12.565 m³; 0.113 m³/h, maximum of storage 5; 218.37 kWh of tariff 2, subunit 1."""

SELECTION = "68 0B 0B 68 53 FD 52 78 56 34 12 FF FF FF FF B2 16"
"""Selects id 12345678, whatever else it is."""

REQUEST = "10 5B 05 60 16"
"""REQ_UD2 to address 5, FCB 0."""


def with_checksum(body: str) -> str:
    """A long frame around control field, address and what follows, all hex."""
    data = bytes.fromhex(body)
    return bytes([0x68, len(data), len(data), 0x68, *data, sum(data) & 0xFF, 0x16]).hex(" ")
