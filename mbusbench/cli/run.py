"""`mbusbench run PATH...`: scenarios against a master."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mbusbench.cli.judging import Request, judge, judging_options

if TYPE_CHECKING:
    from mbusbench.scenario.matrix import Variant


def _run(*, request: Request, paths: tuple[Path, ...]) -> int:
    """Run scenarios against a master: files, or directories with all that is in them.

    Exit codes: 0 passed; 1 a case failed; 2 the command line or a file is wrong; 3 the master does not start or does
    not keep the driver protocol; 4 the bench broke.
    """
    from mbusbench.scenario.selection import read_cases

    def command(variant: Variant, master: str, transport: str) -> list[str]:
        words = ["mbusbench", "run", str(variant.path)]
        words += ["--master", master] if master != "builtin" else []
        return words + (["--transport", transport] if transport != "tcp" else [])

    return judge(request, read_cases(paths), sanity=False, command=command)


command = click.command(name="run")(
    click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))(
        judging_options(_run)
    )
)
