"""A process that stores and delivers readings as fast as it can, killed again and again.

`python -m tests.sinks.killing DIRECTORY ROUNDS SEED` prints the numbers that were acknowledged, for each connection, as
JSON. Each process is a fork, so that a round costs no start of an interpreter. Every other one is killed some time
after it began, the rest some time after its first acknowledgement; the last is not killed: it delivers what is left.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import select
import signal
import sys
import time
from pathlib import Path

import mbusbench.sinks.sqlite
from mbusbench.sinks.delivery import Delivery
from mbusbench.sinks.file import file_sink
from mbusbench.sinks.lines import LineFormat
from mbusbench.sinks.store import Store
from tests.sinks.samples import reading

CONNECTIONS = ("attic", "cellar")


async def work(directory: Path, starts: dict[str, int], acknowledgements: int | None) -> None:
    """Append from `starts` on, for ever; or, without anywhere to acknowledge, only deliver all there is."""
    async with Store(directory / "store") as store:
        sinks = [
            file_sink("jsonl", directory / "readings.jsonl", LineFormat.JSON),
            mbusbench.sinks.sqlite.SqliteSink("sqlite", directory / "readings.sqlite"),
        ]
        await store.activate(sink.name for sink in sinks)
        delivery = Delivery(store, sinks, batch=7)
        running = asyncio.create_task(delivery.run())
        if acknowledgements is None:
            assert await delivery.drained(20), delivery.status()
        else:
            await asyncio.gather(*(append(store, name, starts[name], acknowledgements) for name in CONNECTIONS))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def append(store: Store, connection: str, start: int, acknowledgements: int) -> None:
    number = start
    while True:
        count = 1 + number % 3
        await store.append(reading(each, connection=connection) for each in range(number, number + count))
        os.write(acknowledgements, "".join(f"{connection} {n}\n" for n in range(number, number + count)).encode())
        number += count
        await asyncio.sleep(0)


def one_round(directory: Path, starts: dict[str, int], delay: float, *, busy: bool) -> list[tuple[str, int]]:
    reading_end, writing_end = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reading_end)
        asyncio.run(work(directory, starts, writing_end))
        os._exit(1)
    os.close(writing_end)
    if busy:
        select.select([reading_end], [], [], 10)
    time.sleep(delay)
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    assert os.WIFSIGNALED(status), "the process ended by itself"
    with os.fdopen(reading_end) as acknowledged:
        # A line that was cut tells no number.
        lines = acknowledged.read().rpartition("\n")[0].splitlines()
    return [(name, int(number)) for name, number in map(str.split, lines)]


def main(directory: Path, rounds: int, seed: int) -> None:
    chance = random.Random(seed)
    acknowledged: dict[str, list[int]] = {name: [] for name in CONNECTIONS}
    for number in range(rounds):
        # The last one that was acknowledged comes again, as after a restart within one interval.
        starts = {name: max(numbers, default=0) for name, numbers in acknowledged.items()}
        busy = number % 2 == 0
        for name, stored in one_round(directory, starts, chance.uniform(0, 0.02 if busy else 0.04), busy=busy):
            acknowledged[name].append(stored)
    asyncio.run(work(directory, {}, None))
    print(json.dumps(acknowledged))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
