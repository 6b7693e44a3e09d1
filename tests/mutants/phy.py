"""Masters that are wrong about line and time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from mbusbench.bus.endpoints.memory import MemoryStream
from mbusbench.bus.engine import VirtualBus
from mbusbench.bus.port import PortOptions
from mbusbench.codec.frame import ACK
from mbusbench.line.wire import Parity
from mbusbench.master.runner import Runner
from mbusbench.protocol import master_link
from mbusbench.protocol.master_link import MasterLink
from mbusbench.protocol.outcome import Received
from mbusbench.protocol.procedures import Procedure
from mbusbench.scenario.verdict import Column, Verdict
from mbusbench.timing import bit_time
from tests.mutants import Mutant
from tests.mutants.links import linked_by
from tests.mutants.making import patched, with_options

_run = Runner.run
_write = Runner._write
_open = MemoryStream.__init__


class _DeafAtFirst(MasterLink):
    """Does not listen for 30 ms after a request."""

    def receive(self, data: bytes, now: int, wrong: Sequence[int] = ()) -> None:
        late = now - len(data) * self._character - self._sent
        if late >= 30_000_000:
            super().receive(data, now, wrong)


class _CountsFromTheWrite(MasterLink):
    def _send(self, now: int) -> bytes:
        request = super()._send(now)
        self._window_end -= self._sent - now
        self._deadline = self._window_end
        self._sent = now
        return request


class _RepeatsAtOnce(MasterLink):
    def set_baudrate(self, baudrate: int) -> None:
        super().set_baudrate(baudrate)
        self._settle = 0

    def _note(self, item: Received, now: int) -> None:
        super()._note(item, now)
        if self._damaged:
            self._window_end = self._deadline = now


class _ShortPause(MasterLink):
    """An idle line of 11 bit times is enough for it."""

    def set_baudrate(self, baudrate: int) -> None:
        super().set_baudrate(baudrate)
        self._settle = self._character
        self._gap = 2 * self._character


class _Impatient(MasterLink):
    """Ends an answer after 5 ms without a character."""

    def set_baudrate(self, baudrate: int) -> None:
        super().set_baudrate(baudrate)
        self._gap = 5_000_000


class _TwoSeconds(MasterLink):
    """Ends an answer 2 s after its request."""

    def _hard_limit(self) -> int:
        return self._sent + 2_000_000_000

    def poll(self, now: int) -> bytes:
        if self._reader.pending and now >= self._hard_limit():
            self._reader.clear()
        return super().poll(now)


class _FiveSeconds(_TwoSeconds):
    def _hard_limit(self) -> int:
        return self._sent + 5_000_000_000


async def _run_and_acknowledge(runner: Runner, procedure: Procedure[Any], baudrate: int) -> Any:
    result = await _run(runner, procedure, baudrate)
    await asyncio.sleep(0.05)
    runner._write(ACK.encode())
    await asyncio.sleep(0.05)
    return result


def _open_without_parity(stream: MemoryStream, bus: VirtualBus, options: PortOptions | None = None) -> None:
    _open(stream, bus, options)
    assert stream._port is not None
    stream._driver.set_format(stream._port, bus.baud, Parity.NONE)


def _write_with_holes(seconds: float) -> Any:
    def write(runner: Runner, data: bytes) -> None:
        for index, value in enumerate(data):
            runner.loop.call_later(index * seconds, _write, runner, bytes([value]))

    return write


def _write_twice_the_stop(runner: Runner, data: bytes) -> None:
    _write(runner, data + b"\x16")


MUTANTS = [
    Mutant("MUT-PHY-RSP-01a", "PHY-RSP-01", "waits 50 ms", Column.WIRE, with_options(timeout=0.05)),
    Mutant("MUT-PHY-RSP-01b", "PHY-RSP-01", "deaf for 30 ms", Column.REPORT, linked_by(_DeafAtFirst), is_sane=False),
    Mutant("MUT-PHY-RSP-01c", "PHY-RSP-01", "waits 1 s at any rate", Column.WIRE, with_options(timeout=1)),
    Mutant(
        "MUT-PHY-RSP-01d",
        "PHY-RSP-01",
        "waits 330 bit times, and not 50 ms more",
        Column.WIRE,
        patched(master_link, first_character_timeout=lambda baud: bit_time(baud, 341)),
    ),
    Mutant(
        "MUT-PHY-RSP-02", "PHY-RSP-02", "its timer starts with the write", Column.WIRE, linked_by(_CountsFromTheWrite)
    ),
    Mutant("MUT-PHY-RSP-03a", "PHY-RSP-03", "waits 12 s", Column.TIMING, with_options(timeout=12)),
    Mutant("MUT-PHY-RSP-03b", "PHY-RSP-03", "waits 100 ms", Column.TIMING, with_options(timeout=0.1)),
    Mutant("MUT-PHY-RSP-03c", "PHY-RSP-03", "waits 4 s", Column.TIMING, with_options(timeout=4), Verdict.NON_STRICT),
    Mutant("MUT-PHY-IDL-01a", "PHY-IDL-01", "repeats at once", Column.TIMING, linked_by(_RepeatsAtOnce)),
    Mutant("MUT-PHY-IDL-01b", "PHY-IDL-01", "repeats after a character", Column.TIMING, linked_by(_ShortPause)),
    Mutant(
        "MUT-PHY-GAP-01",
        "PHY-GAP-01",
        "gives an answer up after 5 ms without a character",
        Column.REPORT,
        linked_by(_Impatient),
    ),
    Mutant(
        "MUT-PHY-GAP-02a",
        "PHY-GAP-02",
        "2 s for a whole frame",
        Column.REPORT,
        linked_by(_TwoSeconds),
    ),
    Mutant(
        "MUT-PHY-GAP-02b",
        "PHY-GAP-02",
        "5 s for a whole frame",
        Column.REPORT,
        linked_by(_FiveSeconds),
    ),
    Mutant(
        "MUT-PHY-OUT-01a",
        "PHY-OUT-01",
        "20 x 55 before each frame",
        Column.WIRE,
        with_options(wake_up=b"\x55" * 20),
        is_sane=False,
    ),
    Mutant(
        "MUT-PHY-OUT-01b",
        "PHY-OUT-01",
        "acknowledges answers",
        Column.WIRE,
        patched(Runner, run=_run_and_acknowledge),
        is_sane=False,
    ),
    Mutant(
        "MUT-PHY-OUT-01c",
        "PHY-OUT-01",
        "holes of 60 ms between its characters",
        Column.TIMING,
        patched(Runner, _write=_write_with_holes(0.06)),
        is_sane=False,
    ),
    Mutant(
        "MUT-PHY-OUT-01d",
        "PHY-OUT-01",
        "holes of 17 bit times between its characters",
        Column.TIMING,
        patched(Runner, _write=_write_with_holes(0.0117)),
        Verdict.NON_STRICT,
    ),
    Mutant(
        "MUT-PHY-OUT-01e",
        "PHY-OUT-01",
        "one stop byte too many",
        Column.WIRE,
        patched(Runner, _write=_write_twice_the_stop),
        is_sane=False,
    ),
    Mutant("MUT-PHY-SET-01a", "PHY-SET-01", "always 9600", Column.WIRE, with_options(baudrate=9600), is_sane=False),
    Mutant(
        "MUT-PHY-SET-01b",
        "PHY-SET-01",
        "sends without parity",
        Column.REPORT,
        patched(MemoryStream, __init__=_open_without_parity),
        is_sane=False,
    ),
]
