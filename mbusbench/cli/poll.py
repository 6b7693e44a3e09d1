"""`mbusbench poll CONFIG`: reads the connections of a configuration file, for ever or once, and gives readings on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mbusbench.cli.exit_codes import METER_FAILED
from mbusbench.cli.output import message, print_line, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mbusbench.poller.definition import PollerFile
    from mbusbench.sinks.reading import Reading


@click.command(name="poll")
@click.argument("config", type=click.Path(path_type=Path), required=False)
@click.option("--check", is_flag=True, help="Only say what is wrong in the file: all of it, a line each.")
@click.option("--once", is_flag=True, help="Read everything once, then end: 0 if all meters could be read, else 1.")
@click.pass_context
def command(context: click.Context, config: Path | None, check: bool, once: bool) -> int:
    """Read the meters that CONFIG names, when it says so, and give the readings to its sinks."""
    from mbusbench.poller.definition import PollerFile

    if config is None:
        raise click.UsageError("the configuration file is missing", context)
    definition = PollerFile.read(config)
    _warn(config, definition)
    if check:
        print_line(f"{config}: {_summary(definition)}")
        return 0
    return _once(definition)


def _warn(config: Path, definition: PollerFile) -> None:
    from mbusbench.definition.document import read_document

    document = None
    for path, text in definition.warnings():
        document = document or read_document(config)
        message(f"mbusbench: warning: {document.mistake(path, text)}")


def _summary(definition: PollerFile) -> str:
    connections = definition.complete
    meters = [meter for connection in connections for meter in connection.all_meters]
    bindings = sum(len(meter.bindings) for meter in meters)
    return f"{len(connections)} connections, {len(meters)} meters, {bindings} bindings: no mistakes"


def _once(definition: PollerFile) -> int:
    from mbusbench.cli.bus_access import run
    from mbusbench.poller.poller import Poller
    from mbusbench.sinks.reading import Quality

    found: list[Reading] = []

    async def keep(readings: Sequence[Reading]) -> None:
        found.extend(readings)

    run(Poller(definition, keep).once())
    for reading in found:
        _show(reading)
    return 0 if all(reading.quality is Quality.GOOD for reading in found) else METER_FAILED


def _show(reading: Reading) -> None:
    reason = f"  {reading.reason}" if reading.reason else ""
    print_line(f"{reading.connection}  {reading.meter}  {reading.quality}{reason}")
    if reading.values:
        print_table(
            ("tag", "value", "unit", "quality", "reason"),
            [(each.tag, each.value, each.unit, each.quality, each.reason) for each in reading.values],
            right=("value",),
        )
