"""The virtual-time loop: exact time, order, deadlocks, and what it refuses."""

from __future__ import annotations

import asyncio
import socket
import time
from datetime import UTC, datetime

import pytest

from mbusbench.clock import Deadlock, VirtualLoop, call_at_ns, now_ns, run, utc_now

DAY = 86_400 * 10**9


def virtual_loop() -> VirtualLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop


@pytest.mark.virtual_time
async def test_time_starts_at_zero_and_jumps_to_the_next_timer() -> None:
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    assert loop.time() == 0.0
    await asyncio.sleep(3600)
    assert loop.time() == 3600.0
    assert time.perf_counter() - started < 60


async def test_unmarked_tests_run_on_the_wall_clock() -> None:
    loop = asyncio.get_running_loop()
    assert not isinstance(loop, VirtualLoop)
    assert abs(now_ns(loop) - time.monotonic_ns()) < 60 * 10**9
    assert abs((utc_now(loop) - datetime.now(UTC)).total_seconds()) < 60


@pytest.mark.virtual_time
async def test_five_characters_at_2400_baud_end_at_exactly_22916667_ns() -> None:
    loop = virtual_loop()
    done = loop.create_future()
    call_at_ns(loop, 22_916_667, done.set_result, None)
    await done
    assert now_ns(loop) == loop.now_ns() == 22_916_667
    assert loop.time() == 0.022916667


@pytest.mark.virtual_time
async def test_nanoseconds_stay_exact_after_ten_years() -> None:
    loop = virtual_loop()
    fired: list[int] = []
    base = 3650 * DAY
    for offset in (2, 1, 0):
        loop.call_at_ns(base + offset, lambda: fired.append(loop.now_ns()))
    loop.call_at_ns(base + 3, (done := loop.create_future()).set_result, None)
    await done
    assert fired == [base, base + 1, base + 2]


@pytest.mark.virtual_time
async def test_many_sleeps_add_no_rounding_error() -> None:
    loop = virtual_loop()
    for _ in range(1000):
        await asyncio.sleep(0.1)
    assert loop.now_ns() == 100 * 10**9


@pytest.mark.virtual_time
async def test_timers_of_one_instant_fire_in_the_order_they_were_set() -> None:
    loop = virtual_loop()
    fired: list[int] = []
    for number in range(50):
        loop.call_at_ns(1000, fired.append, number)
    await asyncio.sleep(1)
    assert fired == list(range(50))


@pytest.mark.virtual_time
async def test_a_timer_in_the_past_does_not_turn_time_back() -> None:
    loop = virtual_loop()
    await asyncio.sleep(1)
    done = loop.create_future()
    loop.call_at(0.5, done.set_result, None)
    await done
    assert loop.now_ns() == 10**9


@pytest.mark.virtual_time
async def test_a_wait_below_one_nanosecond_still_makes_time_pass() -> None:
    loop = virtual_loop()
    deadline = loop.time() + 1e-10
    while loop.time() < deadline:
        await asyncio.sleep(deadline - loop.time())
    assert loop.now_ns() == 1


@pytest.mark.virtual_time
async def test_timeouts_are_exact_and_cancelled_timers_do_not_fire() -> None:
    loop = virtual_loop()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1925):
            await loop.create_future()
    assert loop.now_ns() == 192_500_000
    async with asyncio.timeout(5):
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.01)
    assert loop.now_ns() == 212_500_000


@pytest.mark.virtual_time
async def test_a_flood_of_cancelled_timers_is_forgotten() -> None:
    loop = virtual_loop()
    for _ in range(10_000):
        loop.call_later(3600, print).cancel()
        await asyncio.sleep(0.001)
    assert len(loop._scheduled) < 300
    assert loop.now_ns() == 10 * 10**9


@pytest.mark.virtual_time
async def test_task_groups_and_queues_work() -> None:
    queue: asyncio.Queue[int] = asyncio.Queue()

    async def produce() -> None:
        for number in range(3):
            await asyncio.sleep(1)
            await queue.put(number)

    async with asyncio.TaskGroup() as group:
        group.create_task(produce())
        assert [await queue.get() for _ in range(3)] == [0, 1, 2]
    assert virtual_loop().time() == 3.0


def test_a_deadlock_names_the_tasks_and_what_they_await() -> None:
    async def reader(queue: asyncio.Queue[int]) -> int:
        return await queue.get()

    async def main() -> None:
        await asyncio.sleep(1.5)
        await asyncio.create_task(reader(asyncio.Queue()), name="reader of meter 5")

    with pytest.raises(Deadlock) as caught:
        run(main())
    text = str(caught.value)
    assert "1.500000000 s" in text
    assert "reader of meter 5: " in text
    assert "reader:" in text
    assert "Queue.get" in text
    assert "awaits Future" in text
    assert "awaits task reader of meter 5" in text


def test_a_timer_that_never_fires_does_not_hide_a_deadlock() -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_later(float("inf"), print)
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Deadlock):
        run(main())


def test_a_loop_can_be_used_again_after_a_deadlock() -> None:
    async def blocked() -> None:
        await asyncio.Event().wait()

    async def fine() -> int:
        await asyncio.sleep(2)
        return 7

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        with pytest.raises(Deadlock):
            runner.run(blocked())
        assert runner.run(fine()) == 7


@pytest.mark.virtual_time
async def test_threads_are_refused() -> None:
    with pytest.raises(RuntimeError, match="monotonic cannot run in a thread in virtual time"):
        await asyncio.to_thread(time.monotonic)
    with pytest.raises(RuntimeError, match="getaddrinfo"):
        await asyncio.open_connection("localhost", 1)


@pytest.mark.virtual_time
async def test_sockets_are_refused() -> None:
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        with pytest.raises(RuntimeError, match="cannot be waited for in virtual time"):
            await asyncio.get_running_loop().sock_recv(near, 1)


@pytest.mark.virtual_time
async def test_the_calendar_moves_with_virtual_time() -> None:
    loop = asyncio.get_running_loop()
    start = utc_now(loop)
    await asyncio.sleep(86_400)
    assert (utc_now(loop) - start).days == 1


def test_the_epoch_can_be_chosen() -> None:
    async def main() -> datetime:
        return utc_now(asyncio.get_running_loop())

    assert run(main(), epoch=datetime(2031, 1, 1, tzinfo=UTC)) == datetime(2031, 1, 1, tzinfo=UTC)


def test_hundred_thousand_timers_take_less_than_some_seconds() -> None:
    async def main() -> None:
        for _ in range(100_000):
            await asyncio.sleep(0.001)

    started = time.perf_counter()
    run(main())
    assert time.perf_counter() - started < 5
