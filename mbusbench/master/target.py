"""What a caller may give as the address of a slave, and what of it may be asked directly."""

from __future__ import annotations

from collections.abc import Iterable

from mbusbench.codec.address import BROADCAST, BROADCAST_REPLY, PRIMARY_RANGE, SELECTED, SecondaryAddress
from mbusbench.errors import MBusUsageError

Address = int | str | SecondaryAddress

_LONGEST_PRIMARY = 3


def parse_target(address: Address) -> int | SecondaryAddress:
    """The address of one slave: 0 to 250, 254 for the only one on the bus, or a secondary address.

    Raises MBusUsageError, before anything is sent, for everything else.
    """
    if isinstance(address, SecondaryAddress):
        return address
    if isinstance(address, str):
        text = address.strip()
        if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_PRIMARY):
            return SecondaryAddress.parse(text)
        address = int(text)
    if isinstance(address, bool) or not isinstance(address, int):
        raise MBusUsageError(f"{address!r} is no address: a primary address is a number, a secondary one text")
    if address in PRIMARY_RANGE or address == BROADCAST_REPLY:
        return address
    raise MBusUsageError(f"address {address} {_REFUSED.get(address, 'is not in 0..250')}")


def primary_range(addresses: Iterable[int]) -> list[int]:
    """The primary addresses to scan, 0 to 250 each. MBusUsageError where there is another."""
    try:
        found: list[int] = list(addresses)
    except TypeError:
        raise MBusUsageError(f"{addresses!r} is no range of addresses") from None
    for address in found:
        if isinstance(address, bool) or not isinstance(address, int) or address not in PRIMARY_RANGE:
            raise MBusUsageError(f"address {address!r} cannot be scanned: it is not in 0..250")
    return found


_REFUSED = {
    SELECTED: "is that of the selected slave: give its secondary address instead",
    BROADCAST: "is for broadcasts, which nobody answers",
}
