"""`mbusbench encode`: frames out of fields. What `decode --json` prints gives the same bytes again."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mbusbench.cli.exit_codes import DONE, METER_FAILED
from mbusbench.cli.output import message, print_line

if TYPE_CHECKING:
    from mbusbench.codec.frame import Frame

LARGEST_INPUT = 64 * 2**20


class _EncodeGroup(click.Group):
    """`encode FILE` is `encode json FILE`: the first argument is a file unless it is the name of a frame."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            args = ["json", *args]
        return super().resolve_command(ctx, args)


@click.group(name="encode", cls=_EncodeGroup, no_args_is_help=False, subcommand_metavar="FILE|- | COMMAND [ARGS]...")
def command() -> None:
    """Build frames and print them as hex.

    With FILE or - (standard input): JSON objects as `decode --json` prints them, or written by hand (docs/json.md).
    With the name of a frame: that frame.
    """


def _binary_option(function: click.decorators.FC) -> click.decorators.FC:
    return click.option("--binary", is_flag=True, help="The bytes themselves instead of hex.")(function)


_address = click.argument("address", type=click.IntRange(0, 255))
_fcb = click.option("--fcb", type=click.IntRange(0, 1), default=1, show_default=True, help="The frame count bit.")


@command.command(name="json")
@click.argument("file")
@_binary_option
def json_frames(file: str, binary: bool) -> int:
    """Frames from JSON objects; FILE is a file or -."""
    from mbusbench.cli.frame_fields import RejectedFrameError, build_frame, json_objects

    skipped = 0
    for number, fields in enumerate(json_objects(_read_text(file)), 1):
        try:
            _write(build_frame(fields, f"object {number}"), binary)
        except RejectedFrameError as error:
            message(f"mbusbench: {error}")
            skipped += 1
    return METER_FAILED if skipped else DONE


@command.command(name="snd-nke")
@_address
@_binary_option
def snd_nke(address: int, binary: bool) -> None:
    """SND_NKE: link reset."""
    from mbusbench.codec.control_field import SND_NKE
    from mbusbench.codec.frame import ShortFrame

    _write(ShortFrame(SND_NKE, address), binary)


@command.command(name="request")
@_address
@click.option("--ud1", "request", flag_value="ud1", help="REQ_UD1: alarms.")
@click.option("--ud2", "request", flag_value="ud2", default=True, help="REQ_UD2: data (the default).")
@_fcb
@_binary_option
def request_frame(address: int, request: str, fcb: int, binary: bool) -> None:
    """REQ_UD2 or REQ_UD1."""
    from mbusbench.codec.control_field import REQ_UD1, REQ_UD2, with_fcb
    from mbusbench.codec.frame import ShortFrame

    _write(ShortFrame(with_fcb(REQ_UD1 if request == "ud1" else REQ_UD2, fcb), address), binary)


@command.command(name="select")
@click.argument("secondary")
@_fcb
@_binary_option
def select_frame(secondary: str, fcb: int, binary: bool) -> None:
    """SND_UD that selects a meter: 1234567824231A07 or HYD-12345678-1A-07, F and * being wildcards."""
    from mbusbench.codec.address import SELECTED, SecondaryAddress
    from mbusbench.codec.control_field import SND_UD, with_fcb
    from mbusbench.codec.frame import LongFrame

    _write(LongFrame(with_fcb(SND_UD, fcb), SELECTED, 0x52, SecondaryAddress.parse(secondary).encode()), binary)


def _write(frame: Frame, binary: bool) -> None:
    if binary:
        sys.stdout.buffer.write(frame.encode())
        sys.stdout.buffer.flush()
    else:
        print_line(frame.encode().hex(" ").upper())


def _read_text(file: str) -> str:
    if file == "-":
        data = sys.stdin.buffer.read(LARGEST_INPUT + 1)
    else:
        path = Path(file)
        if not path.exists():
            names: Iterable[str] = command.commands
            raise click.UsageError(f"{file!r} is no file, and no frame: {', '.join(names)}")
        with path.open("rb") as opened:
            data = opened.read(LARGEST_INPUT + 1)
    if len(data) > LARGEST_INPUT:
        raise click.UsageError(f"the input is larger than {LARGEST_INPUT // 2**20} MiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{file} is no JSON: byte {error.start} is no UTF-8") from None
