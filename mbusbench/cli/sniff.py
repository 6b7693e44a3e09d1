"""`mbusbench sniff LISTEN BUS`: stands between any master and any bus, and shows what they say."""

from __future__ import annotations

import asyncio
import signal
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from mbusbench.cli.arguments import key_option, trace_option
from mbusbench.cli.output import json_option, message, print_line, print_text

if TYPE_CHECKING:
    from mbusbench.bus import VirtualBus
    from mbusbench.trace.event import TraceEvent, TraceSink
    from mbusbench.trace.header import TraceHeader
    from mbusbench.transport.serial import Parity

PARITIES = ("even", "none", "odd")


@click.command(name="sniff")
@click.argument("listen")
@click.argument("bus")
@click.option("--baudrate", type=click.IntRange(300, 38400), default=2400, show_default=True)
@click.option("--parity", type=click.Choice(PARITIES), default="even", show_default=True)
@click.option("--records", is_flag=True, help="Show every record below its frame.")
@click.option("--bytes", "data", is_flag=True, help="Show the bytes below each frame.")
@trace_option
@key_option
@json_option
def command(
    *,
    listen: str,
    bus: str,
    baudrate: int,
    parity: str,
    records: bool,
    data: bool,
    trace: Path | None,
    key: bytes | None,
    as_json: bool,
) -> None:
    """Stand between a master and a bus, and show what they say, until SIGTERM or Ctrl-C.

    Masters open LISTEN: tcp://HOST:PORT, rfc2217://HOST:PORT, pty:// or serial:///dev/..., as in a bus file; a plain
    HOST:PORT is TCP, and port 0 any free one. BUS is what they would open otherwise: socket://HOST:PORT,
    rfc2217://HOST:PORT or the path of a serial device. With --json the lines are a trace that `mbusbench trace` reads.
    """
    from mbusbench.bus.endpoint import parse_endpoint
    from mbusbench.cli.bus_access import run
    from mbusbench.trace.files import TraceFile
    from mbusbench.trace.header import TraceHeader
    from mbusbench.transport.url import parse_url

    endpoint = listen if "://" in listen else f"tcp://{listen}"
    parse_endpoint(endpoint)
    parse_url(bus)
    header = TraceHeader(bus, 0, datetime.now().replace(microsecond=0))
    with ExitStack() as stack:
        show = _printer(header, stack, records=records, data=data, key=key, as_json=as_json)
        if trace is not None:
            file = stack.enter_context(TraceFile(trace, header))
            show = _both(show, file.record)
        run(_sniff(endpoint, bus, baudrate, cast("Parity", parity), show))


def _both(one: TraceSink, other: TraceSink) -> TraceSink:
    def show(event: TraceEvent) -> None:
        one(event)
        other(event)

    return show


def _printer(
    header: TraceHeader, stack: ExitStack, *, records: bool, data: bool, key: bytes | None, as_json: bool
) -> TraceSink:
    if as_json:
        from mbusbench.trace.jsonl import encode_event, encode_header

        print_text(encode_header(header) + "\n")
        return lambda event: print_text(encode_event(event) + "\n")
    from mbusbench.trace.text import Annotator

    annotator = Annotator(records=records, data=data, key=key)

    def show(event: TraceEvent) -> None:
        _print(annotator.lines(event))

    stack.callback(lambda: _print(annotator.finish()))
    _print([annotator.heading(header)])
    return show


def _print(lines: list[str]) -> None:
    if lines:
        for line in lines:
            print_line(line)
        print_text("")


async def _sniff(listen: str, url: str, baudrate: int, parity: Parity, show: TraceSink) -> None:
    from mbusbench.bus.port import PLAIN_PORT
    from mbusbench.bus.server import BusServer
    from mbusbench.cli.relay import Relay
    from mbusbench.transport.opening import open_stream

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    stream = await open_stream(url, baudrate=baudrate, parity=parity)
    try:
        relay = Relay(stream, baudrate, show)
        async with BusServer(cast("VirtualBus", relay), [(listen, PLAIN_PORT)]) as server:
            message(f"mbusbench: masters open {server.url}, which leads to {url}")
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait((stopping, relay.lost), return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
        relay.finish()
        if relay.lost.done():
            raise relay.lost.result()
    finally:
        await stream.close()
