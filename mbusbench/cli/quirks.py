"""`mbusbench quirks`: what meters do differently, by name, with who is known for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mbusbench.cli.output import json_option, print_json, print_line, print_table
from mbusbench.errors import MBusUsageError

if TYPE_CHECKING:
    from mbusbench.meter.quirk.quirk import Quirk


@click.command(name="quirks")
@click.argument("name", required=False)
@json_option
def command(name: str | None, as_json: bool) -> None:
    """List the quirks that device and bus files can give a meter, or show one."""
    from mbusbench.definition.validation import did_you_mean
    from mbusbench.meter.quirk.quirk import written_options
    from mbusbench.meter.quirk.table import QUIRKS

    if name is not None and name not in QUIRKS:
        raise MBusUsageError(f"there is no quirk {name!r}{did_you_mean(name, QUIRKS)}")
    rows = [QUIRKS[name]] if name is not None else list(QUIRKS.values())
    if as_json:
        for row in rows:
            print_json(_summary(row))
    elif name is not None:
        for key, value in _summary(rows[0]).items():
            shown = written_options(value) if isinstance(value, dict) else value
            print_line(f"{key + ':':<9}{shown or 'none'}")
    else:
        print_table(("quirk", "what", "source"), [(row.name, row.what, row.source) for row in rows])


def _summary(row: Quirk) -> dict[str, Any]:
    return {
        "quirk": row.name,
        "what": row.what,
        "source": row.source,
        "options": row.written,
    }
