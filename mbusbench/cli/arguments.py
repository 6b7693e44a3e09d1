"""Arguments that several commands share: addresses, keys, and how a bus is reached."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from mbusbench.codec.address import SecondaryAddress

_RANGE = re.compile(r"(\d{1,5})-(\d{1,5})")
_WAKE_UP = re.compile(r"(?:(\d{1,4})x)?((?:[0-9A-Fa-f]{2})+)")
_KEY = re.compile(r"[0-9A-Fa-f]{32}")
_LARGEST_RANGE = 256


def primary_addresses(texts: Iterable[str]) -> list[int]:
    """`5`, `1-5`, `1,3,7-9`: each address once, in the order given."""
    found = []
    for address in addresses(texts):
        if not isinstance(address, int):
            raise click.BadParameter(
                f"{address} is a secondary address, where a primary one such as 5 or 1-250 belongs"
            )
        found.append(address)
    return found


def addresses(texts: Iterable[str]) -> list[int | SecondaryAddress]:
    """Primary addresses and ranges, and secondary addresses as text; each once, in the order given."""
    from mbusbench.errors import MBusUsageError
    from mbusbench.master.target import parse_target

    found: dict[int | SecondaryAddress, None] = {}
    try:
        for text in (part.strip() for argument in texts for part in argument.split(",")):
            for address in _spread(text):
                found[parse_target(address)] = None
    except MBusUsageError as error:
        raise click.BadParameter(str(error)) from None
    return list(found)


def _spread(text: str) -> Iterable[int | str]:
    match = _RANGE.fullmatch(text)
    if match is None:
        return (text,)
    first, last = int(match[1]), int(match[2])
    if last < first:
        raise click.BadParameter(f"{text}: write the range as {last}-{first}")
    if last - first > _LARGEST_RANGE:
        raise click.BadParameter(f"{text}: primary addresses are 0 to 250")
    return range(first, last + 1)


def trace_option(command: Any) -> Any:
    """`--trace`: a file whose suffix names a format."""
    return click.option(
        "--trace",
        type=click.Path(dir_okay=False, path_type=Path),
        callback=_trace,
        help="Record what passes: as .jsonl for programs, .txt for people, .pcapng for Wireshark.",
    )(command)


def _trace(context: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
    if path is not None:
        from mbusbench.errors import MBusUsageError
        from mbusbench.trace.files import format_of

        try:
            format_of(path)
        except MBusUsageError as error:
            raise click.BadParameter(str(error), context, parameter) from None
    return path


def key_option(command: Any) -> Any:
    """`--key`: 16 bytes as hex, or in MBUSBENCH_KEY, where other users of the machine do not see it."""
    return click.option(
        "--key",
        callback=_key,
        envvar="MBUSBENCH_KEY",
        metavar="HEX",
        help="AES-128 key, 32 hex digits; better in the environment as MBUSBENCH_KEY.",
    )(command)


def _key(context: click.Context, parameter: click.Parameter, text: str | None) -> bytes | None:
    if text is None:
        return None
    if not _KEY.fullmatch(text):
        raise click.BadParameter("a key has 32 hex digits", context, parameter)
    return bytes.fromhex(text)


def _wake_up(context: click.Context, parameter: click.Parameter, text: str | None) -> bytes:
    if text is None:
        return b""
    match = _WAKE_UP.fullmatch(text)
    if match is None:
        raise click.BadParameter("wake-up characters are hex, or a count and hex such as 480x55", context, parameter)
    return bytes.fromhex(match[2]) * int(match[1] or 1)


def connection_options(command: Any) -> Any:
    """How the bus is reached and how patient the master is."""
    for option in reversed(
        (
            click.option("--baudrate", type=click.IntRange(300, 38400), default=2400, show_default=True),
            click.option("--parity", type=click.Choice(["even", "none", "odd"]), default="even", show_default=True),
            click.option(
                "--timeout", type=click.FloatRange(0.001, 3600), help="Seconds to wait for an answer to begin."
            ),
            click.option("--retries", type=click.IntRange(0, 10), default=2, show_default=True),
            click.option(
                "--wake-up",
                callback=_wake_up,
                metavar="[COUNTx]HEX",
                help="What wakes meters that sleep, before the first request and each repeat: 480x55.",
            ),
            click.option(
                "--latency",
                type=click.FloatRange(0, 60),
                help="Seconds that gateways may add to an answer, instead of 0.5 over a network and 0.1 else.",
            ),
            click.option(
                "--reconnect",
                type=click.FloatRange(0, 86400),
                default=5,
                show_default=True,
                help="Seconds to go on trying where the connection is lost.",
            ),
            trace_option,
        )
    ):
        command = option(command)
    return command
