"""What `run` and `conform` share: options, the progress bar, and what is written of the results."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

import click

from mbusbench.cli.exit_codes import INTERRUPTED
from mbusbench.cli.output import console, message, print_line

if TYPE_CHECKING:
    from mbusbench.scenario.baseline import Baseline
    from mbusbench.scenario.driver.action import Transport
    from mbusbench.scenario.matrix import Variant
    from mbusbench.scenario.output.results import FileHash, Results, VariantResult
    from mbusbench.scenario.runner import MasterRun, Options

_OUTPUT = click.Path(dir_okay=False, path_type=Path)
_OPTIONS = (
    click.option(
        "--master",
        "masters",
        multiple=True,
        metavar="DRIVER",
        help="builtin, a shipped driver, or a driver file with .yaml; may be repeated.",
    ),
    click.option(
        "--transport",
        "transports",
        type=click.Choice(["tcp", "tty", "rfc2217"]),
        multiple=True,
        help="How a foreign master reaches the bus, tcp if not given; may be repeated.",
    ),
    click.option("-k", "select", metavar="EXPR", default="", help="Only cases with this in their name or title."),
    click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of everything random."),
    click.option("--jobs", type=click.IntRange(1, 256), help="How many cases at a time."),
    click.option("--without", multiple=True, metavar="INV-nn", help="Switch an invariant off; may be repeated."),
    click.option("--strict", is_flag=True, help="What is non-strict counts as a failure."),
    click.option("--allow-inconclusive", is_flag=True, help="What the bench could not see is no failure."),
    click.option("--baseline", type=_OUTPUT, help="Failures that are known, as YAML."),
    click.option("--write-baseline", type=_OUTPUT, help="Write the failures of this run as known ones."),
    click.option("--json", "json_file", type=_OUTPUT, help="Write results for programs."),
    click.option("--junit", type=_OUTPUT, help="Write JUnit XML."),
    click.option("--html", type=_OUTPUT, help="Write one page with everything in it."),
    click.option("--markdown", type=_OUTPUT, help="Write a table of masters by cases."),
    click.option("--github", is_flag=True, help="Print annotations for GitHub Actions, too."),
    click.option(
        "--artifacts",
        type=click.Path(file_okay=False, path_type=Path),
        help="A directory for the trace of each case and a manifest.",
    ),
)


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line says."""

    masters: tuple[str, ...]
    transports: tuple[str, ...]
    select: str
    seed: int
    jobs: int | None
    without: tuple[str, ...]
    strict: bool
    allow_inconclusive: bool
    baseline: Path | None
    write_baseline: Path | None
    json_file: Path | None
    junit: Path | None
    html: Path | None
    markdown: Path | None
    github: bool
    artifacts: Path | None

    def options(self, *, sanity: bool) -> Options:
        """Those of the runner."""
        from mbusbench.scenario.runner import Options

        return Options(self.seed, self.jobs, self.without, self.strict, self.allow_inconclusive, self.artifacts, sanity)


def judging_options(command: Any) -> Any:
    """All options; the command gets them as `request`."""

    def called(**values: Any) -> Any:
        names = Request.__dataclass_fields__
        request = Request(**{name: values.pop(name) for name in names})
        return command(request=request, **values)

    called.__doc__ = command.__doc__
    called.__name__ = command.__name__
    called.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    wrapped: Any = called
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def judge(
    request: Request, every: Sequence[Variant], *, sanity: bool, command: Callable[[Variant, str, str], list[str]]
) -> int:
    """Run the cases that are wanted against each master, tell, write, and return the exit code.

    `every` are all cases, before -k; `command` gives the words that repeat one of them, for a master and a transport.
    """
    from mbusbench.errors import MBusUsageError
    from mbusbench.scenario.definition import INVARIANTS
    from mbusbench.scenario.selection import SANITY_FIRST, SANITY_LAST, chosen

    for name in request.without:
        if name not in INVARIANTS:
            raise click.BadParameter(f"{name} is no invariant: INV-01 to INV-20", param_hint="--without")
    wanted = chosen(every, request.select) if request.select else list(every)
    if not wanted:
        raise MBusUsageError(f"-k {request.select!r} means none of the {len(every)} cases")
    if sanity:
        names = {each.name for each in wanted}
        wanted = [each for each in every if each.name in names or each.id in (SANITY_FIRST, SANITY_LAST)]
    started, begin = datetime.now(UTC), monotonic()
    options = request.options(sanity=sanity)
    if request.artifacts is not None:
        request.artifacts.mkdir(parents=True, exist_ok=True)
    runs = _runs(request, every, wanted, options, command)
    interrupted = _performed(runs)
    results = _results(request, runs, wanted, started, seconds=monotonic() - begin, interrupted=interrupted)
    _tell(request, results)
    return INTERRUPTED if interrupted else results.exit_code


