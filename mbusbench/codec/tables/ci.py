"""CI field codes of EN 13757-7, with the meaning of The M-Bus 4.8 where wired devices still use that.

Ranges do not overlap and cover 00 to FF.
"""

from __future__ import annotations

from typing import NamedTuple

NONE, SHORT, LONG, FIXED = "none", "short", "long", "fixed"
TO_SLAVE, FROM_SLAVE, BOTH = "to slave", "from slave", "both"


class CIRow(NamedTuple):
    """`header` is None where the code has something else than a header, or nothing known, behind it."""

    first: int
    last: int
    direction: str
    header: str | None
    text: str
    wired: bool = True


CI_ROWS = (
    CIRow(0x00, 0x1F, BOTH, NONE, "DLMS application", False),
    CIRow(0x20, 0x4F, BOTH, None, "reserved", False),
    CIRow(0x50, 0x50, TO_SLAVE, NONE, "application reset or select"),
    CIRow(0x51, 0x51, TO_SLAVE, NONE, "data send"),
    CIRow(0x52, 0x52, TO_SLAVE, None, "selection"),
    CIRow(0x53, 0x53, TO_SLAVE, LONG, "application reset or select, long header"),
    CIRow(0x54, 0x54, TO_SLAVE, NONE, "synchronise (2018: request of selected application)"),
    CIRow(0x55, 0x55, TO_SLAVE, NONE, "data send, most significant byte first (2018: request of selected application)"),
    CIRow(0x56, 0x56, TO_SLAVE, None, "selection, most significant byte first"),
    CIRow(0x57, 0x59, BOTH, None, "reserved", False),
    CIRow(0x5A, 0x5A, TO_SLAVE, SHORT, "data send, short header"),
    CIRow(0x5B, 0x5B, TO_SLAVE, LONG, "data send, long header"),
    CIRow(0x5C, 0x5C, TO_SLAVE, NONE, "synchronise"),
    CIRow(0x5D, 0x5E, BOTH, None, "reserved", False),
    CIRow(0x5F, 0x5F, TO_SLAVE, LONG, "national usage, long header", False),
    CIRow(0x60, 0x60, TO_SLAVE, LONG, "COSEM command, long header", False),
    CIRow(0x61, 0x61, TO_SLAVE, SHORT, "COSEM command, short header", False),
    CIRow(0x62, 0x63, BOTH, None, "reserved", False),
    CIRow(0x64, 0x64, TO_SLAVE, LONG, "OBIS command, long header", False),
    CIRow(0x65, 0x65, TO_SLAVE, SHORT, "OBIS command, short header", False),
    CIRow(0x66, 0x66, FROM_SLAVE, NONE, "selected application"),
    CIRow(0x67, 0x67, FROM_SLAVE, SHORT, "selected application, short header"),
    CIRow(0x68, 0x68, FROM_SLAVE, LONG, "selected application, long header"),
    CIRow(0x69, 0x69, FROM_SLAVE, NONE, "format frame"),
    CIRow(0x6A, 0x6A, FROM_SLAVE, SHORT, "format frame, short header"),
    CIRow(0x6B, 0x6B, FROM_SLAVE, LONG, "format frame, long header"),
    CIRow(0x6C, 0x6C, TO_SLAVE, LONG, "clock: set"),
    CIRow(0x6D, 0x6D, TO_SLAVE, LONG, "clock: adjust"),
    CIRow(0x6E, 0x6E, FROM_SLAVE, SHORT, "application error, short header"),
    CIRow(0x6F, 0x6F, FROM_SLAVE, LONG, "application error, long header"),
    CIRow(0x70, 0x70, FROM_SLAVE, NONE, "application error"),
    CIRow(0x71, 0x71, FROM_SLAVE, NONE, "alarm"),
    CIRow(0x72, 0x72, FROM_SLAVE, LONG, "variable data, long header"),
    CIRow(0x73, 0x73, FROM_SLAVE, FIXED, "fixed data (2013 and later: compact frame, long header)"),
    CIRow(0x74, 0x74, FROM_SLAVE, SHORT, "alarm, short header"),
    CIRow(0x75, 0x75, FROM_SLAVE, LONG, "alarm, long header"),
    CIRow(0x76, 0x76, FROM_SLAVE, LONG, "variable data, long header, most significant byte first"),
    CIRow(0x77, 0x77, FROM_SLAVE, FIXED, "fixed data, most significant byte first"),
    CIRow(0x78, 0x78, FROM_SLAVE, NONE, "variable data"),
    CIRow(0x79, 0x79, FROM_SLAVE, NONE, "compact frame"),
    CIRow(0x7A, 0x7A, FROM_SLAVE, SHORT, "variable data, short header"),
    CIRow(0x7B, 0x7B, FROM_SLAVE, SHORT, "compact frame, short header"),
    CIRow(0x7C, 0x7C, FROM_SLAVE, LONG, "COSEM response, long header", False),
    CIRow(0x7D, 0x7D, FROM_SLAVE, SHORT, "COSEM response, short header", False),
    CIRow(0x7E, 0x7E, FROM_SLAVE, LONG, "OBIS response, long header", False),
    CIRow(0x7F, 0x7F, FROM_SLAVE, SHORT, "OBIS response, short header", False),
    CIRow(0x80, 0x80, TO_SLAVE, LONG, "transport layer only"),
    CIRow(0x81, 0x81, BOTH, None, "network layer", False),
    CIRow(0x82, 0x82, TO_SLAVE, LONG, "network management, long header", False),
    CIRow(0x83, 0x83, TO_SLAVE, NONE, "network management", False),
    CIRow(0x84, 0x84, TO_SLAVE, LONG, "transport layer only, compact frame expected"),
    CIRow(0x85, 0x85, TO_SLAVE, LONG, "transport layer only, format frame expected"),
    CIRow(0x86, 0x86, BOTH, None, "extended link layer V", False),
    CIRow(0x87, 0x87, FROM_SLAVE, LONG, "network management answer, long header", False),
    CIRow(0x88, 0x88, FROM_SLAVE, SHORT, "network management answer, short header", False),
    CIRow(0x89, 0x89, FROM_SLAVE, NONE, "network management answer", False),
    CIRow(0x8A, 0x8A, FROM_SLAVE, SHORT, "transport layer only, short header", False),
    CIRow(0x8B, 0x8B, FROM_SLAVE, LONG, "transport layer only, long header", False),
    CIRow(0x8C, 0x8C, BOTH, None, "extended link layer I", False),
    CIRow(0x8D, 0x8D, BOTH, None, "extended link layer II", False),
    CIRow(0x8E, 0x8E, BOTH, None, "extended link layer III", False),
    CIRow(0x8F, 0x8F, BOTH, None, "extended link layer IV", False),
    CIRow(0x90, 0x90, BOTH, None, "authentication and fragmentation layer"),
    CIRow(0x91, 0x9D, BOTH, None, "reserved", False),
    CIRow(0x9E, 0x9E, BOTH, SHORT, "national usage, short header", False),
    CIRow(0x9F, 0x9F, BOTH, LONG, "national usage, long header", False),
    CIRow(0xA0, 0xB7, BOTH, None, "manufacturer specific"),
    CIRow(0xB8, 0xB8, TO_SLAVE, NONE, "set baud rate 300"),
    CIRow(0xB9, 0xB9, TO_SLAVE, NONE, "set baud rate 600"),
    CIRow(0xBA, 0xBA, TO_SLAVE, NONE, "set baud rate 1200"),
    CIRow(0xBB, 0xBB, TO_SLAVE, NONE, "set baud rate 2400"),
    CIRow(0xBC, 0xBC, TO_SLAVE, NONE, "set baud rate 4800"),
    CIRow(0xBD, 0xBD, TO_SLAVE, NONE, "set baud rate 9600"),
    CIRow(0xBE, 0xBE, TO_SLAVE, NONE, "set baud rate 19200"),
    CIRow(0xBF, 0xBF, TO_SLAVE, NONE, "set baud rate 38400"),
    CIRow(0xC0, 0xC0, TO_SLAVE, LONG, "image transfer"),
    CIRow(0xC1, 0xC1, FROM_SLAVE, SHORT, "image transfer answer, short header"),
    CIRow(0xC2, 0xC2, FROM_SLAVE, LONG, "image transfer answer, long header"),
    CIRow(0xC3, 0xC3, TO_SLAVE, LONG, "security information"),
    CIRow(0xC4, 0xC4, FROM_SLAVE, SHORT, "security information answer, short header"),
    CIRow(0xC5, 0xC5, FROM_SLAVE, LONG, "security information answer, long header"),
    CIRow(0xC6, 0xFF, BOTH, None, "reserved", False),
)
