"""`mbusbench conform`: the conformance catalogue against a master, sanity first and last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mbusbench.cli.judging_options import Request, judging_options

if TYPE_CHECKING:
    from mbusbench.scenario.matrix import Variant


@click.command(name="conform")
@judging_options
def command(**values: Any) -> int:
    """Run the conformance catalogue against a master, ours if none is named.

    SAN-01 runs first: where it is not passed, nothing else is tried. SAN-02 runs last.

    Exit codes: 0 passed, 1 a case failed, 2 the command line or a file is wrong, 3 the master does not start, does not
    keep the driver protocol, or fails sanity, 4 the bench broke.
    """
    from mbusbench.cli.judging import judge
    from mbusbench.scenario.selection import catalogue, read_cases, sanity_at_the_ends

    return judge(Request.of(values), sanity_at_the_ends(read_cases([catalogue()])), _words, sanity=True)


def _words(variant: Variant, master: str, transport: str) -> list[str]:
    words = ["mbusbench", "conform", "--master", master]
    return words + ([] if transport == "tcp" else ["--transport", transport])
