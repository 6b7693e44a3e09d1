"""Old telegrams that come again are marked; equal values alone are no proof. Virtual time."""

from __future__ import annotations

import pytest

from mbusbench.codec.telegram import decode_telegram
from mbusbench.master import MBusMaster
from mbusbench.master.freshness import _SLAVES, Freshness
from tests.master.scripted_bus import E5, Answers, Handler, ScriptedBus, telegram

pytestmark = pytest.mark.virtual_time


def sends(*telegrams: bytes) -> Handler:
    """A slave that answers REQ_UD2 with one after the other, and goes on with the last one."""
    left = list(telegrams)

    def handle(request: bytes) -> Answers:
        if request[1] == 0x40:
            return E5
        return left.pop(0) if len(left) > 1 else left[0]

    return handle


async def stale(*telegrams: bytes, reads: int) -> list[bool]:
    async with MBusMaster(ScriptedBus(sends(*telegrams))) as master:
        return [(await master.query(5)).stale for _ in range(reads)]


async def test_telegram_that_comes_again_is_stale_where_the_access_number_counts() -> None:
    first, second = telegram(5, 10, access=7), telegram(5, 11, access=8)
    assert await stale(first, second, reads=4) == [False, False, True, True]


async def test_telegram_of_two_readouts_ago_is_stale() -> None:
    one, two = telegram(5, 10, access=7), telegram(5, 11, access=8)
    assert await stale(one, two, one, reads=3) == [False, False, True]


async def test_equal_values_with_another_access_number_are_fresh() -> None:
    assert await stale(*(telegram(5, 10, access=access) for access in range(5)), reads=5) == [False] * 5


async def test_equal_telegrams_are_fresh_where_the_access_number_stays() -> None:
    assert await stale(telegram(5, 10), telegram(5, 11), telegram(5, 11), reads=3) == [False] * 3


async def test_access_numbers_may_come_round() -> None:
    telegrams = [telegram(5, 10, access=access & 0xFF) for access in range(258)]
    assert not any(await stale(*telegrams, reads=258))


async def test_other_slave_with_the_same_telegram_is_not_stale() -> None:
    freshness = Freshness()
    one, two = ([decode_telegram(telegram(5, litres, access=litres))] for litres in (1, 2))
    assert [freshness.is_stale(5, one), freshness.is_stale(5, two)] == [False, False]
    assert not freshness.is_stale(6, two)
    assert freshness.is_stale(5, two)


async def test_memory_is_bounded() -> None:
    freshness = Freshness()
    for address in range(_SLAVES + 50):
        freshness.is_stale(address, [decode_telegram(telegram(5, 1))])
    assert len(freshness._slaves) == _SLAVES


async def test_telegrams_of_one_readout_may_show_that_the_access_number_counts() -> None:
    telegrams = [telegram(5, 10, access=7, more=True), telegram(5, 11, access=8, storage=1)]
    assert await stale(*telegrams * 4, reads=2) == [False, True]
