"""`mbusbench reset URL ADDR...`: application reset, with a sub-code the choice of what a meter sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mbusbench.cli.arguments import addresses, connection_options
from mbusbench.cli.output import json_option

if TYPE_CHECKING:
    from mbusbench.codec.address import SecondaryAddress


def _subcode(context: click.Context, parameter: click.Parameter, text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        code = bytes.fromhex(text)
    except ValueError:
        code = b""
    if not 1 <= len(code) <= 10:
        raise click.BadParameter("a sub-code is two hex digits, or up to ten times that", context, parameter)
    return code


@click.command(name="reset")
@click.argument("url")
@click.argument("address", nargs=-1, required=True)
@click.option(
    "--subcode", callback=_subcode, metavar="HEX", help="What to choose: application and block, a digit each."
)
@connection_options
@json_option
def command(url: str, address: tuple[str, ...], subcode: bytes | None, as_json: bool, **options: Any) -> int:
    """Reset the application of meters (CI 50), or with a sub-code choose what they send.

    Application 1 is consumption, 5 instantaneous values: --subcode 50.
    """
    from mbusbench.cli.acting import act
    from mbusbench.cli.bus_access import master

    bus = master(url, options)

    async def work(target: int | SecondaryAddress) -> tuple[str, dict[str, Any]]:
        await bus.application_reset(target, subcode)
        return "reset" if subcode is None else f"chosen {subcode.hex().upper()}", {}

    return act(bus, addresses(address), work, as_json)
