"""`mbusbench find-baud URL ADDR...`: the baud rate at which a meter answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mbusbench.cli.arguments import addresses, connection_options
from mbusbench.cli.output import json_option

if TYPE_CHECKING:
    from mbusbench.codec.address import SecondaryAddress


@click.command(name="find-baud")
@click.argument("url")
@click.argument("address", nargs=-1, required=True)
@connection_options
@json_option
def command(url: str, address: tuple[str, ...], as_json: bool, **options: Any) -> int:
    """Find the baud rate of meters: each of the standard's rates is tried, the usual ones first.

    URL is a serial device or rfc2217://, because the rate of the line changes.
    """
    from mbusbench.cli.acting import act
    from mbusbench.cli.bus_access import master

    bus = master(url, options)

    async def work(target: int | SecondaryAddress) -> tuple[str, dict[str, Any]]:
        from mbusbench.errors import MBusTimeoutError

        rate = await bus.find_baudrate(target)
        if rate is None:
            raise MBusTimeoutError(f"slave {target} answers at no baud rate")
        return f"answers at {rate} baud", {"baudrate": rate}

    return act(bus, addresses(address), work, as_json)
