"""`mbusbench set-address URL ADDR NEW`: another primary address for one meter, verified there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mbusbench.cli.arguments import connection_options
from mbusbench.cli.output import json_option

if TYPE_CHECKING:
    from mbusbench.codec.address import SecondaryAddress


@click.command(name="set-address")
@click.argument("url")
@click.argument("address")
@click.argument("new", type=click.IntRange(0, 250))
@connection_options
@json_option
def command(url: str, address: str, new: int, as_json: bool, **options: Any) -> int:
    """Give the meter at ADDRESS (primary or secondary) the primary address NEW, 0 to 250.

    Nothing is written where something answers at NEW already. Done means that the meter answers there.
    """
    from mbusbench.cli.acting import act, one_address
    from mbusbench.cli.bus_access import master

    bus = master(url, options)

    async def work(target: int | SecondaryAddress) -> tuple[str, dict[str, Any]]:
        from mbusbench.cli.readings import identity

        info = await bus.set_primary_address(target, new)
        return f"is now at address {new}: {identity(info)}", {"meter": info.model_dump(mode="json")}

    return act(bus, [one_address(address)], work, as_json)
