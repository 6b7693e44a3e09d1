"""The options of `serve` that say where, each a shorter way to write an endpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

_DEFINITION_SUFFIXES = (".yaml", ".yml")


def _checked(
    prefix: str, values: tuple[str, ...], context: click.Context, parameter: click.Parameter
) -> tuple[str, ...]:
    from mbusbench.bus.endpoint import parse_endpoint
    from mbusbench.errors import MBusUsageError

    endpoints = tuple(value if value.startswith(prefix) else prefix + value for value in values)
    for endpoint in endpoints:
        try:
            parse_endpoint(endpoint)
        except MBusUsageError as error:
            raise click.BadParameter(str(error), context, parameter) from None
    return endpoints


def _tcp(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return _checked("tcp://", values, context, parameter)


def _rfc2217(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return _checked("rfc2217://", values, context, parameter)


def _serial(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return _checked("serial://", tuple(_absolute(value, "serial://") for value in values), context, parameter)


def _pty(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if value.endswith(_DEFINITION_SUFFIXES):
            raise click.BadParameter(
                f"{value!r} is taken for the link to make; write `serve {value} --pty`", context, parameter
            )
    return _checked("pty://", tuple(_absolute(value, "pty://") for value in values), context, parameter)


def _absolute(path: str, prefix: str) -> str:
    return path if not path or path.startswith(prefix) else str(Path.cwd() / path)


def endpoint_options(command: Command) -> Command:
    """Add --tcp, --pty, --serial and --rfc2217, which become `tcp`, `pty`, `serial`, `rfc2217`: endpoints as texts."""
    options = (
        click.option(
            "--tcp",
            multiple=True,
            callback=_tcp,
            metavar="HOST:PORT",
            help="Where to listen, instead of the bus file's endpoints; port 0 is any free one.",
        ),
        click.option(
            "--pty",
            multiple=True,
            callback=_pty,
            is_flag=False,
            flag_value="",
            metavar="[PATH]",
            help="Make a pseudo terminal, with a link to it at PATH that stays the same from start to start.",
        ),
        click.option(
            "--serial",
            multiple=True,
            callback=_serial,
            metavar="DEVICE",
            help="Be the bus at the other end of a serial device's cable.",
        ),
        click.option(
            "--rfc2217",
            multiple=True,
            callback=_rfc2217,
            metavar="HOST:PORT",
            help="Where to listen for masters that set rate and parity by RFC 2217.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command
