"""Read the meters of several buses at the same time, again and again: a line of JSON for each reading.

    python read_buses.py --every 900 socket://10.0.0.5:10001=1,2,7 /dev/ttyUSB0=1-20

One task for each bus: a bus that is slow or dead does not delay another. SIGTERM and Ctrl-C end it between two frames.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Sequence

from mbusbench import MBusConnectionError, MBusError, MBusMaster, MBusSlaveData


def parse_bus(text: str) -> tuple[str, list[int]]:
    """`URL=1,2,5-9` as the URL and the addresses."""
    url, _, listed = text.rpartition("=")
    addresses: list[int] = []
    for part in listed.split(","):
        first, _, last = part.partition("-")
        addresses += range(int(first), int(last or first) + 1)
    if not url:
        raise ValueError(text)
    return url, addresses


async def poll(url: str, addresses: Sequence[int], every: float, times: int | None) -> None:
    """Read all meters of one bus at a fixed pace. Without `times` it never ends."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    async with MBusMaster(url) as master:
        while times is None or times > 0:
            try:
                async for address, result in master.query_each(addresses):
                    show(url, address, result)
            except MBusConnectionError as error:
                # The master opens the bus again by itself; the next cycle is the next try.
                print(f"{url}: {error}", file=sys.stderr)
            times = None if times is None else times - 1
            due = max(due + every, loop.time())
            if times != 0:
                await asyncio.sleep(due - loop.time())


def show(url: str, address: int, result: MBusSlaveData | MBusError) -> None:
    """One reading, or why there is none, as a line of JSON."""
    line: dict[str, object] = {"bus": url, "address": address}
    if isinstance(result, MBusError):
        line["error"] = result.kind
    else:
        line["meter"] = result.secondary_address
        line["time"] = result.timestamp.isoformat() if result.timestamp else None
        line["values"] = [
            {"quantity": record.quantity, "value": record.value, "unit": record.unit}
            for record in result.records
            if record.valid and record.storage_number == 0 and isinstance(record.value, int | float)
        ]
    print(json.dumps(line, ensure_ascii=False), flush=True)


async def main(buses: Sequence[tuple[str, list[int]]], every: float, times: int | None) -> int:
    work = asyncio.gather(*(poll(url, addresses, every, times) for url, addresses in buses))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        return 0
    except MBusError as error:
        print(f"read_buses: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Read the meters of several buses at the same time.")
    parser.add_argument("--every", type=float, default=900, help="seconds from one cycle to the next")
    parser.add_argument("--times", type=int, help="cycles to read; without end if not given")
    parser.add_argument("bus", nargs="+", type=parse_bus, metavar="URL=ADDRESSES")
    given = parser.parse_args()
    sys.exit(asyncio.run(main(given.bus, given.every, given.times)))
