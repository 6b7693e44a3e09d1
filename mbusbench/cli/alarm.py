"""`mbusbench alarm URL ADDR...`: what meters answer to a request for alarms (REQ_UD1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mbusbench.cli.arguments import addresses, connection_options
from mbusbench.cli.output import json_option

if TYPE_CHECKING:
    from mbusbench.codec.address import SecondaryAddress


@click.command(name="alarm")
@click.argument("url")
@click.argument("address", nargs=-1, required=True)
@connection_options
@json_option
def command(url: str, address: tuple[str, ...], as_json: bool, **options: Any) -> int:
    """Ask meters for alarms: 8 bits that the manufacturer defines, or none."""
    from mbusbench.cli.acting import act
    from mbusbench.cli.bus_access import master

    bus = master(url, options)

    async def work(target: int | SecondaryAddress) -> tuple[str, dict[str, Any]]:
        state = await bus.alarm(target)
        return "no alarm" if state is None else f"alarm {state:02X} ({state:08b})", {"alarm": state}

    return act(bus, addresses(address), work, as_json)
