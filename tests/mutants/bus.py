"""Masters that are wrong about more than one talker."""

from __future__ import annotations

from mbusbench.codec.frame import ACK, LongFrame, ShortFrame
from mbusbench.protocol.master_link import MasterLink
from mbusbench.protocol.outcome import Received, Reply
from mbusbench.scenario.report import MeterReport
from mbusbench.scenario.verdict import Column
from tests.mutants import Mutant
from tests.mutants.making import lying, patched

_take = MasterLink._take


def _no_errors(meters: list[MeterReport]) -> list[MeterReport]:
    return [meter.model_copy(update={"ok": True, "error": None}) for meter in meters]


def _take_echo(link: MasterLink, item: Received, now: int) -> None:
    exchange = link._exchange
    if isinstance(item, LongFrame | ShortFrame) and exchange is not None and item == exchange.request:
        link._finish(Reply(ACK, 1), now)
    else:
        _take(link, item, now)


MUTANTS = [
    Mutant("MUT-BUS-COL-01", "BUS-COL-01", "calls a collision ok", Column.REPORT, lying(_no_errors)),
    Mutant(
        "MUT-BUS-ECH-01",
        "BUS-ECH-01",
        "takes its echo for an answer",
        Column.REPORT,
        patched(MasterLink, _take=_take_echo),
    ),
]
