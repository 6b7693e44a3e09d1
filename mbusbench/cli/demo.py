"""`mbusbench demo`: a bus of three meters on a real TCP port, and a master that reads them over it."""

from __future__ import annotations

import click

from mbusbench.cli.output import json_option, message, print_json, print_line

DEVICES = ("kamstrup/multical-603", "kamstrup/flowiq-2101", "schneider/iem3135")


@click.command(name="demo")
@json_option
def command(as_json: bool) -> None:
    """Serve a heat, a water and an electricity meter on a TCP port, and read them over it."""
    from mbusbench.cli.bus_access import run

    run(_demo(as_json))


async def _demo(as_json: bool) -> None:
    from mbusbench.bus import VirtualBus
    from mbusbench.cli.readings import print_reading
    from mbusbench.master import MBusMaster

    bus = VirtualBus.from_devices(DEVICES)
    async with bus.serve("tcp://127.0.0.1:0") as server:
        (message if as_json else print_line)(f"{len(bus.meters)} meters on {server.url}")
        async with MBusMaster(server.url) as master:
            for meter in bus.meters:
                data = await master.query(meter.address)
                if as_json:
                    print_json({"address": meter.address, "ok": True, "reading": data.model_dump(mode="json")})
                    continue
                print_line()
                print_reading(data)
