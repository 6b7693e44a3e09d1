"""What commands print: tables for people, one JSON object a line for programs, messages to stderr.

What a meter sent is never printed raw: a character that is not printable could steer a terminal.
"""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from mbusbench.errors import MBusError

_PIPE_WIDTH = 1000  # a file has no right edge


def json_option(command: Any) -> Any:
    """The option that every command with a result has."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")(command)


def reading_options(command: Any) -> Any:
    """How readings are printed, as `form`: "json", "csv" or "xml", None for tables."""
    for option in (
        click.option("--xml", "form", flag_value="xml", help="XML as libmbus prints it, one document a meter."),
        click.option("--csv", "form", flag_value="csv", help="One line for each record, with a heading."),
        click.option("--json", "form", flag_value="json", help="One JSON object a line, for programs."),
    ):
        command = option(command)
    return command


def print_json(value: dict[str, Any]) -> None:
    """One object on one line of stdout, visible at once to whoever reads the pipe."""
    ascii_only = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    click.echo(json.dumps(value, ensure_ascii=ascii_only, allow_nan=False, default=_plain))
    sys.stdout.flush()


def print_csv(rows: Iterable[Sequence[object]]) -> None:
    """Lines of RFC 4180 with plain line ends, visible at once to whoever reads the pipe."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [printable(cell) if isinstance(cell, str) else cell for cell in row] for row in rows
    )
    print_text(text.getvalue())


def print_text(text: str) -> None:
    """Text that is ready, to stdout, visible at once to whoever reads the pipe."""
    click.echo(text, nl=False)
    sys.stdout.flush()


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def error_fields(error: MBusError) -> dict[str, str]:
    """An error as `--json` shows it."""
    return {"kind": error.kind, "message": str(error)}


def message(text: str) -> None:
    """A line for the person who watches; not part of the result."""
    click.echo(printable(text), err=True)


def printable(text: str) -> str:
    """The text with everything that is not printable replaced."""
    return "".join(character if character.isprintable() else "�" for character in text)


def console(*, stderr: bool = False) -> Console:
    """Where tables and progress go. Colour only on a terminal, and not with NO_COLOR."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    terminal = stream.isatty()
    return Console(
        file=stream,
        force_terminal=terminal,
        width=None if terminal else _PIPE_WIDTH,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=False,
    )


def _styled() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def print_line(text: str = "", style: str | None = None) -> None:
    """One line of text on stdout."""
    if style is None or not _styled():
        click.echo(printable(text))
        return
    console().print(printable(text), style=style, soft_wrap=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> None:
    """A table on stdout; columns named in `right` are aligned to the right. Columns without content are left out."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    texts = [[printable("" if cell is None else str(cell)) for cell in row] for row in rows]
    used = [index for index in range(len(columns)) if not texts or any(row[index] for row in texts)]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold" if _styled() else "")
    for index in used:
        table.add_column(columns[index], justify="right" if columns[index] in right else "left", overflow="fold")
    for row in texts:
        table.add_row(*(Text(row[index]) for index in used))
    target = console()
    with target.capture() as capture:
        target.print(table)
    for line in capture.get().splitlines():
        click.echo(line.rstrip())
