"""`mbusbench report FILE...`: results that `run` or `conform` wrote with --json, in other forms and side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mbusbench.cli.judging_options import Files, output_options


@click.command(name="report")
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@output_options
def command(*, paths: tuple[Path, ...], **values: Any) -> None:
    """Show results that `run` or `conform` wrote with --json: those of several files as one matrix."""
    from mbusbench.cli.judging import write_files
    from mbusbench.cli.output import print_line
    from mbusbench.scenario.output import text
    from mbusbench.scenario.output.results import joined, load

    files = Files.of(values)
    results = joined(load(path) for path in paths)
    write_files(results, files)
    if not files.all() and not files.github:
        for line in text.report(results):
            print_line(line)
