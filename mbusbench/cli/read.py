"""`mbusbench read URL ADDR...`: every telegram of each meter, as tables, JSON, CSV or XML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mbusbench.cli.arguments import addresses, connection_options, key_option
from mbusbench.cli.exit_codes import DONE, METER_FAILED
from mbusbench.cli.output import error_fields, message, print_json, reading_options

if TYPE_CHECKING:
    from mbusbench.codec.address import SecondaryAddress
    from mbusbench.errors import MBusError
    from mbusbench.master import MBusMaster


@click.command(name="read")
@click.argument("url")
@click.argument("address", nargs=-1, required=True)
@connection_options
@key_option
@reading_options
def command(url: str, address: tuple[str, ...], form: str | None, **options: Any) -> int:
    """Read meters: all telegrams of each, as values in units.

    URL is socket://HOST:PORT, rfc2217://HOST:PORT or the path of a serial device. ADDRESS is a primary address (5), a
    range (1-5) or a secondary address (1234567824231A07, HYD-12345678-1A-07).
    """
    from mbusbench.cli.bus_access import master, run

    wanted = addresses(address)
    return run(_read(master(url, options), wanted, form))


async def _read(master: MBusMaster, wanted: list[int | SecondaryAddress], form: str | None) -> int:
    from mbusbench.cli.readings import Printer
    from mbusbench.errors import MBusConnectionError, MBusError

    failed = 0
    as_json = form == "json"
    printer = Printer(form)
    async with master:
        for address in wanted:
            try:
                data = await master.query(address)
            except MBusConnectionError:
                raise
            except MBusError as error:
                failed += 1
                report_failure(address, error, as_json)
                continue
            if as_json:
                print_json({"address": json_address(address), "ok": True, "reading": data.model_dump(mode="json")})
                continue
            printer.show(data)
    if failed and not as_json:
        message(f"mbusbench: {failed} of {len(wanted)} meters failed")
    return METER_FAILED if failed else DONE


def json_address(address: int | SecondaryAddress) -> int | str:
    """A primary address as a number, a secondary one as its 16 digits."""
    return address if isinstance(address, int) else str(address)


def report_failure(address: int | SecondaryAddress, error: MBusError, as_json: bool) -> None:
    """A meter that failed: part of the result for programs, a message for people."""
    if as_json:
        print_json({"address": json_address(address), "ok": False, "error": error_fields(error)})
    else:
        message(f"mbusbench: {address}: {error}")
