"""`mbusbench shrink SCENARIO`: the smallest fault schedule that still fails, as a scenario to keep."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mbusbench.cli.exploring_options import chosen_variants, exploring_options, setting_of, words_of
from mbusbench.cli.output import message, print_line, print_text

if TYPE_CHECKING:
    from mbusbench.scenario.case import Judgement
    from mbusbench.scenario.driver import MasterUnderTest
    from mbusbench.scenario.exploring.explore import Setting
    from mbusbench.scenario.exploring.schedule import Entry
    from mbusbench.scenario.exploring.shrink import Shrinking
    from mbusbench.scenario.file.matrix import Variant

_RUNS = 2000
_RUNS_OF_PROCESSES = 200


@click.command(name="shrink")
@click.argument("path", metavar="SCENARIO", type=click.Path(path_type=Path))
@click.option("--seed", type=click.IntRange(0), help="Of the schedule, as `explore` names it; else its own faults.")
@exploring_options
@click.option("--runs", type=click.IntRange(1), help="How many schedules are tried at most.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Where it is written.")
def command(
    *, path: Path, seed: int | None, master: str, select: str, runs: int | None, out: Path | None, **values: Any
) -> int:
    """Reduce a fault schedule that a master does not survive, and write what is left as a scenario.

    Faults that are not needed go first, then conditions, numbers and data. `mbusbench run` fails what is written until
    the master is mended.

    Exit codes: 0 done, 1 the schedule does not fail, 2 the command line or a file is wrong.
    """
    from mbusbench.scenario.driver.opening import open_master

    setting = setting_of(values)
    under_test = open_master(master)
    runs = runs or (_RUNS if under_test.is_virtual else _RUNS_OF_PROCESSES)
    variants = chosen_variants((path,), select)
    for variant in variants:
        found = _shrunk(variant, seed, under_test, setting, runs)
        if found is not None:
            schedule, judgement, shrinking = found
            _write(variant, schedule, judgement, out, seed)
            _tell(schedule, judgement, shrinking, out=out, master=master, setting=setting)
            return 0
    names = variants[0].name if len(variants) == 1 else f"none of the {len(variants)} variants"
    which = "its own faults" if seed is None else f"the faults of seed {seed}"
    message(f"mbusbench: {names} fails under {which}" if len(variants) > 1 else _survived(names, which))
    return 1


def _survived(name: str, which: str) -> str:
    return f"mbusbench: {name} does not fail under {which} by what holds whatever happens: there is nothing to shrink"


def _shrunk(
    variant: Variant, seed: int | None, master: MasterUnderTest, setting: Setting, runs: int
) -> tuple[list[Entry], Judgement, Shrinking] | None:
    from mbusbench.scenario.exploring.explore import run_schedule
    from mbusbench.scenario.exploring.schedule import drawn, own_faults
    from mbusbench.scenario.exploring.shrink import Shrinking

    random = [] if seed is None else drawn(variant, seed, setting.most)
    needed = frozenset(name for step in variant.definition.all_steps() for name in step.names())
    shrinking = Shrinking(lambda entries: run_schedule(variant, entries, master, setting), needed, runs)
    schedule = shrinking.shrink([*own_faults(variant), *random])
    if schedule is None:
        return None
    return schedule, run_schedule(variant, schedule, master, setting), shrinking


def _write(variant: Variant, schedule: list[Entry], judgement: Judgement, out: Path | None, seed: int | None) -> None:
    from mbusbench.scenario.exploring.explore import failures
    from mbusbench.scenario.exploring.keeping import kept

    count = "no fault" if not schedule else "1 fault" if len(schedule) == 1 else f"{len(schedule)} faults"
    title = f"{variant.definition.title}, under {count}: {', '.join(sorted(failures(judgement)))}"
    found = [" ".join(str(each).split()) for each in judgement.findings if each.verdict == "fail"]
    where = f"{variant.name}, seed {seed}" if seed is not None else variant.name
    text = kept(
        variant,
        schedule,
        Path.cwd() if out is None else out.parent,
        title=title,
        letter="" if seed is None else str(seed),
        comments=[f"Shrunk from {where}.", *found[:3]],
    )
    if out is None:
        print_text(text)
    else:
        out.write_text(text, encoding="utf-8")


def _tell(
    schedule: list[Entry],
    judgement: Judgement,
    shrinking: Shrinking,
    *,
    out: Path | None,
    master: str,
    setting: Setting,
) -> None:
    """What is left; on stderr where stdout is the scenario."""
    say = message if out is None else print_line
    say(f"{judgement.name}: {shrinking.began} faults, {len(schedule)} left after {shrinking.runs} runs")
    for entry in schedule:
        say(f"    {entry}")
    for finding in judgement.findings:
        if finding.verdict == "fail":
            say(f"    {finding}")
    if out is not None:
        words = words_of("run", out, master, setting)
        say(shlex.join([*words, "--seed", str(setting.bus_seed)] if setting.bus_seed else words))
