"""Characters on the wall clock, as a foreign process at the other end of a pseudo terminal sees them.

Only what holds on a busy host too: nothing is early. How close it comes is measured by `python -m benchmarks pacing`.
"""

from __future__ import annotations

import pytest

from benchmarks.pacing import Pacing, pacing
from mbusbench.timing import RESPONSE_MINIMUM_BITS, bit_time, character_time


@pytest.fixture
async def measured() -> Pacing:
    return await pacing(2400, 1)


async def test_no_character_is_there_before_its_last_bit(measured: Pacing) -> None:
    (delay,) = measured.delays
    assert delay >= bit_time(2400, RESPONSE_MINIMUM_BITS)
    earliest = measured.asked[0] + character_time(2400, 5) + bit_time(2400, RESPONSE_MINIMUM_BITS)
    number = 0
    for when, count in measured.arrivals[0]:
        number += count
        assert when >= earliest + character_time(2400, number)
    assert number == measured.characters


async def test_bus_measures_how_late_its_host_is(measured: Pacing) -> None:
    assert 0 <= measured.mean_lag <= measured.worst_lag
