"""`mbusbench explore SCENARIO...`: scenarios under random fault schedules."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mbusbench.cli.exploring_options import chosen_variants, exploring_options, setting_of, words_of
from mbusbench.cli.output import json_option, print_json, print_line

if TYPE_CHECKING:
    from mbusbench.scenario.exploring.explore import Outcome, Setting
    from mbusbench.scenario.file.matrix import Variant

_SEEDS = re.compile(r"([0-9]{1,12})(?:\.\.([0-9]{1,12}))?")
_MOST_SEEDS = 10_000_000


def _seeds(context: click.Context, parameter: click.Parameter, text: str) -> range:
    match = _SEEDS.fullmatch(text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if not 0 <= last - first < _MOST_SEEDS:
        raise click.BadParameter(f"{text} is not a range of seeds such as 0..99")
    return range(first, last + 1)


@click.command(name="explore")
@click.argument("paths", metavar="SCENARIO...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--seeds", default="0..99", show_default=True, metavar="A..B", callback=_seeds, help="Of the schedules.")
@exploring_options
@click.option("--jobs", type=click.IntRange(1, 256), help="How many at a time.")
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write each schedule that fails as a scenario, not shrunk.",
)
@click.option("--first", is_flag=True, help="Stop at the first failure.")
@json_option
def command(
    *,
    paths: tuple[Path, ...],
    seeds: range,
    master: str,
    select: str,
    jobs: int | None,
    keep: Path | None,
    first: bool,
    as_json: bool,
    **values: Any,
) -> int:
    """Run scenarios under random faults, on top of their own, and tell which seeds the master does not survive.

    What is judged is what holds whatever happens: the invariants, the truth of the report, no crash and no hang.

    Exit codes: 0 survived, 1 a schedule failed, 2 the command line or a file is wrong, 4 the bench broke.
    """
    from mbusbench.scenario.exploring.explore import explore_all
    from mbusbench.scenario.verdict import ExitCode, Verdict

    setting = setting_of(values)
    variants = {each.name: each for each in chosen_variants(paths, select)}
    counts: dict[Verdict, int] = dict.fromkeys(Verdict, 0)
    schedules = faults = acted = 0
    running = explore_all(list(variants.values()), seeds, master, setting, jobs or len(os.sched_getaffinity(0)))
    for each in running:
        schedules, faults, acted = schedules + 1, faults + each.faults, acted + each.acted
        counts[each.verdict] += 1
        if as_json:
            print_json(_as_data(each))
        if each.verdict in (Verdict.FAIL, Verdict.ERROR):
            variant = variants[each.name]
            if not as_json:
                _tell(each, variant, master, setting)
            if keep is not None and each.verdict is Verdict.FAIL:
                _keep(variant, each, keep, setting)
            if first:
                break
    if not as_json:
        tally = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
        print_line(f"{schedules} schedules, {acted} of {faults} faults acted: {tally or 'none'}")
    if counts[Verdict.ERROR]:
        return int(ExitCode.BENCH)
    return int(ExitCode.FAILED if counts[Verdict.FAIL] else ExitCode.PASSED)


def _as_data(each: Outcome) -> dict[str, Any]:
    return {
        "name": each.name,
        "seed": each.seed,
        "verdict": each.verdict,
        "failures": each.failures,
        "findings": each.findings,
        "reason": each.reason,
        "faults": each.faults,
        "acted": each.acted,
        "plain": each.is_plain,
    }


def _tell(each: Outcome, variant: Variant, master: str, setting: Setting) -> None:
    what = each.findings[0] if each.findings else each.reason
    further = f" (and {len(each.findings) - 1} more)" if len(each.findings) > 1 else ""
    print_line(f"{each.name} seed {each.seed}: {each.verdict.upper()}  {' '.join(what.split())}{further}")
    if each.verdict == "error":
        return
    words = words_of("run" if each.is_plain else "shrink", variant.path, master, setting)
    seeds = _seeds_of(setting, "--seed", []) if each.is_plain else _seeds_of(setting, "--bus-seed", [each.seed])
    print_line(f"    {shlex.join([*words, '-k', each.name, *seeds])}")


def _seeds_of(setting: Setting, name: str, seeds: Sequence[int]) -> list[str]:
    words = [word for seed in seeds for word in ("--seed", str(seed))]
    words += [name, str(setting.bus_seed)] if setting.bus_seed else []
    return words + (["--faults", str(setting.most)] if seeds and setting.most != 5 else [])


def _keep(variant: Variant, each: Outcome, directory: Path, setting: Setting) -> None:
    from mbusbench.scenario.exploring.keeping import kept, kept_id
    from mbusbench.scenario.exploring.schedule import drawn, own_faults

    directory.mkdir(parents=True, exist_ok=True)
    schedule = [*own_faults(variant), *drawn(variant, each.seed, setting.most)]
    letter = str(each.seed)
    title = f"{variant.definition.title}, under {len(schedule)} faults: {', '.join(each.failures)}"
    text = kept(variant, schedule, directory, title=title, letter=letter)
    (directory / f"{kept_id(variant, letter)}.yaml").write_text(text, encoding="utf-8")
