"""`mbusbench send URL ADDR HEX...`: any command, as CI field and data in hex."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mbusbench.cli.arguments import connection_options
from mbusbench.cli.output import json_option, print_json, print_line

if TYPE_CHECKING:
    from mbusbench.codec.address import SecondaryAddress
    from mbusbench.master import MBusMaster


@click.command(name="send")
@click.argument("url")
@click.argument("arguments", nargs=-1, required=True, metavar="ADDRESS HEX...")
@click.option("--broadcast", is_flag=True, help="To every meter on the bus, without ADDRESS; nobody answers.")
@connection_options
@json_option
def command(url: str, arguments: tuple[str, ...], broadcast: bool, as_json: bool, **options: Any) -> int:
    """Send commands (SND_UD) to one meter: each HEX is a CI field and what follows it.

    5050 chooses instantaneous values, 510813 only the volume for the next readout, 54 is the synchronise action. They
    go out one after the other; done means acknowledged. What the meter cannot execute it reports at the next request.
    """
    from mbusbench.cli.acting import act, one_address
    from mbusbench.cli.bus_access import master, run

    bus = master(url, options)
    if broadcast:
        return run(_to_all(bus, arguments, as_json))
    address, *commands = arguments
    if not commands:
        raise click.UsageError("Missing argument 'HEX...'")

    async def work(target: int | SecondaryAddress) -> tuple[str, dict[str, Any]]:
        await bus.send(target, *commands)
        return f"acknowledged {len(commands)} command{'' if len(commands) == 1 else 's'}", {}

    return act(bus, [one_address(address)], work, as_json)


async def _to_all(bus: MBusMaster, commands: tuple[str, ...], as_json: bool) -> int:
    async with bus:
        await bus.broadcast(*commands)
    if as_json:
        print_json({"address": 255, "ok": True})
    else:
        print_line("sent to all")
    return 0
