"""`mbusbench conform`: the conformance catalogue against a master, sanity first and last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mbusbench.cli.judging_options import Request, judging_options

if TYPE_CHECKING:
    from mbusbench.scenario.file.matrix import Variant


def _seconds(context: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    if text is None:
        return None
    from mbusbench.definition.fields import duration

    found = duration(f"{text}in" if text.endswith("m") else text)
    if found is None:
        raise click.BadParameter(f"{text!r} is no duration such as 90s, 10m or 1h", context, parameter)
    return found / 1e9


@click.command(name="conform")
@judging_options
@click.option("--for", "duration", metavar="DURATION", callback=_seconds, help="Of --master passive: how long, 10m.")
@click.option(
    "--listen",
    metavar="ENDPOINT",
    help="Of --master passive: where it polls, as tcp://0.0.0.0:10001 or pty:///tmp/mbus.",
)
@click.option("--quiet", metavar="DURATION", callback=_seconds, help="Of --master passive: pause between cases, 60s.")
def command(duration: float | None, listen: str | None, quiet: float | None, **values: Any) -> int:
    """Run the conformance catalogue against a master, ours if none is named.

    SAN-01 runs first: where it is not passed, nothing else is tried. SAN-02 runs last.

    With --master passive somebody polls by himself (a PLC, a gateway): the bus is served for the time of --for, with
    the faults of one case after the other, and what he sends is judged.

    Exit codes: 0 passed, 1 a case failed, 2 the command line or a file is wrong, 3 the master does not start, does not
    keep the driver protocol, fails sanity, or nobody polls, 4 the bench broke.
    """
    from mbusbench.cli.judging import Watch, judge
    from mbusbench.scenario.run.selection import catalogue, read_cases, sanity_at_the_ends

    request = Request.of(values)
    watch = None
    if "passive" in request.masters:
        if len(request.masters) > 1 or request.transports or request.jobs:
            raise click.UsageError("--master passive goes with --listen, not with --transport, --jobs or other masters")
        if duration is None:
            raise click.UsageError("--master passive needs --for, as --for 10m")
        watch = Watch(duration, 60.0 if quiet is None else quiet, listen or "tcp://127.0.0.1:0")
    elif any(each is not None for each in (duration, listen, quiet)):
        raise click.UsageError("--for, --listen and --quiet go with --master passive")
    return judge(request, sanity_at_the_ends(read_cases([catalogue()])), _words, sanity=True, watch=watch)


def _words(variant: Variant, master: str, transport: str) -> list[str]:
    words = ["mbusbench", "conform", "--master", master]
    if master == "passive":
        return [*words, "--for", "10m"]
    return words + ([] if transport == "tcp" else ["--transport", transport])