def _runs(
    request: Request,
    every: Sequence[Variant],
    wanted: Sequence[Variant],
    options: Options,
    command: Callable[[Variant, str, str], list[str]],
) -> list[MasterRun]:
    """One for each master and transport; a master of this process has no transport."""
    from mbusbench.scenario.runner import VIRTUAL, MasterRun

    baseline = _baseline(request)
    runs: list[MasterRun] = []
    for master in request.masters or ("builtin",):
        for transport in request.transports or ("tcp",):
            run = MasterRun(
                master,
                cast("Transport", transport),
                wanted,
                options,
                _repeating(request, master, transport, command),
                baseline,
            )
            if run.transport_shown != VIRTUAL or (master, VIRTUAL) not in [(r.master, r.transport_shown) for r in runs]:
                runs.append(run)
    if baseline is not None:
        baseline.check(every, dict.fromkeys(name for run in runs for name in (run.name, run.master)))
        for run in runs:
            about = baseline.file.master
            run.baseline = baseline if about in (None, run.name, run.master) else None
    return runs


def _baseline(request: Request) -> Baseline | None:
    if request.baseline is None:
        return None
    from mbusbench.scenario.baseline import read_baseline

    return read_baseline(request.baseline)


def _repeating(
    request: Request, master: str, transport: str, command: Callable[[Variant, str, str], list[str]]
) -> Callable[[Variant], str]:
    import shlex

    def repeat(variant: Variant) -> str:
        words = command(variant, master, transport)
        words += ["-k", variant.name, "--seed", str(request.seed)]
        for name in request.without:
            words += ["--without", name]
        return shlex.join(words)

    return repeat


def _performed(runs: Sequence[MasterRun]) -> bool:
    """Whether it was interrupted."""
    with ExitStack() as stack:
        advance = _progress_bar(stack, sum(len(run.variants) for run in runs))
        try:
            for run in runs:
                run.run(advance)
        except KeyboardInterrupt:
            return True
    return False


def _progress_bar(stack: ExitStack, total: int) -> Callable[[VariantResult], object]:
    """A bar on stderr where that is a terminal; a function to be called for each result."""
    if not sys.stderr.isatty():
        return lambda result: None
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    bar = stack.enter_context(
        Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console(stderr=True),
            transient=True,
        )
    )
    task = bar.add_task("cases", total=total)
    failed = 0

    def advance(result: VariantResult) -> None:
        nonlocal failed
        failed += result.verdict in ("fail", "error")
        bar.update(task, advance=1, description=f"{result.name}, {failed} failed")

    return advance


def _results(
    request: Request,
    runs: Sequence[MasterRun],
    wanted: Sequence[Variant],
    started: datetime,
    *,
    seconds: float,
    interrupted: bool,
) -> Results:
    import os
    import platform

    from mbusbench import __version__
    from mbusbench.scenario.output.results import Manifest, Results

    masters = tuple(run.result() for run in runs)
    lags = [each.lag for master in masters for case in master.cases for each in case.variants if each.lag is not None]
    manifest = Manifest(
        mbusbench=__version__,
        python=platform.python_version(),
        platform=platform.platform(),
        started=started.isoformat(timespec="seconds"),
        seconds=round(seconds, 3),
        command=("mbusbench", *sys.argv[1:]),
        seed=request.seed,
        jobs=max(run.jobs for run in runs),
        cpus=len(os.sched_getaffinity(0)),
        transports=tuple(dict.fromkeys(run.transport_shown for run in runs)),
        without=request.without,
        select=request.select,
        strict=request.strict,
        allow_inconclusive=request.allow_inconclusive,
        lag=max(lags, default=None),
        files=_hashes(request, wanted),
    )
    code = max(master.exit_code for master in masters)
    return Results(manifest=manifest, interrupted=interrupted, exit_code=code, masters=masters)


def _hashes(request: Request, wanted: Sequence[Variant]) -> tuple[FileHash, ...]:
    from mbusbench.scenario.output.results import FileHash
    from mbusbench.scenario.runner import sha256

    files = dict.fromkeys(each.path for each in wanted)
    if request.baseline is not None:
        files[request.baseline] = None
    return tuple(FileHash(file=str(path), sha256=sha256(path)) for path in files)


def _tell(request: Request, results: Results) -> None:
    from mbusbench.scenario.output import text

    for line in text.report(results):
        print_line(line)
    write_outputs(request, results)
    for master in results.masters:
        if master.exit_code == 1 and not any(case.verdict in ("pass", "non-strict") for case in master.cases):
            message(f"mbusbench: {master.title}: no case passed")


def write_outputs(request: Request, results: Results) -> None:
    """Each file that was asked for."""
    from mbusbench.scenario.output import results as data

    if request.json_file is not None:
        request.json_file.write_text(data.encode(results), encoding="utf-8")
