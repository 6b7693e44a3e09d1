"""`mbusbench set-baud URL ADDR BAUD`: another baud rate for one meter, confirmed at it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mbusbench.cli.arguments import connection_options
from mbusbench.cli.output import json_option

if TYPE_CHECKING:
    from mbusbench.codec.address import SecondaryAddress


@click.command(name="set-baud")
@click.argument("url")
@click.argument("address")
@click.argument("baud", type=int)
@connection_options
@json_option
def command(url: str, address: str, baud: int, as_json: bool, **options: Any) -> int:
    """Switch the meter at ADDRESS from --baudrate to BAUD, one of the standard's rates (300 to 38400).

    Done means that the meter answers at BAUD; otherwise it is brought back. URL is a serial device or rfc2217://,
    because the rate of the line changes.
    """
    from mbusbench.cli.acting import act, one_address
    from mbusbench.cli.bus_access import master

    bus = master(url, options)

    async def work(target: int | SecondaryAddress) -> tuple[str, dict[str, Any]]:
        await bus.set_baud_rate(target, baud)
        return f"answers at {baud} baud", {"baudrate": baud}

    return act(bus, [one_address(address)], work, as_json)
