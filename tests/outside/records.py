"""Single data records with the meaning that EN 13757-3 gives them, in the normal form of `normalise`.

Each row is one rule: every data field and number coding, the date types, the VIF tables, the VIFE groups. The values
are worked out from the rules by hand; None is "no value".
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """DIF..VIFE and data in hex, what they mean, and where in the storage/tariff/subunit space."""

    head: str
    data: str
    quantity: str
    unit: str
    value: str | None
    function: str = "instantaneous"
    storage: int = 0
    tariff: int = 0
    subunit: int = 0


INTEGERS = (
    Row("0103", "7f", "energy", "Wh", "127"),
    Row("0103", "81", "energy", "Wh", "-127"),
    Row("0103", "80", "energy", "Wh", None),
    Row("0203", "ff7f", "energy", "Wh", "32767"),
    Row("0203", "0180", "energy", "Wh", "-32767"),
    Row("0203", "0080", "energy", "Wh", None),
    Row("0303", "ffffff", "energy", "Wh", "-1"),
    Row("0303", "ffff7f", "energy", "Wh", "8388607"),
    Row("0303", "000080", "energy", "Wh", None),
    Row("0403", "ffffffff", "energy", "Wh", "-1"),
    Row("0403", "00000080", "energy", "Wh", None),
    Row("0603", "ffffffffff7f", "energy", "Wh", "140737488355327"),
    Row("0603", "ffffffffffff", "energy", "Wh", "-1"),
    Row("0603", "000000000080", "energy", "Wh", None),
    Row("0703", "ffffffffffffff7f", "energy", "Wh", "9223372036854775807"),
    Row("0703", "0000000000000080", "energy", "Wh", None),
    Row("0183fc11", "fe", "energy", "Wh", "254"),
    Row("01fd08", "fe", "unique message identification", "", "254"),
    Row("0003", "", "energy", "Wh", None),
)

REALS = (
    Row("052b", "cdcc8c3f", "power", "W", "1.1"),
    Row("052e", "cdcc8c3f", "power", "W", "1100"),
    Row("0529", "0000803f", "power", "W", "0.01"),
    Row("052b", "00000080", "power", "W", "0"),
    Row("052b", "0000c07f", "power", "W", None),
    Row("055a", "cdcccc41", "flow temperature", "degC", "2.56"),
)

DECIMALS = (
    Row("0903", "99", "energy", "Wh", "99"),
    Row("0a03", "99f9", "energy", "Wh", "-999"),
    Row("0b62", "0200f0", "temperature difference", "K", "-0.2"),
    Row("0c06", "07010000", "energy", "Wh", "107000"),
    Row("0e03", "563412907856", "energy", "Wh", "567890123456"),
    Row("0e03", "0100000000f0", "energy", "Wh", "-1"),
    Row("0c03", "1a000000", "energy", "Wh", None),
    Row("0c03", "0000f000", "energy", "Wh", None),
    Row("0c03", "ddb4ebdd", "energy", "Wh", None),
    Row("0c78", "01000000", "fabrication number", "", "00000001"),
)

VARIABLE_LENGTH = (
    Row("0d78", "03434241", "fabrication number", "", "ABC"),
    Row("0d78", "00", "fabrication number", "", ""),
    Row("0dfd0b", "053132484657", "parameter set identification", "", "WFH21"),
    Row("0d03", "c23412", "energy", "Wh", "1234"),
    Row("0d03", "d23412", "energy", "Wh", "-1234"),
    Row("0d03", "e23412", "energy", "Wh", "4660"),
)

DATES = (
    Row("026c", "bf1c", "date", "date", "2013-12-31"),
    Row("426c", "ff0c", "date", "date", "2007-12-31", storage=1),
    Row("026c", "fffc", "date", "date", "*-12-31"),
    Row("026c", "7fcc", "date", "date", "1999-12-31"),
    Row("026c", "e1f1", "date", "date", "*-01-01"),
    Row("026c", "ffff", "date", "date", None),
    Row("026c", "0000", "date", "date", None),
    Row("046d", "32371f15", "date and time", "datetime", "2008-05-31T23:50"),
    Row("046d", "32171f15", "date and time", "datetime", "2008-05-31T23:50"),
    Row("046d", "32b71f15", "date and time", "datetime", "2008-05-31T23:50"),
    Row("046d", "3f3fe0ff", "date and time", "datetime", "*-*-*T*:*"),
    Row("046d", "00000000", "date and time", "datetime", None),
    Row("046d", "ffffffff", "date and time", "datetime", None),
    Row("466d", "000008162700", "date and time", "datetime", "2016-07-22T08:00:00", storage=1),
    Row("036d", "1e0f0a", "date and time", "time", "10:15:30"),
    Row("036d", "ffffff", "date and time", "time", None),
    Row("42ec7e", "3f0c", "date", "date", "2001-12-31", storage=1),
    Row("9410da6f", "32147a18", "flow temperature", "datetime", "2011-08-26T20:50", "maximum", tariff=1),
    Row("02fd30", "bf1c", "tariff start", "date", "2013-12-31"),
    Row("02fd70", "bf1c", "battery change", "date", "2013-12-31"),
)

PRIMARY = (
    Row("0200", "0500", "energy", "Wh", "0.005"),
    Row("0207", "0500", "energy", "Wh", "50000"),
    Row("0208", "0500", "energy", "J", "5"),
    Row("020f", "0500", "energy", "J", "50000000"),
    Row("0210", "0500", "volume", "m^3", "0.000005"),
    Row("0217", "0500", "volume", "m^3", "50"),
    Row("0218", "0500", "mass", "kg", "0.005"),
    Row("021f", "0500", "mass", "kg", "50000"),
    Row("0220", "0500", "on time", "s", "5"),
    Row("0223", "0500", "on time", "s", "432000"),
    Row("0225", "0500", "operating time", "s", "300"),
    Row("0226", "0500", "operating time", "s", "18000"),
    Row("0228", "0500", "power", "W", "0.005"),
    Row("022f", "0500", "power", "W", "50000"),
    Row("0230", "0500", "power", "J/h", "5"),
    Row("0237", "0500", "power", "J/h", "50000000"),
    Row("0238", "0500", "volume flow", "m^3/h", "0.000005"),
    Row("023f", "0500", "volume flow", "m^3/h", "50"),
    Row("0240", "0500", "volume flow", "m^3/min", "0.0000005"),
    Row("0247", "0500", "volume flow", "m^3/min", "5"),
    Row("0248", "0500", "volume flow", "m^3/s", "0.000000005"),
    Row("024f", "0500", "volume flow", "m^3/s", "0.05"),
    Row("0250", "0500", "mass flow", "kg/h", "0.005"),
    Row("0257", "0500", "mass flow", "kg/h", "50000"),
    Row("0258", "0500", "flow temperature", "degC", "0.005"),
    Row("025b", "fbff", "flow temperature", "degC", "-5"),
    Row("025d", "0500", "return temperature", "degC", "0.05"),
    Row("0262", "0500", "temperature difference", "K", "0.5"),
    Row("0265", "0500", "external temperature", "degC", "0.05"),
    Row("026b", "0500", "pressure", "bar", "5"),
    Row("0268", "0500", "pressure", "bar", "0.005"),
    Row("026e", "0500", "H.C.A.", "H.C.A.", "5"),
    Row("0170", "08", "averaging duration", "s", "8"),
    Row("0176", "08", "actuality duration", "s", "28800"),
    Row("017a", "05", "bus address", "", "5"),
    Row("027f", "0500", "manufacturer specific", "", "5"),
    Row("02ff07", "0500", "manufacturer specific", "", "5"),
    Row("027e", "0500", "any VIF", "", "5"),
)

EXTENSION_FB = (
    Row("02fb00", "0500", "energy", "Wh", "500000"),
    Row("02fb01", "0500", "energy", "Wh", "5000000"),
    Row("02fb02", "0500", "reactive energy", "varh", "5000"),
    Row("02fb04", "0500", "apparent energy", "VAh", "5000"),
    Row("02fb08", "0500", "energy", "J", "500000000"),
    Row("02fb09", "0500", "energy", "J", "5000000000"),
    Row("02fb10", "0500", "volume", "m^3", "500"),
    Row("02fb14", "0500", "reactive power", "var", "5"),
    Row("02fb19", "0500", "mass", "kg", "5000000"),
    Row("02fb1a", "4f01", "relative humidity", "%", "33.5"),
    Row("02fb28", "0500", "power", "W", "500000"),
    Row("02fb2d", "8813", "frequency", "Hz", "50"),
    Row("02fb31", "0500", "power", "J/h", "5000000000"),
    Row("02fb34", "0500", "apparent power", "VA", "5"),
    Row("02fb77", "0500", "temperature limit", "degC", "5"),
    Row("02fb7b", "0500", "cumulative max power", "W", "5"),
)

EXTENSION_FD = (
    Row("01fd17", "00", "error flags", "", "0"),
    Row("02fd1c", "6009", "baud rate", "Bd", "2400"),
    Row("01fd25", "0f", "storage interval", "s", "900"),
    Row("01fd28", "03", "storage interval", "month", "3"),
    Row("01fd31", "05", "tariff duration", "s", "300"),
    Row("01fd3a", "05", "dimensionless", "", "5"),
    Row("02fd48", "1609", "voltage", "V", "232.6"),
    Row("02fd59", "c605", "current", "A", "1.478"),
    Row("01fd61", "05", "cumulation counter", "", "5"),
    Row("01fd71", "bd", "RF level", "dBm", "-67"),
    Row("01fd74", "05", "remaining battery life", "s", "432000"),
    Row("01fdfd02", "05", "remaining battery life", "month", "5"),
)

COMBINABLE = (
    Row("029328", "6400", "volume", "m^3", "0.1"),
    Row("029374", "6400", "volume", "m^3", "0.001"),
    Row("02937d", "0500", "volume", "m^3", "5"),
    Row("0293f47d", "0500", "volume", "m^3", "0.05"),
    Row("02df7b", "0500", "return temperature", "degC", "6"),
    Row("02de7a", "0500", "return temperature", "degC", "0.6"),
    Row("04be58", "f4020000", "volume flow", "s", "756"),
    Row("02fdc8fc01", "1609", "voltage", "V", "232.6"),
    Row("009315", "", "volume", "m^3", None),
    Row("02fc0348522574", "d411", "plain text: %RH", "%RH", "45.64"),
    Row("02fc7403485225", "d411", "plain text: %RH", "%RH", "45.64"),
    Row("027c03485225", "0a00", "plain text: %RH", "%RH", "10"),
    Row("02acff01", "0900", "power", "W", "90"),
)

#: DIF and DIFE chains.
PLACES = (
    Row("841003", "01000000", "energy", "Wh", "1", tariff=1),
    Row("845003", "01000000", "energy", "Wh", "1", tariff=1, subunit=1),
    Row("84804003", "01000000", "energy", "Wh", "1", subunit=2),
    Row("84904003", "01000000", "energy", "Wh", "1", tariff=1, subunit=2),
    Row("820403", "0100", "energy", "Wh", "1", storage=8),
    Row("c2840003", "0100", "energy", "Wh", "1", storage=9),
    Row("848f0f03", "01000000", "energy", "Wh", "1", storage=510),
    Row("8b6003", "010000", "energy", "Wh", "1", tariff=2, subunit=1),
    Row("8e801003", "010000000000", "energy", "Wh", "1", tariff=4),
    Row("cc901003", "01000000", "energy", "Wh", "1", storage=1, tariff=5),
    Row("c1ffffffffffffffffff0f03", "01", "energy", "Wh", "1", storage=2**41 - 1, tariff=2**18 - 1, subunit=2**9 - 1),
    Row("1203", "0100", "energy", "Wh", "1", "maximum"),
    Row("2203", "0100", "energy", "Wh", "1", "minimum"),
    Row("3203", "0100", "energy", "Wh", "1", "error"),
)

ROWS: tuple[Row, ...] = (
    *INTEGERS,
    *REALS,
    *DECIMALS,
    *VARIABLE_LENGTH,
    *DATES,
    *PRIMARY,
    *EXTENSION_FB,
    *EXTENSION_FD,
    *COMBINABLE,
    *PLACES,
)
