"""`mbusbench run PATH...`: scenarios against a master."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mbusbench.cli.judging_options import Request, judging_options

if TYPE_CHECKING:
    from mbusbench.scenario.file.matrix import Variant


@click.command(name="run")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
@judging_options
def command(*, paths: tuple[Path, ...], **values: Any) -> int:
    """Run scenarios against a master, ours if none is named: files, or directories with all that is in them.

    Exit codes: 0 passed, 1 a case failed, 2 the command line or a file is wrong, 3 the master does not start or does
    not keep the driver protocol, 4 the bench broke.
    """
    from mbusbench.cli.judging import judge
    from mbusbench.scenario.run.selection import read_cases

    request = Request.of(values)
    if "passive" in request.masters:
        raise click.UsageError("somebody who polls by himself is judged by mbusbench conform --master passive")
    return judge(request, read_cases(paths), _words, sanity=False)


def _words(variant: Variant, master: str, transport: str) -> list[str]:
    words = ["mbusbench", "run", str(variant.path)]
    words += [] if master == "builtin" else ["--master", master]
    return words + ([] if transport == "tcp" else ["--transport", transport])
