"""Names that the parts of the integration share."""

from __future__ import annotations

from typing import Final

DOMAIN: Final = "mbusbench"

CONF_BAUDRATE: Final = "baudrate"
CONF_LAST: Final = "last_address"
CONF_METERS: Final = "meters"
CONF_METHOD: Final = "method"
CONF_MINUTES: Final = "minutes"
CONF_URL: Final = "url"

BAUD_RATES: Final = ("300", "600", "1200", "2400", "4800", "9600", "19200", "38400")
DEFAULT_BAUDRATE: Final = "2400"
DEFAULT_LAST: Final = 250
DEFAULT_MINUTES: Final = 15
"""A meter on a battery is built for a few readings a day; a quarter of an hour is what most of them bear for years."""

PRIMARY: Final = "primary"
SECONDARY: Final = "secondary"
