"""`mbusbench record URL ADDR...`: a bus that answers now, as device files and a bus file."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from mbusbench.cli.arguments import addresses, connection_options, key_option
from mbusbench.cli.exit_codes import DONE, METER_FAILED
from mbusbench.cli.output import message
from mbusbench.cli.recording_options import output_options, report

if TYPE_CHECKING:
    from mbusbench.codec.address import SecondaryAddress
    from mbusbench.recording.reader import BusReader

_PAUSE = 60 * 10**9


@click.command(name="record")
@click.argument("url")
@click.argument("address", nargs=-1, required=True)
@connection_options
@key_option
@click.option("--twice", is_flag=True, help="Read all meters again after --interval (60s if not given).")
@click.option(
    "--only-read", is_flag=True, help="Ask for nothing but readouts: nothing after the last telegram, no alarm."
)
@output_options
def command(
    url: str, address: tuple[str, ...], *, twice: bool, only_read: bool, interval: int | None, **options: Any
) -> int:
    """Read a bus, and make device files and a bus file that answer byte for byte as it did.

    URL is socket://HOST:PORT, rfc2217://HOST:PORT or the path of a serial device. ADDRESS is a primary address (5), a
    range (1-250) or a secondary address (1234567824231A07). --twice sees which values move, and how fast.
    """
    from mbusbench.cli.bus_access import run

    wanted = addresses(address)
    pause = interval or (_PAUSE if twice else None)
    reader = run(_read(url, wanted, options, pause, only_read))
    meters = reader.meters()
    silent = sum(type(error).__name__ == "MBusTimeoutError" for error in reader.errors.values())
    for target, error in reader.errors.items():
        if type(error).__name__ != "MBusTimeoutError" or len(wanted) == 1:
            message(f"mbusbench: {target}: {error}")
    if silent and len(wanted) > 1:
        message(f"mbusbench: {silent} of {len(wanted)} addresses do not answer")
    if not meters:
        return METER_FAILED
    report(meters, {**options, "interval": None}, baud=options["baudrate"])
    return METER_FAILED if len(reader.errors) > silent else DONE


async def _read(
    url: str, wanted: list[int | SecondaryAddress], options: dict[str, Any], pause: int | None, only_read: bool
) -> BusReader:
    from mbusbench.recording.reader import BusReader, RecordingMaster, TappedBus

    bus = TappedBus(url, options["baudrate"], options["parity"])
    master = RecordingMaster(
        bus,
        baudrate=options["baudrate"],
        parity=options["parity"],
        timeout=options["timeout"],
        retries=options["retries"],
        keys=options["key"],
        wake_up=options["wake_up"],
    )
    reader = BusReader(bus, master, wanted)
    async with master:
        await reader.read(only_read=only_read)
        if pause is not None:
            await asyncio.sleep(pause / 1e9)
            await reader.read(only_read=only_read)
    return reader
