"""`mbusbench import`: recorded telegrams as device files."""

from __future__ import annotations

import click


@click.command(name="import")
@click.argument("source", nargs=-1, metavar="FILE|-")
@click.option("--hex", "text", metavar="HEX", help="The telegrams themselves, as hex.")
def command(source: tuple[str, ...], text: str | None) -> None:
    """Make device files of recorded telegrams, printed as YAML."""
    from mbusbench.cli.frame_input import captures, read_frames
    from mbusbench.codec.frame import LongFrame
    from mbusbench.definition.yaml_text import yaml_text
    from mbusbench.meter.recording import Readout, device_data

    if (text is None) == (not source):
        raise click.UsageError("give either files or --hex")
    pieces = captures((text,) if text is not None else source)
    frames = [item for _, item, _ in read_frames(pieces) if isinstance(item, LongFrame)]
    if not frames:
        raise click.UsageError("there is no whole telegram in it")
    click.echo(yaml_text(device_data([Readout(tuple(frames))])), nl=False)
