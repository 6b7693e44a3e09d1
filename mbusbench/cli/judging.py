"""What `run` and `conform` do: the masters one after the other, the progress bar, and what is made of the results."""

from __future__ import annotations

import json
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, cast

import click

from mbusbench.cli.exit_codes import INTERRUPTED
from mbusbench.cli.judging_options import Files, Request
from mbusbench.cli.output import console, message, print_line

if TYPE_CHECKING:
    from mbusbench.scenario.driver.action import Transport
    from mbusbench.scenario.file.matrix import Variant
    from mbusbench.scenario.output.results import FileHash, Results, VariantResult
    from mbusbench.scenario.run.runner import MasterRun

Words = Callable[["Variant", str, str], list[str]]
"""What repeats a case for a master and a transport, without -k and --seed."""


@dataclass(frozen=True, slots=True)
class Watch:
    """How long, with which pauses (seconds), and where a master is watched that polls by itself."""

    duration: float
    quiet: float
    listen: str


def judge(request: Request, every: Sequence[Variant], words: Words, *, sanity: bool, watch: Watch | None = None) -> int:
    """Run the cases that are wanted against each master, tell, write, and return the exit code.

    `every` are all cases, before -k. DefinitionError or a usage error before anything is run.
    """
    wanted = _wanted(request, every, sanity)
    runs = _runs(request, wanted, words, sanity=sanity, watch=watch)
    _with_baseline(request, every, runs)
    for path in (*request.files.all(), *([request.write_baseline] if request.write_baseline else [])):
        _check_directory(path)
    started, begin = datetime.now(UTC), monotonic()
    interrupted = _performed(runs)
    results = _results(request, runs, wanted, started, seconds=monotonic() - begin, interrupted=interrupted)
    _tell(request, results)
    return INTERRUPTED if interrupted else results.exit_code


def _wanted(request: Request, every: Sequence[Variant], sanity: bool) -> list[Variant]:
    from mbusbench.errors import MBusUsageError
    from mbusbench.scenario.file.definition import INVARIANTS
    from mbusbench.scenario.run.selection import SANITY_FIRST, SANITY_LAST, chosen

    for name in request.without:
        if name not in INVARIANTS:
            raise click.BadParameter(f"{name} is no invariant: INV-01 to INV-20", param_hint="--without")
    wanted = chosen(every, request.select) if request.select else list(every)
    if not wanted:
        raise MBusUsageError(f"-k {request.select!r} means none of the {len(every)} cases")
    if not sanity:
        return wanted
    names = {each.name for each in wanted}
    return [each for each in every if each.name in names or each.id in (SANITY_FIRST, SANITY_LAST)]


def _runs(
    request: Request, wanted: Sequence[Variant], words: Words, *, sanity: bool, watch: Watch | None
) -> list[MasterRun]:
    """One for each master and transport; a master of this process has no transport."""
    from mbusbench.scenario.run.passive import PassiveRun
    from mbusbench.scenario.run.runner import MasterRun

    options = request.options(sanity=sanity)
    if watch is not None:
        repeat = _repeating(request, "passive", "tcp", words)
        return [
            PassiveRun(
                "passive",
                "tcp",
                wanted,
                options,
                repeat,
                duration=watch.duration,
                quiet=watch.quiet,
                listen=watch.listen,
                tell=lambda text: message(f"mbusbench: {text}"),
            )
        ]
    runs: dict[tuple[str, str], MasterRun] = {}
    for master in request.masters or ("builtin",):
        for transport in request.transports or ("tcp",):
            repeat = _repeating(request, master, transport, words)
            each = MasterRun(master, cast("Transport", transport), wanted, options, repeat)
            runs.setdefault((master, each.transport_shown), each)
    return list(runs.values())


def _with_baseline(request: Request, every: Sequence[Variant], runs: Sequence[MasterRun]) -> None:
    from mbusbench.scenario.run.baseline import read_baseline

    if request.write_baseline is not None and len(runs) > 1:
        raise click.UsageError("--write-baseline goes together with one master and one transport")
    if request.baseline is None:
        return
    baseline = read_baseline(request.baseline)
    baseline.check(every, dict.fromkeys(name for run in runs for name in (run.name, run.master)))
    for run in runs:
        run.baseline = baseline if baseline.file.master in (None, run.name, run.master) else None


def _repeating(request: Request, master: str, transport: str, words: Words) -> Callable[[Variant], str]:
    def repeat(variant: Variant) -> str:
        command = [*words(variant, master, transport), "-k", variant.name, "--seed", str(request.seed)]
        for name in request.without:
            command += ["--without", name]
        return shlex.join(command)

    return repeat


def _check_directory(path: Path) -> None:
    """Before the run, not after it."""
    if not path.parent.is_dir():
        raise click.UsageError(f"{path}: there is no directory {path.parent}")


def _performed(runs: Sequence[MasterRun]) -> bool:
    """Whether it was interrupted, by Ctrl-C or by SIGTERM."""
    with ExitStack() as stack:
        if threading.current_thread() is threading.main_thread():
            stack.callback(signal.signal, signal.SIGTERM, signal.signal(signal.SIGTERM, signal.default_int_handler))
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

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bar = stack.enter_context(Progress(*columns, console=console(stderr=True), transient=True))
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
    from mbusbench.scenario.run.runner import sha256

    files = dict.fromkeys(each.path for each in wanted)
    if request.baseline is not None:
        files[request.baseline] = None
    return tuple(FileHash(file=str(path), sha256=sha256(path)) for path in files)


def _tell(request: Request, results: Results) -> None:
    from mbusbench.scenario.output import text

    for line in text.report(results):
        print_line(line)
    write_files(results, request.files)
    if request.artifacts is not None:
        _write_manifest(request.artifacts / "manifest.json", results)
    if request.write_baseline is not None:
        from mbusbench.scenario.run.baseline import write_baseline

        count = write_baseline(request.write_baseline, results.masters[0])
        message(f"mbusbench: {request.write_baseline} has {count} known failures")


def write_files(results: Results, files: Files) -> None:
    """Each file that was asked for, and annotations."""
    if files.json_file is not None:
        from mbusbench.scenario.output.results import encode as as_json

        files.json_file.write_text(as_json(results), encoding="utf-8")
    if files.junit is not None:
        from mbusbench.scenario.output.junit import encode as as_junit

        files.junit.write_bytes(as_junit(results))
    if files.html is not None:
        from mbusbench.scenario.output.html import encode as as_html

        files.html.write_text(as_html(results), encoding="utf-8")
    if files.markdown is not None:
        from mbusbench.scenario.output.markdown import encode as as_markdown

        files.markdown.write_text(as_markdown(results), encoding="utf-8")
    if files.github:
        from mbusbench.scenario.output.github import workflow_commands

        for line in workflow_commands(results):
            print_line(line)


def _write_manifest(path: Path, results: Results) -> None:
    """Beside the directories of traces."""
    masters = [master.model_dump(mode="json", exclude={"cases"}) for master in results.masters]
    whole = {**results.manifest.model_dump(mode="json"), "masters": masters}
    path.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
