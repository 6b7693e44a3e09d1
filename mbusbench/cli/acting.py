"""What commands that write to meters share: one meter after the other, a line or JSON object for each, an exit code."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import click

from mbusbench.cli.exit_codes import DONE, METER_FAILED
from mbusbench.cli.output import print_json, print_line
from mbusbench.cli.read import json_address, report_failure

if TYPE_CHECKING:
    from mbusbench.codec.address import SecondaryAddress
    from mbusbench.master import MBusMaster

Work = Callable[["int | SecondaryAddress"], Awaitable[tuple[str, dict[str, Any]]]]
"""Does it to one meter; returns what a person reads, and what JSON has beside `address` and `ok`."""


def act(master: MBusMaster, wanted: list[int | SecondaryAddress], work: Work, as_json: bool) -> int:
    """Open the bus and do `work` to each address; one that fails does not stop the others."""
    from mbusbench.cli.bus_access import run

    return run(_act(master, wanted, work, as_json))


async def _act(master: MBusMaster, wanted: list[int | SecondaryAddress], work: Work, as_json: bool) -> int:
    from mbusbench.errors import MBusConnectionError, MBusError, MBusUsageError

    failed = 0
    async with master:
        for address in wanted:
            try:
                text, fields = await work(address)
            except (MBusConnectionError, MBusUsageError):
                raise
            except MBusError as error:
                failed += 1
                report_failure(address, error, as_json)
                continue
            if as_json:
                print_json({"address": json_address(address), "ok": True, **fields})
            else:
                print_line(f"{address}  {text}")
    return METER_FAILED if failed else DONE


def one_address(text: str) -> int | SecondaryAddress:
    """The address of one meter."""
    from mbusbench.cli.arguments import addresses

    found = addresses([text])
    if len(found) != 1:
        raise click.BadParameter(f"{text}: give the address of one meter")
    return found[0]


def check_broadcast(broadcast: bool, address: tuple[str, ...]) -> None:
    """A write goes to all meters only where --broadcast says so, and to no other then."""
    if broadcast and address:
        raise click.UsageError("--broadcast goes to every meter: leave the address away")
    if not broadcast and not address:
        raise click.UsageError("Missing argument 'ADDRESS'")
