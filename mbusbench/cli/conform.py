"""`mbusbench conform`: the conformance catalogue against a master, sanity first and last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mbusbench.cli.judging import Request, judge, judging_options

if TYPE_CHECKING:
    from mbusbench.scenario.matrix import Variant


def _conform(*, request: Request) -> int:
    """Run the conformance catalogue against a master, ours if none is named.

    SAN-01 runs first: where it is not passed, nothing else is tried. SAN-02 runs last.
    Exit codes: 0 passed; 1 a case failed; 2 the command line or a file is wrong; 3 the master does not start, does not
    keep the driver protocol, or fails sanity; 4 the bench broke.
    """
    from mbusbench.scenario.selection import catalogue, read_cases, sanity_at_the_ends

    def command(variant: Variant, master: str, transport: str) -> list[str]:
        words = ["mbusbench", "conform", "--master", master]
        return words + (["--transport", transport] if transport != "tcp" else [])

    return judge(request, sanity_at_the_ends(read_cases([catalogue()])), sanity=True, command=command)


command = click.command(name="conform")(judging_options(_conform))
