"""`mbusbench decode HEX|FILE|-`: what is in frames of either direction, and what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mbusbench.cli.arguments import key_option
from mbusbench.cli.exit_codes import DONE, METER_FAILED
from mbusbench.cli.output import message, print_json, print_line, reading_options

if TYPE_CHECKING:
    from mbusbench.cli.frame_view import FrameView


@click.command(name="decode")
@click.argument("source", nargs=-1, required=True, metavar="HEX|FILE|-")
@key_option
@reading_options
def command(source: tuple[str, ...], key: bytes | None, form: str | None) -> int:
    """Show what is in a frame, or in several.

    Hex may be given with or without spaces; a file may hold hex text (# begins a comment) or the bytes themselves; - is
    standard input. Exit code 1 says that something in it was wrong. --csv and --xml have the readings only.
    """
    from mbusbench.cli.frame_input import captures, read_frames
    from mbusbench.cli.frame_view import FrameView
    from mbusbench.cli.readings import Printer

    printer = Printer(form)
    bad = False
    for number, (offset, item, raw) in enumerate(read_frames(captures(source))):
        view = FrameView.of(item, raw, offset, key)
        bad |= not view.ok
        if form == "json":
            print_json(view.to_json())
        elif form is None:
            if number:
                print_line()
            _print(view)
        elif view.reading is not None and view.reading.telegrams:
            printer.show(view.reading)
        if form in ("csv", "xml") and not view.ok:
            message(f"mbusbench: {view.title}: {view.problem or 'not read as a whole'}")
    return METER_FAILED if bad else DONE


def _print(view: FrameView) -> None:
    from mbusbench.cli.readings import print_reading

    print_line(view.title, "bold" if view.ok else "bold red")
    print_line(f"  {view.raw.hex(' ').upper()}")
    if view.problem is not None:
        print_line(f"  ! {view.problem}", "red")
    if view.reading is not None:
        print_reading(view.reading, heading=view.reading.serial_number is not None)
