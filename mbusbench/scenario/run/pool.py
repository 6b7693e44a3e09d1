"""Cases in processes of their own: each worker runs one case after the other, on a bus and a port of its own.

A worker that dies takes its case with it and nothing else. Ctrl-C ends the workers, and the masters that they started.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from time import monotonic
from typing import Any

GRACE = 5.0
"""Seconds for a worker to end what it does."""
_CONTEXT = multiprocessing.get_context("forkserver")
Work = Callable[[Any], Any]


@dataclass(slots=True)
class _Worker:
    process: Any
    connection: Connection
    number: int = -1
    until: float = 0.0


@dataclass(frozen=True, slots=True)
class Broken:
    """What there is instead of a result: the worker did not bring one."""

    reason: str


def each_result(work: Work, tasks: Iterable[Any], jobs: int, limit: float) -> Iterator[tuple[int, Any]]:
    """(number of the task, result or Broken) of each, as they come. `work` has to be importable by its name.

    `limit` are the seconds that one task may take. Ends all workers also where the caller stops early.
    """
    waiting = list(enumerate(tasks))[::-1]
    _CONTEXT.set_forkserver_preload([work.__module__])
    workers = [_started(work) for _ in range(min(jobs, len(waiting)))]
    try:
        while True:
            for worker in workers:
                if worker.number < 0 and waiting:
                    worker.number, task = waiting.pop()
                    worker.until = monotonic() + limit
                    worker.connection.send(task)
            busy = [worker for worker in workers if worker.number >= 0]
            if not busy:
                break
            yield from _finished(busy, workers, work)
    finally:
        _end(workers)


def _started(work: Work) -> _Worker:
    ours, theirs = _CONTEXT.Pipe()
    process = _CONTEXT.Process(target=_serve, args=(theirs, work), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _finished(busy: list[_Worker], workers: list[_Worker], work: Work) -> Iterator[tuple[int, Any]]:
    soonest = max(0.0, min(worker.until for worker in busy) - monotonic())
    ready = set(wait([worker.connection for worker in busy], soonest))
    now = monotonic()
    for worker in busy:
        number, result = worker.number, None
        if worker.connection in ready:
            try:
                result = worker.connection.recv()
                worker.number = -1
            except (EOFError, OSError):
                worker.process.join(GRACE)
                result = Broken(f"the bench's process ended with {worker.process.exitcode}")
        elif now >= worker.until:
            result = Broken("the case did not come to its end")
        else:
            continue
        if isinstance(result, Broken) and worker.number >= 0:
            _end([worker])
            workers[workers.index(worker)] = _started(work)
        yield number, result


def _end(workers: list[_Worker]) -> None:
    """As Ctrl-C would, so that they end the processes of masters; then by force."""
    for worker in workers:
        worker.connection.close()
        if worker.number >= 0 and worker.process.is_alive():
            with suppress(ProcessLookupError):
                os.kill(worker.process.pid, signal.SIGINT)
    deadline = monotonic() + GRACE
    for worker in workers:
        worker.process.join(max(0.0, deadline - monotonic()))
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join(GRACE)


def _serve(connection: Connection, work: Work) -> None:
    """The worker: a task in, its result out, until the other side hangs up."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with suppress(KeyboardInterrupt, EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            task = connection.recv()
            try:
                result = work(task)
            except Exception as error:
                result = Broken(f"{type(error).__name__}: {error}")
            connection.send(result)
