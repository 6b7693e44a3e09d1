"""`mbusbench search URL [MASK]`: the meters on a bus, by their secondary addresses, with progress on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mbusbench.cli.arguments import connection_options
from mbusbench.cli.exit_codes import DONE, METER_FAILED
from mbusbench.cli.output import console, message, print_csv, print_json, print_line

if TYPE_CHECKING:
    from mbusbench.codec.address import SecondaryAddress
    from mbusbench.master import MBusMaster
    from mbusbench.master.search import MBusFound, MBusUnresolved, SearchProgress, SearchState

_EVERYTHING = "F" * 16
_CSV_COLUMNS = (
    *("secondary_address", "address", "serial_number", "manufacturer", "version", "device_type", "medium"),
    *("status", "access_number", "fabrication_number", "found_by"),
)
_LARGEST_FILE = 64 << 20


@click.command(name="search")
@click.argument("url")
@click.argument("mask", default=_EVERYTHING)
@connection_options
@click.option("--known", multiple=True, metavar="ADDRESS", help="A meter that may be there; may be repeated.")
@click.option(
    "--known-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The same, one secondary address a line.",
)
@click.option(
    "--resume",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Keep here what a search learned when it is stopped, and go on from there.",
)
@click.option("--csv", "form", flag_value="csv", help="One line for each meter, with a heading.")
@click.option("--json", "form", flag_value="json", help="One JSON object a line, for programs.")
def command(  # noqa: PLR0917
    url: str,
    mask: str,
    known: tuple[str, ...],
    known_file: Path | None,
    resume: Path | None,
    form: str | None,
    **options: Any,
) -> int:
    """Find the meters on a bus by their secondary addresses.

    URL is socket://HOST:PORT, rfc2217://HOST:PORT or the path of a serial device. MASK limits the search: F is any
    digit (1449FFFFFFFFFFFF), * any part (KAM-*-*-07). A meter is shown when it is found; finding none is no failure.
    """
    from mbusbench.cli.bus_access import master, run

    root = _parse(mask)
    hints = [_parse(text) for text in (*known, *_lines(known_file))]
    state = _saved(resume, root)
    return run(_search(master(url, options), root, hints, state, resume, form, options["baudrate"]))


def _parse(text: str) -> SecondaryAddress:
    from mbusbench.codec.address import SecondaryAddress
    from mbusbench.errors import MBusUsageError

    try:
        return SecondaryAddress.parse(text)
    except MBusUsageError as error:
        raise click.BadParameter(str(error)) from None


def _lines(path: Path | None) -> list[str]:
    lines = [] if path is None else _read(path).splitlines()
    return [text for line in lines if (text := line.partition("#")[0].strip())]


def _read(path: Path) -> str:
    if path.stat().st_size > _LARGEST_FILE:
        raise click.BadParameter(f"{path} is too large")
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        raise click.BadParameter(f"{path} is no text") from None


def _saved(path: Path | None, mask: SecondaryAddress) -> SearchState:
    """The state of an earlier search; what it found is shown again, so that the last output is complete."""
    from mbusbench.errors import MBusUsageError
    from mbusbench.master.search import SearchState

    if path is None or not path.exists():
        return SearchState()
    try:
        state = SearchState.parse(_read(path))
    except MBusUsageError as error:
        raise click.BadParameter(f"{path}: {error}") from None
    if state.mask not in (None, mask):
        raise click.BadParameter(f"{path} is of a search for {state.mask}, not for {mask}")
    state.delivered.clear()
    return state


def _save(path: Path, state: SearchState) -> None:
    """Whole or not at all."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(str(state), "utf-8")
    os.replace(new, path)


async def _search(  # noqa: PLR0917
    master: MBusMaster,
    mask: SecondaryAddress,
    hints: list[SecondaryAddress],
    state: SearchState,
    resume: Path | None,
    form: str | None,
    baudrate: int,
) -> int:
    from mbusbench.master.search import MBusFound

    found = unresolved = 0
    if form == "csv":
        print_csv([_CSV_COLUMNS])
    try:
        with ExitStack() as stack:
            progress = _progress_bar(stack)
            async with master:
                async for entry in master.search(mask, known=hints, state=state, progress=progress):
                    if isinstance(entry, MBusFound):
                        found += 1
                        _show(entry, form)
                    else:
                        unresolved += 1
                        _show_unresolved(entry, form)
    finally:
        if resume is not None and not state.is_complete:
            _save(resume, state)
            message(f"stopped after {state.exchanges} requests; the same command goes on from {resume}")
    if resume is not None:
        resume.unlink(missing_ok=True)
    if not found and not unresolved:
        message(
            f"no meter answers to {mask} at {baudrate} baud ({state.exchanges} requests): check --baudrate and the "
            "cable, or ask for primary addresses with 'mbusbench scan'"
        )
    elif form is None:
        message(f"{found} {'meter' if found == 1 else 'meters'} found with {state.exchanges} requests")
    return METER_FAILED if unresolved else DONE


def _progress_bar(stack: ExitStack) -> Callable[[SearchProgress], object] | None:
    """A bar on stderr where that is a terminal."""
    if not sys.stderr.isatty():
        return None
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    bar = stack.enter_context(
        Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            console=console(stderr=True),
            transient=True,
            redirect_stdout=sys.stdout.isatty(),
        )
    )
    task = bar.add_task("search", total=1.0)
    return lambda now: bar.update(
        task, completed=now.part, description=f"{now.mask}, {now.found} found, {now.exchanges} requests"
    )


def _show(meter: MBusFound, form: str | None) -> None:
    from mbusbench.cli.readings import identity

    if form == "json":
        print_json({"address": meter.secondary_address, "ok": True, "meter": meter.model_dump(mode="json")})
    elif form == "csv":
        print_csv([[getattr(meter, name) for name in _CSV_COLUMNS]])
    else:
        number = f", fabrication number {meter.fabrication_number}" if meter.fabrication_number else ""
        print_line(f"{meter.secondary_address}  {identity(meter)}{number}, address {meter.address}")


def _show_unresolved(entry: MBusUnresolved, form: str | None) -> None:
    if form == "json":
        error = {"kind": entry.kind, "message": entry.message}
        print_json({"address": entry.mask, "ok": False, "error": error})
    else:
        message(f"{entry.mask}  {entry.message}")
