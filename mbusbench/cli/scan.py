"""`mbusbench scan URL [ADDR...]`: the meters on a bus, by their primary addresses, with progress on a terminal."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from mbusbench.cli.arguments import connection_options, primary_addresses
from mbusbench.cli.output import console, error_fields, json_option, message, print_json, print_line

if TYPE_CHECKING:
    from mbusbench.errors import MBusError
    from mbusbench.master import MBusMaster
    from mbusbench.master.results import MBusSlaveInfo


@click.command(name="scan")
@click.argument("url")
@click.argument("address", nargs=-1)
@connection_options
@json_option
def command(url: str, address: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Find the meters on a bus by their primary addresses.

    URL is socket://HOST:PORT, rfc2217://HOST:PORT or the path of a serial device. ADDRESS limits the search: 1-20, or
    single addresses; without it, 0 to 250 are asked. A meter is shown when it is found; finding none is no failure.
    """
    from mbusbench.cli.bus_access import master, run

    wanted = primary_addresses(address or ["0-250"])
    run(_scan(master(url, options), wanted, as_json))


async def _scan(master: MBusMaster, wanted: list[int], as_json: bool) -> None:
    from mbusbench.errors import MBusError

    found = 0
    with ExitStack() as stack:
        advance = _progress_bar(stack, len(wanted))

        def progress(address: int, result: MBusSlaveInfo | MBusError | None) -> None:
            nonlocal found
            if result is not None:
                found += not isinstance(result, MBusError)
                _show(address, result, as_json)
            advance(address, found)

        async with master:
            await master.scan_addresses(wanted, progress)
    if not as_json:
        message(f"{found} of {len(wanted)} addresses have a meter")


def _progress_bar(stack: ExitStack, total: int) -> Any:
    """A bar on stderr where that is a terminal; a function to be called for each address."""
    if not sys.stderr.isatty():
        return lambda address, found: None
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    bar = stack.enter_context(
        Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console(stderr=True),
            transient=True,
            redirect_stdout=sys.stdout.isatty(),
        )
    )
    task = bar.add_task("address", total=total)
    return lambda address, found: bar.update(task, advance=1, description=f"address {address}, {found} found")


def _show(address: int, result: MBusSlaveInfo | MBusError, as_json: bool) -> None:
    from mbusbench.cli.readings import identity
    from mbusbench.errors import MBusError

    if isinstance(result, MBusError):
        if as_json:
            print_json({"address": address, "ok": False, "error": error_fields(result)})
        else:
            message(f"{address:>3}  {result}")
    elif as_json:
        print_json({"address": address, "ok": True, "meter": result.model_dump(mode="json")})
    else:
        secondary = f"  {result.secondary_address}" if result.secondary_address else ""
        print_line(f"{address:>3}  {identity(result)}{secondary}")
