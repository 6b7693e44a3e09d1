"""`mbusbench poll CONFIG`: reads the connections of a configuration file, for ever or once, and gives readings on."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mbusbench.cli.arguments import primary_addresses
from mbusbench.cli.exit_codes import METER_FAILED
from mbusbench.cli.output import message, print_line, print_table, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mbusbench.poller.definition import PollerFile
    from mbusbench.sinks.reading import Reading


DRAIN_FOR = 30.0
"""Seconds that sinks get to take what `--once` has read."""


@click.command(name="poll")
@click.argument("config", type=click.Path(path_type=Path), required=False)
@click.option("--check", is_flag=True, help="Only say what is wrong in the file: all of it, a line each.")
@click.option("--once", is_flag=True, help="Read everything once, then end: 0 if all meters could be read, else 1.")
@click.option("--write", metavar="TAG=VALUE", help="Set the value of a tag, read it back, then end.")
@click.option("--discover", metavar="URL", help="Look who is on a bus, and print a configuration for them.")
@click.option("--baudrate", type=click.IntRange(300, 38400), default=2400, show_default=True, help="With --discover.")
@click.option(
    "--parity",
    type=click.Choice(["even", "none", "odd"]),
    default="even",
    show_default=True,
    help="With --discover.",
)
@click.option("--latency", type=click.FloatRange(0, 60), help="With --discover: seconds that gateways may add.")
@click.option("--addresses", metavar="RANGE", default="1-250", show_default=True, help="With --discover.")
@click.pass_context
def command(context: click.Context, /, config: Path | None, discover: str | None, **options: Any) -> int:
    """Read the meters that CONFIG names, when it says so, and give the readings to its sinks."""
    modes = [f"--{name}" for name in ("check", "once", "write") if options[name]]
    if discover is not None:
        if config is not None or modes:
            raise click.UsageError("--discover goes without a configuration file", context)
        return _discover(discover, options)
    if config is None:
        raise click.UsageError("the configuration file is missing", context)
    if len(modes) > 1:
        raise click.UsageError(f"{' and '.join(modes)} do not go together", context)
    from mbusbench.poller.definition import PollerFile

    definition = PollerFile.read(config)
    _warn(config, definition)
    if options["check"]:
        print_line(f"{config}: {_summary(definition)}")
        return 0
    if options["once"]:
        return _once(definition)
    if options["write"]:
        return _write(definition, options["write"])
    _serve(config, definition)
    return 0


def _discover(url: str, options: dict[str, Any]) -> int:
    from mbusbench.cli.bus_access import run
    from mbusbench.master import MBusMaster
    from mbusbench.poller.discovery import Discovered, discover, proposal

    line = {"baudrate": options["baudrate"], "parity": options["parity"]}
    wanted = primary_addresses([options["addresses"]])
    master = MBusMaster(url, **line, latency=options["latency"], retries=1)

    async def look() -> list[Discovered]:
        async with master:
            return await discover(master, addresses=wanted, progress=message)

    found = run(look())
    if not found:
        message(f"no meter was found on {url}")
        return METER_FAILED
    click.echo(printable_lines(proposal(url, found, **line)), nl=False)
    return 0


def printable_lines(text: str) -> str:
    """The text with all but line ends made printable."""
    return "".join(f"{printable(line)}\n" for line in text.splitlines())


def _write(definition: PollerFile, written: str) -> int:
    from mbusbench.cli.bus_access import run
    from mbusbench.poller.poller import Poller

    tag, equals, text = written.partition("=")
    if not equals:
        raise click.BadParameter("write TAG=VALUE", param_hint="--write")

    async def keep(readings: Sequence[Reading]) -> None:
        """A value that is set by hand is shown, and not given on."""

    _show(run(Poller(definition, keep).write_once(tag, text)))
    return 0


def _serve(config: Path, definition: PollerFile) -> None:
    import asyncio

    from mbusbench.poller.operation.logs import configure
    from mbusbench.poller.operation.service import Service

    configure(definition.log.format, definition.log.level)
    _allow_many_files()
    asyncio.run(Service(config, definition).run())


def _allow_many_files() -> None:
    """Each bus takes a file of the process; systems allow few unless they are asked for more."""
    try:
        import resource
    except ImportError:
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


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
    from mbusbench.sinks.reading import Quality

    to_sinks = "sinks" in definition.model_fields_set
    readings, missing = run(_read_once(definition, to_sinks))
    if not to_sinks:
        for reading in readings:
            _show(reading)
    for name in missing:
        message(f"mbusbench: sink {name} did not take everything: the rest waits in {definition.store.path}")
    good = all(reading.quality is Quality.GOOD for reading in readings)
    return 0 if good and not missing else METER_FAILED


async def _read_once(definition: PollerFile, to_sinks: bool) -> tuple[list[Reading], list[str]]:
    """What was read, and the names of the sinks that did not take it."""
    import asyncio

    from mbusbench.poller.operation.outlets import Outlets
    from mbusbench.poller.poller import Poller

    found: list[Reading] = []

    async def keep(readings: Sequence[Reading]) -> None:
        found.extend(readings)

    if not to_sinks:
        await Poller(definition, keep).once()
        return found, []

    async def keep_and_give(readings: Sequence[Reading]) -> None:
        await outlets.keep(readings)
        await keep(readings)

    async with Outlets(definition) as outlets:
        delivering = asyncio.create_task(outlets.run())
        await Poller(definition, keep_and_give).once()
        await outlets.drain(DRAIN_FOR)
        missing = [each.name for each in outlets.status() if each.waiting]
        delivering.cancel()
        await asyncio.gather(delivering, return_exceptions=True)
    return found, missing


def _show(reading: Reading) -> None:
    reason = f"  {reading.reason}" if reading.reason else ""
    print_line(f"{reading.connection}  {reading.meter}  {reading.quality}{reason}")
    if reading.values:
        print_table(
            ("tag", "value", "unit", "quality", "reason"),
            [(each.tag, each.value, each.unit, each.quality, each.reason) for each in reading.values],
            right=("value",),
        )
