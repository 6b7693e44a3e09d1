"""Reads on a bus that loses, delays, damages and doubles answers at random (seeded), in virtual time.

One fault at a time: the next one strikes when the one before is over, 1 s later at the earliest.

A read may fail with a named error. A value that it returns is one that the meter sent for this very read.
"""

from __future__ import annotations

import asyncio
import random

import pytest

from mbusbench.errors import MBusError
from mbusbench.master import MBusMaster
from tests.master.scripted_bus import Answer, Answers, Meter, ScriptedBus, bus_of, litres

pytestmark = pytest.mark.virtual_time

READS = 150


def spoilt(answer: bytes, choose: random.Random) -> list[Answer]:
    """The answer after one fault."""
    match choose.randrange(9):
        case 0:
            return []
        case 1:
            return [(choose.uniform(0.005, 0.185), answer)]
        case 2:
            return [(choose.uniform(0.2, 0.9), answer)]
        case 3:
            place = choose.randrange(len(answer))
            return [answer[:place] + bytes((answer[place] ^ 1 << choose.randrange(8),)) + answer[place + 1 :]]
        case 4:
            return [answer[: choose.randrange(len(answer))]]
        case 5:
            return [choose.randbytes(choose.randint(1, 6)) + answer]
        case 6:
            return [answer + choose.randbytes(choose.randint(1, 6))]
        case 7:
            return [answer, (choose.uniform(0.02, 0.3), answer)]
        case _:
            cut = choose.randrange(len(answer) + 1)
            return [(0.02, answer[:cut]), (0.1, answer[cut:])]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("telegrams", [1, 3])
async def test_no_value_is_wrong_or_old(seed: int, telegrams: int) -> None:
    choose = random.Random(f"{seed}/{telegrams}")
    meters = [Meter(address, telegrams=telegrams) for address in (5, 6)]
    good = bus_of(*meters)

    calm_until = 0.0

    def handle(request: bytes) -> Answers:
        nonlocal calm_until
        answer = good(request)
        now = asyncio.get_running_loop().time()
        if not isinstance(answer, bytes) or now < calm_until or choose.random() > 0.3:
            return answer
        calm_until = now + 1.0
        return spoilt(answer, choose)

    read = 0
    async with MBusMaster(ScriptedBus(handle)) as master:
        for _ in range(READS):
            meter = choose.choice(meters)
            before = meter.litres
            try:
                data = await master.query(meter.address)
            except MBusError:
                continue
            found = litres(data)
            read += len(found) == telegrams
            assert len(found) == telegrams or data.more_records_follow
            assert [record.storage_number for record in data.records] == list(range(len(found)))
            assert all(before < value <= meter.litres for value in found)
            assert found == sorted(found)
    assert read > READS * 0.95
