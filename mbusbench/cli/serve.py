"""`mbusbench serve FILE|DEVICE...`: a virtual bus on TCP, terminals and serial devices, until told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mbusbench.cli.arguments import trace_option
from mbusbench.cli.endpoint_options import endpoint_options
from mbusbench.cli.output import message, print_json

if TYPE_CHECKING:
    from mbusbench.bus import VirtualBus
    from mbusbench.bus.live import LiveBus
    from mbusbench.trace.files import TraceFile

FLUSH_EVERY = 0.25
"""Seconds after which what was recorded is in the file."""
LOOK_EVERY = 0.25
"""Seconds between looks at the files that are watched."""


def _speed(context: click.Context, parameter: click.Parameter, value: str | None) -> float | str | None:
    if value is None or value == "max":
        return value
    try:
        factor = 1.0 if value == "real" else float(value)
    except ValueError:
        factor = 0.0
    if not 0 < factor <= 1e6:
        raise click.BadParameter(f"{value!r} is not real, max or a factor such as 10", context, parameter)
    return factor


@click.command(name="serve")
@click.argument("source", nargs=-1, required=True, metavar="FILE|DEVICE...")
@endpoint_options
@click.option(
    "--ready-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the ready line to this file too, when the bus can be used.",
)
@click.option("--seed", type=int, help="Of everything that is random, instead of the bus file's.")
@click.option(
    "--speed",
    callback=_speed,
    metavar="real|max|FACTOR",
    help="How fast the line is: as its baud rate, without any delay, or so many times its baud rate.",
)
@click.option(
    "--python",
    multiple=True,
    metavar="MODULE",
    help="Let device files use classes of this Python module. May be repeated.",
)
@trace_option
@click.option("--watch", is_flag=True, help="Follow changes of the files while serving; meters keep their state.")
def command(
    *,
    source: tuple[str, ...],
    tcp: tuple[str, ...],
    pty: tuple[str, ...],
    serial: tuple[str, ...],
    rfc2217: tuple[str, ...],
    ready_file: Path | None,
    seed: int | None,
    speed: float | str | None,
    python: tuple[str, ...],
    trace: Path | None,
    watch: bool,
) -> None:
    """Put meters on a virtual bus and serve it until SIGTERM or Ctrl-C.

    Give one bus file, or devices: names of the catalogue (`mbusbench devices`) or device files. When the bus can be
    used, one line of JSON on stdout says where (docs/json.md).
    """
    from mbusbench.cli.bus_access import run
    from mbusbench.cli.virtual_bus import build_bus
    from mbusbench.meter.extension import allow

    allow(*python)
    live = build_bus(source, seed)
    bus = live.bus
    watched = live if watch else None
    if speed is not None:
        bus.set_speed(None if speed == "max" else float(speed))
    endpoints = (*tcp, *pty, *serial, *rfc2217)
    if trace is None:
        run(_serve(bus, endpoints, ready_file, None, watched))
        return
    from mbusbench.cli.virtual_bus import open_trace

    with open_trace(trace, bus, source) as file:
        bus.trace = file.record
        run(_serve(bus, endpoints, ready_file, file, watched))


async def _serve(
    bus: VirtualBus,
    endpoints: tuple[str, ...],
    ready_file: Path | None,
    trace: TraceFile | None,
    watched: LiveBus | None,
) -> None:
    from mbusbench.cli.virtual_bus import meter_fields

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with bus.serve(*endpoints) as server:
        ready = {
            "event": "ready",
            "endpoints": server.urls,
            "ports": server.descriptions,
            "seed": bus.seed,
            "meters": [meter_fields(meter) for meter in bus.meters],
        }
        if ready_file is not None:
            _write_whole(ready_file, ready)
        print_json(ready)
        async with _Meanwhile(
            *([] if trace is None else [_flush(trace)]), *([] if watched is None else [_watch(watched)])
        ):
            await stop.wait()


class _Meanwhile:
    """What is done while the bus is served."""

    def __init__(self, *work: Coroutine[None, None, None]) -> None:
        self._work = work

    async def __aenter__(self) -> None:
        self._tasks = [asyncio.create_task(each) for each in self._work]

    async def __aexit__(self, *error: object) -> None:
        for task in self._tasks:
            task.cancel()


async def _flush(file: TraceFile) -> None:
    """What is recorded becomes visible."""
    while file.failure is None:
        await asyncio.sleep(FLUSH_EVERY)
        file.flush()
    message(f"the trace ends here: {file.failure.strerror}")


async def _watch(live: LiveBus) -> None:
    """The bus follows its files; with a mistake in one of them it stays as it is."""
    from mbusbench.definition.watching import WatchedFiles
    from mbusbench.errors import DefinitionError, MBusUsageError

    files = WatchedFiles(live.files)
    while True:
        await asyncio.sleep(LOOK_EVERY)
        changed = files.look()
        if not changed:
            continue
        try:
            message(f"mbusbench: {', '.join(path.name for path in changed)} changed: {live.reload()}")
        except DefinitionError as error:
            for line in str(error).splitlines():
                message(line)
        except MBusUsageError as error:
            message(f"mbusbench: {error}")
        files.watch(live.files)


def _write_whole(path: Path, value: dict[str, object]) -> None:
    """Whoever waits for the file never sees half of it."""
    import json

    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(json.dumps(value) + "\n", encoding="utf-8")
    unfinished.replace(path)
