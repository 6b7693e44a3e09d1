"""`mbusbench import`: recorded telegrams, logs, traces and XML as device files and a bus file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mbusbench.cli.arguments import key_option
from mbusbench.cli.recording_options import output_options, report

if TYPE_CHECKING:
    from mbusbench.recording.sources import Recording


@click.command(name="import")
@click.argument("source", nargs=-1, metavar="FILE...|-")
@click.option("--hex", "text", metavar="HEX", help="The telegrams themselves, as hex.")
@click.option("--baudrate", type=click.IntRange(300, 38400), help="Of the bus, where the input does not say.")
@key_option
@output_options
def command(source: tuple[str, ...], text: str | None, baudrate: int | None, **options: Any) -> None:
    """Make device files and a bus file of what was recorded.

    A file holds hex (a telegram a line, or folded), a log of requests and answers, a trace of ours, XML of libmbus, or
    frames as bytes; - is standard input. Without --output the one device is printed. docs/recording.md has the grammar.
    """
    from mbusbench.recording.survey import survey

    if (text is None) == (not source):
        raise click.UsageError("give either files or --hex")
    recordings = [_read(name) for name in source] if text is None else [_recording(text.encode(), "--hex")]
    meters = []
    for name, recording in zip(source or ("--hex",), recordings, strict=True):
        for note in recording.notes:
            click.echo(f"mbusbench: {name}: {note}", err=True)
        meters += survey(recording.events, timed=recording.timed)
    report(meters, options, baud=baudrate or 0, built=any(recording.built for recording in recordings))


def _read(name: str) -> Recording:
    from mbusbench.recording.sources import LARGEST

    if name == "-":
        return _recording(sys.stdin.buffer.read(LARGEST + 1), "standard input")
    path = Path(name)
    if not path.is_file():
        raise click.UsageError(f"{name!r:.80} is no file")
    with path.open("rb") as file:
        return _recording(file.read(LARGEST + 1), name)


def _recording(data: bytes, name: str) -> Recording:
    from mbusbench.recording.sources import read_recording

    return read_recording(data, name)
