"""Masters that do not get over what breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from mbusbench.codec.frame import Frame, decode_frame
from mbusbench.codec.frame_reader import Reject, RejectReason
from mbusbench.errors import DecodeError, MBusConnectionError
from mbusbench.master.master import MBusMaster
from mbusbench.master.runner import Runner
from mbusbench.protocol import master_link
from mbusbench.protocol.fcb import MasterFcb, Service
from mbusbench.protocol.procedures import Procedure, readout
from mbusbench.protocol.procedures.readout import Prepare, Readout, Source
from mbusbench.scenario.driver import MasterUnderTest
from mbusbench.scenario.driver.action import Action, BusAccess
from mbusbench.scenario.driver.builtin import BuiltinMaster
from mbusbench.scenario.observation import StepResult
from mbusbench.scenario.report import MeterReport, RecordReport
from mbusbench.scenario.verdict import Column, Verdict
from tests.mutants import Mutant
from tests.mutants.making import Making, lying, patched, together
from tests.scenario.cases import Liar

_telegrams = readout._telegrams
_query = MBusMaster.query
_request_bit = MasterFcb.request_bit
_connected = MBusMaster._connected
_open = MBusMaster.open


def _keeping(source: Source, prepare: Prepare, most: int) -> Procedure[Readout]:
    """What came before the restart stays."""
    failed = yield from prepare()
    if failed is not None:
        return Readout(source.address, (), failed)
    first = yield from _telegrams(source, most)
    if first.failure is None or (yield from prepare()) is not None:
        return first
    again = yield from _telegrams(source, most)
    return replace(again, telegrams=first.telegrams + again.telegrams)


def _giving_up(source: Source, prepare: Prepare, most: int) -> Procedure[Readout]:
    failed = yield from prepare()
    return Readout(source.address, (), failed) if failed is not None else (yield from _telegrams(source, most))


def _keeping_what_came(source: Source, prepare: Prepare, most: int) -> Procedure[Readout]:
    """Part of a readout is a readout."""
    result = yield from _giving_up(source, prepare, most)
    return replace(result, failure=None) if result.telegrams else result


def _nothing_more(meters: list[MeterReport]) -> list[MeterReport]:
    return [meter.model_copy(update={"more": False}) for meter in meters]


def _last_good() -> Making:
    """Where a readout fails it shows the last value."""

    @contextmanager
    def make() -> Iterator[MasterUnderTest]:
        kept: dict[int | None, MeterReport] = {}

        def change(meters: list[MeterReport]) -> list[MeterReport]:
            shown = []
            for meter in meters:
                if meter.ok:
                    kept[meter.address] = meter
                shown.append(kept.get(meter.address, meter))
            return shown

        yield Liar(change)

    return make


async def _failing_for_ever(master: Any, address: Any) -> Any:
    """Once it failed it does not ask again."""
    error = getattr(master, "_given_up", None)
    if error is not None:
        raise error
    try:
        return await _query(master, address)
    except Exception as failed:
        master._given_up = failed
        raise


class _Naive:
    """Takes what comes from the first 68 on for a frame of the length that it says, and waits for all of it."""

    def __init__(self) -> None:
        self._data = b""

    pending = property(lambda self: self._data)

    @property
    def missing(self) -> int:
        return max(self._size() - len(self._data), 0) if self._data else 0

    def _size(self) -> int:
        first = self._data[0]
        if first == 0x10:
            return 5
        if first != 0x68:
            return 1
        return self._data[1] + 6 if len(self._data) > 1 else 4

    def receive(self, data: bytes, wrong: Sequence[int] = ()) -> list[Frame | Reject]:
        self._data += data
        found: list[Frame | Reject] = []
        while self._data and not self.missing:
            raw, self._data = self._data[: self._size()], self._data[self._size() :]
            try:
                found.append(decode_frame(raw))
            except DecodeError:
                found.append(Reject(raw, RejectReason.CHECKSUM))
        return found

    def idle(self) -> list[Frame | Reject]:
        return []

    def clear(self) -> bytes:
        return b""


def _spinning(runner: Any, error: MBusConnectionError) -> None:
    """The end of the connection is no reason to end."""


class _Crashing(BuiltinMaster):
    """Leaves with a traceback where there is no connection."""

    async def perform(self, action: Action, access: BusAccess) -> StepResult:
        result = await super().perform(action, access)
        report = result.report
        if report is not None and report.error == "disconnected":
            return replace(result, report=None, outcome="crash", exit_status=1, problem="no result line")
        return result


class _Empty(BuiltinMaster):
    """No connection is no data, and no data is ok."""

    async def perform(self, action: Action, access: BusAccess) -> StepResult:
        result = await super().perform(action, access)
        report = result.report
        if report is None or report.error != "disconnected":
            return result
        meters = tuple(meter.model_copy(update={"ok": True, "error": None}) for meter in report.meters)
        return replace(
            result, report=report.model_copy(update={"ok": True, "error": None, "meters": meters}), exit_status=0
        )


class _Partial(BuiltinMaster):
    """What came before the connection was lost is a value."""

    async def perform(self, action: Action, access: BusAccess) -> StepResult:
        result = await super().perform(action, access)
        report = result.report
        if report is None or report.error != "disconnected":
            return result
        records = (RecordReport(value=12345678),)
        meters = tuple(meter.model_copy(update={"records": records}) for meter in report.meters)
        return replace(result, report=report.model_copy(update={"meters": meters}))


def _made(master: type[BuiltinMaster]) -> Making:
    @contextmanager
    def make() -> Iterator[MasterUnderTest]:
        yield master()

    return make


async def _connecting_once(master: Any) -> Any:
    if master._was_open and not (master._runner is not None and master._runner.is_open):
        raise MBusConnectionError("it was lost")
    return await _connected(master)


async def _opening_slowly(master: Any) -> None:
    try:
        await _open(master)
    except MBusConnectionError:
        await asyncio.sleep(20)
        raise


def _wrong_after_ten() -> Making:
    @contextmanager
    def make() -> Iterator[MasterUnderTest]:
        count = 0

        def bit(fcb: MasterFcb, address: int, service: Service = Service.REQ_UD2) -> int:
            nonlocal count
            count += 1
            return _request_bit(fcb, address, service) if count <= 30 else 1

        with patched(MasterFcb, request_bit=bit)() as master:
            yield master

    return make


def _slower_and_slower() -> Making:
    @contextmanager
    def make() -> Iterator[MasterUnderTest]:
        count = 0

        async def query(master: Any, address: Any) -> Any:
            nonlocal count
            count += 1
            await asyncio.sleep(count / 50)
            return await _query(master, address)

        with patched(MBusMaster, query=query)() as master:
            yield master

    return make


def _tired() -> Making:
    """Fails each third readout, and says so."""

    @contextmanager
    def make() -> Iterator[MasterUnderTest]:
        def change(meters: list[MeterReport]) -> list[MeterReport]:
            failed = {"ok": False, "error": "garbled", "records": ()}
            return [meter.model_copy(update=failed if number % 3 == 2 else {}) for number, meter in enumerate(meters)]

        yield Liar(change)

    return make


_naive = patched(master_link, FrameReader=_Naive)
_one_bad_value = patched(readout, _doubt=lambda *of: None)

MUTANTS = [
    Mutant(
        "MUT-RES-PWR-01a",
        "RES-PWR-01",
        "keeps the first part when it begins again",
        Column.REPORT,
        patched(readout, _with_restart=_keeping),
    ),
    Mutant(
        "MUT-RES-PWR-01b",
        "RES-PWR-01",
        "gives up",
        Column.REPORT,
        patched(readout, _with_restart=_giving_up),
        Verdict.NON_STRICT,
    ),
    Mutant(
        "MUT-RES-PWR-01c",
        "RES-PWR-01",
        "calls the first part a readout",
        Column.REPORT,
        together(patched(readout, _with_restart=_keeping_what_came), lying(_nothing_more)),
    ),
    Mutant("MUT-RES-PWR-02", "RES-PWR-02", "never looks whether a telegram comes again", Column.REPORT, _one_bad_value),
    Mutant(
        "MUT-RES-DIS-01a",
        "RES-DIS-01",
        "spins on the end of the file",
        Column.REPORT,
        patched(Runner, _end_with=_spinning, _on_timer=lambda self: None),
    ),
    Mutant(
        "MUT-RES-DIS-01b",
        "RES-DIS-01",
        "never connects again",
        Column.REPORT,
        patched(MBusMaster, _connected=_connecting_once),
        Verdict.NON_STRICT,
    ),
    Mutant("MUT-RES-DIS-01c", "RES-DIS-01", "shows part of an answer", Column.REPORT, _made(_Partial)),
    Mutant("MUT-RES-DIS-02a", "RES-DIS-02", "leaves with a traceback", Column.REPORT, _made(_Crashing)),
    Mutant("MUT-RES-DIS-02b", "RES-DIS-02", "is ok without data", Column.REPORT, _made(_Empty)),
    Mutant(
        "MUT-RES-DIS-02c", "RES-DIS-02", "tells it after 20 s", Column.TIMING, patched(MBusMaster, open=_opening_slowly)
    ),
    Mutant("MUT-RES-SYN-01a", "RES-SYN-01", "keeps the half, and trusts the length", Column.REPORT, _naive),
    Mutant("MUT-RES-GON-01a", "RES-GON-01", "keeps the last good value", Column.REPORT, _last_good()),
    Mutant(
        "MUT-RES-GON-01b",
        "RES-GON-01",
        "does not ask again",
        Column.REPORT,
        patched(MBusMaster, query=_failing_for_ever),
    ),
    Mutant("MUT-RES-END-01a", "RES-END-01", "does not toggle after ten readouts", Column.REPORT, _wrong_after_ten()),
    Mutant("MUT-RES-END-01b", "RES-END-01", "becomes slower and slower", Column.TIMING, _slower_and_slower()),
    Mutant("MUT-RES-END-01c", "RES-END-01", "fails too often", Column.REPORT, _tired()),
]
