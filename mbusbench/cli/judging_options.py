"""The options of `run` and `conform`, and of `report` those that name files."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click

if TYPE_CHECKING:
    from mbusbench.scenario.run.runner import Options

_FILE = click.Path(dir_okay=False, path_type=Path)
_OUTPUTS = (
    click.option("--json", "json_file", type=_FILE, help="Write results for programs."),
    click.option("--junit", type=_FILE, help="Write JUnit XML."),
    click.option("--html", type=_FILE, help="Write one page with everything in it."),
    click.option("--markdown", type=_FILE, help="Write a table of masters by cases."),
    click.option("--github", is_flag=True, help="Print annotations for GitHub Actions, too."),
)
_SELECTION = (
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
    click.option("--seed", type=click.IntRange(0, 2**63), default=0, show_default=True, help="Of everything random."),
    click.option("--jobs", type=click.IntRange(1, 256), help="How many cases at a time."),
    click.option("--without", multiple=True, metavar="INV-nn", help="Switch an invariant off; may be repeated."),
    click.option("--strict", is_flag=True, help="What is non-strict counts as a failure."),
    click.option("--allow-inconclusive", is_flag=True, help="What the bench could not see is no failure."),
    click.option("--baseline", type=_FILE, help="Failures that are known, as YAML."),
    click.option("--write-baseline", type=_FILE, help="Write the failures of this run as known ones."),
    click.option(
        "--artifacts",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        help="Where the trace of each case and a manifest are put.",
    ),
)


@dataclass(frozen=True, slots=True)
class Files:
    """What is written of results, and where."""

    json_file: Path | None = None
    junit: Path | None = None
    html: Path | None = None
    markdown: Path | None = None
    github: bool = False

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """From a command's arguments, which are taken out."""
        return cls(**{field.name: values.pop(field.name) for field in fields(cls)})

    def all(self) -> list[Path]:
        """The files."""
        return [each for each in (self.json_file, self.junit, self.html, self.markdown) if each is not None]


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line says of masters and cases."""

    files: Files
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
    artifacts: Path | None

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """From a command's arguments, which are taken out."""
        files = Files.of(values)
        return cls(files, **{field.name: values.pop(field.name) for field in fields(cls) if field.name != "files"})

    def options(self, *, sanity: bool) -> Options:
        """Those of the runner."""
        from mbusbench.scenario.run.runner import Options

        return Options(self.seed, self.jobs, self.without, self.strict, self.allow_inconclusive, self.artifacts, sanity)


def output_options(command: Any) -> Any:
    """`Files.of` has them."""
    for option in reversed(_OUTPUTS):
        command = option(command)
    return command


def judging_options(command: Any) -> Any:
    """`Request.of` has them."""
    for option in reversed((*_SELECTION, *_OUTPUTS)):
        command = option(command)
    return command
