"""`mbusbench ping URL ADDR...`: which addresses answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mbusbench.cli.arguments import addresses, connection_options
from mbusbench.cli.exit_codes import DONE, METER_FAILED
from mbusbench.cli.output import json_option, print_json, print_line

if TYPE_CHECKING:
    from mbusbench.codec.address import SecondaryAddress
    from mbusbench.master import MBusMaster


@click.command(name="ping")
@click.argument("url")
@click.argument("address", nargs=-1, required=True)
@connection_options
@json_option
def command(url: str, address: tuple[str, ...], as_json: bool, **options: Any) -> int:
    """Ask which addresses answer (SND_NKE; selection for a secondary address).

    URL is socket://HOST:PORT, rfc2217://HOST:PORT or the path of a serial device. ADDRESS is a primary address (5), a
    range (1-5) or a secondary address (1234567824231A07, HYD-12345678-1A-07).
    """
    from mbusbench.cli.bus_access import master, run

    wanted = addresses(address)
    return run(_ping(master(url, options), wanted, as_json))


async def _ping(master: MBusMaster, wanted: list[int | SecondaryAddress], as_json: bool) -> int:
    silent = 0
    async with master:
        for address in wanted:
            answers = (await master.ping_addresses([address]))[address]
            silent += not answers
            if as_json:
                print_json({"address": address if isinstance(address, int) else str(address), "answers": answers})
            else:
                print_line(f"{address}  {'answers' if answers else 'no answer'}", None if answers else "yellow")
    return METER_FAILED if silent else DONE
