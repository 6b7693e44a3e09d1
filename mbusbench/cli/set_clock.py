"""`mbusbench set-clock URL ADDR...`: date and time of meters."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from mbusbench.cli.arguments import addresses, connection_options
from mbusbench.cli.output import json_option, print_json, print_line

if TYPE_CHECKING:
    from mbusbench.codec.address import SecondaryAddress
    from mbusbench.master import MBusMaster


def _time(context: click.Context, parameter: click.Parameter, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no time such as 2026-03-29T13:45", context, parameter) from None


@click.command(name="set-clock")
@click.argument("url")
@click.argument("address", nargs=-1)
@click.option(
    "--time", "when", callback=_time, metavar="ISO", help="Local time of the meter; otherwise this machine's."
)
@click.option("--broadcast", is_flag=True, help="To every meter on the bus; nobody answers.")
@connection_options
@json_option
def command(
    url: str, address: tuple[str, ...], when: datetime | None, *, broadcast: bool, as_json: bool, **options: Any
) -> int:
    """Set the clock of meters, to the minute. What a meter shows afterwards has to agree."""
    from mbusbench.cli.acting import act, check_broadcast
    from mbusbench.cli.bus_access import master, run

    check_broadcast(broadcast, address)
    bus = master(url, options)
    if broadcast:
        return run(_to_all(bus, when, as_json))

    async def work(target: int | SecondaryAddress) -> tuple[str, dict[str, Any]]:
        sent = await bus.set_clock(target, when)
        return f"set to {sent:%Y-%m-%d %H:%M}", {"time": sent.isoformat()}

    return act(bus, addresses(address), work, as_json)


async def _to_all(bus: MBusMaster, when: datetime | None, as_json: bool) -> int:
    async with bus:
        sent = await bus.broadcast_clock(when)
    if as_json:
        print_json({"address": 255, "ok": True, "time": sent.isoformat()})
    else:
        print_line(f"sent to all: {sent:%Y-%m-%d %H:%M}")
    return 0
