"""What `import` and `record` share: where files go, what is left out of them, and how fast values move."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mbusbench.cli.output import message

if TYPE_CHECKING:
    from mbusbench.recording.files import RecordedBus
    from mbusbench.recording.survey import RecordedMeter

_KEY_BYTES = 16


def _duration(context: click.Context, parameter: click.Parameter, text: str | None) -> int | None:
    if text is None:
        return None
    from mbusbench.definition.fields import duration

    found = duration(text)
    if not found:
        raise click.BadParameter(f"{text!r} is no duration such as 90s, 15min or 1d", context, parameter)
    return found


def output_options(command: Any) -> Any:
    """`--output`, `--force`, `--anonymise`, `--anonymise-key`, `--interval`, `--source`."""
    for option in reversed(
        (
            click.option(
                "--output",
                type=click.Path(file_okay=False, path_type=Path),
                metavar="DIRECTORY",
                help="Write a file for each device there, and bus.yaml.",
            ),
            click.option("--force", is_flag=True, help="Write over files that are there."),
            click.option("--anonymise", is_flag=True, help="Replace numbers and texts that name a meter or its owner."),
            click.option(
                "--anonymise-key",
                metavar="TEXT",
                help="Replace them in the same way as with this key before; otherwise each time in another way.",
            ),
            click.option(
                "--interval",
                callback=_duration,
                metavar="DURATION",
                help="Between two readouts of a meter: what moved in between goes on at that rate.",
            ),
            click.option("--source", "origin", metavar="TEXT", help="Where it was recorded, for the device files."),
        )
    ):
        command = option(command)
    return command


def report(meters: Sequence[RecordedMeter], options: dict[str, Any], *, baud: int, built: bool = False) -> None:
    """Print the device, or write the files and say so."""
    from mbusbench.recording.anonymity import Anonymity
    from mbusbench.recording.files import Options, recorded_bus

    key = options["anonymise_key"]
    anonymity = None
    if options["anonymise"] or key is not None:
        anonymity = Anonymity(secrets.token_bytes(_KEY_BYTES) if key is None else key.encode())
    chosen = Options(baud, options["interval"], options["origin"], options["key"], anonymity, built)
    recorded = recorded_bus(meters, chosen)
    for note in recorded.notes:
        message(f"mbusbench: {note}")
    if options["output"] is None:
        _print(recorded)
    else:
        _write(recorded, options["output"], force=options["force"])


def _print(recorded: RecordedBus) -> None:
    if len(recorded.devices) > 1:
        raise click.UsageError(f"{len(recorded.devices)} meters: --output DIRECTORY takes their files")
    ((name, _),) = recorded.devices.items()
    click.echo(recorded.texts()[name], nl=False)


def _write(recorded: RecordedBus, directory: Path, *, force: bool) -> None:
    from mbusbench.recording.files import BUS_FILE, telegrams_of, write

    write(recorded, directory, force=force)
    counts = f"{_count(len(recorded.devices), 'meter')}, {_count(telegrams_of(recorded), 'telegram')}"
    message(f"mbusbench: {counts}: {directory / BUS_FILE}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
