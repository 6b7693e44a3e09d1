"""The options that `explore` and `shrink` share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import click

if TYPE_CHECKING:
    from pathlib import Path

    from mbusbench.scenario.driver.action import Transport
    from mbusbench.scenario.exploring.explore import Setting
    from mbusbench.scenario.file.matrix import Variant

_OPTIONS = (
    click.option("--master", default="builtin", metavar="DRIVER", help="builtin, a shipped driver, or a driver file."),
    click.option(
        "--transport",
        type=click.Choice(["tcp", "tty", "rfc2217"]),
        default="tcp",
        help="How a foreign master reaches the bus, tcp if not given.",
    ),
    click.option("-k", "select", metavar="EXPR", default="", help="Only variants with this in their name or title."),
    click.option("--faults", type=click.IntRange(1, 20), default=5, show_default=True, help="Most in one schedule."),
    click.option("--bus-seed", type=click.IntRange(0, 2**63), default=0, help="Of everything else that is random."),
    click.option("--without", multiple=True, metavar="INV-nn", help="Switch an invariant off; may be repeated."),
)


def exploring_options(command: Any) -> Any:
    """Decorator."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def setting_of(values: dict[str, Any]) -> Setting:
    """What they say, taken out of a command's arguments."""
    from mbusbench.scenario.exploring.explore import Setting
    from mbusbench.scenario.file.definition import INVARIANTS

    names = tuple(values.pop("without"))
    for name in names:
        if name not in INVARIANTS:
            raise click.BadParameter(f"{name} is no invariant: INV-01 to INV-20", param_hint="--without")
    transport = cast("Transport", values.pop("transport"))
    return Setting(values.pop("bus_seed"), values.pop("faults"), transport, names)


def chosen_variants(paths: tuple[Path, ...], select: str) -> list[Variant]:
    """DefinitionError where a file is wrong, MBusUsageError where nothing is left."""
    from mbusbench.errors import MBusUsageError
    from mbusbench.scenario.run.selection import chosen, read_cases

    every = read_cases(paths)
    found = chosen(every, select) if select else every
    if not found:
        raise MBusUsageError(f"-k {select!r} means none of the {len(every)} cases")
    return found


def words_of(command: str, path: Path, master: str, setting: Setting) -> list[str]:
    """The command with what is not as it is anyway."""
    words = ["mbusbench", command, str(path)]
    words += [] if master == "builtin" else ["--master", master]
    words += [] if setting.transport == "tcp" else ["--transport", setting.transport]
    for name in setting.without:
        words += ["--without", name]
    return words
