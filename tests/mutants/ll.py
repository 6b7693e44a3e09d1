"""Masters that are wrong about the link layer."""

from __future__ import annotations

from collections.abc import Sequence

from mbusbench.codec.frame import LongFrame
from mbusbench.protocol.exchange import Exchange
from mbusbench.protocol.fcb import MasterFcb
from mbusbench.protocol.link_state import LinkState
from mbusbench.protocol.master_link import MasterLink
from mbusbench.protocol.procedures import readout
from mbusbench.scenario.report import MeterReport
from mbusbench.scenario.verdict import Column, Verdict
from tests.mutants import Mutant
from tests.mutants.links import (
    linked_by,
    long_frame,
    reading_loosely,
    with_one_link_reset,
    without_link_reset,
    without_toggling,
)
from tests.mutants.making import lying, patched, together, with_options

_request_bit = MasterFcb.request_bit


def _no_errors(meters: list[MeterReport]) -> list[MeterReport]:
    return [meter.model_copy(update={"ok": True, "error": None}) for meter in meters]


def _unspecified(meters: list[MeterReport]) -> list[MeterReport]:
    return [meter if meter.ok else meter.model_copy(update={"error": "unspecified"}) for meter in meters]


def _without_checksum(data: bytes) -> LongFrame | None:
    whole = len(data) > 8 and data[0] == data[3] == 0x68 and data[1] == data[2] and data[-1] == 0x16
    return long_frame(data) if whole and len(data) == data[1] + 6 else None


class _KeepsInput(MasterLink):
    """What came between requests is the answer to the next one."""

    def __init__(self, *arguments: int, **options: int) -> None:
        super().__init__(*arguments, **options)
        self._kept: list[tuple[bytes, Sequence[int]]] = []

    def receive(self, data: bytes, now: int, wrong: Sequence[int] = ()) -> None:
        if self.state is LinkState.IDLE:
            self._kept.append((data, wrong))
        else:
            super().receive(data, now, wrong)

    def start(self, exchange: Exchange, now: int) -> bytes:
        request = super().start(exchange, now)
        for data, wrong in self._kept:
            super().receive(data, now, wrong)
        self._kept.clear()
        return request


MUTANTS = [
    Mutant("MUT-LL-ACK-01a", "LL-ACK-01", "E5 is an empty reading", Column.REPORT, lying(_no_errors)),
    Mutant(
        "MUT-LL-ACK-01b",
        "LL-ACK-01",
        "does not say why it failed",
        Column.REPORT,
        lying(_unspecified),
        Verdict.NON_STRICT,
    ),
    Mutant(
        "MUT-LL-CHK-01", "LL-CHK-01", "does not check the checksum", Column.REPORT, reading_loosely(_without_checksum)
    ),
    Mutant(
        "MUT-LL-CHK-04",
        "LL-CHK-04",
        "takes anybody's answer",
        Column.REPORT,
        patched(MasterLink, _take_foreign=lambda self, item, now: self._take_data(item, now, self._exchange)),
    ),
    Mutant(
        "MUT-LL-FCB-01",
        "LL-FCB-01",
        "begins with 5B",
        Column.WIRE,
        patched(MasterFcb, request_bit=lambda self, *of: 1 - _request_bit(self, *of)),
        is_sane=False,
    ),
    Mutant(
        "MUT-LL-FCB-02",
        "LL-FCB-02",
        "resets a link once, and never toggles",
        Column.REPORT,
        together(with_one_link_reset, without_toggling),
    ),
    Mutant(
        "MUT-LL-FCB-03",
        "LL-FCB-03",
        "begins with 7B and without a link reset",
        Column.REPORT,
        without_link_reset,
        is_sane=False,
    ),
    Mutant(
        "MUT-LL-LAT-03",
        "LL-LAT-03",
        "keeps its input, and resets no link",
        Column.REPORT,
        together(without_link_reset, linked_by(_KeepsInput)),
        is_sane=False,
    ),
    Mutant("MUT-LL-RTY-01a", "LL-RTY-01", "repeats nothing", Column.WIRE, with_options(retries=0)),
    Mutant("MUT-LL-RTY-01b", "LL-RTY-01", "repeats once", Column.WIRE, with_options(retries=1)),
    Mutant(
        "MUT-LL-RTY-03",
        "LL-RTY-03",
        "gives up after three failures",
        Column.WIRE,
        patched(readout, _may_be_an_accident=lambda *of: False),
        Verdict.NON_STRICT,
    ),
]
