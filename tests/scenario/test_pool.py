from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from mbusbench.scenario.run.pool import Broken, each_result


def double(task: int) -> int:
    return task * 2


def fragile(task: str) -> object:
    """What the task says."""
    if task == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if task == "hangs":
        threading.Event().wait(600)
    if task == "raises":
        raise LookupError("no such thing")
    return os.getpid()


def test_every_task_has_its_result_whatever_the_jobs() -> None:
    for jobs in (1, 3, 20):
        assert dict(each_result(double, range(10), jobs, 60)) == {n: 2 * n for n in range(10)}


def test_nothing_to_do_starts_nothing() -> None:
    assert list(each_result(double, [], 4, 60)) == []


@pytest.mark.parametrize(
    ("task", "limit", "reason"),
    [
        ("dies", 60, "the bench's process ended with -9"),
        ("raises", 60, "LookupError: no such thing"),
        ("hangs", 0.5, "the case did not come to its end"),
    ],
)
def test_task_that_brings_nothing_does_not_stop_the_others(task: str, limit: float, reason: str) -> None:
    found = dict(each_result(fragile, [task, "lives", "lives"], 1, limit))
    assert found[0] == Broken(reason)
    assert isinstance(found[1], int)
    assert found[1] == found[2]


def test_workers_end_when_the_caller_stops() -> None:
    running = each_result(fragile, ["lives", "hangs"], 2, 600)
    _, worker = next(running)
    began = time.monotonic()
    running.close()
    assert time.monotonic() - began < 5
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
